"""When identities were last used."""

from typing import Any

from azwi_cli.serviceaccount import uses
from azwi_commands.world import World
from azwi_emulator.messages import Fault


def row(client_id: str, tenant_id: str = "") -> dict[str, Any]:
    return {"clientId": client_id, "tenantId": tenant_id}


def told(world: World, *rows: dict[str, Any]) -> list[str]:
    found, why = uses.told(rows, world.peers(), ())
    assert not why
    return [one["lastUsed"] for one in found]


def test_ids_compare_without_regard_to_case(world: World) -> None:
    where = world.where
    mine = row(where.client_id.upper(), where.tenant_id.upper())
    (when,) = told(world, mine)
    assert when.endswith("Z")  # azwi's own login


def test_what_leads_nowhere_or_elsewhere_is_not_asked_for(world: World) -> None:
    assert told(world, row(""), row("c", "other"), row("", "other")) == ["", "unknown", ""]
    assert world.control.calls("graph") == []


def test_where_the_report_may_not_be_read_all_are_unknown_with_the_reason(world: World) -> None:
    world.control.fault(Fault(kind="answer", status=403, at=("reports",), body="{}"))
    rows, why = uses.told([row("c"), row("")], world.peers(), ())
    assert [one["lastUsed"] for one in rows] == ["unknown", ""]
    assert "AuditLog.Read.All" in why


def test_a_managed_identity_that_the_report_lacks_may_have_been_used(world: World) -> None:
    mine = world.where.client_id
    managed = [row("M"), row(mine)]
    rows, why = uses.told([*managed, row("app")], world.peers(), {"m", mine.lower()})
    assert rows[0]["lastUsed"] == "unknown"
    assert rows[1]["lastUsed"].endswith("Z")
    assert rows[2]["lastUsed"] == "not reported"
    assert "ManagedIdentitySignInLogs" in why

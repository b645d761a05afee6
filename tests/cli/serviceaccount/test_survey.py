"""``azwi sa list``: what it says of every service account, with and without rights on Entra ID."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from azwi_cli import errors
from azwi_cli.serviceaccount import names
from azwi_cli.serviceaccount.known import Credential
from azwi_commands.world import World, fake_az
from azwi_common import contract
from azwi_emulator.messages import Fault
from azwi_testing import apiserver

GOLDEN = Path(__file__).parent / "golden"
USE = {contract.USE_LABEL: "true"}
IDENTITY = ("--identity-name", "till", "--identity-resource-group", "azwi")


def made(world: World, name: str, *more: str) -> str:
    """A service account by ``azwi sa create``; its client id."""
    named = ("--service-account-namespace", "shop", "--service-account-name", name)
    found: str = world.run("create", *named, *more, "-o", "json").data["clientId"]
    return found


def put(world: World, name: str, client_id: str, **fields: Any) -> None:
    """A service account as somebody else makes it."""
    annotations = {contract.CLIENT_ID_ANNOTATION: client_id} if client_id else {}
    world.cluster.put("serviceaccounts", "shop", name, annotations=annotations, **fields)


def statuses(world: World, *more: str, code: int = 0) -> dict[str, str]:
    rows = world.run("list", *more, "-o", "json", code=code).data["serviceAccounts"]
    return {row["name"]: row["status"] for row in rows}


@pytest.fixture
def shop(world: World) -> World:
    """One service account of each kind."""
    cart = made(world, "cart", "--aad-application-name", "cart")
    till = made(world, "till", *IDENTITY)
    made(world, "stock", "--aad-application-name", "stock", "--audience", "api://elsewhere")
    put(world, "copy", cart)
    put(world, "shared", till)
    put(world, "gone", "00000000-0000-4000-8000-000000000000")
    put(world, "bare", "", labels=USE)
    world.cluster.put("serviceaccounts", "shop", "default")
    return world


def test_each_kind_has_its_status(shop: World) -> None:
    assert statuses(shop, code=errors.Code.ATTENTION) == {
        "cart": "ok",
        "till": "ok",
        "stock": "mismatch",
        "copy": "missing",
        "shared": "missing",
        "gone": "no-identity",
        "bare": "no-client-id",
    }


def test_what_people_read(shop: World) -> None:
    ran = shop.process("list", code=errors.Code.ATTENTION)
    text = f"{ran.out}---\n{ran.err}"
    for name in ("cart", "stock"):
        found = shop.graph.by_name(name)
        assert found is not None
        text = text.replace(found.client_id, f"{{{name}-client-id-of-36-letters-------}}"[:36])
    till = shop.arm.identity("azwi", "till")
    assert till is not None
    text = text.replace(till.client_id, "{till-client-id-of-36-letters-----}")
    text = text.replace(names.credential("shop", "stock", shop.where.issuer), "{credential}")
    assert text == (GOLDEN / "list.txt").read_text()


def test_offline_asks_the_cluster_alone(shop: World) -> None:
    before = len(shop.control.calls()), len(shop.control.exchanges())
    found = statuses(shop, "--offline")
    assert {found[name] for name in ("cart", "till", "gone")} == {"unknown"}
    assert (len(shop.control.calls()), len(shop.control.exchanges())) == before


def test_a_namespace_alone_is_listed_by_its_own_right(shop: World) -> None:
    shop.cluster.faults.append(apiserver.Fault("^/api/v1/serviceaccounts", status=403))
    assert "cart" in statuses(shop, "--namespace", "shop", code=errors.Code.ATTENTION)
    assert statuses(shop, "--namespace", "other") == {}
    ran = shop.run("list", code=errors.Code.DENIED)
    assert "does not allow it" in ran.err


def test_without_rights_on_graph_managed_identities_are_still_judged(shop: World) -> None:
    refusal = Fault(
        kind="answer",
        status=403,
        at=("graph",),
        content_type="application/json",
        body='{"error": {"code": "Authorization_RequestDenied", "message": "No."}}',
    )
    shop.control.fault(refusal)
    rows = shop.run("list", "-o", "json", code=errors.Code.ATTENTION).data["serviceAccounts"]
    found = {row["name"]: row for row in rows}
    assert found["till"]["status"] == "ok"
    assert found["shared"]["status"] == "missing"
    assert found["cart"]["status"] == "unknown"
    assert "Authorization_RequestDenied" in found["cart"]["why"]


def test_without_any_login_all_that_can_be_said_is_said(shop: World) -> None:
    ran = shop.process("list", login=False, PATH="/nonexistent", AZURE_TENANT_ID="")
    assert "unknown" in ran.out
    assert "the Azure CLI (az) is not installed" in ran.err


def test_whoever_refuses_is_not_asked_again_for_every_account(world: World) -> None:
    for number in range(5):
        put(world, f"a{number}", f"00000000-0000-4000-8000-00000000000{number}")
    log = world.folder / "log"
    path = fake_az(world, f"echo run >> {log}; echo \"Please run 'az login'\" >&2; exit 1")
    ran = world.process("list", login=False, PATH=path, AZURE_TENANT_ID="")
    assert ran.out.count("unknown") == 5
    assert log.read_text() == "run\n" * 2  # once for ARM, once for Graph
    world.control.fault(Fault(kind="answer", status=403, at=("graph",), body="{}"))
    assert set(statuses(world).values()) == {"unknown"}
    assert len(world.control.calls("graph")) == 1


def test_another_tenants_identity_is_unknown(world: World) -> None:
    put(world, "far", "0e1d2c3b-4a59-4687-9bac-d0e1f2a3b4c5")
    thing = world.cluster.get("serviceaccounts", "shop", "far")
    annotations = {**thing["metadata"]["annotations"], contract.TENANT_ID_ANNOTATION: "other"}
    world.cluster.put("serviceaccounts", "shop", "far", annotations=annotations)
    assert statuses(world) == {"far": "unknown"}


def when_used(world: World, *more: str) -> dict[str, Any]:
    data = world.run("list", "--last-used", "-o", "json", *more).data
    return {row["name"]: row["lastUsed"] for row in data["serviceAccounts"]}


def test_when_an_identity_last_got_a_token_is_shown_where_it_is_asked_for(world: World) -> None:
    cart = made(world, "cart")
    made(world, "till", *IDENTITY)
    put(world, "bare", "", labels=USE)
    assert when_used(world) == {"bare": "", "cart": "not reported", "till": "unknown"}
    assert world.gets_a_token(cart)
    found = when_used(world)
    assert re.fullmatch(r"20\d\d-\d\d-\d\dT[\d:]{8}Z", found["cart"])
    assert found["till"] == "unknown"
    ran = world.process("list", "--last-used")
    assert "Why a last use is unknown: The report has nothing of some managed identities" in ran.err
    head, *lines = ran.out.splitlines()
    assert head.split()[-2:] == ["LAST", "USED"]
    assert next(line for line in lines if " cart " in line).split()[-1] == found["cart"]
    as_yaml = yaml.safe_load(world.run("list", "--last-used", "-o", "yaml").out)
    assert as_yaml == world.run("list", "--last-used", "-o", "json").data
    assert "lastUsed" not in world.run("list", "-o", "json").out


def test_when_it_was_last_used_is_unknown_with_the_reason_where_it_may_not_be_read(
    world: World,
) -> None:
    made(world, "cart")
    code = "Authentication_RequestFromNonPremiumTenantOrB2CTenant"
    refusal = Fault(
        kind="answer",
        status=403,
        at=("reports",),
        content_type="application/json",
        body=json.dumps({"error": {"code": code, "message": "No premium license"}}),
    )
    world.control.fault(refusal)
    assert when_used(world) == {"cart": "unknown"}
    ran = world.run("list", "--last-used")
    assert " ok " in ran.out
    assert ran.out.rstrip().endswith("unknown")
    assert f"sign-in report answers 403 {code}: No premium license" in ran.err
    assert "AuditLog.Read.All" in ran.err


def test_the_report_is_asked_for_once_whatever_is_listed(world: World) -> None:
    for name in ("cart", "till", "stock"):
        put(world, name, made(world, name))
    before = len(world.control.calls("graph"))
    when_used(world)
    paths = [call.path for call in world.control.calls("graph")[before:]]
    assert paths.count("/beta/reports/servicePrincipalSignInActivities") == 1


def test_another_tenants_identity_has_no_last_use(world: World) -> None:
    annotations = {
        contract.CLIENT_ID_ANNOTATION: "0e1d2c3b-4a59-4687-9bac-d0e1f2a3b4c5",
        contract.TENANT_ID_ANNOTATION: "other",
    }
    world.cluster.put("serviceaccounts", "shop", "far", annotations=annotations)
    assert when_used(world) == {"far": "unknown"}


def test_last_used_and_offline_exclude_each_other(world: World) -> None:
    ran = world.run("list", "--last-used", "--offline", code=errors.Code.USAGE)
    assert "--last-used asks Entra ID, and --offline does not." in ran.err


@pytest.fixture
def bound(world: World) -> World:
    """The service account ``till`` without a credential; its identity has a binding's."""
    target = world.arm.create("azwi", "till", "westeurope", {})
    credential = Credential(
        name="aks-identity-binding",
        issuer=f"https://ib.oic.prod-aks.azure.com/t/{target.client_id}",
        subject="any",
        audience="api://AzureADTokenExchange",
    )
    world.arm.put_credential(target, credential)
    put(world, "till", target.client_id)
    return world


def test_an_account_that_may_use_an_identity_binding_needs_no_credential(bound: World) -> None:
    target = bound.arm.identity("azwi", "till")
    assert target is not None
    bound.cluster.bound.add((names.subject("shop", "till"), target.client_id))
    assert statuses(bound) == {"till": "identity-binding"}


def test_an_identity_binding_of_others_is_no_help(bound: World) -> None:
    ran = bound.run("list", code=errors.Code.ATTENTION)
    assert " missing" in ran.out
    assert "no role here lets the account use that" in ran.err


def test_who_may_not_ask_for_rights_is_told_that_a_binding_is_not_known(bound: World) -> None:
    bound.cluster.faults.append(apiserver.Fault("subjectaccessreviews", status=403))
    assert statuses(bound) == {"till": "unknown"}
    assert "subjectaccessreviews" in bound.run("list").err


def test_nothing_to_list_is_a_sentence(world: World) -> None:
    assert world.run("list").out == "No service account has a workload identity.\n"

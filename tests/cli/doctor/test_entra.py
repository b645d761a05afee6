"""The federated credentials of a pod's identities, read from Entra ID and ARM where one may."""

import dataclasses
import json
import shlex
import time
from pathlib import Path
from typing import Any

import pytest

from azwi_cli import __main__, errors
from azwi_cli.doctor import entra
from azwi_cli.serviceaccount.known import Account, Credential, Kind, Target
from azwi_commands import patients
from azwi_commands.world import fake_az
from azwi_common import contract
from azwi_emulator.messages import Fault

GONE = "0e1d2c3b-4a59-4687-9bac-d0e1f2a3b4c5"
FITS: dict[str, Any] = {"subject": patients.SUBJECT, "audience": contract.TOKEN_EXCHANGE_AUDIENCE}
REFUSAL = Fault(
    kind="answer",
    status=403,
    at=("graph",),
    content_type="application/json",
    body='{"error": {"code": "Authorization_RequestDenied", "message": "No."}}',
)
OK = b'{"msg": "token exchange", "client": "%s", "scope": "s", "reason": "ok"}\n'


def made(clinic: Any, kind: Kind, name: str, **changed: Any) -> str:
    """An identity with a credential that fits but for what is ``changed``; its client id."""
    target = bare(clinic, kind, name)
    given = Credential(name="mine", **{"issuer": clinic.issuer, **FITS, **changed})
    if kind is Kind.APPLICATION:
        clinic.world.graph.create_credential(target, given, Account("shop", "app"))
    else:
        clinic.world.arm.put_credential(target, given)
    return target.client_id


def bare(clinic: Any, kind: Kind, name: str) -> Target:
    """An identity without a credential."""
    found: Target = (
        clinic.world.graph.create(name)
        if kind is Kind.APPLICATION
        else clinic.world.arm.create("azwi", name, "westeurope", {})
    )
    return found


@pytest.mark.parametrize("kind", Kind)
def test_one_that_matches_is_found_and_nothing_is_said(clinic: Any, kind: Kind) -> None:
    clinic.admit(made(clinic, kind, "till"))
    assert clinic.run() == {}


SEEDS: dict[str, tuple[dict[str, str], str]] = {
    "another namespace": ({"subject": "system:serviceaccount:other:app"}, "the namespace differs"),
    "another account": ({"subject": "system:serviceaccount:shop:x"}, "account's name differs"),
    "another case": ({"subject": "system:serviceaccount:Shop:app"}, "upper and lower case differ"),
    "another issuer": ({"issuer": "https://oidc.example/old"}, "another cluster's"),
    "another audience": ({"audience": "api://AzureADTokenExchangeUSGov"}, "another audience"),
}


@pytest.mark.parametrize("name", SEEDS)
@pytest.mark.parametrize("kind", Kind)
def test_the_letter_that_differs_is_named_and_no_other_check_speaks(
    clinic: Any, kind: Kind, name: str
) -> None:
    changed, says = SEEDS[name]
    clinic.admit(made(clinic, kind, "till", **changed))
    found = clinic.run()
    assert set(found) == {"credential"}
    assert says in found["credential"]["says"]
    assert f"The {kind} till has 1 of 20 federated credentials." in found["credential"]["why"]


@pytest.mark.parametrize("kind", Kind)
def test_the_command_of_the_remedy_mends_it(clinic: Any, kind: Kind) -> None:
    issuer = clinic.issuer
    slash = issuer.rstrip("/") if issuer.endswith("/") else issuer + "/"
    clinic.admit(made(clinic, kind, "till", issuer=slash))
    found = clinic.run()["credential"]
    assert "the slash differs" in found["says"]
    program, _, *arguments = shlex.split(found["remedy"])
    assert program == "azwi"
    clinic.world.run(*arguments)
    assert clinic.run() == {}


def test_without_any_credential_one_is_made_by_the_remedy(clinic: Any) -> None:
    clinic.admit(bare(clinic, Kind.APPLICATION, "till").client_id)
    found = clinic.run()["credential"]
    assert "The application till has no federated credential." in found["says"]
    clinic.world.run(*shlex.split(found["remedy"])[2:])
    assert clinic.run() == {}


def test_each_identity_of_a_map_is_judged(clinic: Any) -> None:
    good = made(clinic, Kind.APPLICATION, "good")
    ill = made(clinic, Kind.IDENTITY, "ill", audience="api://x")
    clinic.admit(good, ill, GONE)
    found = clinic.run()
    assert set(found) == {"credential", "identity"}
    assert "of the managed identity ill" in found["credential"]["says"]
    assert GONE in found["identity"]["says"]


def test_an_identity_that_nobody_knows_is_a_finding_of_its_own(clinic: Any) -> None:
    log = b'{"msg": "token exchange", "client": "%s", "scope": "s", "reason": "AADSTS700016"}\n'
    clinic.admit(GONE, log=log % GONE.encode())
    found = clinic.run()
    assert set(found) == {"identity"}
    assert clinic.world.where.tenant_id in found["identity"]["says"]


@pytest.mark.parametrize("tenant", ["7e4a47e4-a471-4e4a-8471-7e4a47e4a471", "contoso.com"])
def test_an_identity_that_may_be_in_another_tenant_is_unknown(clinic: Any, tenant: str) -> None:
    clinic.admit(GONE, tenant_id=tenant)
    found = clinic.run()
    assert found["credential"]["status"] == "warn"
    assert tenant in found["credential"]["says"]
    assert "--tenant-id" in found["credential"]["remedy"]


def test_without_rights_on_graph_it_is_unknown_and_goes_by_the_log(clinic: Any) -> None:
    client_id = made(clinic, Kind.APPLICATION, "till")
    clinic.admit(client_id)
    clinic.world.control.fault(REFUSAL)
    found = clinic.run()
    assert found["credential"]["status"] == "warn"
    assert "answers 403 Authorization_RequestDenied" in found["credential"]["says"]
    assert "Application.Read.All" in found["credential"]["remedy"]
    clinic.admit(client_id, log=OK % client_id.encode())
    assert clinic.run() == {}


def test_without_rights_on_graph_a_managed_identity_is_judged_still(clinic: Any) -> None:
    clinic.admit(made(clinic, Kind.IDENTITY, "till", audience="x"))
    clinic.world.control.fault(REFUSAL)
    assert "audience" in clinic.run()["credential"]["says"]


def test_whoever_is_throttled_for_a_moment_tries_again(clinic: Any) -> None:
    clinic.admit(made(clinic, Kind.APPLICATION, "till"))
    busy = dataclasses.replace(REFUSAL, status=429, retry_after="0", times=2)
    clinic.world.control.fault(busy)
    assert clinic.run() == {}


def test_whoever_is_throttled_for_long_is_told_so(clinic: Any) -> None:
    clinic.admit(made(clinic, Kind.APPLICATION, "till"))
    clinic.world.control.fault(dataclasses.replace(REFUSAL, status=429))
    found = clinic.run()
    assert found["credential"]["status"] == "warn"
    assert "429" in found["credential"]["says"]


def test_nobody_waits_for_an_azure_that_does_not_answer(
    clinic: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(entra, "PATIENCE", 0.5)
    monkeypatch.setattr(entra, "QUIET", 0.1)
    clinic.admit(made(clinic, Kind.APPLICATION, "till"), GONE)
    clinic.world.control.fault(Fault(kind="hang", at=("graph",)))
    start = time.monotonic()
    found = clinic.run()
    assert time.monotonic() - start < 5
    assert "no answer in 0.5 s" in found["credential"]["says"]
    assert clinic.noted == "Waiting for Azure …\n"


def test_no_entra_asks_nobody(clinic: Any) -> None:
    clinic.admit(made(clinic, Kind.APPLICATION, "till", audience="x"))
    before = len(clinic.world.control.calls())
    assert clinic.run("--no-entra") == {}
    assert len(clinic.world.control.calls()) == before


def test_files_are_compared_where_it_is_asked_for_and_only_there(
    clinic: Any, tmp_path: Path
) -> None:
    client_id = made(clinic, Kind.APPLICATION, "till", subject="system:serviceaccount:other:app")
    account = {**patients.account(client_id=client_id), "kind": "ServiceAccount"}
    items = [{"apiVersion": "v1", **thing} for thing in (account, patients.raw_pod())]
    file = tmp_path / "list.json"
    file.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": items}))
    arguments = ("doctor", "-f", str(file), "-n", "shop", "--auth-method", "client_secret")
    assert __main__.main(arguments) == 0
    assert "credential" not in clinic.world.capture()[0]
    assert __main__.main([*arguments, "--entra"]) == errors.Code.FAILED
    assert "the namespace differs" in clinic.world.capture()[0]


def test_flags_that_are_wrong_are_an_error_only_where_they_matter(clinic: Any) -> None:
    clinic.admit(GONE)
    wrong = {"AZURE_ENVIRONMENT": "AzureStackCloud", "AZWI_AZURE_ENV_FILE": ""}
    ran = clinic.process("--entra", code=errors.Code.USAGE, **wrong)
    assert "There is no cloud 'AzureStackCloud'" in ran.err
    ran = clinic.process(code=3, PATH=fake_az(clinic.world), **wrong)
    assert "not compared. There is no cloud" in ran.err


# --- As a process: who is logged in ---------------------------------------------------------------


def pod_of(text: str) -> str:
    return text[text.index("pod shop/app-1") :]


def test_where_the_azure_cli_is_logged_in_it_is_asked_unasked(clinic: Any) -> None:
    clinic.admit(made(clinic, Kind.APPLICATION, "till", audience="api://x"))
    ran = clinic.process(code=1, PATH=fake_az(clinic.world))
    assert "fail  The audience of the federated credential mine of the application till" in ran.out
    assert "eyJ" not in ran.out + ran.err


def test_where_nobody_is_logged_in_all_goes_as_without(clinic: Any) -> None:
    clinic.admit(GONE)
    out = fake_az(clinic.world, "echo \"Please run 'az login'\" >&2; exit 1")
    ran = clinic.process(code=3, PATH=out)
    assert "credential" not in pod_of(ran.out)
    assert ran.err.startswith("Federated credentials were not compared. The Azure CLI gives no")
    assert "az login" in ran.err


def test_where_there_is_no_azure_cli_nothing_is_said(clinic: Any) -> None:
    clinic.admit(GONE)
    ran = clinic.process(code=3, PATH="/nonexistent")
    assert "credential" not in pod_of(ran.out)
    assert ran.err == ""


def test_whoever_asks_for_it_without_a_login_is_told_why_it_is_unknown(clinic: Any) -> None:
    clinic.admit(GONE)
    ran = clinic.process("--entra", code=3, PATH="/nonexistent")
    assert "is unknown: The Azure CLI gives no token" in ran.out
    assert "Run az login" in ran.out

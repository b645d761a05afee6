"""``azwi sa create`` and ``azwi sa delete``, against the emulator and a cluster."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from azwi_cli import __main__, errors
from azwi_cli.serviceaccount.known import Credential
from azwi_commands.world import World
from azwi_common import contract
from azwi_emulator.messages import Fault, Kind, Place
from azwi_testing import apiserver, plain_environment

GOLDEN = Path(__file__).parent / "golden"
CART = ("--service-account-namespace", "shop", "--service-account-name", "cart")
IDENTITY = ("--identity-name", "cart", "--identity-resource-group", "azwi")
CLIENT_ID = contract.CLIENT_ID_ANNOTATION
PLACES: tuple[Place, ...] = ("token", "graph", "arm")


def role(world: World, name: str = "Reader") -> tuple[str, ...]:
    return ("--azure-role", name, "--azure-scope", world.scope)


def client_id(world: World) -> str:
    metadata = world.account()
    assert metadata is not None
    found: str = metadata["annotations"][CLIENT_ID]
    return found


def golden(name: str, text: str, world: World, **more: str) -> None:
    """Compare with a golden file; what differs from run to run has a name there."""
    where = world.where
    named = {**more, "issuer": where.issuer, "scope": world.scope, "tenant": where.tenant_id}
    for key, value in named.items():
        text = text.replace(value, "{" + key + "}")
    assert text == (GOLDEN / name).read_text()


# --- What people and programs read ----------------------------------------------------------------


def test_nothing_exists_and_then_a_pod_gets_a_token_until_it_is_deleted(world: World) -> None:
    made = world.process("create", *CART, *role(world), "--wait")
    who = client_id(world)
    named = {"client": who, "application": world.graph.by_client_id(who).name}  # type: ignore[union-attr]  # it was made just now
    golden("create.txt", made.out, world, **named)
    assert made.err.splitlines()[-1] == "Entra ID takes the tokens of shop/cart."
    assert world.gets_a_token(who)
    golden("create-again.txt", world.process("create", *CART, *role(world)).out, world, **named)
    gone = world.process("delete", *CART, "--yes")
    golden("delete.txt", gone.out, world, **named)
    assert not world.gets_a_token(who)
    assert world.account() is None
    golden("delete-again.txt", world.process("delete", *CART, "--yes").out, world, **named)


def test_a_managed_identity_is_made_tagged_and_deleted(world: World) -> None:
    made = world.process("create", *CART, *IDENTITY, *role(world), "--wait")
    who = client_id(world)
    golden("create-identity.txt", made.out, world, client=who)
    assert world.gets_a_token(who)
    identity = world.arm.identity("azwi", "cart")
    assert identity is not None
    assert identity.tags == {"azwi-made-for": "shop/cart"}
    gone = world.process("delete", *CART, *IDENTITY, "--yes")
    golden("delete-identity.txt", gone.out, world, client=who)
    assert world.arm.identity("azwi", "cart") is None
    assert world.arm.assignments(identity.principal_id) == ()
    assert not world.gets_a_token(who)


def test_a_program_reads_the_steps_and_the_ids(world: World) -> None:
    data = world.run("create", *CART, "-o", "json").data
    assert [step["action"] for step in data["steps"]] == ["create"] * 4 + ["skip"]
    assert data["clientId"] == client_id(world)
    assert data["tenantId"] == world.where.tenant_id
    assert (data["done"], data["changed"]) == (True, True)
    again = world.run("create", *CART, "-o", "json").data
    assert {step["action"] for step in again["steps"]} == {"keep", "skip"}
    assert not again["changed"]


def test_run_twice_nothing_is_written(world: World) -> None:
    world.run("create", *CART, *role(world))
    before, metadata = world.writes(), world.account()
    world.run("create", *CART, *role(world))
    assert (world.writes(), world.account()) == (before, metadata)


@pytest.mark.parametrize("command", ["create", "delete"])
def test_a_dry_run_shows_the_plan_and_writes_nothing(world: World, command: str) -> None:
    if command == "delete":
        world.run("create", *CART)
    before = world.writes()
    ran = world.run(command, *CART, "--dry-run")
    assert "Nothing was changed: this is what would be done." in ran.out
    assert f"{command}    " in ran.out
    assert world.writes() == before


def test_delete_asks_and_without_a_terminal_refuses(world: World) -> None:
    world.run("create", *CART)
    before = world.writes()
    ran = world.process("delete", *CART, code=errors.Code.USAGE)
    assert "delete    service account shop/cart" in ran.err
    assert "Add --yes" in ran.err
    assert world.writes() == before


def test_no_secret_is_in_any_output(world: World) -> None:
    secret = world.variables["AZURE_CLIENT_SECRET"]
    for arguments in (("create", *CART, "--debug", "--wait"), ("list", "--debug")):
        ran = world.process(*arguments)
        assert secret not in ran.out + ran.err
        assert "eyJ" not in ran.out + ran.err  # the beginning of every JWT
    wrong = world.process("create", *CART, "--debug", code=None, AZURE_CLIENT_SECRET="wr0ng-one")
    assert wrong.code == errors.Code.DENIED
    assert "wr0ng-one" not in wrong.out + wrong.err
    assert "AADSTS7000215" in wrong.err


# --- Interrupted at every request -----------------------------------------------------------------


def check_complete(world: World, target: tuple[str, ...]) -> None:
    """Everything is there, once, and works."""
    who = client_id(world)
    assert world.gets_a_token(who)
    peers = world.peers()
    found = peers.arm().identity("azwi", "cart") if target else peers.graph.by_client_id(who)
    assert found is not None
    if not target:
        assert peers.graph.by_name(found.name)  # raises where there are two
    assert len(peers.credentials(found)) == 1
    assert len(peers.arm().assignments(found.principal_id)) == 1


def fails_at(world: World, kind: Kind, number: int, *command: str) -> bool:
    """Run it so that from that request on nothing is answered; whether it got so far."""
    world.control.fault(Fault(kind=kind, at=PLACES, after=number))
    try:
        ended = exit_code(world, *command)
    finally:
        world.control.clear_faults()
    assert ended in (0, errors.Code.UNAVAILABLE)
    return ended != 0


def exit_code(world: World, *command: str) -> int:
    ended = __main__.main(["sa", *command, "--auth-method", "client_secret"])
    _, err = world.capture()
    assert "mistake of azwi's" not in err, err
    return ended


@pytest.mark.parametrize("target", [(), IDENTITY], ids=["application", "identity"])
@pytest.mark.parametrize("kind", ["reset", "truncate"])
def test_interrupted_at_any_request_create_finishes_when_run_again(
    world: World, kind: Kind, target: tuple[str, ...]
) -> None:
    command = ("create", *CART, *target, *role(world))
    number = 0
    while fails_at(world, kind, number, *command):
        world.run(*command)
        check_complete(world, target)
        world.anew()
        number += 1
    assert number == (7 if target else 9)


@pytest.mark.parametrize("target", [(), IDENTITY], ids=["application", "identity"])
@pytest.mark.parametrize("kind", ["reset", "truncate"])
def test_interrupted_at_any_request_delete_finishes_when_run_again(
    world: World, kind: Kind, target: tuple[str, ...]
) -> None:
    command = ("delete", *CART, *target, "--yes")
    for number in range(50):
        world.run("create", *CART, *target, *role(world))
        who = client_id(world)
        failed = fails_at(world, kind, number, *command)
        world.run(*command)
        assert world.account() is None
        assert world.peers().graph.by_client_id(who) is None
        assert not world.gets_a_token(who)
        if not failed:
            break
    assert number > 3


@pytest.mark.parametrize("status", [0, 500])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_cluster_that_fails_halfway_is_no_harm(world: World, method: str, status: int) -> None:
    world.cluster.faults.append(
        apiserver.Fault("serviceaccounts", status=status, times=1, method=method)
    )
    ran = world.run("create", *CART, code=errors.Code.UNAVAILABLE)
    assert "it goes on from there." in ran.err or method == "GET"
    world.run("create", *CART, *role(world))
    check_complete(world, ())


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_killed_while_a_request_hangs_it_finishes_when_run_again(
    world: World, number: signal.Signals
) -> None:
    world.control.fault(Fault(kind="hang", at=("graph",), after=4))
    command = [sys.executable, "-m", "azwi_cli", "sa", "create", *CART]
    with subprocess.Popen(
        [*command, "--auth-method", "client_secret"],
        env={**plain_environment(), "HOME": "/nonexistent", **world.variables},
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=_interruptible,
    ) as process:
        apiserver.until(lambda: len(world.control.calls("graph")) >= 5, timeout=20)
        process.send_signal(number)
        _, said = process.communicate(timeout=20)
    if number is signal.SIGINT:
        assert process.returncode == errors.Code.INTERRUPTED
        assert "service account shop/cart\nRun it again: it goes on from there." in said
    world.control.clear_faults()
    world.run("create", *CART, *role(world))
    check_complete(world, ())


def _interruptible() -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may have it ignored


LATE = Fault(kind="lag", seconds=1)
"""So long no list shows what was written; longer than it takes to run it again."""
KINDS = ("applications", "servicePrincipals")


def check_once(world: World) -> None:
    """Of application, service principal and credential there is one, once lists show them."""
    world.control.clear_faults()
    time.sleep(LATE.seconds + 0.1)  # what was written last is seen so late
    peer = world.graph
    everything = {kind: list(peer._rest.pages(f"/v1.0/{kind}")) for kind in KINDS}
    assert {kind: len(items) for kind, items in everything.items()} == dict.fromkeys(KINDS, 1)
    check_complete(world, ())


@pytest.mark.parametrize("lost", ["service principal", "credential"])
def test_whose_answer_was_lost_runs_it_again_at_once_and_nothing_is_there_twice(
    world: World, lost: str
) -> None:
    world.control.fault(LATE)
    number = {"service principal": 3, "credential": 4}[lost]
    world.control.fault(Fault(kind="truncate", at=("graph",), after=number))
    assert exit_code(world, "create", *CART, *role(world)) == errors.Code.UNAVAILABLE
    world.control.clear_fault("truncate")
    world.run("create", *CART, *role(world))
    check_once(world)


def test_killed_just_after_the_application_was_made_and_run_again_at_once_there_is_one(
    world: World,
) -> None:
    world.control.fault(LATE)
    world.control.fault(Fault(kind="hang", at=("graph",), after=3))
    command = [sys.executable, "-m", "azwi_cli", "sa", "create", *CART]
    with subprocess.Popen(
        [*command, "--auth-method", "client_secret"],
        env={**plain_environment(), "HOME": "/nonexistent", **world.variables},
        stderr=subprocess.DEVNULL,
    ) as process:
        apiserver.until(lambda: len(world.control.calls("graph")) >= 4, timeout=20)
        process.kill()
    world.control.clear_fault("hang")
    assert [call.status for call in world.control.calls("graph")][2] == 201
    world.run("create", *CART, *role(world))
    check_once(world)


# --- What heals by itself -------------------------------------------------------------------------


def test_what_replicates_late_is_waited_for(world: World) -> None:
    world.control.fault(Fault(kind="lag", seconds=0.5))
    world.run("create", *CART, *role(world), "--wait")
    assert world.gets_a_token(client_id(world))


def test_throttling_is_waited_for_as_long_as_it_says(world: World) -> None:
    for number, place in enumerate(("graph", "arm")):
        fault = Fault(kind="throttle", at=(place,), after=1, times=1, retry_after="1")  # type: ignore[arg-type]  # one of the places
        world.control.fault(fault, name=f"throttle-{number}")
    before = time.monotonic()
    world.run("create", *CART, *role(world))
    assert time.monotonic() - before >= 2


def test_another_write_on_the_identity_is_waited_for(world: World) -> None:
    world.control.fault(Fault(kind="concurrent", at=("credentials",), times=3))
    world.run("create", *CART, *IDENTITY)
    codes = [call.code for call in world.control.calls("arm") if call.code]
    assert codes.count("ConcurrentFederatedIdentityCredentialsWritesForSingleManagedIdentity") == 3
    assert world.gets_a_token(client_id(world))


# --- Phases ---------------------------------------------------------------------------------------


def test_the_phases_one_by_one_make_the_same_as_all_at_once(world: World) -> None:
    issuer = ("--service-account-issuer-url", world.where.issuer)
    name = ("--aad-application-name", "the-app")
    world.run("create", "phase", "aad-application", *name)
    world.run("create", "phase", "sa", *CART, *name)
    world.run("create", "phase", "federated-identity", *CART, *name, *issuer)
    world.run("create", "phase", "ra", "--service-principal-name", "the-app", *role(world))
    assert world.gets_a_token(client_id(world))
    again = world.run("create", *CART, *name, *role(world), "-o", "json").data
    assert not again["changed"]


def test_a_service_principal_that_is_named_may_be_the_one_that_is_made(world: World) -> None:
    """As scripts for the Go tool name both; without a role, nobody is looked for."""
    names = ("--aad-application-name", "the-app", "--service-principal-name", "the-app")
    world.run("create", *CART, *names)
    world.run("create", *CART, *names, *role(world))
    target = world.graph.by_name("the-app")
    assert target is not None
    assert len(world.arm.assignments(target.principal_id)) == 1
    world.run("delete", *CART, *names, *role(world), "--yes")
    assert world.arm.assignments(target.principal_id) == ()
    again = world.run("delete", *CART, *names, *role(world), "--yes", "-o", "json").data
    assert not again["changed"]


def test_a_role_for_another_service_principal_is_its_own_however_often(world: World) -> None:
    other = world.graph.create("other")
    principal_id = world.graph.create_principal(other.client_id)
    names = ("--aad-application-name", "the-app", "--service-principal-name", "other")
    for _ in range(2):
        world.run("create", *CART, *names, *role(world))
    target = world.graph.by_name("the-app")
    assert target is not None
    assert len(world.arm.assignments(principal_id)) == 1
    assert world.arm.assignments(target.principal_id) == ()
    world.run("delete", *CART, *names, "--service-principal-object-id", principal_id, "--yes")
    assert len(world.arm.assignments(principal_id)) == 1


def test_the_phases_of_delete_one_by_one(world: World) -> None:
    name = ("--aad-application-name", "the-app")
    world.run("create", *CART, *name, *role(world))
    who = client_id(world)
    world.run("delete", "phase", "role-assignment", *name, *role(world), "--yes")
    world.run("delete", "phase", "fi", *CART, *name, "--yes")
    assert not world.gets_a_token(who)
    world.run("delete", "phase", "service-account", *CART, "--yes")
    assert world.account() is None
    world.run("delete", "phase", "app", *name, "--yes")
    assert world.graph.by_client_id(who) is None


def test_the_service_account_alone_needs_nobody_but_the_cluster(world: World) -> None:
    world.run("create", "phase", "service-account", *CART, "--aad-application-client-id", "abc")
    assert client_id(world) == "abc"
    assert world.control.calls() == []
    assert world.control.exchanges() == []


def test_skipped_phases_are_left_out(world: World) -> None:
    data = world.run(
        "create", *CART, "--skip-phases", "service-account,role-assignment", "-o", "json"
    ).data
    assert {step["phase"] for step in data["steps"]} == {"aad-application", "federated-identity"}
    assert world.account() is None


# --- Limits, doubts and refusals ------------------------------------------------------------------


def crowd(world: World, count: int) -> None:
    """The managed identity ``cart`` with so many credentials."""
    arm = world.arm
    target = arm.identity("azwi", "cart") or arm.create("azwi", "cart", "westeurope", {})
    for number in range(len(arm.credentials(target)), count):
        subject = f"system:serviceaccount:other:{number}"
        arm.put_credential(
            target,
            Credential(
                name=f"other-{number}", issuer="https://x/", subject=subject, audience="api://a"
            ),
        )


def test_near_the_limit_of_credentials_it_warns_and_beyond_refuses(world: World) -> None:
    crowd(world, 16)
    ran = world.run("create", *CART, *IDENTITY)
    assert "cart then has 17 of 20 federated credentials. AKS identity bindings" in ran.err
    crowd(world, 20)
    other = ("--service-account-namespace", "shop", "--service-account-name", "till")
    refused = world.run("create", *other, *IDENTITY, code=errors.Code.FAILED)
    assert "cart has 20 federated credentials, and Entra ID allows no more." in refused.err
    assert "az aks identity-binding create" in refused.err
    assert world.account("till") is None
    world.run("create", *CART, *IDENTITY)


def test_an_identity_that_others_use_is_kept_and_so_is_one_that_azwi_did_not_make(
    world: World,
) -> None:
    world.arm.create("azwi", "cart", "westeurope", {"team": "shop"})
    world.run("create", *CART, *IDENTITY)
    ran = world.run("delete", *CART, *IDENTITY, "--yes")
    assert "azwi did not make it; 'azwi sa delete phase managed-identity' deletes it" in ran.out
    crowd(world, 1)
    world.run("create", *CART, *IDENTITY)
    ran = world.run("delete", *CART, *IDENTITY, "--yes")
    assert "1 other federated credential" in ran.out
    assert world.arm.identity("azwi", "cart")
    world.run("delete", "phase", "mi", *IDENTITY, "--yes")
    assert world.arm.identity("azwi", "cart") is None


def test_roles_that_may_not_be_seen_do_not_keep_an_application(world: World) -> None:
    world.run("create", *CART)
    world.control.fault(
        Fault(
            kind="answer",
            status=403,
            at=("arm",),
            content_type="application/json",
            body='{"error": {"code": "AuthorizationFailed", "message": "No."}}',
        )
    )
    ran = world.run("delete", *CART, "--yes")
    assert "Role assignments cannot be looked for" in ran.err
    assert "deleted   application" in ran.out


def test_roles_that_may_be_seen_and_not_taken_away_can_be_left(world: World) -> None:
    """As whoever has Managed Identity Contributor alone."""
    world.run("create", *CART, "--azure-role", "Reader", "--azure-scope", world.scope)
    world.control.fault(
        Fault(
            kind="answer",
            status=403,
            at=("arm",),
            after=1,
            content_type="application/json",
            body='{"error": {"code": "AuthorizationFailed", "message": "No."}}',
        )
    )
    ran = world.run("delete", *CART, "--yes", code=errors.Code.DENIED)
    assert ran.err.endswith("To leave it: --skip-phases role-assignment.\n")
    ran = world.run("delete", *CART, "--yes", "--skip-phases", "role-assignment")
    assert "deleted   application" in ran.out


def test_what_was_done_before_a_failure_is_told(world: World) -> None:
    world.cluster.faults.append(apiserver.Fault("serviceaccounts", status=403, method="POST"))
    ran = world.run("create", *CART, code=errors.Code.DENIED)
    assert ran.err.startswith("created   application shop-cart-")
    assert "Run it again: it goes on from there." in ran.err
    assert ran.out == ""


def test_two_applications_of_one_name_are_told_apart_by_id(world: World) -> None:
    one = world.graph.create("twice")
    world.graph._rest.ask("POST", "/v1.0/applications", {"displayName": "twice"})
    name = ("--aad-application-name", "twice")
    ran = world.run("create", *CART, *name, code=errors.Code.USAGE)
    assert "Say which one with --aad-application-object-id." in ran.err
    assert one.id in ran.err
    world.run("create", *CART, "--aad-application-object-id", one.id)
    assert client_id(world) == one.client_id


def test_a_namespace_that_is_missing_is_told_before_anything_is_made(world: World) -> None:
    other = ("--service-account-namespace", "nowhere", "--service-account-name", "cart")
    ran = world.run("create", *other, code=errors.Code.NOT_FOUND)
    assert "kubectl create namespace nowhere" in ran.err
    assert world.writes() == []


def test_who_may_not_ask_for_the_issuer_may_give_it(world: World) -> None:
    """By default nobody but service accounts and administrators may read it."""
    world.cluster.faults.append(apiserver.Fault("openid-configuration", status=403))
    ran = world.run("create", *CART, code=errors.Code.DENIED)
    assert ran.err.endswith("Or give the issuer: --service-account-issuer-url.\n")
    world.run("create", *CART, "--service-account-issuer-url", world.where.issuer)
    assert world.gets_a_token(client_id(world))


def test_a_credential_that_differs_is_corrected_and_says_how(world: World) -> None:
    world.run("create", *CART, "--audience", "api://elsewhere")
    assert not world.gets_a_token(client_id(world))
    ran = world.run("create", *CART)
    assert "updated   federated credential" in ran.out
    assert "audience until now api://elsewhere" in ran.out
    assert world.gets_a_token(client_id(world))


def test_waiting_ends_in_time_with_what_entra_id_says(world: World) -> None:
    world.run("create", *CART)
    who = client_id(world)
    world.control.fault(Fault(kind="aadsts", code=700213, client_id=who))
    ran = world.run(
        *("create", "phase", "federated-identity", *CART, "--aad-application-client-id", who),
        *("--wait", "--wait-timeout", "1"),
        code=errors.Code.UNAVAILABLE,
    )
    assert "After 1 s Entra ID still takes no token of shop/cart: AADSTS700213" in ran.err


def test_without_permission_for_tokens_it_says_that_it_cannot_prove(world: World) -> None:
    world.cluster.faults.append(apiserver.Fault("/token", status=403))
    ran = world.run("create", *CART, "--wait")
    assert "Whether Entra ID takes its tokens cannot be tried" in ran.err


def test_the_default_account_is_stripped_and_not_deleted(world: World) -> None:
    world.cluster.put("serviceaccounts", "shop", "default", annotations={"mine": "kept"})
    default = ("--service-account-namespace", "shop", "--service-account-name", "default")
    world.run("create", *default)
    world.run("delete", *default, "--yes")
    metadata: Any = world.account("default")
    assert metadata["annotations"] == {"mine": "kept"}
    assert metadata["labels"] == {}


def test_yaml_is_json_in_another_form(world: World) -> None:
    import yaml

    as_yaml = world.run("create", *CART, "--dry-run", "-o", "yaml").out
    as_json = world.run("create", *CART, "--dry-run", "-o", "json").out
    assert yaml.safe_load(as_yaml) == json.loads(as_json)

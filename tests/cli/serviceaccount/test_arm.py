"""ARM, as the emulator speaks it: managed identities and roles."""

import dataclasses
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from azwi_cli import errors
from azwi_cli.serviceaccount import arm as arm_module
from azwi_cli.serviceaccount import names
from azwi_cli.serviceaccount.known import Account, Credential
from azwi_commands.world import World
from azwi_emulator.messages import Fault

CART = Account("shop", "cart", "https://issuer.example/")
NEW = Credential(
    name=names.identity_credential("shop", "cart", CART.issuer),
    issuer=CART.issuer,
    subject=CART.subject,
    audience="api://AzureADTokenExchange",
)


def test_an_identity_is_made_found_and_deleted(world: World) -> None:
    arm = world.arm
    assert arm.identity("azwi", "cart") is None
    made = arm.create("azwi", "cart", arm.location("azwi"), {"a": "b"})
    assert arm.identity("azwi", "cart") == made
    assert arm.identities() == [made]
    arm.delete(made)
    arm.delete(made)
    assert arm.identity("azwi", "cart") is None


def test_a_resource_group_that_is_missing_is_told(world: World) -> None:
    with pytest.raises(errors.NotFound, match="ResourceGroupNotFound"):
        world.arm.identity("nowhere", "cart")


def test_a_credential_is_written_changed_and_removed(world: World) -> None:
    arm = world.arm
    made = arm.create("azwi", "cart", "westeurope", {})
    arm.put_credential(made, NEW)
    assert arm.credentials(made) == (NEW,)
    changed = dataclasses.replace(NEW, audience="api://b")
    arm.put_credential(made, changed)
    assert arm.credentials(made) == (changed,)
    arm.delete_credential(made, NEW)
    arm.delete_credential(made, NEW)
    assert arm.credentials(made) == ()


def test_a_write_waits_for_another_on_the_same_identity(world: World) -> None:
    made = world.arm.create("azwi", "cart", "westeurope", {})
    world.control.fault(Fault(kind="concurrent", at=("credentials",), times=2))
    world.arm.put_credential(made, NEW)
    world.control.fault(Fault(kind="concurrent", at=("credentials",), times=2))
    world.arm.delete_credential(made, NEW)
    assert world.arm.credentials(made) == ()


def test_a_role_is_known_by_name_and_by_guid(world: World) -> None:
    reader = world.arm.role("Reader", world.scope)
    assert world.arm.role(reader.rpartition("/")[2], world.scope).lower() == reader.lower()
    with pytest.raises(errors.NotFound, match="There is no role 'King'"):
        world.arm.role("King", world.scope)


def test_a_role_is_assigned_once_whoever_did_it_first(world: World) -> None:
    arm = world.arm
    made = arm.create("azwi", "cart", "westeurope", {})
    reader = arm.role("Reader", world.scope)
    arm.assign(world.scope, reader, made.principal_id)
    arm.assign(world.scope, reader, made.principal_id)
    (one,) = arm.assignments(made.principal_id)
    arm.unassign(one.id)
    arm.unassign(one.id)
    assert arm.assignments(made.principal_id) == ()
    by_another = f"{world.scope}/providers/Microsoft.Authorization/roleAssignments"
    assert one.id.startswith(by_another)


def test_a_principal_that_replicates_gets_its_role_at_once(world: World) -> None:
    reader = world.arm.role("Reader", world.scope)
    world.control.fault(Fault(kind="lag", seconds=30))
    made = world.arm.create("azwi", "cart", "westeurope", {})
    world.arm.assign(world.scope, reader, made.principal_id)
    assert {call.status for call in world.control.calls("arm")} <= {200, 201}


@pytest.mark.parametrize(
    ("scope", "subscription"),
    [("/subscriptions/s/resourceGroups/g", "s"), ("/SUBSCRIPTIONS/S", "S"), ("/", ""), ("", "")],
)
def test_a_scope_says_its_subscription(scope: str, subscription: str) -> None:
    assert arm_module.subscription_of(scope) == subscription


def test_writers_at_the_same_moment_all_get_their_turn(world: World) -> None:
    made = world.arm.create("azwi", "cart", "westeurope", {})
    clients = [world.arm for _ in range(4)]
    for client in clients:
        client.identities()  # logged in before, so that the writes meet
    start = threading.Barrier(len(clients))

    def write(number: int) -> None:
        start.wait(10)
        new = dataclasses.replace(NEW, name=f"name-{number}", subject=f"subject-{number}")
        clients[number].put_credential(made, new)

    with ThreadPoolExecutor(len(clients)) as pool:
        list(pool.map(write, range(len(clients))))
    assert len(world.arm.credentials(made)) == len(clients)
    codes = {call.code for call in world.control.calls("arm")}
    assert "ConcurrentFederatedIdentityCredentialsWritesForSingleManagedIdentity" in codes

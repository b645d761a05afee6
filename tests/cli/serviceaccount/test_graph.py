"""Microsoft Graph, as the emulator speaks it."""

import dataclasses
from typing import Any

import pytest

from azwi_cli import errors
from azwi_cli.serviceaccount import azure
from azwi_cli.serviceaccount.known import Account, Credential
from azwi_commands.world import World
from azwi_emulator.messages import Fault
from azwi_testing.apiserver import until

CART = Account("shop", "cart", "https://issuer.example/")
NEW = Credential(
    name="n=", issuer=CART.issuer, subject=CART.subject, audience="api://AzureADTokenExchange"
)


def test_an_application_is_found_by_each_of_its_names(world: World) -> None:
    graph = world.graph
    made = graph.create("it's mine")
    made = dataclasses.replace(made, principal_id=graph.create_principal(made.client_id))
    assert graph.by_name("it's mine") == made
    assert graph.by_object_id(made.id) == made
    assert graph.by_client_id(made.client_id) == made
    assert graph.principal_by_name("it's mine") == made.principal_id


@pytest.mark.parametrize("kind", ["passwordCredentials", "keyCredentials"])
def test_an_application_with_a_secret_or_a_certificate_is_known_as_such(
    world: World, kind: str
) -> None:
    made = world.graph.create("it's mine")
    assert not made.has_secrets
    world.graph._rest.ask("PATCH", f"/v1.0/applications/{made.id}", {kind: [{"keyId": "k"}]})
    found = (
        world.graph.by_name("it's mine"),
        world.graph.by_object_id(made.id),
        world.graph.by_client_id(made.client_id),
    )
    assert [one.has_secrets for one in found if one] == [True, True, True]


def test_what_is_not_there_is_none_or_told(world: World) -> None:
    nobody = "00000000-0000-4000-8000-000000000000"
    assert world.graph.by_name("x") is None
    assert world.graph.by_object_id(nobody) is None
    assert world.graph.by_client_id(nobody) is None
    assert world.graph.managed_identity(nobody) == ""
    with pytest.raises(errors.NotFound, match="No service principal is named x"):
        world.graph.principal_by_name("x")


def test_a_service_principal_that_is_there_already_is_taken(world: World) -> None:
    made = world.graph.create("x")
    assert world.graph.create_principal(made.client_id) == world.graph.create_principal(
        made.client_id
    )


def deleted(world: World) -> list[dict[str, Any]]:
    path = "/v1.0/directory/deletedItems/microsoft.graph.application"
    return list(world.graph._rest.pages(path))


def test_an_application_that_no_list_shows_yet_is_not_made_twice(world: World) -> None:
    world.control.fault(Fault(kind="lag", seconds=2))
    made = world.graph.create("It's mine")
    assert world.graph.by_name("It's mine") is None
    assert world.graph.create("it's mine").id == made.id


def test_the_unique_name_of_a_deleted_application_is_left_to_it(world: World) -> None:
    graph = world.graph
    for _ in range(2):
        graph.delete(graph.create("x"))
    made = graph.create("x")
    assert graph.create("x") == made
    assert len({app["uniqueName"] for app in deleted(world)}) == 2


def test_an_application_that_was_renamed_is_not_taken_back(world: World) -> None:
    graph = world.graph
    renamed = graph.create("x")
    graph._rest.ask("PATCH", f"/v1.0/applications/{renamed.id}", {"displayName": "y"})
    made = graph.create("x")
    assert made.id != renamed.id
    assert graph.create("x") == made


def test_a_unique_name_whose_holder_cannot_be_seen_is_done_without(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(azure, "PATIENCE", 0.1)
    graph = world.graph
    renamed = graph.create("x")
    graph._rest.ask("PATCH", f"/v1.0/applications/{renamed.id}", {"displayName": "y"})
    graph.delete(renamed)
    made = graph.create("x")
    assert graph.create("x") == made


def test_who_may_not_see_deleted_applications_makes_one_nevertheless(world: World) -> None:
    graph = world.graph
    graph.delete(graph.create("x"))
    world.control.fault(Fault(kind="answer", status=403, at=("graph",), after=2, times=1))
    assert graph.create("x").name == "x"


@pytest.mark.parametrize("status", [400, 404, 405])
def test_a_graph_without_upsert_makes_applications_nevertheless(world: World, status: int) -> None:
    world.control.fault(Fault(kind="answer", status=status, at=("graph",), times=2))
    assert world.graph.create("x").name == "x"
    assert [call.method for call in world.control.calls("graph")] == ["GET", "PATCH", "POST"]


def test_a_service_principal_that_is_not_seen_yet_is_not_made_twice(world: World) -> None:
    made = world.graph.create("x")
    world.control.fault(Fault(kind="lag", seconds=2))
    principal_id = world.graph.create_principal(made.client_id)
    assert world.graph.create_principal(made.client_id) == principal_id


def test_what_replicates_late_is_waited_for(world: World) -> None:
    world.control.fault(Fault(kind="lag", seconds=2))
    graph = world.graph
    made = graph.create("x")
    graph.create_principal(made.client_id)
    graph.create_credential(made, NEW, CART)
    codes = [call.status for call in world.control.calls("graph")]
    assert 400 in codes


def test_a_credential_is_written_changed_and_removed(world: World) -> None:
    graph = world.graph
    made = graph.create("x")
    graph.create_credential(made, NEW, CART)
    (stored,) = graph.credentials(made)
    assert stored == dataclasses.replace(NEW, id=stored.id)
    graph.update_credential(made, dataclasses.replace(stored, audience="api://b"))
    assert graph.credentials(made)[0].audience == "api://b"
    graph.delete_credential(made, stored)
    graph.delete_credential(made, stored)
    assert graph.credentials(made) == ()


def test_a_credential_that_no_list_shows_yet_is_not_made_twice(world: World) -> None:
    made = world.graph.create("x")
    world.control.fault(Fault(kind="lag", seconds=2))
    world.graph.create_credential(made, NEW, CART)
    assert world.graph.credentials(made) == ()
    changed = dataclasses.replace(NEW, audience="api://b")
    world.graph.create_credential(made, changed, CART)
    world.control.clear_faults()
    until(lambda: world.graph.credentials(made)[0].audience == "api://b")


def test_deleting_twice_is_as_good_as_once(world: World) -> None:
    made = world.graph.create("x")
    world.graph.delete(made)
    world.graph.delete(made)
    assert world.graph.by_name("x") is None


def test_a_managed_identity_is_known_by_its_client_id(world: World) -> None:
    made = world.arm.create("azwi", "cart", "westeurope", {})
    assert world.graph.managed_identity(made.client_id).lower() == made.id.lower()

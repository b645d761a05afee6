"""What is asked of whom for which phases: no more than they need."""

import pytest

from azwi_cli import errors
from azwi_cli.serviceaccount import peers
from azwi_cli.serviceaccount.known import Account, Choice, Kind, Phase, Role, Wanted
from azwi_commands.world import World

CART = Account("shop", "cart", "https://issuer.example/")


def wanted(*phases: Phase, choice: Choice | None = None, role: Role | None = None) -> Wanted:
    return Wanted(phases=phases, choice=choice or Choice(name="x"), account=CART, role=role)


def test_the_cluster_alone_is_asked_where_the_client_id_is_known(world: World) -> None:
    want = wanted(Phase.ACCOUNT, choice=Choice(client_id="c"))
    found = peers.observe(want, world.peers(), deleting=False)
    assert found.account is None
    assert world.control.calls() == []


def test_an_application_that_is_to_be_made_may_be_missing(world: World) -> None:
    found = peers.observe(wanted(Phase.APPLICATION), world.peers(), deleting=False)
    assert found.target is None


@pytest.mark.parametrize("phase", [Phase.ACCOUNT, Phase.CREDENTIAL])
def test_one_that_is_not_made_must_be_there(world: World, phase: Phase) -> None:
    with pytest.raises(errors.NotFound, match="create phase aad-application"):
        peers.observe(wanted(phase), world.peers(), deleting=False)
    assert peers.observe(wanted(phase), world.peers(), deleting=True).target is None


def test_one_that_is_named_by_its_id_must_be_there(world: World) -> None:
    nobody = "00000000-0000-4000-8000-000000000000"
    want = wanted(Phase.APPLICATION, choice=Choice(object_id=nobody))
    with pytest.raises(errors.NotFound, match=nobody):
        peers.observe(want, world.peers(), deleting=False)


def test_ids_of_two_applications_are_no_application(world: World) -> None:
    one, other = world.graph.create("one"), world.graph.create("other")
    both = Choice(object_id=one.id, client_id=one.client_id.upper())
    found = peers.observe(wanted(Phase.CREDENTIAL, choice=both), world.peers(), deleting=False)
    assert found.target == one
    mixed = wanted(Phase.CREDENTIAL, choice=Choice(object_id=one.id, client_id=other.client_id))
    with pytest.raises(
        errors.BadInput, match=f"has the client id {one.client_id}, not {other.client_id}"
    ):
        peers.observe(mixed, world.peers(), deleting=True)


def test_a_managed_identity_that_is_not_made_must_be_there(world: World) -> None:
    choice = Choice(kind=Kind.IDENTITY, name="mi", group="azwi")
    with pytest.raises(errors.NotFound, match="create phase managed-identity"):
        peers.observe(wanted(Phase.CREDENTIAL, choice=choice), world.peers(), deleting=False)


def test_a_new_identitys_region_is_its_groups(world: World) -> None:
    want = wanted(Phase.IDENTITY, choice=Choice(kind=Kind.IDENTITY, name="mi", group="azwi"))
    asked = world.peers()
    found = peers.observe(want, asked, deleting=False)
    assert peers.completed(want, found, asked).choice.location == "westeurope"


def test_a_role_needs_no_graph_where_the_principal_is_known(world: World) -> None:
    want = wanted(Phase.ROLE, choice=Choice(principal_id="p"), role=Role("Reader", world.scope))
    found = peers.observe(want, world.peers(), deleting=False)
    assert (found.principal_id, found.assignments) == ("p", ())
    assert found.role_definition_id
    assert world.control.calls("graph") == []


def test_without_a_role_nobody_is_asked_for_roles(world: World) -> None:
    world.graph.create_principal(world.graph.create("x").client_id)
    want = wanted(Phase.APPLICATION, Phase.ROLE)
    peers.observe(want, world.peers(), deleting=False)
    assert world.control.calls("arm") == []
    peers.observe(want, world.peers(), deleting=True)
    assert len(world.control.calls("arm")) == 1

"""Plans are carried out in order, and what is made on the way is known to the next step."""

import json

import pytest

from azwi_cli import errors
from azwi_cli.serviceaccount import carry_out, creation
from azwi_cli.serviceaccount.known import (
    MADE_BY,
    Account,
    Choice,
    Found,
    Kind,
    Phase,
    Role,
    Wanted,
)
from azwi_cli.serviceaccount.operations import Action, Operation, What
from azwi_commands.world import World
from azwi_common import contract

CART = Account("shop", "cart", "https://issuer.example/")


def test_the_account_gets_the_client_id_of_the_application_made_before(world: World) -> None:
    want = Wanted(
        phases=(Phase.APPLICATION, Phase.ACCOUNT, Phase.CREDENTIAL),
        choice=Choice(name="x"),
        account=CART,
        tenant_id="t",
    )
    done: list[Operation] = []
    plan = creation.plan(want, Found())
    target = carry_out.run(plan, want, Found(), world.peers(), done.append)
    assert target is not None
    assert done == list(plan)
    metadata = world.account()
    assert metadata is not None
    assert metadata["annotations"][contract.CLIENT_ID_ANNOTATION] == target.client_id
    (entry,) = json.loads(metadata["annotations"][contract.IDENTITIES_ANNOTATION])
    assert entry == {"clientId": target.client_id, "objectId": target.principal_id}
    assert len(world.graph.credentials(target)) == 1


def test_the_tag_of_a_managed_identity_is_as_long_as_arm_takes_it(world: World) -> None:
    choice = Choice(kind=Kind.IDENTITY, name="long", group="azwi", location="westeurope")
    account = Account("n" * 63, "a" * 253)
    want = Wanted(phases=(Phase.IDENTITY,), choice=choice, account=account)
    plan = creation.plan(want, Found())
    target = carry_out.run(plan, want, Found(), world.peers(), lambda step: None)
    assert target is not None
    assert target.tags[MADE_BY] == str(account)[:256]


def test_what_was_done_before_a_failure_is_told(world: World) -> None:
    want = Wanted(
        phases=(Phase.APPLICATION, Phase.ACCOUNT),
        choice=Choice(name="x"),
        account=Account("nowhere", "cart"),
    )
    done: list[Operation] = []
    with pytest.raises(errors.NotFound):
        carry_out.run(creation.plan(want, Found()), want, Found(), world.peers(), done.append)
    assert [step.what for step in done] == [What.APPLICATION, What.PRINCIPAL]


def test_what_is_kept_is_not_touched(world: World) -> None:
    keep = Operation(Phase.ACCOUNT, Action.KEEP, What.ACCOUNT, "")
    want = Wanted(phases=(Phase.ACCOUNT,), choice=Choice(), account=CART)
    carry_out.run((keep,), want, Found(), world.peers(), lambda step: None)
    assert world.account() is None


def test_a_role_without_anybody_to_get_it_is_told(world: World) -> None:
    want = Wanted(phases=(Phase.ROLE,), choice=Choice(), role=Role("Reader", world.scope))
    give = Operation(Phase.ROLE, Action.CREATE, What.ROLE, "", resource="r")
    with pytest.raises(errors.NotFound, match="no service principal"):
        carry_out.run((give,), want, Found(), world.peers(), lambda step: None)

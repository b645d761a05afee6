"""Waiting until Entra ID takes a token, and knowing when that will never be."""

import pytest

from azwi_cli import errors
from azwi_cli.serviceaccount import exchange
from azwi_cli.serviceaccount.known import Account
from azwi_commands.world import World
from azwi_emulator.messages import Fault, ServiceAccountTokenRequest


def wait(world: World, issuer: str = "", seconds: float = 5) -> None:
    where = world.where
    demo = ServiceAccountTokenRequest(namespace="default", name="demo")
    exchange.wait(
        world.peers().login.cloud,
        where.tenant_id,
        where.client_id,
        Account("default", "demo", issuer or where.issuer),
        lambda: world.control.service_account_token(demo),
        seconds=seconds,
    )


def test_a_token_that_is_taken_ends_the_wait(world: World) -> None:
    wait(world)
    assert [one.status for one in world.control.exchanges()] == [200]


@pytest.mark.parametrize("code", sorted(exchange._HEALS))
def test_what_propagates_is_waited_for(world: World, code: str) -> None:
    world.control.fault(Fault(kind="aadsts", code=int(code), times=2))
    wait(world)
    assert [one.aadsts for one in world.control.exchanges()] == [int(code), int(code), None]


def test_throttling_is_waited_for(world: World) -> None:
    world.control.fault(Fault(kind="throttle", times=1))
    wait(world)
    assert len(world.control.exchanges()) == 2


def test_what_never_heals_is_told_at_once(world: World) -> None:
    world.control.fault(Fault(kind="aadsts", code=53003))
    with pytest.raises(errors.AzwiError, match="AADSTS53003"):
        wait(world)
    assert len(world.control.exchanges()) == 1


def test_the_wait_ends_in_time(world: World) -> None:
    world.control.fault(Fault(kind="aadsts", code=700213))
    with pytest.raises(errors.Unavailable, match="run the command again to go on waiting"):
        wait(world, seconds=0.3)


def test_another_issuer_than_the_tokens_is_told_before_anybody_is_asked(world: World) -> None:
    with pytest.raises(errors.BadInput, match="to the letter"):
        wait(world, issuer=world.where.issuer.rstrip("/"))
    assert world.control.exchanges() == []

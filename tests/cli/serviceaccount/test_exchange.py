"""Waiting until Entra ID takes a token, and knowing when that will never be."""

import pytest

from azwi_cli import errors
from azwi_cli.serviceaccount import exchange
from azwi_cli.serviceaccount.known import Account
from azwi_commands.world import World
from azwi_emulator.messages import Fault, Kind, ServiceAccountTokenRequest


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


@pytest.mark.parametrize("kind", ["reset", "truncate", "garbage"])
def test_a_connection_that_breaks_once_does_not_end_the_wait(world: World, kind: Kind) -> None:
    world.control.fault(Fault(kind=kind, times=2))
    wait(world)
    assert world.control.exchanges()[-1].status == 200


def test_an_answer_without_a_token_proves_nothing(world: World) -> None:
    """As of a proxy that wants a login first."""
    world.control.fault(Fault(kind="answer", at=("token",), status=200, body="<html>"))
    with pytest.raises(errors.Unavailable, match="It answers 200 without a token"):
        wait(world, seconds=0.3)


def test_an_api_server_that_is_gone_for_a_moment_is_waited_for(world: World) -> None:
    where, asked = world.where, 0

    def token() -> str:
        nonlocal asked
        asked += 1
        if asked == 2:
            raise errors.Unavailable("It restarts.")
        return world.control.service_account_token(ServiceAccountTokenRequest(name="demo"))

    account = Account("default", "demo", where.issuer)
    cloud = world.peers().login.cloud
    exchange.wait(cloud, where.tenant_id, where.client_id, account, token, seconds=5)
    assert asked == 3


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

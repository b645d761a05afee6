"""Shares of memory: nobody alone takes more than half."""

import asyncio

import pytest

from azwi_webhook import errors, shares
from azwi_webhook.shares import Shares


async def hold(of: Shares, peer: str, amount: int, until: asyncio.Event) -> None:
    async with of.take(peer, amount):
        await until.wait()


async def test_one_peer_has_no_more_than_half_and_another_finds_its_own() -> None:
    of, over = Shares(100), asyncio.Event()
    held = [asyncio.create_task(hold(of, "evil", 25, over)) for _ in range(10)]
    await asyncio.sleep(0)
    assert (of.of("evil"), of.taken) == (50, 50)
    async with asyncio.timeout(1), of.take("good", 50):
        assert of.taken == 100
    over.set()
    await asyncio.gather(*held)
    assert (of.taken, of.of("evil")) == (0, 0)


async def test_all_peers_together_have_no_more_than_there_is() -> None:
    of, over, more = Shares(100), asyncio.Event(), asyncio.Event()
    held = [asyncio.create_task(hold(of, peer, 50, over)) for peer in "ab"]
    waiting = asyncio.create_task(hold(of, "c", 4, more))
    await asyncio.sleep(0.01)
    assert (of.of("c"), of.taken) == (0, 100)
    over.set()
    await asyncio.gather(*held)
    assert (of.of("c"), of.taken) == (4, 4)
    more.set()
    await waiting


async def test_who_gives_a_part_back_keeps_the_rest() -> None:
    of, first, second = Shares(100), asyncio.Event(), asyncio.Event()
    held = [asyncio.create_task(hold(of, "a", 20, until)) for until in (first, second)]
    await asyncio.sleep(0)
    first.set()
    await held[0]
    assert (of.of("a"), of.taken) == (20, 20)
    second.set()
    await held[1]
    assert (of.of("a"), of.taken) == (0, 0)


async def test_who_waits_comes_in_order_and_only_behind_its_own_peer() -> None:
    of, first = Shares(100), asyncio.Event()
    came: list[str] = []

    async def wait(peer: str, name: str, amount: int) -> None:
        async with of.take(peer, amount):
            came.append(name)

    holding = asyncio.create_task(hold(of, "a", 50, first))
    await asyncio.sleep(0)
    waiting = [asyncio.create_task(wait("a", name, 40)) for name in ("one", "two")]
    waiting.append(asyncio.create_task(wait("b", "other", 10)))
    await asyncio.sleep(0.01)
    assert came == ["other"]
    first.set()
    await asyncio.gather(holding, *waiting)
    assert came == ["other", "one", "two"]
    assert of.taken == 0


async def test_a_small_wish_does_not_overtake_a_large_one_of_its_own_peer() -> None:
    of, first, rest = Shares(100), asyncio.Event(), asyncio.Event()
    held = [asyncio.create_task(hold(of, "a", 20, until)) for until in (first, rest)]
    await asyncio.sleep(0)
    waiting = [asyncio.create_task(hold(of, "a", amount, rest)) for amount in (40, 10)]
    await asyncio.sleep(0)
    first.set()
    await held[0]
    assert of.of("a") == 20, "there is room for 10, but 40 came first"
    rest.set()
    await asyncio.gather(*held, *waiting)
    assert of.taken == 0


async def test_what_does_not_come_free_is_a_503(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shares, "PATIENCE", 0.05)
    of, over = Shares(100), asyncio.Event()
    holding = asyncio.create_task(hold(of, "a", 50, over))
    await asyncio.sleep(0)
    with pytest.raises(errors.BadCall, match="try again") as raised:
        await hold(of, "a", 1, over)
    assert raised.value.status == 503
    over.set()
    await holding
    assert of.taken == 0


async def test_who_stops_waiting_leaves_nothing_taken() -> None:
    of, over = Shares(100), asyncio.Event()
    holding = asyncio.create_task(hold(of, "a", 50, over))
    await asyncio.sleep(0)
    waiting = [asyncio.create_task(hold(of, "a", 10, over)) for _ in range(3)]
    await asyncio.sleep(0)
    waiting[0].cancel()
    over.set()
    holding.cancel()  # what it gives comes to the others in the moment in which they are cancelled
    await asyncio.sleep(0)
    waiting[1].cancel()
    await asyncio.gather(holding, *waiting, return_exceptions=True)
    assert (of.taken, of.of("a")) == (0, 0)


async def test_more_than_there_is_counts_as_all_that_one_may_have() -> None:
    of = Shares(100)
    async with of.take("a", 1_000_000):
        assert of.taken == 50
    assert (of.taken, of.of("a")) == (0, 0)

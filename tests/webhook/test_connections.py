"""Which connections there may be, and which go."""

import asyncio
import time
from functools import partial

import pytest

from azwi_webhook import connections as module
from azwi_webhook.connections import Connections, Crowded


class One:
    """A connection that notes whether it was ended."""

    def __init__(self, of: Connections, peer: str, idle: float | None) -> None:
        self.idle_since = None if idle is None else time.monotonic() - idle
        self.ended = False
        self._of, self._peer = of, peer

    def end(self) -> None:
        self.ended = True
        self.idle_since = None
        self._of.leave(self._peer, self)


async def entered(of: Connections, peer: str, *idle: float | None) -> list[One]:
    ones = [One(of, peer, seconds) for seconds in idle]
    for one in ones:
        await of.enter(peer, partial(_given, one))
    return ones


def _given(one: One) -> One:
    return one


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WAIT", 0.3)
    monkeypatch.setattr(module, "LOOK", 0.01)


async def test_one_address_has_half_and_its_longest_idle_makes_room_for_its_own() -> None:
    of = Connections(8, 100)
    ones = await entered(of, "a", 50, 90, None, 70)
    await entered(of, "a", 0)
    assert [one.ended for one in ones] == [False, True, False, False]
    assert of.count == 4


async def test_one_that_was_used_a_moment_ago_or_is_being_answered_stays() -> None:
    of = Connections(4, 100)
    ones = await entered(of, "a", 20, None)
    with pytest.raises(Crowded):
        await entered(of, "a", 0)
    assert not any(one.ended for one in ones)
    assert of.count == 2


async def test_who_has_few_takes_from_who_has_most_at_once() -> None:
    of = Connections(4, 100)
    ones = [*await entered(of, "a", 0, 0), *await entered(of, "b", None, None)]
    await entered(of, "c", 0)
    assert [one.ended for one in ones] == [True, False, False, False]


async def test_who_waits_comes_in_order_once_there_is_room() -> None:
    of = Connections(2, 100)
    (first,) = await entered(of, "a", None)
    waiting = [asyncio.create_task(entered(of, "a", None)) for _ in range(2)]
    await asyncio.sleep(0.05)
    assert not any(task.done() for task in waiting)
    first.end()
    (second,) = await waiting[0]
    second.end()
    await waiting[1]
    assert of.count == 1


async def test_only_so_many_wait() -> None:
    of = Connections(2, 3)
    await entered(of, "a", None)
    waiting = [asyncio.create_task(entered(of, "a", None)) for _ in range(3)]
    await asyncio.sleep(0)
    started = time.monotonic()
    with pytest.raises(Crowded):
        await entered(of, "a", None)
    assert time.monotonic() - started < 0.2
    await asyncio.gather(*waiting, return_exceptions=True)


async def test_room_is_made_of_the_largest_peers_longest_idle() -> None:
    of = Connections(8, 100)
    assert not of.make_room()
    ones = [*await entered(of, "a", 1, 3), *await entered(of, "b", 9)]
    assert of.make_room()
    assert [one.ended for one in ones] == [False, True, False]

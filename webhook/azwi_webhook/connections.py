"""How many connections a site has, and which of them goes when there are too many.

A connection costs memory and a descriptor before it says anything, so there is a limit; and so that
one pod cannot keep all the others out, no address has more than half of it. Where a new connection
finds no room, the one that has been idle for longest makes it, of the address that has the most. Of
its own address none does, for a while: an API server that sends a thousand calls at once opens as
many connections, and one that is cut is a failed call; calls wait for those that are open.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import Final, Protocol, TypeVar

IDLE: Final = 30.0
"""Seconds without a request after which a connection makes room for one of the same address."""
LOOK: Final = 0.05  # seconds between looks for room
WAIT: Final = 10.0  # seconds that a new connection waits for room, as an API server does


class Connection(Protocol):
    """What is known of a connection."""

    idle_since: float | None
    """Monotonic time; None while a request is being answered."""

    def end(self) -> None:
        """Close it at once."""


class Crowded(Exception):
    """There is no room for a new connection, and none comes free."""


C = TypeVar("C", bound=Connection)


class Connections:
    """The connections of a site, by the address of the peer."""

    def __init__(self, most: int, waiting: int) -> None:
        """``most`` at a time, and so many that wait; any more are closed at once."""
        self.most = most
        self._waiting = waiting
        self._held: dict[str, dict[Connection, None]] = {}
        self._queues: dict[str, deque[asyncio.Event]] = {}

    @property
    def count(self) -> int:
        """Connections that there are."""
        return sum(map(len, self._held.values()))

    def of(self, peer: str) -> int:
        """Connections of one address."""
        return len(self._held.get(peer, ()))

    async def enter(self, peer: str, make: Callable[[], C]) -> C:
        """A new connection by ``make``, once there is room for it; raises Crowded."""
        if peer in self._queues or not self._fits(peer):
            await self._wait(peer)
        connection = make()
        self._held.setdefault(peer, {})[connection] = None
        return connection

    async def _wait(self, peer: str) -> None:
        if sum(map(len, self._queues.values())) >= self._waiting:
            raise Crowded
        queue = self._queues.setdefault(peer, deque())
        turn = asyncio.Event()
        queue.append(turn)
        try:
            async with asyncio.timeout(WAIT):
                if queue[0] is not turn:
                    await turn.wait()
                while not self._fits(peer):
                    self._make_room_for(peer)
                    await asyncio.sleep(LOOK)
        except TimeoutError as error:
            raise Crowded from error
        finally:
            queue.remove(turn)
            if queue:
                queue[0].set()
            else:
                del self._queues[peer]

    def leave(self, peer: str, connection: Connection) -> None:
        """A connection is over."""
        ours = self._held.get(peer, {})
        ours.pop(connection, None)
        if not ours:
            self._held.pop(peer, None)

    def make_room(self, least_idle: float = 0.0) -> bool:
        """End the connection that is worth the least; whether there was one."""
        for ours in sorted(self._held.values(), key=len, reverse=True):
            if self._end_one(ours, least_idle):
                return True
        return False

    def _make_room_for(self, peer: str) -> None:
        ours = self._held.get(peer, {})
        if len(ours) >= self.most // 2:
            self._end_one(ours, IDLE)
            return
        most = max(self._held.values(), key=len, default={})
        self._end_one(most, 0.0 if len(ours) < len(most) // 2 else IDLE)

    def _fits(self, peer: str) -> bool:
        return self.of(peer) < self.most // 2 and self.count < self.most

    def _end_one(self, among: dict[Connection, None], least_idle: float) -> bool:
        found = min(_idle(among), key=lambda one: one[0], default=None)
        if found is None or time.monotonic() - found[0] < least_idle:
            return False
        found[1].end()
        return True


def _idle(among: dict[Connection, None]) -> Iterator[tuple[float, Connection]]:
    return ((one.idle_since, one) for one in among if one.idle_since is not None)

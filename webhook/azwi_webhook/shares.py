"""Shares of a bounded good, such as bytes of memory: no peer alone takes more than half of it.

So whatever one pod sends, the API server, which has another address, finds its half free. Who asks
for more than is free waits a moment, in order.
"""

import asyncio
import contextlib
from collections import Counter, deque
from collections.abc import AsyncIterator
from typing import Final

from azwi_webhook import errors

_BUSY: Final = "The webhook holds as many large reviews as its memory allows: try again."
PATIENCE: Final = 2.0  # seconds that a caller waits for its share


class Shares:
    """A good of which there is ``most``."""

    def __init__(self, most: int) -> None:
        self.most = most
        self._taken: Counter[str] = Counter()
        self._waiting: deque[tuple[str, int, asyncio.Future[None]]] = deque()

    @property
    def taken(self) -> int:
        """What all peers have together."""
        return self._taken.total()

    def of(self, peer: str) -> int:
        """What one peer has."""
        return self._taken.get(peer, 0)

    @contextlib.asynccontextmanager
    async def take(self, peer: str, amount: int) -> AsyncIterator[None]:
        """Have ``amount`` of it inside; errors.BadCall where it does not come free in time."""
        await self._get(peer, min(amount, self.most // 2))
        try:
            yield
        finally:
            self._give(peer, min(amount, self.most // 2))

    async def _get(self, peer: str, amount: int) -> None:
        if self._fits(peer, amount) and not any(one == peer for one, _, _ in self._waiting):
            self._taken[peer] += amount
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        entry = (peer, amount, future)
        self._waiting.append(entry)
        try:
            async with asyncio.timeout(PATIENCE):
                await future
        except BaseException as error:
            if future.done() and not future.cancelled():  # it came in the very moment
                self._give(peer, amount)
            else:
                self._waiting.remove(entry)
            if not isinstance(error, TimeoutError):
                raise
            raise errors.BadCall(_BUSY, status=503) from error

    def _fits(self, peer: str, amount: int) -> bool:
        ours = self.of(peer) + amount <= self.most // 2
        return ours and self.taken + amount <= self.most

    def _give(self, peer: str, amount: int) -> None:
        self._taken[peer] -= amount
        if not self._taken[peer]:
            del self._taken[peer]
        passed: set[str] = set()
        for entry in list(self._waiting):
            waiting, wanted, future = entry
            if waiting in passed or future.done():
                continue
            if self._fits(waiting, wanted):
                self._taken[waiting] += wanted
                self._waiting.remove(entry)
                future.set_result(None)
            else:
                passed.add(waiting)  # in order, but nobody waits for another peer's turn

"""A time limit that counts what arrived while the process stood still.

A container that is frozen (a paused VM, a checkpoint, no CPU) wakes up with its timers due and its
answers unread. The loop looks at timers first: a plain timeout would throw the answer away.
"""

import asyncio
from types import TracebackType
from typing import Self

LATE = 0.5  # seconds after which a timer that fires shows that the process stood still
GRACE = 1.0  # seconds in which to read what arrived meanwhile


class Deadline:
    """As asyncio.timeout, but with ``GRACE`` where time ran out while nothing could be read."""

    def __init__(self, seconds: float | None) -> None:
        """``seconds`` from the entry on; None for no limit, which stays so."""
        self._seconds = seconds
        self._limit = asyncio.timeout(None)
        self._timer: asyncio.TimerHandle | None = None

    async def __aenter__(self) -> Self:
        await self._limit.__aenter__()
        self.renew()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._forget()
        await self._limit.__aexit__(kind, error, trace)

    def renew(self) -> None:
        """Begin again; nothing happens where time is up already."""
        self._forget()
        if self._seconds is not None and self._limit.when() is None:
            loop = asyncio.get_running_loop()
            due = loop.time() + self._seconds
            self._timer = loop.call_at(due, self._due, due)

    def _due(self, due: float) -> None:
        now = asyncio.get_running_loop().time()
        self._limit.reschedule(now + (GRACE if now - due > LATE else 0))

    def _forget(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

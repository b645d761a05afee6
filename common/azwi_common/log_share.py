"""A share of the log: what anybody can cause again and again gets a few lines, and then a count.

A container's log is rotated by size, so one client in a loop could push out what somebody needs to
read. Standard library only; the timer is handed in.
"""

import logging
import time
from collections.abc import Callable, Mapping

Later = Callable[[float, Callable[[], None]], object]
"""Calls a function after so many seconds, as an event loop's ``call_later``."""

_Kind = tuple[object, ...]


class Share:
    """The first lines of each kind in an interval; the rest is counted, and told at its end."""

    def __init__(
        self,
        logger: logging.Logger,
        later: Later,
        *,
        burst: int = 10,
        kinds: int = 32,
        interval: float = 60.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Allow ``burst`` lines a kind and ``kinds`` kinds in ``interval`` seconds."""
        self._logger = logger
        self._later = later
        self._burst = burst
        self._kinds = kinds
        self._interval = interval
        self._clock = clock
        self._ends = 0.0
        self._seen: dict[_Kind, int] = {}
        self._left_out: dict[_Kind, tuple[int, str, Mapping[str, object]]] = {}
        self._timed = False

    def log(
        self,
        level: int,
        msg: str,
        kind: Mapping[str, object],
        details: Mapping[str, object] | None = None,
        *,
        error: BaseException | None = None,
    ) -> None:
        """Log a line with the fields of ``kind`` and ``details``, or count it for its kind."""
        if not self._logger.isEnabledFor(level):
            return
        if self._clock() >= self._ends:
            self.tell()
        key: _Kind = (msg, *kind.values())
        if key not in self._seen and len(self._seen) >= self._kinds:
            key, kind = ("",), {"kind": "other"}
        self._seen[key] = self._seen.get(key, 0) + 1
        if self._seen[key] <= self._burst:
            fields = {**kind, **(details or {})}
            self._logger.log(level, msg, exc_info=error, extra={"fields": fields})
            return
        self._left_out[key] = level, msg, kind
        if not self._timed:
            self._timed = True
            self._later(max(0.0, self._ends - self._clock()), self._due)

    def tell(self) -> None:
        """Log how many lines were left out, by kind, and begin a new interval."""
        for key, (level, msg, kind) in self._left_out.items():
            count = self._seen[key] - self._burst
            fields = {**kind, "more": count, "seconds": round(self._interval)}
            self._logger.log(level, msg, extra={"fields": fields})
        self._left_out.clear()
        self._seen.clear()
        self._ends = self._clock() + self._interval

    def _due(self) -> None:
        self._timed = False
        self.tell()

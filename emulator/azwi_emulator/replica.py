"""A table whose readers see a write later than its writer does: eventual consistency. Pure.

Uniqueness, limits and parents are checked against what is true (``get``, ``all``); answers to
readers are taken from what they see (``seen``, ``all_seen``). Times are Unix time in seconds.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Row(Generic[T]):
    value: T | None
    """None: deleted."""
    before: T | None
    """What readers see until ``seen_from``."""
    seen_from: float

    def seen(self, now: float) -> T | None:
        return self.value if self.seen_from <= now else self.before


class Table(Generic[T]):
    """Values by key, in the order in which they were first written."""

    def __init__(self) -> None:
        self._rows: dict[str, _Row[T]] = {}

    def put(self, key: str, value: T, *, now: float, lag: float) -> None:
        """Write a value that readers see ``lag`` seconds from now."""
        self._write(key, value, now=now, lag=lag)

    def remove(self, key: str, *, now: float, lag: float) -> None:
        """Delete a value that readers still see for ``lag`` seconds; an unknown key is no error."""
        if self.get(key) is not None:
            self._write(key, None, now=now, lag=lag)

    def get(self, key: str) -> T | None:
        """The value as it truly is."""
        row = self._rows.get(key)
        return row.value if row else None

    def all(self) -> Iterator[T]:
        """Every value as it truly is."""
        return (row.value for row in self._rows.values() if row.value is not None)

    def seen(self, key: str, now: float) -> T | None:
        """The value as a reader sees it."""
        row = self._rows.get(key)
        return row.seen(now) if row else None

    def all_seen(self, now: float) -> list[T]:
        """Every value as a reader sees it."""
        seen = (row.seen(now) for row in self._rows.values())
        return [value for value in seen if value is not None]

    def _write(self, key: str, value: T | None, *, now: float, lag: float) -> None:
        before = self.seen(key, now)
        if value is None and lag <= 0:
            del self._rows[key]
        else:
            self._rows[key] = _Row(value, before, now + lag)

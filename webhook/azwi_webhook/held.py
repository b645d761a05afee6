"""What is kept of the objects of a collection, and how much memory that may take. Pure.

Anybody who may create service accounts decides how many there are and what is in them. So a value
is kept only where somebody reads its name, and no longer than somebody reads it; an object above
LARGEST, and whatever comes once SHARE is used up, is not kept: reviews read it from the API server.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from itertools import islice
from sys import getsizeof
from types import MappingProxyType
from typing import Final

from azwi_webhook import annotations
from azwi_webhook.kube import Thing

LARGEST: Final = 8 * 1024  # bytes of memory of one object; usually some 500
SHARE: Final = 24 * 1024 * 1024  # bytes of memory of all objects: 40,000 service accounts
MOST_STRANGE: Final = 16  # annotations that nobody reads, to be warned of
LONGEST_NAME: Final = 100  # signs of one of their names; a warning shows 90
_ENTRY: Final = 100  # bytes of memory of a place in a dict

_NONE: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Known:
    """What is kept of an object."""

    labels: Mapping[str, str]
    annotations: Mapping[str, str]


NOTHING: Final = Known(_NONE, _NONE)
"""Shared by every object without a label or annotation that counts: nearly all of them."""
TO_READ: Final = Known({"": ""}, _NONE)
"""In place of what is too large to be kept."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """The names that somebody reads."""

    labels: Collection[str]
    annotations: Collection[str] = ()
    strange: str = ""
    """Prefix of further annotations whose names are kept, without values; empty: none."""


class Held:
    """The objects of one collection, by namespace and name."""

    def __init__(self, before: "Held | None" = None) -> None:
        """``before``: what was held until now; its parts that are the same are shared."""
        self.before = before
        self.bytes = 0
        """Memory of what is held."""
        self.largest: int = before.largest if before else 0
        """Bytes of all annotations of the largest object seen."""
        self.full = False
        """Whether an object had no place: what is not held may exist nevertheless."""
        self._by_namespace: dict[str, dict[str, Known]] = {}

    @property
    def objects(self) -> int:
        """How many are held."""
        return sum(map(len, self._by_namespace.values()))

    def get(self, namespace: str, name: str) -> Known | None:
        """What is held of an object; TO_READ where that is nothing."""
        return self._by_namespace.get(namespace, {}).get(name)

    def put(self, thing: Thing, wanted: Wanted) -> None:
        """Hold an object, as far as there is room."""
        namespace, name = thing.metadata.namespace, thing.metadata.name
        self.drop(namespace, name)
        self.largest = max(self.largest, _length(thing.metadata.annotations))
        known = kept(thing, wanted)
        if _memory(known) > LARGEST or self.bytes + _memory(known) > SHARE:
            known = TO_READ
        size = _memory(known) + getsizeof(name) + _ENTRY
        if self.bytes + size > SHARE:
            self.full = True
            return
        if self.before and self.before.get(namespace, name) == known:
            known = self.before.get(namespace, name) or known
        self.bytes += size
        names = self._by_namespace.setdefault(namespace, {})
        names["default" if name == "default" else name] = known

    def drop(self, namespace: str, name: str) -> None:
        """Forget an object."""
        names = self._by_namespace.get(namespace, {})
        known = names.pop(name, None)
        if known is None:
            return
        self.bytes -= _memory(known) + getsizeof(name) + _ENTRY
        if not names:
            del self._by_namespace[namespace]


def kept(thing: Thing, wanted: Wanted) -> Known:
    """What counts of an object."""
    labels = _read(thing.metadata.labels or {}, wanted.labels)
    given = thing.metadata.annotations or {}
    found = _read(given, wanted.annotations)
    if wanted.strange:
        strange = (name for name in given if name.startswith(wanted.strange) and name not in found)
        found |= {name[:LONGEST_NAME]: "" for name in islice(strange, MOST_STRANGE)}
    return Known(labels or _NONE, found or _NONE) if labels or found else NOTHING


def _read(given: Mapping[str, str], names: Collection[str]) -> dict[str, str]:
    """The values of ``names``; one that is too long is cut, and still too long to be taken."""
    return {name: given[name][: annotations.longest(name) + 1] for name in names if name in given}


def _memory(known: Known) -> int:
    if known is NOTHING or known is TO_READ:
        return 0
    texts = (known.labels, known.annotations)
    return getsizeof(known) + sum(
        getsizeof(part) + sum(_ENTRY + getsizeof(value) for value in part.values())
        for part in texts
        if part
    )


def _length(given: Mapping[str, str] | None) -> int:
    """Characters of names and values; of the usual ones each is a byte."""
    return sum(len(name) + len(value) for name, value in given.items()) if given else 0

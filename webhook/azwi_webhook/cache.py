"""What is known of service accounts and namespaces: a few labels and annotations of each.

An object that is not known may just have been made, in the same ``kubectl apply`` as its pod: its
event is waited for a moment, then it is read, once however many ask. While the watch is broken each
lookup is a read. What is held may be as old as the watch is late, some tens of milliseconds: an
annotation that was added to a known account in this very moment is not seen yet.
"""

import asyncio
import contextlib
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal
from urllib.parse import quote

from azwi_webhook import errors
from azwi_webhook.kube import Event, Kube, Thing

GRACE: Final = 0.2  # seconds for the event of a new object; it usually takes 20 ms
READ: Final = 5.0  # seconds for all tries of one read: an API server waits 10 for a review
AT_ONCE: Final = 16  # reads in flight
_PAUSE: Final = 0.25  # seconds between tries
_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?", re.ASCII)
_NONE: Mapping[str, str] = MappingProxyType({})

Result = Literal["found", "missing", "failed"]


@dataclass(frozen=True, slots=True)
class Known:
    """What is kept of an object."""

    labels: Mapping[str, str]
    annotations: Mapping[str, str]


NOTHING: Final = Known(_NONE, _NONE)
"""Shared by every object without a label or annotation that counts: nearly all of them."""


class Cache:
    """The objects of one collection, by namespace and name; follow.Follower keeps it true."""

    def __init__(
        self,
        kube: Kube,
        path: str,
        prefixes: tuple[str, ...],
        on_read: Callable[[Result], None] = lambda _: None,
    ) -> None:
        """``path``: of one object, with {namespace} and {name}; ``prefixes``: of names to keep."""
        self.healthy = False
        """Whether the watch is running."""
        self.synced = False
        """Whether a list has ever been whole."""
        self._kube = kube
        self._path = path
        self._prefixes = prefixes
        self._on_read = on_read
        self._held: dict[str, dict[str, Known]] = {}
        self._listing: dict[str, dict[str, Known]] = {}
        self._arrivals: dict[tuple[str, str], asyncio.Event] = {}
        self._misses: dict[tuple[str, str], asyncio.Task[Known | None]] = {}
        self._slots = asyncio.Semaphore(AT_ONCE)

    @property
    def size(self) -> int:
        """Objects held."""
        return sum(map(len, self._held.values()))

    def fresh(self, namespace: str, name: str) -> Known | None:
        """What is known of an object, if it is known and the watch is running."""
        return self._held.get(namespace, {}).get(name) if self.healthy else None

    def lacks(self, namespace: str, name: str) -> bool:
        """Whether there is no such object, as far as the watch knows; False while it is broken."""
        return self.healthy and name not in self._held.get(namespace, {})

    async def find(self, namespace: str, name: str) -> Known | None:
        """What is known of an object; None: there is none. errors.Unavailable: nobody can say."""
        known = self._held.get(namespace, {}).get(name)
        if known is not None and self.healthy:
            return known
        if not _NAME.fullmatch(name):
            return None
        try:
            return await self._once(namespace, name)
        except errors.Unavailable:
            if known is None:
                raise
            return known  # the API server has just called us: what it told us last is still good

    async def close(self) -> None:
        """Give up the reads in flight."""
        for task in list(self._misses.values()):
            task.cancel()
        await asyncio.gather(*self._misses.values(), return_exceptions=True)

    async def _once(self, namespace: str, name: str) -> Known | None:
        """Join the search that is under way, or begin one; who leaves does not end it."""
        key = (namespace, name)
        task = self._misses.get(key)
        if task is None:
            task = self._misses[key] = asyncio.create_task(self._search(namespace, name))
            task.add_done_callback(lambda _: self._misses.pop(key, None))
        return await asyncio.shield(task)

    async def _search(self, namespace: str, name: str) -> Known | None:
        if self.healthy and await self._arrives(namespace, name):
            return self._held[namespace][name]
        return await self._read(namespace, name)

    async def _arrives(self, namespace: str, name: str) -> bool:
        arrival = self._arrivals[namespace, name] = asyncio.Event()
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(GRACE):
                    await arrival.wait()
        finally:
            del self._arrivals[namespace, name]
        return name in self._held.get(namespace, {})

    async def _read(self, namespace: str, name: str) -> Known | None:
        path = self._path.format(namespace=quote(namespace, safe=""), name=quote(name, safe=""))
        try:
            async with asyncio.timeout(READ), self._slots:
                thing = await self._try(path)
        except errors.NotFound:
            self._on_read("missing")
            return None
        except (TimeoutError, errors.Unavailable) as error:
            self._on_read("failed")
            raise errors.Unavailable(
                f"{_told(error)} Nothing is known of {path} therefore; try again in a moment."
            ) from error
        self._on_read("found")
        return self._known(thing)

    async def _try(self, path: str) -> Thing:
        """Ask until there is an answer; the second-last words are those of the third failure."""
        for _ in range(2):
            try:
                return await self._kube.thing(path)
            except errors.NotFound:
                raise
            except errors.Throttled as error:
                await asyncio.sleep(error.seconds)
            except errors.Unavailable:
                await asyncio.sleep(_PAUSE)
        return await self._kube.thing(path)

    def begin(self) -> None:
        """See follow.Store."""
        self._listing = {}

    def add(self, thing: Thing) -> None:
        """See follow.Store."""
        self._put(self._listing, thing)

    def finish(self) -> None:
        """See follow.Store."""
        self._held, self._listing = self._listing, {}
        self.synced = True
        for (namespace, name), arrival in self._arrivals.items():
            if name in self._held.get(namespace, {}):
                arrival.set()

    def change(self, event: Event) -> None:
        """See follow.Store."""
        metadata = event.object.metadata
        if event.type == "DELETED":
            names = self._held.get(metadata.namespace, {})
            names.pop(metadata.name, None)
            if not names:
                self._held.pop(metadata.namespace, None)
            return
        self._put(self._held, event.object)
        if arrival := self._arrivals.get((metadata.namespace, metadata.name)):
            arrival.set()

    def _put(self, held: dict[str, dict[str, Known]], thing: Thing) -> None:
        name = thing.metadata.name
        names = held.get(thing.metadata.namespace)
        if names is None:
            names = held[thing.metadata.namespace] = {}
        names["default" if name == "default" else name] = self._known(thing)

    def _known(self, thing: Thing) -> Known:
        labels = self._kept(thing.metadata.labels)
        annotations = self._kept(thing.metadata.annotations)
        return Known(labels, annotations) if labels or annotations else NOTHING

    def _kept(self, given: dict[str, str] | None) -> Mapping[str, str]:
        kept = {
            sys.intern(name): value
            for name, value in (given or {}).items()
            if name.startswith(self._prefixes)
        }
        return kept or _NONE


def _told(error: Exception) -> str:
    if isinstance(error, errors.Unavailable):
        return error.sentence
    return f"The API server did not answer within {READ:.0f} s."

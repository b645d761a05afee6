"""What is known of service accounts and namespaces: a few labels and annotations of each.

An object that is not known may just have been made, in the same ``kubectl apply`` as its pod: its
event is waited for a moment, then it is read, once however many ask. While the watch is broken each
lookup is a read; so is each one of an object for which `held` has no room. What is held may be as
old as the watch is late, some tens of milliseconds: an annotation that was added to a known account
in this very moment is not seen yet.
"""

import asyncio
import contextlib
import re
from collections.abc import Callable
from typing import Final, Literal
from urllib.parse import quote

from azwi_webhook import errors
from azwi_webhook.held import TO_READ, Held, Known, Wanted, kept
from azwi_webhook.kube import Event, Kube, Thing

GRACE: Final = 0.2  # seconds for the event of a new object; it usually takes 20 ms
READ: Final = 5.0  # seconds for all tries of one read: an API server waits 10 for a review
NEWER: Final = 1.0  # seconds for it where something is known, though it may be old
AT_ONCE: Final = 16  # reads in flight
_PAUSE: Final = 0.25  # seconds between tries
_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?", re.ASCII)

Result = Literal["found", "missing", "failed"]


class Cache:
    """The objects of one collection, by namespace and name; follow.Follower keeps it true."""

    def __init__(
        self,
        kube: Kube,
        path: str,
        wanted: Wanted,
        on_read: Callable[[Result], None] = lambda _: None,
    ) -> None:
        """``path``: of one object, with {namespace} and {name}."""
        self.healthy = False
        """Whether the watch is running."""
        self.synced = False
        """Whether a list has ever been whole."""
        self._kube = kube
        self._path = path
        self._wanted = wanted
        self._on_read = on_read
        self._held = Held()
        self._listing = Held()
        self._arrivals: dict[tuple[str, str], asyncio.Event] = {}
        self._misses: dict[tuple[str, str], asyncio.Task[Known | None]] = {}
        self._slots = asyncio.Semaphore(AT_ONCE)

    @property
    def size(self) -> int:
        """Objects held."""
        return self._held.objects

    @property
    def bytes(self) -> int:
        """Memory that they take, as far as it depends on what others wrote."""
        return self._held.bytes

    @property
    def largest(self) -> int:
        """Bytes of all annotations of the largest object seen."""
        return self._held.largest

    def fresh(self, namespace: str, name: str) -> Known | None:
        """What is known of an object, if it is known and the watch is running."""
        known = self._held.get(namespace, name) if self.healthy else None
        return None if known is TO_READ else known

    def lacks(self, namespace: str, name: str) -> bool:
        """Whether there is no such object, as far as the watch knows; False while it is broken."""
        return self.healthy and self._held.get(namespace, name) is None and not self._held.full

    async def find(self, namespace: str, name: str) -> Known | None:
        """What is known of an object; None: there is none. errors.Unavailable: nobody can say."""
        known = self._held.get(namespace, name)
        if known is TO_READ:
            return await self._once(namespace, name)
        if known is not None and self.healthy:
            return known
        if not _NAME.fullmatch(name):
            return None
        if known is None:
            return await self._once(namespace, name)
        try:
            async with asyncio.timeout(NEWER):
                return await self._once(namespace, name)
        except (TimeoutError, errors.Unavailable):
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
        known = self._held.get(namespace, name)
        if self.healthy and known is None:
            known = await self._arrives(namespace, name)
            if known not in (None, TO_READ):
                return known
        return await self._read(namespace, name)

    async def _arrives(self, namespace: str, name: str) -> Known | None:
        arrival = self._arrivals[namespace, name] = asyncio.Event()
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(GRACE):
                    await arrival.wait()
        finally:
            del self._arrivals[namespace, name]
        return self._held.get(namespace, name)

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
        return kept(thing, self._wanted)

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
        self._listing = Held(self._held)

    def add(self, thing: Thing) -> None:
        """See follow.Store."""
        self._listing.put(thing, self._wanted)

    def finish(self) -> None:
        """See follow.Store."""
        self._held, self._listing = self._listing, Held()
        self._held.before = None
        self.synced = True
        for (namespace, name), arrival in self._arrivals.items():
            if self._held.get(namespace, name) is not None:
                arrival.set()

    def change(self, event: Event) -> None:
        """See follow.Store."""
        metadata = event.object.metadata
        if event.type == "DELETED":
            self._held.drop(metadata.namespace, metadata.name)
            return
        self._held.put(event.object, self._wanted)
        if arrival := self._arrivals.get((metadata.namespace, metadata.name)):
            arrival.set()


def _told(error: Exception) -> str:
    if isinstance(error, errors.Unavailable):
        return error.sentence
    return f"The API server did not answer within {READ:.0f} s."

"""Follows a collection of the API server: lists it once, then watches it, and heals by itself.

A watch that ends or breaks is taken up where it was; one that cannot be taken up (410 Gone) begins
with a list again. Between tries it waits, with jitter, so that many clients of an API server that
restarts do not come back together.
"""

import asyncio
import logging
import random
import time
from typing import Final, Protocol

from azwi_webhook import errors
from azwi_webhook.kube import Event, Kube, Thing

FIRST: Final = 0.1  # seconds before the first new try
MOST: Final = 15.0  # seconds between tries, at most: reviews live on single reads meanwhile
BLIND: Final = 1.0  # seconds without a watch in which what is held may still be believed
LASTING: Final = 5.0  # seconds; a watch that lived so long was a good one

log = logging.getLogger("azwi_webhook.follow")


class Store(Protocol):
    """Who is told what there is."""

    healthy: bool
    """Whether the watch is running: whatever changes is told within moments."""

    def begin(self) -> None:
        """A list begins; what is added from now on replaces all that was held at ``finish``."""

    def add(self, thing: Thing) -> None:
        """One object of the list."""

    def finish(self) -> None:
        """The list is whole."""

    def change(self, event: Event) -> None:
        """An object was added, modified or deleted."""


class Follower:
    """Keeps one store true."""

    def __init__(self, kube: Kube, path: str, store: Store, **parameters: str) -> None:
        """``parameters`` of list and watch, such as ``fieldSelector``."""
        self._kube = kube
        self._path = path
        self._store = store
        self._parameters = parameters
        self._version = ""
        """Where to watch from; empty: list first."""
        self._told = False
        """Whether the log has the present trouble already."""

    async def run(self) -> None:
        """Follow until cancelled."""
        failures = 0
        while True:
            started = time.monotonic()
            wait = 0.0
            try:
                if not self._version:
                    await self._list()
                await self._watch()
            except errors.Unavailable as error:
                wait = self._failed(error)
            if time.monotonic() - started > LASTING:
                failures = 0
            await self._rest(max(wait, _pause(failures)))
            failures += 1

    async def _rest(self, seconds: float) -> None:
        """Between two watches nobody is told of anything: for longer than a moment, say so."""
        if seconds > BLIND:
            self._store.healthy = False
        await asyncio.sleep(seconds)

    async def _list(self) -> None:
        self._store.begin()
        version = ""
        async for page in self._kube.pages(self._path, **self._parameters):
            for thing in page.things:
                self._store.add(thing)
            version = page.version
        self._store.finish()
        self._version = version

    async def _watch(self) -> None:
        """Until the server ends it; ``_version`` is where it ended."""
        watch = self._kube.watch(self._path, self._version, **self._parameters)
        async with watch as events:
            self._heal()
            async for event in events:
                if event.type == "ERROR":
                    raise _watch_error(event.object, self._path)
                if event.type != "BOOKMARK":
                    self._store.change(event)
                self._version = event.object.metadata.version or self._version

    def _heal(self) -> None:
        self._store.healthy = True
        if self._told:
            log.info("the watch is back", extra={"fields": {"path": self._path}})
        self._told = False

    def _failed(self, error: errors.Unavailable) -> float:
        """Note the trouble; seconds that the API server wants us to wait."""
        self._store.healthy = False
        if isinstance(error, errors.Gone):
            self._version = ""
        level = logging.DEBUG if self._told else logging.WARNING
        fields = {"path": self._path, "told": error.sentence}
        log.log(level, "the watch broke; trying again", extra={"fields": fields})
        self._told = True
        return error.seconds if isinstance(error, errors.Throttled) else 0.0


def _pause(failures: int) -> float:
    """Seconds, doubled at each failure, with jitter."""
    return min(FIRST * 2.0 ** min(failures, 16), MOST) * random.uniform(0.5, 1.0)


def _watch_error(status: Thing, path: str) -> errors.Unavailable:
    sentence = f"The watch of {path} ended with {status.code}: {status.message[:300]}."
    # Of the rest client-go, too, thinks that going on from the same place would not help.
    passes = status.code == 429 or status.code >= 500
    return errors.Unavailable(sentence) if passes else errors.Gone(sentence)

"""The token store: one entry per identity and scope, one exchange in flight for each.

What it promises (docs/behaviour.md has the tests): a token with plenty of life is answered at once;
from half of its life on it is renewed behind the answer; with little life left the answer waits a
moment for the renewal; whatever is wrong with Entra ID, a token with a minute left is still served.
Knows nothing of HTTP or msal: the exchange and the clock are handed in.
"""

import asyncio
import contextlib
import random
import sys
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass

from azwi_proxy import errors
from azwi_proxy.identities import Identity

CAPACITY = 4096  # tokens; the least recently used goes first
MAX_STORED = 16 * 1024 * 1024  # bytes of all tokens; one has 2 KB
MAX_TOKEN = 64 * 1024  # bytes of one; longer ones are answered, and not stored
FAILURES = 512  # of the pod's own identities, and as many of others; a long one has 10 KB
LEAST = 60.0  # seconds: a token with less life left is not handed out
PLENTY = 20 * 60.0  # seconds: Terraform renews at each call below 20 minutes
PATIENCE = 2.0  # seconds an answer waits for a renewal when there still is a token to fall back on
RATE = 20.0  # exchanges a second, and at once after a pause: what IMDS itself allows a VM
RESERVED = 10.0  # more, for the pod's own identities: client ids at random must not use them up
LONGEST_PAUSE = {429: 120.0, 503: 30.0}  # seconds before Entra ID is asked again, by its status
RENEWAL_PAUSE = (3.0, 6.0)  # seconds between tries to renew a token that is still good


@dataclass(frozen=True, slots=True)
class Moment:
    """One reading of both clocks, in seconds."""

    wall: float
    """Unix time: jumps when somebody sets the clock."""
    elapsed: float
    """Since some start, suspended time included (CLOCK_BOOTTIME): never jumps back."""

    def __sub__(self, earlier: "Moment") -> float:
        """Seconds since ``earlier``, by the clock that says more.

        A clock set back cannot keep an expired token alive, and one set forward costs one exchange.
        """
        return max(self.wall - earlier.wall, self.elapsed - earlier.elapsed)


def now() -> Moment:
    """Read both clocks."""
    return Moment(time.time(), time.clock_gettime(time.CLOCK_BOOTTIME))


@dataclass(frozen=True, slots=True)
class Said:
    """What a token says of its identity, in lower case; empty where it says nothing."""

    object_id: str = ""
    resource_id: str = ""
    readable: bool = False

    def of(self, parameter: str) -> str:
        """What it says of ``object_id`` or ``msi_res_id``."""
        return self.object_id if parameter == "object_id" else self.resource_id


@dataclass(frozen=True, slots=True)
class Token:
    """An access token and its times."""

    text: str
    acquired: Moment
    lifetime: float
    """Seconds from ``acquired`` on."""
    expires_on: int
    """Unix time, by the clock of this node."""
    not_before: int
    said: Said = Said()

    def remaining(self, moment: Moment) -> float:
        """Seconds of life left."""
        return self.lifetime - (moment - self.acquired)

    def expiry(self, moment: Moment) -> int:
        """Unix time of expiry as this node's clock counts now, should it have been set back."""
        passed = moment.elapsed - self.acquired.elapsed
        return self.expires_on - max(0, round(passed - (moment.wall - self.acquired.wall)))

    @property
    def floor(self) -> float:
        """Below this many seconds an answer waits for a renewal."""
        return max(LEAST, min(PLENTY, self.lifetime / 2))


@dataclass(slots=True)
class _Entry:
    token: Token
    renew_below: float
    """Seconds of life below which it is renewed behind the answer: half of it, less some jitter."""


@dataclass(frozen=True, slots=True)
class _Failure:
    error: errors.TokenError
    until: float
    """By Moment.elapsed."""
    pause: float = 0
    """Seconds that a scope is held back because Entra ID asked for it; 0 where it did not."""
    until_theirs: float = 0
    """By Moment.elapsed: the end of the time that Entra ID named. Until then one asks at a time."""


@dataclass(frozen=True, slots=True)
class _Flight:
    task: asyncio.Task[Token]
    started: float
    """By Moment.elapsed."""


Key = tuple[Identity, str]
Exchange = Callable[[Identity, str], Awaitable[Token]]


class TokenStore:
    """Tokens by identity and scope, kept fresh through ``exchange``."""

    def __init__(
        self,
        exchange: Exchange,
        own: Collection[Identity] = (),
        *,
        clock: Callable[[], Moment] = now,
        jitter: Callable[[float, float], float] = random.uniform,
        on_hit: Callable[[], None] = lambda: None,
    ) -> None:
        self._exchange = exchange
        self._own = frozenset(own)
        self._clock = clock
        self._jitter = jitter
        self._on_hit = on_hit
        self._entries: OrderedDict[Key, _Entry] = OrderedDict()
        self._stored = 0
        # What others ask for in vain does not push out what holds for the pod's own identities.
        self._of_own: OrderedDict[Key, _Failure] = OrderedDict()
        self._of_others: OrderedDict[Key, _Failure] = OrderedDict()
        self._probes: dict[Identity, Key] = {}
        """By identity, the scope whose exchange finds out whether Entra ID answers again."""
        self._flights: dict[Key, _Flight] = {}
        self._allowance = RATE + RESERVED
        self._allowed_at = clock().elapsed

    def fresh(self, identity: Identity, scope: str) -> Token | None:
        """The stored token, if it may be answered as it is; renewed behind the answer when due."""
        entry = self._entries.get((identity, scope))
        if entry is None:
            return None
        remaining = entry.token.remaining(self._clock())
        if remaining < entry.token.floor:
            return None
        self._entries.move_to_end((identity, scope))
        if remaining < entry.renew_below:
            self._renew_behind((identity, scope))
        self._on_hit()
        return entry.token

    async def get(self, identity: Identity, scope: str, *, remember: bool = True) -> Token:
        """A token, from the store or by an exchange; raises errors.TokenError or errors.Busy.

        ``remember=False`` keeps a failure out of the memory that answers later requests, unless
        Entra ID said when to come back.
        """
        if token := self.fresh(identity, scope):
            return token
        key = (identity, scope)
        entry = self._entries.get(key)
        if entry is None or entry.token.remaining(self._clock()) < LEAST:
            return await _result(self._flight(key, remember=remember).task)
        with contextlib.suppress(errors.ProxyError):  # held back; the token in hand is still good
            flight = self._flight(key)
            await asyncio.wait((flight.task,), timeout=self._patience(flight))
        self._on_hit()
        return self._entries.get(key, entry).token

    async def close(self) -> None:
        """Give up what is in flight."""
        tasks = [flight.task for flight in self._flights.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def least_remaining(self) -> dict[str, float]:
        """For metrics: by client id, the seconds to the first expiry among its live tokens."""
        moment = self._clock()
        least: dict[str, float] = {}
        for (identity, _), entry in self._entries.items():
            remaining = entry.token.remaining(moment)
            if remaining > 0:
                client = identity.client_id
                least[client] = min(remaining, least.get(client, remaining))
        return least

    def __len__(self) -> int:
        """How many tokens are stored."""
        return len(self._entries)

    def _renew_behind(self, key: Key) -> None:
        with contextlib.suppress(errors.ProxyError):  # held back; the token in hand is good
            self._flight(key)

    def _patience(self, flight: _Flight) -> float:
        """Seconds that are left to wait for a flight; none for one that is late already."""
        return max(0.0, PATIENCE - (self._clock().elapsed - flight.started))

    def _flight(self, key: Key, *, remember: bool = True) -> _Flight:
        """The exchange in flight for ``key``, started if need be; raises what is remembered."""
        if flight := self._flights.get(key):
            return flight
        probes = self._raise_remembered(key)
        self._spend(key[0])
        if probes:
            self._probes[key[0]] = key
        task = asyncio.create_task(self._fetch(key, remember))
        flight = self._flights[key] = _Flight(task, self._clock().elapsed)
        task.add_done_callback(lambda done: self._landed(key, done))
        return flight

    async def _fetch(self, key: Key, remember: bool) -> Token:
        try:
            token = await self._exchange(*key)
        except errors.TokenError as error:
            error.forget_frames()
            if remember or _hold(error):
                self._remember(key, error)
            raise
        self._failures(key).pop(key, None)
        self._store(key, token)
        return token

    def _store(self, key: Key, token: Token) -> None:
        if before := self._entries.pop(key, None):
            self._stored -= _size(key, before.token)
        if len(token.text) > MAX_TOKEN:
            return
        self._entries[key] = _Entry(token, token.lifetime * self._jitter(0.45, 0.5))
        self._stored += _size(key, token)
        while len(self._entries) > CAPACITY or self._stored > MAX_STORED:
            oldest, entry = self._entries.popitem(last=False)
            self._stored -= _size(oldest, entry.token)

    def _landed(self, key: Key, done: asyncio.Task[Token]) -> None:
        del self._flights[key]
        if self._probes.get(key[0]) == key:
            del self._probes[key[0]]
        if not done.cancelled():
            done.exception()  # retrieved: with a token in hand nobody may be waiting for it

    def _remember(self, key: Key, error: errors.TokenError) -> None:
        """Let a failure answer for its token for a while, longer if Entra ID asked for it."""
        pause = error.remember
        entry = self._entries.get(key)
        if entry and entry.token.remaining(self._clock()) >= LEAST:
            pause = RENEWAL_PAUSE
        now = self._clock().elapsed
        failure = _Failure(error, now + self._jitter(*pause))
        failures = self._failures(key)
        before = failures.get(key)
        if _hold(error) or (before and before.until_theirs > now):
            failure = self._held(error, before, now)
        failures[key] = failure
        failures.move_to_end(key)
        while len(failures) > FAILURES:
            failures.popitem(last=False)

    def _failures(self, key: Key) -> OrderedDict[Key, _Failure]:
        return self._of_own if key[0] in self._own else self._of_others

    def _held(self, error: errors.TokenError, before: _Failure | None, now: float) -> _Failure:
        """Hold a scope back for part of the time that Entra ID named, twice as long each time.

        A middlebox may name ten minutes. So one request asks after ``pause``, and doubles it.
        """
        theirs = now + _hold(error)
        pause = min(_hold(error), LONGEST_PAUSE.get(error.status, LONGEST_PAUSE[503]))
        if before and before.until_theirs > now:
            theirs = max(theirs, before.until_theirs)
            pause = min(before.pause * 2, theirs - now)
        return _Failure(error, now + pause + self._jitter(0, 1), pause, theirs)

    def _raise_remembered(self, key: Key) -> bool:
        """Raise what is remembered of a token; True where its exchange shows if that is over."""
        failure = self._failures(key).get(key)
        if failure is None:
            return False
        now = self._clock().elapsed
        left = failure.until - now
        if left <= 0 and failure.until_theirs <= now:
            del self._failures(key)[key]
            return False
        if left <= 0 and key[0] not in self._probes:
            return True
        error = failure.error
        if isinstance(error, errors.Throttled):
            error.retry_after = max(1, min(5, round(left)))
        raise error.with_traceback(None)

    def _spend(self, identity: Identity) -> None:
        """Take one exchange from the allowance, or raise errors.Busy."""
        moment = self._clock().elapsed
        self._allowance = min(RATE + RESERVED, self._allowance + (moment - self._allowed_at) * RATE)
        self._allowed_at = moment
        if self._allowance < (1 if identity in self._own else RESERVED + 1):
            raise errors.Busy(
                f"More than {RATE:.0f} different tokens a second are asked for: try again"
            )
        self._allowance -= 1


def _size(key: Key, token: Token) -> int:
    """Bytes that a stored token takes, about."""
    return sys.getsizeof(key[1]) + sys.getsizeof(token.text)


def _hold(error: errors.TokenError) -> float:
    """Seconds for which Entra ID asked not to be called."""
    return error.hold if isinstance(error, errors.Unavailable) else 0


async def _result(task: asyncio.Task[Token]) -> Token:
    """Wait for a shared task: a waiter that is cancelled leaves it alone."""
    await asyncio.wait((task,))
    if error := task.exception():
        raise error.with_traceback(None)  # one exception object serves every waiter
    return task.result()

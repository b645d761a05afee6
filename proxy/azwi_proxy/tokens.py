"""The token store: one entry per identity and scope, one exchange in flight for each.

What it promises (docs/behaviour.md has the tests): a token with plenty of life is answered at once;
from half of its life on it is renewed behind the answer; with little life left the answer waits a
moment for the renewal; whatever is wrong with Entra ID, a token with a minute left is still served.
Knows nothing of HTTP or msal: the exchange and the clock are handed in.
"""

import asyncio
import contextlib
import random
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from azwi_proxy import errors
from azwi_proxy.identities import Identity

CAPACITY = 4096  # tokens; the least recently used goes first
FAILURES = 1024  # remembered failures: fewer, so that nonsense does not push tokens out
LEAST = 60.0  # seconds: a token with less life left is not handed out
PLENTY = 20 * 60.0  # seconds: Terraform renews at each call below 20 minutes
PATIENCE = 2.0  # seconds an answer waits for a renewal when there still is a token to fall back on
RATE = 20.0  # exchanges a second, and at once after a pause: what IMDS itself allows a VM
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
class Token:
    """An access token and its times."""

    text: str
    acquired: Moment
    lifetime: float
    """Seconds from ``acquired`` on."""
    expires_on: int
    """Unix time, by the clock of this node."""
    not_before: int

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
        *,
        clock: Callable[[], Moment] = now,
        jitter: Callable[[float, float], float] = random.uniform,
        on_hit: Callable[[], None] = lambda: None,
    ) -> None:
        self._exchange = exchange
        self._clock = clock
        self._jitter = jitter
        self._on_hit = on_hit
        self._entries: OrderedDict[Key, _Entry] = OrderedDict()
        self._failures: OrderedDict[Key | Identity, _Failure] = OrderedDict()
        self._flights: dict[Key, _Flight] = {}
        self._allowance = RATE
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
        return self._entries.setdefault(key, entry).token

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
        self._raise_remembered(key)
        self._raise_remembered(key[0])
        self._spend()
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
        self._failures.pop(key, None)
        self._entries[key] = _Entry(token, token.lifetime * self._jitter(0.45, 0.5))
        self._entries.move_to_end(key)
        while len(self._entries) > CAPACITY:
            self._entries.popitem(last=False)
        return token

    def _landed(self, key: Key, done: asyncio.Task[Token]) -> None:
        del self._flights[key]
        if not done.cancelled():
            done.exception()  # retrieved: with a token in hand nobody may be waiting for it

    def _remember(self, key: Key, error: errors.TokenError) -> None:
        """Let a failure answer for a while: for its token, or its identity if Entra ID said so."""
        pause = error.remember
        entry = self._entries.get(key)
        if entry and entry.token.remaining(self._clock()) >= LEAST:
            pause = RENEWAL_PAUSE
        seconds = self._jitter(*pause)
        hold = _hold(error)
        subject: Key | Identity = key
        if hold:
            seconds, subject = hold + self._jitter(0, 1), key[0]
        self._failures[subject] = _Failure(error, self._clock().elapsed + seconds)
        self._failures.move_to_end(subject)
        while len(self._failures) > FAILURES:
            self._failures.popitem(last=False)

    def _raise_remembered(self, subject: Key | Identity) -> None:
        failure = self._failures.get(subject)
        if failure is None:
            return
        left = failure.until - self._clock().elapsed
        if left <= 0:
            del self._failures[subject]
            return
        error = failure.error
        if isinstance(error, errors.Throttled):
            error.retry_after = max(1, min(5, round(left)))
        raise error.with_traceback(None)

    def _spend(self) -> None:
        """Take one exchange from the allowance, or raise errors.Busy."""
        moment = self._clock().elapsed
        self._allowance = min(RATE, self._allowance + (moment - self._allowed_at) * RATE)
        self._allowed_at = moment
        if self._allowance < 1:
            raise errors.Busy(
                f"More than {RATE:.0f} different tokens a second are asked for: try again"
            )
        self._allowance -= 1


def _hold(error: errors.TokenError) -> float:
    """Seconds for which Entra ID asked not to be called for this identity."""
    return error.hold if isinstance(error, errors.Unavailable) else 0


async def _result(task: asyncio.Task[Token]) -> Token:
    """Wait for a shared task: a waiter that is cancelled leaves it alone."""
    await asyncio.wait((task,))
    if error := task.exception():
        raise error.with_traceback(None)  # one exception object serves every waiter
    return task.result()

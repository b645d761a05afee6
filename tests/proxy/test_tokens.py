"""The token store, with a clock that the test turns."""

import asyncio
import dataclasses
import gc
import weakref
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest

from azwi_proxy import errors, tokens
from azwi_proxy.identities import Identity
from azwi_proxy.tokens import Moment, Token, TokenStore

APP = Identity("11111111-1111-1111-1111-111111111111", "tenant")
OTHER = Identity("22222222-2222-2222-2222-222222222222", "tenant")
SCOPE = "https://vault.azure.net/.default"
HOUR = 3600.0


@dataclass
class Clock:
    """Two clocks that move together, until a test sets one of them."""

    wall: float = 1_800_000_000.0
    elapsed: float = 1000.0

    def __call__(self) -> Moment:
        return Moment(self.wall, self.elapsed)

    def pass_(self, seconds: float) -> None:
        self.wall += seconds
        self.elapsed += seconds


@dataclass
class Entra:
    """Answers exchanges as it is told, and counts them."""

    clock: Clock
    lifetime: float = HOUR
    error: Exception | None = None
    gate: asyncio.Event | None = None
    calls: list[tuple[Identity, str]] = field(default_factory=list)

    async def exchange(self, identity: Identity, scope: str) -> Token:
        self.calls.append((identity, scope))
        acquired = self.clock()
        if self.gate:
            await self.gate.wait()
        await asyncio.sleep(0)
        if self.error:
            raise self.error
        expires_on = int(acquired.wall + self.lifetime)
        text = f"token-{len(self.calls)}"
        return Token(text, acquired, self.lifetime, expires_on, int(acquired.wall) - 300)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def entra(clock: Clock) -> Entra:
    return Entra(clock)


@pytest.fixture
async def store(clock: Clock, entra: Entra) -> AsyncIterator[TokenStore]:
    store = TokenStore(entra.exchange, (APP,), clock=clock, jitter=lambda _, most: most)
    yield store
    await store.close()


async def settle() -> None:
    """Let what runs behind an answer end."""
    for _ in range(10):
        await asyncio.sleep(0)


def outage() -> errors.Unavailable:
    return errors.Unavailable("Entra ID is away.", reason="timeout")


def refusal() -> errors.Refused:
    return errors.Refused("AADSTS500011: no", status=400, error="invalid_resource", code=500011)


async def test_a_token_is_exchanged_once_and_then_answered_from_the_store(
    store: TokenStore, entra: Entra
) -> None:
    first = await store.get(APP, SCOPE)
    assert store.fresh(APP, SCOPE) is first
    assert await store.get(APP, SCOPE) is first
    assert len(entra.calls) == 1


async def test_identity_and_scope_are_kept_apart_to_the_letter(
    store: TokenStore, entra: Entra
) -> None:
    for identity, scope in ((APP, "r/.default"), (APP, "r//.default"), (OTHER, "r/.default")):
        await store.get(identity, scope)
    assert len(entra.calls) == 3


async def test_a_thousand_waiters_make_one_exchange(store: TokenStore, entra: Entra) -> None:
    entra.gate = asyncio.Event()
    waiters = [asyncio.create_task(store.get(APP, SCOPE)) for _ in range(1000)]
    await settle()
    entra.gate.set()
    assert len({token.text for token in await asyncio.gather(*waiters)}) == 1
    assert len(entra.calls) == 1


async def test_a_waiter_that_goes_away_cancels_nothing_for_the_others(
    store: TokenStore, entra: Entra
) -> None:
    entra.gate = asyncio.Event()
    gone, stays = (asyncio.create_task(store.get(APP, SCOPE)) for _ in range(2))
    await settle()
    gone.cancel()
    await settle()
    entra.gate.set()
    assert (await stays).text == "token-1"
    assert gone.cancelled()


async def test_every_waiter_of_a_failed_exchange_is_told(store: TokenStore, entra: Entra) -> None:
    entra.error = outage()
    told = await asyncio.gather(*(store.get(APP, SCOPE) for _ in range(50)), return_exceptions=True)
    assert all(isinstance(error, errors.Unavailable) for error in told)
    assert len(entra.calls) == 1


@pytest.mark.parametrize("lifetime", [HOUR, 1800.0, 600.0])
async def test_before_half_of_its_life_a_token_is_left_alone(
    store: TokenStore, entra: Entra, clock: Clock, lifetime: float
) -> None:
    entra.lifetime = lifetime
    await store.get(APP, SCOPE)
    clock.pass_(0.49 * lifetime)
    await store.get(APP, SCOPE)
    await settle()
    assert len(entra.calls) == 1


async def test_after_half_of_its_life_a_token_is_renewed_behind_the_answer(
    store: TokenStore, entra: Entra, clock: Clock
) -> None:
    await store.get(APP, SCOPE)
    clock.pass_(0.56 * HOUR)
    assert (await store.get(APP, SCOPE)).text == "token-1"
    await settle()
    assert (await store.get(APP, SCOPE)).text == "token-2"


@pytest.mark.parametrize(("lifetime", "age"), [(HOUR, 0.7), (HOUR, 0.98), (600.0, 0.51)])
async def test_an_answer_waits_for_a_token_with_twenty_minutes_or_half_of_its_life(
    store: TokenStore, entra: Entra, clock: Clock, lifetime: float, age: float
) -> None:
    entra.lifetime = lifetime
    await store.get(APP, SCOPE)
    clock.pass_(age * lifetime)
    token = await store.get(APP, SCOPE)
    assert token.remaining(clock()) >= min(1200, lifetime / 2)


@pytest.mark.parametrize("make_error", [outage, refusal])
async def test_whatever_is_wrong_a_token_with_a_minute_left_is_served(
    store: TokenStore, entra: Entra, clock: Clock, make_error: type[Exception]
) -> None:
    await store.get(APP, SCOPE)
    entra.error = make_error()
    while clock.elapsed < 1000 + HOUR - 60:
        assert (await store.get(APP, SCOPE)).text == "token-1"
        await settle()
        clock.pass_(60)
    clock.pass_(1)
    with pytest.raises(type(entra.error)):
        await store.get(APP, SCOPE)


async def test_a_hanging_renewal_delays_an_answer_by_two_seconds_at_most(
    store: TokenStore, entra: Entra, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tokens, "PATIENCE", 0.05)
    await store.get(APP, SCOPE)
    clock.pass_(0.9 * HOUR)
    entra.gate = asyncio.Event()
    async with asyncio.timeout(1):
        assert (await store.get(APP, SCOPE)).text == "token-1"
    monkeypatch.setattr(tokens, "PATIENCE", 2.0)
    clock.pass_(3)
    async with asyncio.timeout(1):  # the renewal is late already: no second wait
        assert (await store.get(APP, SCOPE)).text == "token-1"
    entra.gate.set()
    await settle()
    assert (await store.get(APP, SCOPE)).text == "token-2"
    assert len(entra.calls) == 2


async def test_renewals_during_an_outage_are_seconds_apart(
    store: TokenStore, entra: Entra, clock: Clock
) -> None:
    await store.get(APP, SCOPE)
    clock.pass_(0.6 * HOUR)
    entra.error = outage()
    for _ in range(100):
        await store.get(APP, SCOPE)
        await settle()
        clock.pass_(0.2)
    assert 2 <= len(entra.calls) - 1 <= 4


async def test_after_an_outage_the_next_renewal_heals_within_seconds(
    store: TokenStore, entra: Entra, clock: Clock
) -> None:
    await store.get(APP, SCOPE)
    clock.pass_(0.6 * HOUR)
    entra.error = outage()
    await store.get(APP, SCOPE)
    await settle()
    entra.error = None
    clock.pass_(10.1)
    await store.get(APP, SCOPE)
    await settle()
    assert (await store.get(APP, SCOPE)).text == "token-3"


@pytest.mark.parametrize(
    ("error", "seconds"),
    [(refusal(), 6), (outage(), 2), (errors.NotYet("", status=401, error=""), 4)],
)
async def test_a_failure_answers_for_a_few_seconds_without_another_exchange(
    store: TokenStore, entra: Entra, clock: Clock, error: errors.TokenError, seconds: float
) -> None:
    entra.error = error
    for pause in (0, 0, seconds - 0.1):
        clock.pass_(pause)
        with pytest.raises(type(error)):
            await store.get(APP, SCOPE)
    assert len(entra.calls) == 1
    clock.pass_(0.2)
    entra.error = None
    assert (await store.get(APP, SCOPE)).text == "token-2"


async def test_retry_after_holds_what_was_asked_for_and_nothing_else(
    store: TokenStore, entra: Entra, clock: Clock
) -> None:
    entra.error = errors.Throttled("slow down", hold=60)
    with pytest.raises(errors.Throttled):
        await store.get(APP, SCOPE)
    entra.error = None
    clock.pass_(50)
    with pytest.raises(errors.Throttled) as caught:
        await store.get(APP, SCOPE)
    assert caught.value.retry_after == 5
    assert (await store.get(APP, "another/.default")).text == "token-2"
    assert (await store.get(OTHER, SCOPE)).text == "token-3"
    clock.pass_(9.5)
    with pytest.raises(errors.Throttled) as caught:
        await store.get(APP, SCOPE)
    assert caught.value.retry_after in (1, 2)
    clock.pass_(1.6)
    assert (await store.get(APP, SCOPE)).text == "token-4"


@pytest.mark.parametrize(
    ("error", "pauses"),
    [
        (errors.Throttled("slow down", hold=600), [120, 240, 240]),  # 600 in all, by 1 s each more
        (errors.Unavailable("away", reason="http_503", hold=600), [30, 60, 120, 240, 150]),
        (errors.Unavailable("away", reason="http_503", hold=20), [20]),
    ],
)
async def test_a_long_retry_after_is_probed_at_pauses_that_double(
    store: TokenStore, entra: Entra, clock: Clock, error: errors.Unavailable, pauses: list[float]
) -> None:
    began = clock.elapsed
    entra.error = error
    with pytest.raises(errors.Unavailable):
        await store.get(APP, SCOPE)
    entra.error = errors.Unavailable("no answer", reason="timeout")  # says no time of its own
    for number, pause in enumerate(pauses, 1):
        assert len(entra.calls) == number
        clock.pass_(min(pause, began + error.hold - clock.elapsed) - 0.5)
        with pytest.raises(errors.Unavailable):
            await store.get(APP, SCOPE)
        assert len(entra.calls) == number, "asked before the pause was over"
        clock.pass_(1.6)
        with pytest.raises(errors.Unavailable):
            await store.get(APP, SCOPE)
    assert clock.elapsed >= began + error.hold


async def test_after_the_time_that_entra_id_named_a_failure_counts_for_seconds_again(
    store: TokenStore, entra: Entra, clock: Clock
) -> None:
    entra.error = errors.Unavailable("away", reason="http_503", hold=20)
    with pytest.raises(errors.Unavailable):
        await store.get(APP, SCOPE)
    clock.pass_(21.1)
    entra.error = refusal()
    for pause in (0, 5.9):
        clock.pass_(pause)
        with pytest.raises(errors.Refused):
            await store.get(APP, SCOPE)
    assert len(entra.calls) == 2
    entra.error = None
    clock.pass_(0.2)
    assert (await store.get(APP, SCOPE)).text == "token-3"


async def test_one_request_at_a_time_probes_for_the_held_scopes_of_an_identity(
    store: TokenStore, entra: Entra, clock: Clock
) -> None:
    entra.error = errors.Throttled("slow down", hold=600)
    for scope in ("one/.default", "two/.default"):
        with pytest.raises(errors.Throttled):
            await store.get(APP, scope)
    clock.pass_(122)
    entra.error, entra.gate = None, asyncio.Event()
    probe = asyncio.create_task(store.get(APP, "one/.default"))
    await settle()
    for scope in ("two/.default", "two/.default"):
        with pytest.raises(errors.Throttled) as caught:
            await store.get(APP, scope)
        assert caught.value.retry_after == 1
    assert len(entra.calls) == 3
    entra.gate.set()
    assert (await probe).text == "token-3"
    assert (await store.get(APP, "two/.default")).text == "token-4"


async def test_the_first_429_tells_the_app_seconds_too(store: TokenStore, entra: Entra) -> None:
    entra.error = errors.Throttled("slow down", hold=60)
    with pytest.raises(errors.Throttled) as caught:
        await store.get(APP, SCOPE)
    assert caught.value.retry_after is not None
    assert 1 <= caught.value.retry_after <= 5


async def test_a_failure_that_is_not_to_be_remembered_is_tried_again_at_once(
    store: TokenStore, entra: Entra
) -> None:
    entra.error = refusal()
    with pytest.raises(errors.Refused):
        await store.get(APP, SCOPE, remember=False)
    entra.error = None
    assert (await store.get(APP, SCOPE)).text == "token-2"


async def test_retry_after_holds_even_where_a_failure_is_not_to_be_remembered(
    store: TokenStore, entra: Entra, clock: Clock
) -> None:
    entra.error = errors.Throttled("too many requests", hold=30)
    for _ in range(2):
        with pytest.raises(errors.Throttled):
            await store.get(APP, SCOPE, remember=False)
    assert len(entra.calls) == 1
    entra.error = None
    clock.pass_(32)
    assert (await store.get(APP, SCOPE)).text == "token-2"


async def test_other_identities_cannot_use_up_the_exchanges_of_the_pods_own(
    store: TokenStore, entra: Entra, clock: Clock
) -> None:
    for _ in range(50):
        refused = 0
        for number in range(30):
            try:
                await store.get(Identity(f"random-{number}", "tenant"), f"r{clock.elapsed}")
            except errors.Busy:
                refused += 1
        assert refused >= 10
        assert (await store.get(APP, f"own-{clock.elapsed}/.default")).text
        clock.pass_(0.5)


async def test_more_different_tokens_at_once_than_imds_would_bear_are_told_to_wait(
    store: TokenStore, entra: Entra, clock: Clock
) -> None:
    for number in range(30):
        await store.get(APP, f"r{number}/.default")
    with pytest.raises(errors.Busy) as caught:
        await store.get(APP, "one-more/.default")
    assert (caught.value.status, caught.value.retry_after) == (429, 1)
    clock.pass_(0.06)
    await store.get(APP, "one-more/.default")
    assert len(entra.calls) == 31


async def test_a_token_in_use_outlives_ten_thousand_others(
    store: TokenStore, entra: Entra, clock: Clock
) -> None:
    entra.lifetime = 24 * HOUR
    await store.get(APP, SCOPE)
    for number in range(10_000):
        clock.pass_(0.05)
        await store.get(APP, f"r{number}/.default")
        assert store.fresh(APP, SCOPE) is not None
    assert len(store) == tokens.CAPACITY


async def test_failures_of_other_identities_push_no_hold_out(
    store: TokenStore, entra: Entra, clock: Clock
) -> None:
    entra.error = errors.Throttled("slow down", hold=600)
    with pytest.raises(errors.Throttled):
        await store.get(APP, SCOPE)
    entra.error = refusal()
    for number in range(2 * tokens.FAILURES):
        clock.pass_(0.05)
        with pytest.raises(errors.Refused):
            await store.get(Identity(f"random-{number}", "tenant"), SCOPE)
    calls = len(entra.calls)
    with pytest.raises(errors.Throttled):
        await store.get(APP, SCOPE)
    assert len(entra.calls) == calls
    assert len(store._of_others) == tokens.FAILURES


async def test_stored_tokens_are_bounded_in_bytes(
    entra: Entra, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def long(identity: Identity, scope: str) -> Token:
        token = await entra.exchange(identity, scope)
        return dataclasses.replace(token, text="x" * 50_000)

    store = TokenStore(long, (APP,), clock=clock)
    for number in range(1000):
        clock.pass_(0.05)
        await store.get(APP, f"r{number}/.default")
    assert len(store) == tokens.MAX_STORED // (50_000 + 49 + 49 + len("r999/.default"))
    monkeypatch.setattr(tokens, "MAX_TOKEN", 100)
    assert len((await store.get(APP, "r999/.default")).text) == 50_000
    calls = len(entra.calls)
    for _ in range(2):
        clock.pass_(1)
        assert len((await store.get(APP, "long/.default")).text) == 50_000
    assert len(entra.calls) == calls + 2


async def test_failures_are_bounded_and_push_no_token_out(
    store: TokenStore, entra: Entra, clock: Clock
) -> None:
    entra.lifetime = 24 * HOUR
    await store.get(APP, SCOPE)
    entra.error = refusal()
    for number in range(3000):
        clock.pass_(0.05)
        with pytest.raises(errors.Refused):
            await store.get(APP, f"r{number}/.default")
    assert len(store._of_own) <= tokens.FAILURES
    assert store.fresh(APP, SCOPE) is not None


async def test_a_remembered_failure_holds_nothing_but_its_words(
    clock: Clock,
) -> None:
    """An exchange's frames hold msal's client, 40 KB: a thousand failures, half of our memory."""

    class Client:
        pass

    held: list[weakref.ref[Client]] = []

    async def fail(identity: Identity, scope: str) -> Token:
        client = Client()
        held.append(weakref.ref(client))
        try:
            raise ValueError(client)
        except ValueError as error:
            raise refusal() from error

    store = TokenStore(fail, clock=clock)
    for _ in range(2):
        with pytest.raises(errors.Refused) as told:
            await store.get(APP, SCOPE)
    assert len(held) == 1
    assert told.value.description == "AADSTS500011: no"
    del told
    await settle()
    gc.collect()
    assert held[0]() is None
    await store.close()


async def test_a_clock_set_back_keeps_no_expired_token_alive(
    store: TokenStore, entra: Entra, clock: Clock
) -> None:
    await store.get(APP, SCOPE)
    clock.wall -= 10 * HOUR
    clock.pass_(HOUR)
    assert (await store.get(APP, SCOPE)).text == "token-2"


async def test_a_clock_set_back_moves_the_expiry_that_the_app_is_told(
    store: TokenStore, clock: Clock
) -> None:
    token = await store.get(APP, SCOPE)
    assert token.expiry(clock()) == token.expires_on
    clock.wall -= 500
    assert token.expiry(clock()) == token.expires_on - 500
    clock.pass_(2 * clock.elapsed)  # the node had just started
    assert token.expiry(clock()) == token.expires_on - 500


async def test_a_clock_set_forward_costs_one_exchange_and_no_storm(
    store: TokenStore, entra: Entra, clock: Clock
) -> None:
    await store.get(APP, SCOPE)
    clock.wall += 1000 * HOUR
    for _ in range(20):
        await store.get(APP, SCOPE)
        clock.pass_(1)
    assert len(entra.calls) == 2


async def test_time_asleep_counts(store: TokenStore, entra: Entra, clock: Clock) -> None:
    await store.get(APP, SCOPE)
    clock.pass_(5 * HOUR)  # CLOCK_BOOTTIME goes on while a machine is suspended
    assert (await store.get(APP, SCOPE)).text == "token-2"


async def test_metrics_see_the_first_expiry_of_each_identity(
    store: TokenStore, entra: Entra, clock: Clock
) -> None:
    await store.get(APP, SCOPE)
    entra.lifetime = 600
    await store.get(APP, "r/.default")
    clock.pass_(10)
    assert store.least_remaining() == {APP.client_id: 590}


async def test_hits_are_counted_and_exchanges_are_not(clock: Clock, entra: Entra) -> None:
    hits: list[int] = []
    store = TokenStore(entra.exchange, clock=clock, on_hit=lambda: hits.append(1))
    await store.get(APP, SCOPE)
    await store.get(APP, SCOPE)
    assert len(hits) == 1


def test_a_token_says_of_each_parameter_what_is_meant_by_it() -> None:
    said = tokens.Said("an object id", "a resource id", readable=True)
    assert said.of("object_id") == "an object id"
    assert said.of("msi_res_id") == "a resource id"


def test_both_real_clocks_move_forward() -> None:
    earlier = tokens.now()
    assert tokens.now() - earlier >= 0

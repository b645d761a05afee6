"""What is left out of the log is counted, and told."""

import logging
from collections.abc import Callable

import pytest

from azwi_common.log_share import Share


class Clock:
    """Time that passes when it is told to; runs what is due."""

    def __init__(self) -> None:
        self.now = 100.0
        self.timers: list[tuple[float, Callable[[], None]]] = []

    def __call__(self) -> float:
        return self.now

    def later(self, seconds: float, act: Callable[[], None]) -> None:
        """As an event loop's call_later."""
        self.timers.append((self.now + seconds, act))

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds
        due = [act for moment, act in self.timers if moment <= self.now]
        self.timers = [timer for timer in self.timers if timer[0] > self.now]
        for act in due:
            act()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def share(clock: Clock) -> Share:
    return Share(
        logging.getLogger("share"), clock.later, burst=3, kinds=2, interval=60, clock=clock
    )


def fields(caplog: pytest.LogCaptureFixture) -> list[dict[str, object]]:
    found: list[dict[str, object]] = [vars(record)["fields"] for record in caplog.records]
    caplog.clear()
    return found


def test_the_first_lines_are_written_and_the_rest_is_told_at_the_end_of_the_interval(
    caplog: pytest.LogCaptureFixture, clock: Clock, share: Share
) -> None:
    for number in range(1000):
        share.log(logging.WARNING, "request", {"reason": "bad"}, {"number": number})
    assert [line["number"] for line in fields(caplog)] == [0, 1, 2]
    clock.advance(59)
    assert fields(caplog) == []
    clock.advance(1)
    assert fields(caplog) == [{"reason": "bad", "more": 997, "seconds": 60}]
    clock.advance(600)
    assert fields(caplog) == []
    share.log(logging.WARNING, "request", {"reason": "bad"})
    assert fields(caplog) == [{"reason": "bad"}]


def test_every_interval_with_lines_left_out_ends_with_their_count(
    caplog: pytest.LogCaptureFixture, clock: Clock, share: Share
) -> None:
    for lines in (5, 6, 7):
        for _ in range(lines):
            share.log(logging.WARNING, "request", {"reason": "bad"})
        caplog.clear()
        clock.advance(60)
        assert fields(caplog) == [{"reason": "bad", "more": lines - 3, "seconds": 60}]


def test_one_kind_takes_nothing_from_another(
    caplog: pytest.LogCaptureFixture, share: Share
) -> None:
    for _ in range(100):
        share.log(logging.WARNING, "request", {"reason": "bad"})
    caplog.clear()
    share.log(logging.WARNING, "request", {"reason": "other"})
    assert fields(caplog) == [{"reason": "other"}]


def test_kinds_are_bounded_too(
    caplog: pytest.LogCaptureFixture, clock: Clock, share: Share
) -> None:
    for number in range(100):
        share.log(logging.WARNING, "request", {"reason": number})
    assert [line.get("reason") for line in fields(caplog)] == [0, 1, None, None, None]
    clock.advance(60)
    assert fields(caplog) == [{"kind": "other", "more": 95, "seconds": 60}]


def test_what_is_counted_at_the_end_of_the_program_is_told(
    caplog: pytest.LogCaptureFixture, share: Share
) -> None:
    for _ in range(5):
        share.log(logging.WARNING, "request", {"reason": "bad"})
    caplog.clear()
    share.tell()
    assert fields(caplog) == [{"reason": "bad", "more": 2, "seconds": 60}]


def test_a_level_that_is_off_counts_nothing(
    caplog: pytest.LogCaptureFixture, clock: Clock, share: Share
) -> None:
    for _ in range(10):
        share.log(logging.DEBUG, "request", {"reason": "quiet"})
    clock.advance(60)
    assert fields(caplog) == []

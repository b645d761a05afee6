"""Answers of this second, sent again."""

import pytest

from azwi_proxy import replay
from azwi_proxy.replay import Replay, is_plain_head, without_ids

HEAD = b"GET /metadata/identity/oauth2/token?resource=x HTTP/1.1\r\nMetadata: true\r\n\r\n"


class Clock:
    """Unix time that a test sets."""

    now = 1_800_000_000.5

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_the_same_head_in_the_same_second_gets_the_same_bytes(clock: Clock) -> None:
    answers = Replay(clock)
    answers.remember(HEAD, b"answer", 1_800_000_000)
    assert answers.answer(HEAD) == b"answer"
    assert answers.answer(HEAD + b"x") is None
    assert answers.take_count() == 1
    assert answers.take_count() == 0


@pytest.mark.parametrize("later", [1_800_000_001.0, 1_799_999_999.9])
def test_nothing_outlives_its_second_whichever_way_the_clock_goes(
    clock: Clock, later: float
) -> None:
    answers = Replay(clock)
    answers.remember(HEAD, b"answer", 1_800_000_000)
    clock.now = later
    assert answers.answer(HEAD) is None
    answers.remember(b"other", b"new", int(later))
    assert answers.answer(HEAD) is None
    assert answers.answer(b"other") == b"new"


def test_an_answer_that_took_longer_than_its_second_is_not_kept(clock: Clock) -> None:
    answers = Replay(clock)
    answers.remember(HEAD, b"answer", 1_799_999_999)
    assert answers.answer(HEAD) is None


def test_a_head_comes_again_from_its_second_time_on(clock: Clock) -> None:
    answers = Replay(clock)
    assert [answers.comes_again(HEAD) for _ in range(3)] == [False, True, True]
    assert not answers.comes_again(HEAD + b"x")
    clock.now += 100
    assert answers.comes_again(HEAD)


def test_heads_that_never_come_again_neither_grow_nor_hide_one_that_does(clock: Clock) -> None:
    answers = Replay(clock)
    size = len(answers._seen)
    found = 0
    for number in range(10_000):
        found += answers.comes_again(b"%d" % number)
        if number % 100 == 0:
            found += answers.comes_again(HEAD)
    assert len(answers._seen) == size
    assert 60 < found < 100  # of 100, nine in ten of which find their place as they left it


def test_different_heads_are_bounded(clock: Clock) -> None:
    answers = Replay(clock)
    for number in range(1000):
        answers.remember(b"%d" % number, b"answer", 1_800_000_000)
    kept = [number for number in range(1000) if answers.answer(b"%d" % number)]
    assert len(kept) == replay.MAX_HEADS


def test_one_get_head_is_plain() -> None:
    assert is_plain_head(HEAD)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        HEAD[:-1],
        HEAD + b"x",
        HEAD + HEAD,
        HEAD.replace(b"GET", b"POST"),
        HEAD.replace(b"Metadata", b"Content-Length: 5\r\nMetadata"),
        HEAD.replace(b"Metadata", b"transfer-ENCODING: chunked\r\nMetadata"),
        HEAD.replace(b"Metadata", b"Upgrade: h2c\r\nMetadata"),
        HEAD.replace(b"Metadata", b"Expect: 100-continue\r\nMetadata"),
        HEAD.replace(b"true", b"true\r\nX: " + b"y" * replay.MAX_HEAD),
    ],
)
def test_anything_else_is_not(data: bytes) -> None:
    assert not is_plain_head(data)


@pytest.mark.parametrize(
    "line",
    [
        b"x-ms-client-request-id: 7b0c5b52-1f1d-4d4e-9d56-02f5d5a0f5c1",
        b"X-Ms-Client-Request-Id: 1",
        b"x-ms-correlation-request-id: 1",
        b"client-request-id: 1",
        b"Request-Id: |1.2",
        b"X-Request-ID: 1",
        b"x-correlation-id: 1",
        b"traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    ],
)
def test_the_ids_of_requests_do_not_count(line: bytes) -> None:
    assert without_ids(HEAD.replace(b"Metadata", line + b"\r\nMetadata")) == HEAD
    assert without_ids(HEAD.replace(b"true", b"true\r\n" + line)) == HEAD


@pytest.mark.parametrize(
    "line",
    [
        b"x-ms-client-request-id-2: 1",
        b"my-request-id: 1",
        b"request-id : 1",
        b"request-id: ",
        b"request-id: 1 2",
        b"request-id: \xff",
        b"request-id: a\rb",
        b"request-id: a\n",
        b"x-forwarded-for: request-id: 1",
        b"connection: close",
    ],
)
def test_every_other_line_counts(line: bytes) -> None:
    head = HEAD.replace(b"Metadata", line + b"\r\nMetadata")
    assert without_ids(head) == head


def test_ids_among_very_many_lines_count() -> None:
    head = HEAD.replace(b"Metadata", b"request-id: 1\r\n" * 62 + b"Metadata")
    assert without_ids(head) == head
    assert without_ids(head.replace(b"request-id: 1\r\n", b"", 1)) == HEAD

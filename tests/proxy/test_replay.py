"""Answers of this second, sent again."""

import pytest

from azwi_proxy import headers, replay
from azwi_proxy.replay import Replay, is_plain_head, key

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
    assert [answers.answer(HEAD) for _ in range(2)] == [b"answer"] * 2
    assert answers.answer(HEAD + b"x") is None
    assert answers.take_count() == 2
    assert answers.take_count() == 0


def test_a_second_keeps_more_than_one_head(clock: Clock) -> None:
    answers = Replay(clock)
    for head in (HEAD, HEAD + b"x"):
        answers.remember(head, head, int(clock()))
    assert [answers.answer(head) for head in (HEAD, HEAD + b"x")] == [HEAD, HEAD + b"x"]


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
        b"X-Request-ID: 1",
        b"traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        b"tracestate: a=b,c=d",
        b"baggage: k=v;p, x=y",
        b"b3: 1-2-1",
        b"x-b3-traceid: 1",
        b"x-datadog-trace-id: 1",
        b"uber-trace-id: 1:2:3:1",
        b"sentry-trace: 1-2-1",
        b"x-amzn-trace-id: Root=1-2-3",
        b"newrelic: eyJ=",
        b"request-id: ",
        b"request-id: 1 2",
        b"a:\tb\tc ",
        b"a: !~",
        b"metadata2: true",
        b"hostname: x",
        b"x-host: x",
        b"sec-fetch-mode: cors",
    ],
)
def test_lines_that_nobody_reads_do_not_count(line: bytes) -> None:
    assert key(HEAD.replace(b"Metadata", line + b"\r\nMetadata")) == HEAD
    assert key(HEAD.replace(b"true", b"true\r\n" + line)) == HEAD


NOT_PLAIN = ("Content-Type", "Expect", "Transfer-Encoding", "Upgrade")


@pytest.mark.parametrize(
    "name", sorted({*headers.READ, *headers.READ_BY_AIOHTTP} - {*NOT_PLAIN, "Connection"})
)
def test_lines_that_are_read_count_whatever_their_case(name: str) -> None:
    for spelled in (name, name.lower(), name.upper()):
        head = HEAD.replace(b"Metadata", f"{spelled}: 1\r\nMetadata".encode())
        assert key(head) == head
        assert key(head.replace(b": 1", b": 2")) != head


@pytest.mark.parametrize("value", ["keep-alive", "close", " Close\t"])
def test_a_plain_connection_line_counts(value: str) -> None:
    head = HEAD.replace(b"Metadata", f"Connection: {value}\r\nMetadata".encode())
    assert key(head) == head


@pytest.mark.parametrize(
    "line",
    [*(f"{name}: 1" for name in (*NOT_PLAIN, "Content-Md5", "Sec-WebSocket-Key1", "Proxy-X")),
     "Connection: upgrade", "Connection: close, X", "connection:", "CONTENT-LENGTH: 0"],
)  # fmt: skip
def test_a_head_that_announces_more_has_no_key(line: str) -> None:
    assert key(HEAD.replace(b"Metadata", f"{line}\r\nMetadata".encode())) == b""


def test_names_that_are_remembered_are_bounded() -> None:
    for number in range(2 * replay.MAX_NAMES):
        assert key(HEAD.replace(b"Metadata", b"X-%d: 1\r\nMetadata" % number)) == HEAD
    assert key(HEAD.replace(b"Metadata", b"X" * 1000 + b": 1\r\nMetadata")) == HEAD
    assert len(replay._kinds) <= replay.MAX_NAMES
    assert max(map(len, replay._kinds)) <= replay.MAX_NAME


def test_a_head_with_a_key_is_plain() -> None:
    for head in (HEAD, HEAD.replace(b"Metadata", b"X: upgrade\r\nMetadata")):
        assert key(head) == HEAD
        assert head.count(b"\r\n\r\n") == 1


@pytest.mark.parametrize(
    "line",
    [
        b"request-id : 1",
        b"request-id: \xff",
        b"request-id: a\rb",
        b"request-id: a\n",
        b"request-id: a\x00b",
        b"request-id: a\r\n folded",
        b" folded: 1",
        b"request id: 1",
        b"request-id",
        b": 1",
        b"Metadata: tru\xe9",
        b"Metadata : true",
        b"Metadata:\x00true",
        b"request-id: 1\r\nHost: a\r\n\tb",
    ],
)
def test_a_head_with_any_other_line_has_no_key(line: bytes) -> None:
    assert key(HEAD.replace(b"Metadata", line + b"\r\nMetadata")) == b""
    assert key(HEAD.replace(b"true", b"true\r\n" + line)) == b""


def test_a_head_of_very_many_lines_has_no_key() -> None:
    head = HEAD.replace(b"Metadata", b"request-id: 1\r\n" * 62 + b"Metadata")
    assert key(head) == b""
    assert key(head.replace(b"request-id: 1\r\n", b"", 1)) == HEAD


def test_the_order_and_the_number_of_lines_that_are_read_count() -> None:
    one = HEAD.replace(b"Metadata", b"Host: a\r\nX: 1\r\nMetadata")
    other = HEAD.replace(b"true", b"true\r\nHost: a")
    twice = HEAD.replace(b"Metadata", b"Host: a\r\nHost: a\r\nMetadata")
    assert len({key(one), key(other), key(twice)} - {b""}) == 3


def test_what_is_kept_is_bounded_in_bytes(clock: Clock) -> None:
    answers = Replay(clock)
    for number in range(replay.MAX_HEADS):
        answers.remember(b"%d" % number, b"x" * 64 * 1024, 1_800_000_000)
    kept = [number for number in range(replay.MAX_HEADS) if answers.answer(b"%d" % number)]
    assert len(kept) == replay.MAX_KEPT // (64 * 1024) - 1
    clock.now += 1
    answers.remember(b"new", b"answer", 1_800_000_001)
    assert answers.answer(b"new") == b"answer"


def test_an_answer_found_by_its_key_is_kept_by_the_whole_head_too(clock: Clock) -> None:
    answers = Replay(clock)
    whole = HEAD.replace(b"Metadata", b"X: 1\r\nMetadata")
    answers.remember(key(whole), b"answer", 1_800_000_000)
    answers.keep(whole, b"answer")
    assert answers.answer(whole) == b"answer"

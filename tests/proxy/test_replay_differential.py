"""A proxy that sends answers again is not told apart from one that never does, by any client.

Hypothesis writes what clients send on one or more connections, and in which pieces; both sites get
it, turn by turn on one event loop and with a clock that stands still, and must answer the same
bytes. The handler stands in for the app: as strict, and its answers tell all that it may read of
the head that they answer.
"""

import asyncio
import contextlib
import hashlib
import os
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
from aiohttp import web
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from azwi_proxy import app, errors, headers, imds, paths, server
from azwi_proxy.replay import MAX_HEAD, Replay

GIVEN = os.environ.get("AZWI_FUZZ_EXAMPLES", "")
SECOND = 1_800_000_000
TURNS = 12  # of the event loop: one for each hand a message passes through, and some more
DATE = re.compile(rb"\r\nDate: [^\r]*")


class Standing(Replay):
    """In one second for ever."""

    def __init__(self) -> None:
        super().__init__(clock=lambda: SECOND + 0.5)

    def comes_again(self, head: bytes) -> bool:
        """Keep each answer from the first on: so more of a short story is answered again."""
        return True


class Forgetful(Standing):
    """The slow path: answers everything by parsing it."""

    def remember(self, head: bytes, answer: bytes, second: int) -> None:
        """Do not."""


class Client(asyncio.Protocol):
    """Collects what comes back."""

    def __init__(self) -> None:
        self.received = b""
        self.closed = False

    def data_received(self, data: bytes) -> None:
        self.received += data

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed = True


@dataclass
class Side:
    """One of the two sites, and how many requests its handler has seen."""

    replay: Replay
    handled: int = 0

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """As the app: the guards, a stored answer, errors; some answers take a while."""
        self.handled += 1
        body = await request.read() if request.method == "POST" else b""
        for _ in range(5 if "slow" in request.raw_path else 0):
            await asyncio.sleep(0)
        if "broken" in request.raw_path:
            raise RuntimeError("a bug")
        try:
            imds.guard(request.headers.getall("Metadata", ()), "X-Forwarded-For" in request.headers)
        except errors.ProxyError as error:
            return web.Response(status=400, body=imds.error_answer(error))
        given = [line for line in request.raw_headers if READ.fullmatch(line[0].decode("latin-1"))]
        seen = repr((request.method, request.version, request.raw_path, given, body))
        told = hashlib.sha256(seen.encode()).hexdigest().encode()
        stored = paths.route(request.raw_path) is paths.Route.TOKEN and "new" not in request.query
        return app.StoredAnswer(told, SECOND) if stored else web.Response(body=told)

    async def replies(self, story: "Story") -> list[tuple[bytes, bool]]:
        """What each connection of a story gets, and whether the site ended it."""
        site = server.Site(self.handle, self.replay)
        await site.start("127.0.0.1", 0)
        try:
            return [await _talk(site.port, pieces) for pieces in story]
        finally:
            await site.stop(0.01)


Piece = tuple[bytes, bool]
"""Bytes, and whether the client waits before it sends more."""
Story = list[list[Piece]]


async def _talk(port: int, pieces: list[Piece]) -> tuple[bytes, bool]:
    loop = asyncio.get_running_loop()
    transport, client = await loop.create_connection(Client, "127.0.0.1", port)
    with contextlib.closing(transport):
        for data, waits in pieces:
            if not transport.is_closing():
                transport.write(data)
            for _ in range(TURNS * 2 if waits else 2):
                await asyncio.sleep(0)
        requests = sum(data.count(b"\n\r\n") for data, _ in pieces)  # a piece may hold several
        for _ in range(TURNS * (len(pieces) + requests + 2)):
            await asyncio.sleep(0)
        return DATE.sub(b"", client.received), client.closed


READ = re.compile(
    "|".join(
        (
            *headers.READ,
            *headers.READ_BY_AIOHTTP,
            *(f"{prefix}.*" for prefix in headers.PREFIXES_READ_BY_AIOHTTP),
        )
    ),
    re.IGNORECASE,
)
TOKEN = b"/metadata/identity/oauth2/token?resource="
TARGETS = [
    TOKEN + b"a", TOKEN + b"a", TOKEN + b"b", TOKEN + b"slow", TOKEN + b"slow", TOKEN + b"x&new=1",
    TOKEN + b"broken", b"/metadata/instance", b"http://h" + TOKEN + b"a", b"/metadata/identity/x",
]  # fmt: skip
HOST = b"Host: h\r\n"
TRUE = b"Metadata: true\r\n"
HEADS = [
    HOST + TRUE, HOST + TRUE, HOST + TRUE, HOST + b"metadata: true\r\n", TRUE, HOST,
    HOST + TRUE + b"X: y\r\n", HOST + TRUE + b"Connection: close\r\n",
    HOST + TRUE + b"Connection: keep-alive\r\n", HOST + TRUE + b"X-Forwarded-For: 1\r\n",
    HOST + TRUE + b"connection: CLOSE\r\n", HOST + TRUE + b"Connection: close, keep-alive\r\n",
    HOST + TRUE + b"X: a\r\n b\r\n", HOST + TRUE + b"Content-Length: 0\r\n",
    HOST + TRUE + b"Content-Length: 3\r\n", HOST + TRUE + b"Content-Length : 3\r\n",
    HOST + TRUE + b"Transfer-Encoding: chunked\r\n", HOST + TRUE + b"Expect: 100-continue\r\n",
    HOST + TRUE + b"TE: x\r\n", HOST + TRUE + b"Upgrade: x\r\nConnection: upgrade\r\n",
    HOST + TRUE + b"Connection: upgrade\r\n", HOST + TRUE + b"X: \xff\r\n",
    HOST + TRUE + b"Bad Name: x\r\n", HOST + TRUE + b"X: a\rb\r\n", HOST + TRUE + b"X: a\nb: c\r\n",
    HOST + TRUE + b"X: \x00\r\n",
    HOST + b"Metadata: true\n\nGET " + TOKEN + b"b HTTP/1.1\r\n" + HOST + TRUE, HOST + TRUE + HOST,
    HOST + TRUE + b"\n", HOST + TRUE + b"X: " + b"y" * MAX_HEAD + b"\r\n",
    HOST + TRUE + b"Content-\r\n Length: 3\r\n", HOST + TRUE + b"\r",
    HOST + TRUE + b"Content\xadLength: 3\r\n", HOST + TRUE + b"Sec-WebSocket-Key1: x\r\n",
]  # fmt: skip
HEADS += [
    HOST + TRUE + b"baggage: 1\r\n", HOST + b"b3: 1\r\nx-b3-traceid: 2\r\n" + TRUE,
    HOST + TRUE + b"tracestate: a\r\n b\r\n", HOST + b"X: a\r\n" + b"\tMetadata: true\r\n",
    HOST + b"Metadata: true\r\n x\r\n", HOST + b"Metadata: true\r\nX: 1\r\n x\r\n",
    HOST + TRUE + b"User-Agent: a\r\n", HOST + TRUE + b"User-Agent: a\r\nuser-agent: a\r\n",
    HOST + TRUE + b"ETag: a\r\nETag: a\r\n", HOST + TRUE + b"Server: a\r\nServer: a\r\n",
    HOST + TRUE + b"Max-Forwards: 1\r\nMax-Forwards: 1\r\n", HOST + TRUE + b"Origin: x\r\n",
    HOST + TRUE + b"Content-Type: a\r\nContent-Type: a\r\n", b"host: h\r\n" + TRUE,
    HOST + TRUE + b"X: \x7f\r\n", HOST + TRUE + b"X: \x80\r\n", HOST + TRUE + b"X:\r\n",
    HOST + TRUE + b"X\x00: 1\r\n", HOST + TRUE + b"(X): 1\r\n", HOST + TRUE + b": 1\r\n",
    HOST + TRUE + b"Cookie: a\r\n", HOST + TRUE + b"Proxy-Connection: close\r\n",
    HOST + TRUE + b"Keep-Alive: timeout=1\r\n", HOST + TRUE + b"X: " + b"y" * 9000 + b"\r\n",
    HOST + TRUE + b"x-ms-client-request-id: 1\r\n", HOST + TRUE + b"x-ms-client-request-id: 2\r\n",
    HOST + b"Traceparent: 00-1-2-01\r\nrequest-id: 3\r\n" + TRUE, HOST + b"request-id: true\r\n",
    HOST + TRUE + b"request-id: 1\r\n" * 3, HOST + TRUE + b"request-id: 1\r\n" * 200,
    HOST + TRUE + b"request-id: 1\r\n 2\r\n", HOST + TRUE + b"request-id : 1\r\n",
    HOST + TRUE + b"request-id: \xff\r\n", HOST + TRUE + b"request-id: a\rb\r\n",
    HOST + TRUE + b"request-id: 1\nConnection: close\r\n", b"request-id: 1\r\n" + TRUE,
    HOST + TRUE + b"request-id: 1\r\nConnection: close\r\n", b"request-id: 1\r\n" + HOST + TRUE,
    HOST + TRUE + b"request-id: 1\r\nX-Forwarded-For: 1\r\n",
    HOST + TRUE + b"request-id: 1\r\nContent-Length: 3\r\n",
]  # fmt: skip
LINES = [
    b"GET %b HTTP/1.1\r\n", b"GET %b HTTP/1.1\r\n", b"GET %b HTTP/1.1\r\n", b"GET %b HTTP/1.1\r\n",
    b"GET %b HTTP/1.0\r\n", b"POST %b HTTP/1.1\r\n", b"HEAD %b HTTP/1.1\r\n", b"GET %b HTTP/1.1\n",
    b"GET  %b HTTP/1.1\r\n", b"GET %b\r\n", b"get %b HTTP/1.1\r\n", b"GET %b HTTP/2.0\r\n",
    b"GET %b HTTP/0.9\r\n", b"GET %b  HTTP/1.1\r\n", b"\r\nGET %b HTTP/1.1\r\n",
    b"CONNECT %b HTTP/1.1\r\n",
]  # fmt: skip
TAILS = [
    b"",
    b"",
    b"",
    b"",
    b"",
    b"",
    b"abc",
    b"3\r\nabc\r\n0\r\n\r\n",
    b"0\r\n\r\n",
    b"\r\n",
    b"\n",
    b"x",
    b"request-id: 1\r\n",
    b"\r\nrequest-id: 1\r\n\r\n",
]
PLAIN = b"GET " + TOKEN + b"a HTTP/1.1\r\n" + HOST + TRUE + b"\r\n"
SLOW = b"GET " + TOKEN + b"slow HTTP/1.1\r\n" + HOST + TRUE + b"\r\n"
REFUSED = b"GET " + TOKEN + b"a HTTP/1.1\r\n" + HOST + b"\r\n"
OWN_ID = PLAIN[:-2] + b"x-ms-client-request-id: %d\r\n\r\n"
FULL = PLAIN[:-2] + b"a: 1\r\n" * 126  # as many lines as there may be
PLAIN_10 = b"GET " + TOKEN + b"a HTTP/1.0\r\n" + HOST + TRUE + b"Connection: keep-alive\r\n\r\n"


ODD = [
    b"a", b"X", b"-", b" ", b"\t", b":", b": ", b"\r", b"\n", b"\r\n", b"\r\n ", b"\x00", b"\x7f",
    b"\xff", b"\xc3\xa9", b"true", b"Metadata", b"Host", b"Connection: close",
    b"Content-Length: 3", b"Transfer-Encoding: chunked",
]  # fmt: skip


@st.composite
def odd_heads(draw: st.DrawFn) -> bytes:
    """A plain head with something between, before or behind its lines that may not be one line."""
    odd = b"".join(draw(st.lists(st.sampled_from(ODD), min_size=1, max_size=8)))
    lines = [HOST, TRUE]
    lines.insert(draw(st.integers(0, 2)), odd + draw(st.sampled_from([b"", b"\r\n", b": 1\r\n"])))
    return b"".join(lines)


@st.composite
def messages(draw: st.DrawFn) -> tuple[bytes, bytes]:
    """A head, and what comes behind it; mostly one oddity in a plain request."""
    line, target, head = b"GET %b HTTP/1.1\r\n", TOKEN + b"a", HOST + TRUE
    match draw(st.integers(0, 5)):
        case 0:
            line = draw(st.sampled_from(LINES))
        case 1:
            target = draw(st.sampled_from(TARGETS))
        case 2 | 3:
            head = draw(st.sampled_from(HEADS))
        case 4:
            head = draw(odd_heads())
        case _:
            line, head = draw(st.sampled_from(LINES)), draw(st.sampled_from(HEADS))
    return line.replace(b"%b", target) + head + b"\r\n", draw(st.sampled_from(TAILS))


@st.composite
def stories(draw: st.DrawFn) -> Story:
    """Clients that send few different messages many times: whole, cut anywhere, or glued."""
    palette = [(PLAIN, b""), (SLOW, b""), *draw(st.lists(messages(), min_size=1, max_size=2))]
    chosen = st.sampled_from([*palette, *palette[2:]])
    return [_cut(draw, draw(st.lists(chosen, min_size=1, max_size=6))) for _ in range(3)]


def _cut(draw: st.DrawFn, sent: list[tuple[bytes, bytes]]) -> list[Piece]:
    pieces: list[Piece] = []
    glued = b""
    for head, tail in sent:
        how = draw(st.sampled_from(["whole", "whole", "at once", "apart", "apart", "glued", "cut"]))
        data, glued = glued + head + tail, b""
        if how == "glued":
            glued = data
        elif how in ("cut", "apart"):
            at = len(data) - len(tail) if how == "apart" else draw(st.integers(0, len(data)))
            pieces += [(data[:at], draw(st.booleans())), (data[at:], draw(st.booleans()))]
        else:
            pieces.append((data, how == "whole"))
    return [piece for piece in (*pieces, (glued, True)) if piece[0]]


@pytest.fixture(autouse=True)
async def quiet() -> AsyncIterator[None]:
    """The handler's bug is meant; its traceback need not be read."""
    server.log.disabled = True
    yield
    server.log.disabled = False


async def _compare(story: Story) -> Side:
    fast, slow = Side(Standing()), Side(Forgetful())
    quick = await fast.replies(story)
    assert quick == await slow.replies(story)
    assert slow.replay.take_count() == 0
    again = fast.replay.take_count()
    assert fast.handled + again == slow.handled, (fast.handled, again, slow.handled)
    fast.handled = again
    return fast


@settings(
    max_examples=int(GIVEN or 400),
    derandomize=not GIVEN,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(story=stories())
@example(story=[[(PLAIN, True)], [(PLAIN, True), (PLAIN, False), (PLAIN, False)]])
@example(
    story=[
        [(SLOW, True)],
        [(b"POST /x HTTP/1.1\r\n" + HOST + b"Content-Length: 9\r\n\r\n", True), (SLOW, True)],
    ]
)
@example(story=[[(PLAIN, True)], [(OWN_ID % 1, True), (OWN_ID % 2 + OWN_ID % 3, True)]])
@example(story=[[(PLAIN, True)], [(PLAIN + b"request-id: 1\r\n", True), (PLAIN, True)]])
@example(story=[[(PLAIN, True)], [(PLAIN[:-2] + b"request-id: 1\r\n" * 200 + b"\r\n", True)]])
@example(
    story=[
        [(PLAIN[:-2] + b"a: 1\r\n" * 126 + more + b"\r\n", True)]
        for more in (b"", b"request-id: 1\r\n")
    ]
)
@example(story=[[(SLOW, False), (REFUSED, False)], [(REFUSED, True)]])
@example(story=[[(PLAIN, True)], [(SLOW, False), (PLAIN, False), (PLAIN, False)]])
@example(story=[[(PLAIN, True)], [(PLAIN[:9], True), (PLAIN[9:], False), (PLAIN, False)]])
@example(story=[[(PLAIN, True)], [(PLAIN + PLAIN[:9], True), (PLAIN[9:], True), (PLAIN, True)]])
async def test_answers_that_are_sent_again_cannot_be_told_from_new_ones(story: Story) -> None:
    await _compare(story)


async def test_the_stories_of_these_tests_do_send_answers_again() -> None:
    told = await _compare([[(PLAIN, True)], [(PLAIN, True), (PLAIN, True)], [(PLAIN_10, True)] * 2])
    assert told.handled == 3
    told = await _compare([[(OWN_ID % 1, True), (OWN_ID % 2, True), (PLAIN, True)]])
    assert told.handled == 2

"""No spelling of a request gets to the node's identity, breaks the proxy, or gets a 500.

Hypothesis writes requests to running proxies (AZWI_FORWARD=all and instance), with a recording
stand-in for IMDS behind them. What counts as an identity path is judged by
``azwi_testing.readings``, which shares nothing with the proxy, of what stood on IMDS's wire.
AZWI_FUZZ_EXAMPLES sets how many requests each test tries, other ones each time then.
"""

import contextlib
import json
import os
import re
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from azwi_common import contract
from azwi_proxy import paths
from azwi_testing import Emulator, Proxy, StartProxy, launch, wait_for_port
from azwi_testing.peers import MetadataService, Seen, answer
from azwi_testing.readings import names_identity

GIVEN = os.environ.get("AZWI_FUZZ_EXAMPLES", "")
SECRET = "5e81f00d0ddba11c"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
QUIET = 0.15  # seconds without a byte: an answer on loopback takes some 2 ms


def examples(number: int) -> settings:
    """The same ``number`` of examples in every run, or as many others as the environment says."""
    return settings(
        max_examples=int(GIVEN or number),
        derandomize=not GIVEN,
        deadline=None,
        database=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )


class Setup:
    """A proxy, and what it may forward to."""

    def __init__(self, proxy: Proxy, imds: MetadataService) -> None:
        self.proxy = proxy
        self.imds = imds

    def send(self, request: bytes, patience: float = 10) -> tuple[bytes, list[Seen]]:
        """What came back until the proxy closed or fell silent, and what arrived at IMDS."""
        self.imds.seen.clear()
        reply = bytearray()
        address = ("127.0.0.1", self.proxy.port)
        with (
            socket.create_connection(address, patience) as connection,
            contextlib.suppress(ConnectionError, TimeoutError),
        ):
            connection.sendall(request)
            while data := connection.recv(65536):
                reply += data
                if reply != CONTINUE:  # else the answer is still to come
                    connection.settimeout(QUIET)
        return bytes(reply), list(self.imds.seen)


@pytest.fixture(scope="module", params=["all", "instance"])
def setup(
    request: pytest.FixtureRequest,
    emulator_process: Emulator,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Setup]:
    """A proxy of its own, as in environment mode."""
    mode = {contract.FORWARD: request.param, contract.IDENTITY_HEADER: SECRET}
    with started(emulator_process, tmp_path_factory.mktemp("fuzzed"), mode) as setup:
        yield setup


@pytest.fixture(scope="module")
def without_header(
    emulator_process: Emulator, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Setup]:
    """A proxy as in redirect mode, without IDENTITY_HEADER, that forwards all it may."""
    mode = {contract.FORWARD: "all"}
    with started(emulator_process, tmp_path_factory.mktemp("fuzzed"), mode) as setup:
        yield setup


@contextlib.contextmanager
def started(emulator: Emulator, folder: Path, mode: Mapping[str, str]) -> Iterator[Setup]:
    """A proxy; at the end it still serves, and nothing broke in it."""
    with MetadataService() as imds:
        environment = {**emulator.environment, **imds.environment, **mode}
        proxy = launch(folder, environment, "--log-level=warning")
        try:
            wait_for_port(proxy)
            yield Setup(proxy, imds)
            assert proxy.ask("/healthz").status == 200
            assert "Traceback" not in proxy.log, proxy.log[-4000:]
            assert "broke" not in proxy.log
        finally:
            proxy.stop()


# What requests are made of


NAMES = [
    "metadata", "identity", "oauth2", "token", "instance", "versions", "info", "latest", "x", "msi",
]  # fmt: skip
DOTS = [
    b".",
    b"..",
    b"%2e",
    b"%2e%2e",
    b".%2e",
    b"%252e%252e",
    b"%25252e.",
    b"...",
    b"..;",
    b"%c0%ae.",
]
SEPARATORS = [
    b"/", b"/", b"/", b"//", b"\\", b"%2f", b"%5c", b"%252F", b"%25252f", b"%c0%af", b"%e0%80%af",
    b"/./", b"/x/../", b"/%2e%2e/", b"/..;/", b";a=b/", b";/", b"%3b/", b"%00/", b"%20/", b"./",
    b"%09/", b"%3f", b"%23", b"?", b"#", b"%ef%bc%8f", b"%e2%88%95", b"%u002f", b"%u2215", b"/\\/",
    b"%",
]  # fmt: skip
STARTS = [
    b"/", b"/", b"/", b"/", b"//", b"", b"\\", b"*", b"%2f", b"/%2f", b"/.",
    b"http://169.254.169.254/", b"HTTP://h:80//", b"https://h/", b"http://h", b"http:/",
    b"http://h\\", b"http://u@h/", b"//h/", b"/http://h/", b"/../", b"/latest/../",
    b"/metadata/instance/../", b"/metadata/instance/%2e%2e/", b"/;x/",
]  # fmt: skip


def _as_it_is(sign: str) -> bytes:
    return sign.encode()


def _upper(sign: str) -> bytes:
    return sign.upper().encode()


def _percent(sign: str) -> bytes:
    return b"%%%02x" % ord(sign)


def _twice(sign: str) -> bytes:
    return b"%%25%02X" % ord(sign)


def _digits(sign: str) -> bytes:
    return b"".join(b"%%%02x" % digit for digit in _percent(sign))


def _many_times(sign: str) -> bytes:
    return b"%" + b"25" * 20 + b"%02x" % ord(sign)


def _full_width(sign: str) -> bytes:
    return "".join(f"%{byte:02X}" for byte in chr(ord(sign) + 0xFEE0).encode()).encode()


def _overlong(sign: str) -> bytes:
    return b"%%%02x%%%02x" % (0xC0 | ord(sign) >> 6, 0x80 | ord(sign) & 63)


def _wide(sign: str) -> bytes:
    return b"%%u%04x" % ord(sign)


def _raw_overlong(sign: str) -> bytes:
    return bytes((0xC0 | ord(sign) >> 6, 0x80 | ord(sign) & 63))


def _with_junk(sign: str) -> bytes:
    return sign.encode() + b"%e2%80%8b"


PAIRS = [("metadata", "identity"), ("metadata", "identity"), ("msi", "token")]
SPELLINGS = [
    _as_it_is, _as_it_is, _as_it_is, _upper, _percent, _twice, _digits, _many_times, _full_width,
    _overlong, _wide, _raw_overlong, _with_junk,
]  # fmt: skip


@st.composite
def names(draw: st.DrawFn) -> bytes:
    """A segment, with one of its characters or all of them spelled in an odd way."""
    if draw(st.integers(0, 5)) == 0:
        return draw(st.sampled_from(DOTS))
    name = draw(st.sampled_from(NAMES))
    spell = draw(st.sampled_from(SPELLINGS))
    if draw(st.booleans()):
        return b"".join(map(spell, name))
    at = draw(st.integers(0, len(name) - 1))
    return name[:at].encode() + spell(name[at]) + name[at + 1 :].encode()


@st.composite
def targets(draw: st.DrawFn) -> bytes:
    """Mostly spellings of identity paths; sometimes of others, or anything without a space."""
    kind = draw(st.integers(0, 9))
    if kind == 0:
        return re.sub(rb"[\r\n ]", b"", draw(st.binary(max_size=60))) or b"/"
    some = [draw(names()) for _ in range(draw(st.integers(1, 5)))]
    if kind > 4:
        spell = draw(st.sampled_from(SPELLINGS))
        at = draw(st.integers(0, 15))
        first, second = draw(st.sampled_from(PAIRS))
        text = first + second
        odd = [spell(sign) if number == at else sign.encode() for number, sign in enumerate(text)]
        some = [b"".join(odd[: len(first)]), b"".join(odd[len(first) :]), *some]
        if draw(st.booleans()):
            some.insert(draw(st.integers(0, 2)), draw(st.sampled_from(DOTS)))
    target = draw(st.sampled_from(STARTS)) + some[0]
    for name in some[1:]:
        target += draw(st.sampled_from(SEPARATORS)) + name
    query = draw(
        st.sampled_from([b"", b"?resource=x", b"?a=/../metadata/identity", b"?%00", b"?\xff"])
    )
    return target + query


RIGHT = [b"X-IDENTITY-HEADER: " + SECRET.encode(), b"Secret: " + SECRET.encode()]
METHODS = [
    b"GET", b"GET", b"GET", b"POST", b"PUT", b"DELETE", b"OPTIONS", b"PATCH", b"TRACE", b"PROPFIND",
    b"PURGE", b"M-SEARCH", b"SOURCE", b"CONNECT", b"get", b"FOO", b"GE\tT", b"", b"X" * 300,
]  # fmt: skip
HEADERS = [
    b"Metadata: true", b"Metadata: true", b"metadata:TRUE ", b"Metadata: false", b"Metadata:",
    b"Metadata: tr\xffue", b"X-Forwarded-For: 1.2.3.4", b"Connection: Metadata, X-Forwarded-For",
    b"Connection: content-length", b"Connection: host", b"Connection: close, \xff",
    b"Upgrade: websocket\r\nConnection: upgrade",
    b"Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABkAAQAAP__",
    b"Expect: 100-continue", b"Expect: x", b"TE: trailers", b"Trailer: X", b"Host: evil",
    b"Host: a b", b"Cookie: \xff=\xfe", b"Content-Type: application/x-www-form-urlencoded",
    b"Content-Type: \xff/;;=", b"Content-Encoding: gzip", b"Range: bytes=0-",
    b"Accept-Encoding: \xc3\xa9", b"X-Original-URL: /metadata/identity", b"X: a\x01b", b"X : y",
    b"Bad Name: x", b": x", b"X: " + b"y" * 9000, b"X: a\r\n folded", b"X: a\rb", b"X: a\x00b",
    b"X: a\nMetadata: true",
    *RIGHT, *RIGHT, b"X-IDENTITY-HEADER: 5e81", b"X-IDENTITY-HEADER: \xff", b"secret:",
]  # fmt: skip
INNER = b"GET /metadata/identity/oauth2/token?resource=x HTTP/1.1\r\n" + (
    b"Host: localhost\r\nMetadata: true\r\n\r\n"
)
BODIES = [
    b"",
    b"",
    b"resource=x",
    b"resource=%ff",
    b"\xff",
    b"a" * 20_000,
    INNER,
    b"0\r\n\r\n" + INNER,
]


@st.composite
def whole_requests(draw: st.DrawFn) -> bytes:
    """One request, whatever it asks for, with a body of the length that it tells."""
    lines = [b"%b %b HTTP/1.1" % (draw(st.sampled_from(METHODS)), draw(targets()))]
    lines += [
        b"Host: localhost",
        b"Connection: close",
        *draw(st.lists(st.sampled_from(HEADERS), max_size=3)),
    ]
    body = draw(st.sampled_from(BODIES))
    if body and draw(st.booleans()):
        return _head([*lines, b"Content-Length: %d" % len(body)]) + body
    if body:
        chunked = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
        return _head([*lines, b"Transfer-Encoding: chunked"]) + chunked
    return _head(lines)


def _head(lines: list[bytes]) -> bytes:
    return b"\r\n".join(lines) + b"\r\n\r\n"


FRAMINGS = [
    b"", b"Content-Length: 0", b"Content-Length: 4", b"Content-Length: %d" % len(INNER),
    b"Content-Length: +4", b"Content-Length: 4, 4", b"Content-Length: 4\r\nContent-Length: 5",
    b"Content-Length: 0x4", b"Content-Length : 4", b"Content-Length: 4\x0b", b"Content-Length: 4_0",
    b"Content-Length: 4\xff", b"Content-Length: 99999999999999999999",
    b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked",
    b"Transfer-Encoding: Chunked, identity", b"Transfer-Encoding: xchunked",
    b"Transfer-Encoding : chunked", b"Transfer-Encoding:\x0bchunked",
    b"Transfer-Encoding: \xffchunked", b"Transfer-Encoding: chunked\xff",
    b"Transfer-Encoding: gzip, chunked",
    b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", b"Transfer-Encoding:\r\n chunked",
    b"Transfer-Encoding: chunked\r\nContent-Length: 4",
    b"Content-Length: 4\r\nTransfer-Encoding: chunked",
    b"Transfer-Encoding: chunked\r\nConnection: transfer-encoding", b"X: a\rContent-Length: 4",
    b"X: a\n\nGET /", b"Content-Length: 4\r\nConnection: content-length",
    b"Upgrade: x\r\nConnection: upgrade", b"Upgrade: x\r\nConnection: upgrade\r\nContent-Length: 4",
    b"Expect: 100-continue\r\nContent-Length: 4",
]  # fmt: skip
PIECES = [
    b"abcd", b"0\r\n\r\n", b"4\r\nabcd\r\n0\r\n\r\n", b"4;ext=a\r\nabcd\r\n0\r\n\r\n",
    b"4;a=\"\r\n\"\r\nabcd\r\n0\r\n\r\n", b"4 \r\nabcd\r\n0\r\n\r\n", b"4\nabcd\n0\n\n",
    b"04\r\nabcd\r\n00\r\n\r\n", b"-4\r\nabcd\r\n0\r\n\r\n", b"0x4\r\nabcd\r\n0\r\n\r\n",
    b"4\r\nabcdX0\r\n\r\n", b"4\r\nabcd\r\n0\r\nT: x\r\n\r\n", b"4;\rx\r\nabcd\r\n0\r\n\r\n",
    b"FFFFFFFFFFFFFFFFF\r\nabcd", b"0\r\nTransfer-Encoding: x\r\n\r\n", b"\r\n", b"\n", b"\r",
    INNER, INNER, b"GET http://h/metadata/identity/x HTTP/1.0\r\n\r\n",
    b"GET /metadata/identity HTTP/0.9\r\n\r\n", b"GET /metadata/identity\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"\x00",
]  # fmt: skip


@st.composite
def streams(draw: st.DrawFn) -> bytes:
    """A request whose end is in doubt, and what a smuggler would put behind it; two at most."""
    stream = b""
    for _ in range(draw(st.integers(1, 2))):
        method = draw(st.sampled_from([b"GET", b"POST", b"PUT", b"CONNECT"]))
        target = draw(
            st.sampled_from([b"/latest/x", b"/metadata/instance", b"/metadata/identity/x"])
        )
        version = draw(st.sampled_from([b"1.1", b"1.1", b"1.1", b"1.0"]))
        framing = draw(st.lists(st.sampled_from(FRAMINGS), min_size=1, max_size=2))
        lines = [
            b"%b %b HTTP/%b" % (method, target, version),
            b"Host: localhost",
            *filter(None, framing),
        ]
        stream += _head(lines) + b"".join(draw(st.lists(st.sampled_from(PIECES), max_size=3)))
    return stream


# What must hold


ANSWER = re.compile(
    rb"HTTP/1\.[01] ([1-5]\d\d) [\x20-\x7e]*\r\n((?:[!-9;-~]+: [^\r\n\0]*\r\n)*)\r\n"
)
LENGTH = re.compile(rb"(?:^|\n)Content-Length: (\d+)\r\n")
CHUNK = re.compile(rb"([0-9a-f]+)\r\n", re.IGNORECASE)


def statuses(reply: bytes) -> list[int]:
    """Read a stream of answers to requests other than HEAD strictly; the status of each."""
    found = []
    while reply:
        head = ANSWER.match(reply)
        assert head, reply[:300]
        status, reply = int(head[1]), reply[head.end() :]
        if b"Transfer-Encoding: chunked\r\n" in head[2]:
            body, reply = _unchunked(reply)
        elif status == 100:
            body = b""
        else:
            length = LENGTH.search(head[2])
            assert length, head[0]
            body, reply = reply[: int(length[1])], reply[int(length[1]) :]
            assert len(body) == int(length[1]), (head[0], body)
        if b"application/json" in head[2]:
            assert isinstance(json.loads(body), dict)
        found.append(status)
    return found


def _unchunked(reply: bytes) -> tuple[bytes, bytes]:
    body = b""
    while True:
        size = CHUNK.match(reply)
        assert size, reply[:50]
        end = size.end() + int(size[1], 16)
        assert reply[end : end + 2] == b"\r\n"
        body, reply = body + reply[size.end() : end], reply[end + 2 :]
        if end == size.end():
            return body, reply


def check_arrived(seen: list[Seen]) -> None:
    """No reading of what IMDS got is an identity request, and its length is beyond doubt."""
    for request in seen:
        found = re.fullmatch(r"[A-Z-]+ (\S+) HTTP/1\.1", request.line)
        assert found, request.line
        assert not names_identity(found[1].encode("latin-1")), request.line
        assert len(request.values("Host")) == 1
        lengths = request.values("Content-Length")
        codings = request.values("Transfer-Encoding")
        assert len(lengths) + len(codings) <= 1, request.headers
        assert all(re.fullmatch(r"\d+", length) for length in lengths)
        assert all(coding == "chunked" for coding in codings)
        for name, value in request.headers:
            assert re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", name), request.headers
            assert not re.search(r"[\x00\r\n]", value), request.headers


@examples(500)
@given(request=whole_requests())
def test_no_spelling_of_a_request_reaches_the_nodes_identity(setup: Setup, request: bytes) -> None:
    reply, seen = setup.send(request)
    answered = [status for status in statuses(reply) if status != 100]
    assert len(answered) == 1, reply
    assert answered[0] != 500
    assert len(seen) <= 1, seen
    check_arrived(seen)
    for arrived in seen:
        assert arrived.values("Content-Length") in ([], [str(arrived.body_length)]), arrived


@examples(60)
@given(stream=streams())
def test_no_request_is_smuggled_inside_another_ones_body(setup: Setup, stream: bytes) -> None:
    reply, seen = setup.send(stream, QUIET)
    assert 500 not in statuses(reply)
    check_arrived(seen)


@examples(60)
@given(
    data=st.one_of(
        st.binary(max_size=400), st.lists(st.sampled_from([*PIECES, *HEADERS])).map(b"".join)
    )
)
def test_no_bytes_at_all_break_the_proxy(setup: Setup, data: bytes) -> None:
    reply, seen = setup.send(data, QUIET)
    assert 500 not in statuses(reply)
    check_arrived(seen)


@st.composite
def msi_requests(draw: st.DrawFn) -> tuple[bytes, bool]:
    """A request to /msi/token, and whether its headers are such that a token is due."""
    name = draw(st.sampled_from([b"X-IDENTITY-HEADER", b"Secret"]))
    version = (
        b"2017-09-01" if name == b"Secret" else draw(st.sampled_from([b"2019-08-01", b"", b"x"]))
    )
    lines = draw(st.lists(st.sampled_from(MSI_HEADERS), max_size=3))
    spoken = [value for other, value in lines if other.lower() == name.lower()]
    allowed = spoken == [SECRET.encode()] and not any(
        other.startswith(b"X-F") for other, _ in lines
    )
    path = draw(st.sampled_from(MSI_PATHS))
    target = b"%b?resource=https://vault.azure.net&api-version=%b" % (path, version)
    head = [b"GET %b HTTP/1.1" % target, b"Host: localhost", b"Connection: close"]
    return _head(head + [b"%b: %b" % line for line in lines]), allowed


MSI_PATHS = [
    b"/msi/token",
    b"/msi/token",
    b"/MSI/Token/",
    b"//msi%2ftoken",
    b"http://[::]/msi/token",
]
MSI_HEADERS = [
    (name, value)
    for name in (b"X-IDENTITY-HEADER", b"x-identity-header", b"Secret", b"secret")
    for value in (
        *[SECRET.encode()] * 5, b"", b"x", SECRET.upper().encode(), b"\xff", SECRET[:-1].encode(),
        f"{SECRET}, {SECRET}".encode(),
    )
] + [
    (b"Metadata", b"true"), (b"X-Forwarded-For", b"1.2.3.4"),
    (b"X_IDENTITY_HEADER", SECRET.encode()), (b"X-MS-IDENTITY", SECRET.encode()),
] * 2  # fmt: skip


@examples(100)
@given(asked=msi_requests())
def test_a_token_of_app_service_is_had_with_the_one_right_header_alone(
    setup: Setup, asked: tuple[bytes, bool]
) -> None:
    request, allowed = asked
    reply, seen = setup.send(request)
    assert statuses(reply) in ([[200]] if allowed else [[400], [401]])
    assert (b'"access_token":"' in reply) == allowed
    assert not seen


@examples(40)
@given(asked=msi_requests())
def test_without_identity_header_no_header_at_all_opens_the_path(
    without_header: Setup, asked: tuple[bytes, bool]
) -> None:
    reply, seen = without_header.send(asked[0])
    assert statuses(reply) in ([404], [400])  # 400: bytes that are no header
    assert b"access_token" not in reply
    assert not seen


@examples(1500)
@given(target=targets())
def test_no_target_is_routed_onwards_that_any_peer_reads_as_identity(target: bytes) -> None:
    text = target.decode(errors="surrogateescape")
    kept = (
        paths.Route.TOKEN,
        paths.Route.IDENTITY_INFO,
        paths.Route.IDENTITY,
        paths.Route.APP_SERVICE,
        paths.Route.UNREADABLE,
    )
    if names_identity(paths.origin_form(text).encode(errors="surrogateescape")):
        assert paths.route(text) in kept, target


@pytest.mark.parametrize(
    "target",
    [
        "/metadata/%u0069dentity/oauth2/token?resource=x",
        "/%u006detadata/identity/x",
        "/%U006detadata/%U0069dentity/x",
        "/metadata%u002fidentity/x",
        "/metadata/%25u0069dentity/x",
    ],
)
def test_a_path_in_the_notation_of_http_sys_is_not_passed_on(target: str) -> None:
    forwarded = (paths.Route.INSTANCE, paths.Route.AZURE, paths.Route.FOREIGN)
    assert paths.route(target) not in forwarded


class Impatient(MetadataService):
    """Answers at the end of a head, and reads past the body that the head promised only then."""

    def serve(self, connection: socket.socket) -> None:
        buffered = b""
        while piece := connection.recv(65536):
            buffered += piece
            while b"\r\n\r\n" in buffered:
                head, _, rest = buffered.partition(b"\r\n\r\n")
                lines = head.decode("latin-1").split("\r\n")
                headers = [
                    (name, value) for name, _, value in (x.partition(": ") for x in lines[1:])
                ]
                seen = Seen(lines[0], headers)
                self.seen.append(seen)
                status = "405 No" if seen.line.startswith("CONNECT") else "200 OK"
                connection.sendall(answer(b"{}", status=status))
                for length in map(int, seen.values("Content-Length")):
                    while len(rest) < length and (piece := connection.recv(65536)):
                        rest += piece
                    rest = rest[length:]
                buffered = rest


@pytest.mark.parametrize("forward", ["all", "instance"])
def test_a_connect_with_a_length_does_not_swallow_the_next_requests_head(
    emulator_process: Emulator, start_proxy: StartProxy, forward: str
) -> None:
    with Impatient() as imds:
        environment = {**emulator_process.environment, **imds.environment}
        setup = Setup(start_proxy({**environment, contract.FORWARD: forward}), imds)
        outer = _head(
            [b"POST /latest/y HTTP/1.1", b"Host: localhost", b"Content-Length: %d" % len(INNER)]
        )
        swallow = b"Content-Length: %d" % len(outer)
        setup.send(_head([b"CONNECT /latest HTTP/1.1", b"Host: localhost", swallow]))
        _, seen = setup.send(outer + INNER)
        check_arrived(seen)


@pytest.mark.parametrize("target", ["/", "/latest", "/healthz", "/metadata/instance"])
def test_a_connect_for_a_path_is_neither_passed_on_nor_answered_with_a_tunnel(
    setup: Setup, target: str
) -> None:
    reply, seen = setup.send(b"CONNECT %b HTTP/1.1\r\nHost: localhost\r\n\r\n" % target.encode())
    assert 400 <= statuses(reply)[0] < 500
    assert not seen


@pytest.mark.parametrize("line", ["GET /latest", "GET /latest HTTP/0.9", "GET /latest HTTP/2.0"])
def test_a_version_that_is_not_spoken_here_is_a_400_in_one_that_is(setup: Setup, line: str) -> None:
    reply, seen = setup.send(line.encode() + b"\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    assert statuses(reply) == [400]
    assert not seen


@pytest.mark.parametrize("value", [b"tr\xffue", b"\xc3true", b"true\xed\xa0\x80"])
def test_a_header_that_is_no_utf8_arrives_as_it_was_or_not_at_all(
    setup: Setup, value: bytes
) -> None:
    head = [
        b"GET /latest/x HTTP/1.1",
        b"Host: localhost",
        b"Connection: close",
        b"Metadata: " + value,
    ]
    reply, seen = setup.send(_head(head))
    assert statuses(reply) in ([200], [400])
    assert [arrived.values("Metadata") for arrived in seen] in ([], [[value.decode("latin-1")]])

"""What is not ours reaches the metadata service and comes back as if nobody stood between."""

import asyncio
import contextlib
import gzip
import json
import os
import socket
import threading
import time
from collections.abc import Callable
from http.client import HTTPConnection, IncompleteRead
from pathlib import Path
from types import SimpleNamespace
from typing import cast
from unittest.mock import Mock

import aiohttp
import pytest
from aiohttp import web

from azwi_proxy import upstream
from azwi_testing import (
    Emulator,
    Proxy,
    ServeApp,
    StartProxy,
    free_port,
    lasting,
    launch,
    wait_for_port,
)
from azwi_testing.apiserver import until
from azwi_testing.peers import (
    MetadataService,
    Seen,
    answer,
    ask_raw,
    blackhole,
    exchange,
    mute,
    says,
)

LARGE = 100 * 1024 * 1024
ALLOWED = 3_900  # KiB, 4 MB, that a stream of any length may cost

BY_THE_CONNECTION = {"connection", "keep-alive", "proxy-authenticate", "proxy-authorization"} | {
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "expect",
}


@pytest.mark.parametrize(
    "target",
    [
        "/metadata/instance?api-version=2021-02-01",
        "/metadata/instance/compute/tagsList?api-version=2021-02-01&format=json",
        "/METADATA/Instance/network?x=%2F%2f+%20a&&empty=&raw=https://a.b/c:d",
        "/metadata/versions",
        "//metadata/instance/?a",
        "/latest/meta-data/iam/",
        "/latest/dynamic/instance-identity/document",
        "/computeMetadata/v1/instance/attributes/?recursive=true&alt=json",
        "/",
        "/a%41b/%7Ec;v=1?q='\"<>|^`{}",
    ],
)
def test_path_and_query_arrive_as_the_client_wrote_them(
    shared: Proxy, imds: MetadataService, target: str
) -> None:
    status, _, body = ask_raw(shared.port, f"GET {target}", "Metadata: true")
    assert (status, json.loads(body)) == (200, {"from": "imds"})
    assert [seen.target for seen in imds.seen] == [target]


def test_end_to_end_headers_arrive_untouched_and_no_others(
    shared: Proxy, imds: MetadataService
) -> None:
    sent = [
        "metadata: true",
        "X-Many: one",
        "X-Many: two, three",
        "x-MiXeD-Case:   spaces kept inside  ",
        "Cookie: a=b; c=d",
        "Cookie: e=f",
        "User-Agent: Java/1.8",
        "X-Forwarded-For: 1.2.3.4",
        "X-Latin: \u00e9",
    ]
    hops = ["TE: trailers", "Keep-Alive: timeout=5", "X-Hop: 1", "Proxy-Authorization: Basic eA=="]
    hops += ["Proxy-Connection: keep-alive", "Trailer: X-T"]
    named = "Connection: X-Hop, Metadata, X-Forwarded-For"
    ask_raw(shared.port, "GET /metadata/instance", *sent, *hops, named)
    (seen,) = imds.seen
    arrived = [(name, value.encode("latin-1").decode()) for name, value in seen.headers]
    expected = [("Host", "169.254.169.254")]
    expected += [(name, value.strip()) for name, _, value in (line.partition(":") for line in sent)]
    assert sorted(arrived) == sorted(expected)


def test_an_answers_headers_come_back_untouched_and_no_others(
    shared: Proxy, imds: MetadataService
) -> None:
    end_to_end = [
        ("Server", "IMDS/150.870.65.1854"),
        ("Date", "Mon, 01 Jan 2024 00:00:00 GMT"),
        ("Content-Type", "application/json; charset=utf-8"),
        ("Set-Cookie", "a=b"),
        ("Set-Cookie", "c=d"),
        ("x-ms-Odd", "1"),
    ]
    hops = [("Keep-Alive", "timeout=5"), ("X-Hop", "1"), ("Connection", "X-Hop, keep-alive")]
    imds.script = says(answer(b"{}", *end_to_end, *hops, status="418 A Reason"))
    raw = exchange(
        shared.port,
        b"GET /metadata/instance HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
    )
    assert raw.startswith(b"HTTP/1.1 418 A Reason\r\n")
    _, headers, body = ask_raw(shared.port, "GET /metadata/instance")
    assert body == b"{}"
    assert [pair for pair in headers if pair[0] != "Connection"] == [
        *end_to_end,
        ("Content-Length", "2"),
    ]


def test_an_answer_without_a_content_type_does_not_get_one(
    shared: Proxy, imds: MetadataService
) -> None:
    imds.script = says(answer(b"ami-1"))
    _, headers, body = ask_raw(shared.port, "GET /latest/meta-data/ami-id")
    assert body == b"ami-1"
    names = {name.lower() for name, _ in headers}
    assert "content-type" not in names
    assert "server" not in names
    assert "date" in names  # a recipient must add it (RFC 9110 section 6.6.1)


@pytest.mark.parametrize("status", ["204 No Content", "304 Not Modified"])
def test_an_answer_without_a_body_ends_at_its_head(
    shared: Proxy, imds: MetadataService, status: str
) -> None:
    etag = ("ETag", '"1"')
    imds.script = says(answer(b"", etag, status=status, length=False))
    started = time.monotonic()
    code, headers, body = ask_raw(shared.port, "GET /metadata/instance")
    assert (code, body) == (int(status[:3]), b"")
    assert '"1"' in [value for name, value in headers if name.lower() == "etag"]
    assert "transfer-encoding" not in {name.lower() for name, _ in headers}
    assert time.monotonic() - started < 2


def test_the_answer_to_head_keeps_its_length_and_has_no_body(
    shared: Proxy, imds: MetadataService
) -> None:
    code, headers, body = ask_raw(shared.port, "HEAD /latest/meta-data/")
    assert (code, body) == (200, b"")
    assert ("Content-Length", "15") in headers
    imds.script = says(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    assert ask_raw(shared.port, "HEAD /latest/meta-data/")[2] == b""


def test_answers_of_unknown_length_come_back_whole(shared: Proxy, imds: MetadataService) -> None:
    chunked = (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n"
    )
    imds.script = says(chunked)
    assert shared.ask("/latest/a").body == b"abcde"
    imds.script = says(answer(b"until the end", length=False), then_close=True)
    assert shared.ask("/latest/b").body == b"until the end"
    for script in (says(chunked), says(answer(b"abcde", length=False), then_close=True)):
        imds.script = script
        _, headers, body = ask_raw(shared.port, "GET /latest/c", version="1.0")
        assert body == b"abcde"  # HTTP/1.0 knows no chunks: the end of the connection ends it
        assert "Transfer-Encoding" not in dict(headers)


def test_compressed_answers_are_not_unpacked(shared: Proxy, imds: MetadataService) -> None:
    packed = gzip.compress(b"x" * 1000)
    imds.script = says(answer(packed, ("Content-Encoding", "gzip")))
    _, headers, body = ask_raw(shared.port, "GET /latest/user-data", "Accept-Encoding: gzip")
    assert body == packed
    assert ("Content-Encoding", "gzip") in headers
    assert imds.seen[0].values("Accept-Encoding") == ["gzip"]


def test_aws_session_tokens_are_asked_for_as_without_us(
    shared: Proxy, imds: MetadataService
) -> None:
    imds.script = says(
        answer(
            b"AQAEA==",
            ("X-Aws-Ec2-Metadata-Token-Ttl-Seconds", "21600"),
            ("Content-Type", "text/plain"),
        )
    )
    ttl = "X-aws-ec2-metadata-token-ttl-seconds: 21600"
    status, headers, body = ask_raw(shared.port, "PUT /latest/api/token", ttl)
    assert (status, body) == (200, b"AQAEA==")
    assert ("X-Aws-Ec2-Metadata-Token-Ttl-Seconds", "21600") in headers
    (seen,) = imds.seen
    assert seen.line == "PUT /latest/api/token HTTP/1.1"
    assert seen.values("X-aws-ec2-metadata-token-ttl-seconds") == ["21600"]
    assert seen.values("Content-Length") in ([], ["0"])
    assert not seen.values("Transfer-Encoding")


def test_google_metadata_is_passed_on_with_its_flavor(shared: Proxy, imds: MetadataService) -> None:
    imds.script = says(answer(b"1", ("Metadata-Flavor", "Google"), ("ETag", "3f")))
    target = "/computeMetadata/v1/project/numeric-project-id"
    _, headers, body = ask_raw(shared.port, f"GET {target}", "Metadata-Flavor: Google")
    assert body == b"1"
    assert ("Metadata-Flavor", "Google") in headers
    assert imds.seen[0].values("Metadata-Flavor") == ["Google"]


def test_request_bodies_arrive_by_length_and_in_chunks(
    shared: Proxy, imds: MetadataService
) -> None:
    ask_raw(shared.port, "POST /latest/a", "Content-Length: 5", "Content-Type: x/y", body=b"hello")
    ask_raw(
        shared.port,
        "POST /latest/b",
        "Transfer-Encoding: chunked",
        body=b"3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n",
    )
    first, second = imds.seen
    assert (first.body, second.body) == (b"hello", b"hello")
    assert first.values("Content-Length") == ["5"]
    assert first.values("Content-Type") == ["x/y"]
    assert not first.values("Transfer-Encoding")
    assert not second.values("Content-Type")


def test_a_client_that_waits_to_be_asked_for_its_body_is_asked(
    shared: Proxy, imds: MetadataService
) -> None:
    head = (
        b"PUT /latest/x HTTP/1.1\r\nHost: [::]\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", shared.port), 5) as connection:
        connection.sendall(head)
        assert connection.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(b"hello")
        assert connection.recv(4096).startswith(b"HTTP/1.1 200 ")
    assert imds.seen[0].body == b"hello"
    assert not imds.seen[0].values("Expect")


def _memory(proxy: Proxy, name: str) -> int:
    status = Path(f"/proc/{proxy.process.pid}/status").read_text()
    return int(status.split(f"{name}:")[1].split()[0])


def _send_large(seen: Seen, connection: socket.socket) -> None:
    connection.sendall(f"HTTP/1.1 200 OK\r\nContent-Length: {LARGE}\r\n\r\n".encode())
    piece = bytes(1024 * 1024)
    for _ in range(LARGE // len(piece)):
        connection.sendall(piece)


def test_a_body_of_100_mb_costs_no_memory_in_either_direction(
    shared: Proxy, imds: MetadataService
) -> None:
    shared.ask("/latest/warm")
    imds.seen.clear()
    Path(f"/proc/{shared.process.pid}/clear_refs").write_text("5")  # VmHWM starts anew
    before = _memory(shared, "VmRSS")
    imds.script = _send_large
    connection = HTTPConnection("127.0.0.1", shared.port, timeout=30)
    with contextlib.closing(connection):
        connection.request("GET", "/latest/user-data")
        response = connection.getresponse()
        time.sleep(0.5)  # a slow reader must not make the proxy hoard
        received = 0
        while piece := response.read(1024 * 1024):
            received += len(piece)
        assert received == LARGE
        imds.script = says(answer(b"ok"))
        pieces = (bytes(1024 * 1024) for _ in range(LARGE // 1024 // 1024))
        headers = {"Content-Length": str(LARGE)}
        connection.request("PUT", "/latest/upload", pieces, headers)
        assert connection.getresponse().read() == b"ok"
    assert imds.seen[1].body_length == LARGE
    assert _memory(shared, "VmHWM") - before < ALLOWED


@pytest.mark.parametrize("reset", [False, True])
@pytest.mark.parametrize(
    "begun",
    [
        answer(b"x" * 500).replace(b"500", b"1000"),
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
    ],
    ids=["length", "chunked"],
)
def test_an_answer_that_breaks_off_never_looks_whole(
    shared: Proxy, imds: MetadataService, begun: bytes, reset: bool
) -> None:
    imds.script = says(begun, then_close=not reset, reset=reset)
    with pytest.raises((IncompleteRead, ConnectionError)):
        shared.ask("/latest/user-data")


async def test_an_answer_that_breaks_in_its_middle_ends_the_connection(
    imds: MetadataService,
    emulator: Emulator,
    serve_app: ServeApp,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(upstream, "GLANCE", 0.2)
    imds.script = _hello_then(b"nonsense\r\n")
    async with serve_app({**emulator.environment, **imds.environment}) as port:
        reader, writer = await _begun(port)
        with contextlib.suppress(ConnectionError):
            assert await asyncio.wait_for(reader.read(), 10) == b""  # and no last chunk
        writer.close()


async def test_an_answer_that_pauses_in_its_middle_is_waited_for(
    imds: MetadataService,
    emulator: Emulator,
    serve_app: ServeApp,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(upstream, "GLANCE", 0.1)
    imds.script = _hello_then(b"5\r\nworld\r\n0\r\n\r\n", pause=0.5)
    async with serve_app({**emulator.environment, **imds.environment}) as port:
        reader, writer = await _begun(port)
        assert (
            await asyncio.wait_for(reader.readuntil(b"0\r\n\r\n"), 10) == b"5\r\nworld\r\n0\r\n\r\n"
        )
        writer.close()


async def test_an_answer_that_ends_just_as_it_is_glanced_at_is_whole(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(upstream, "GLANCE", 0.05)
    loop = asyncio.get_running_loop()
    content = aiohttp.StreamReader(Mock(), 2**16, loop=loop)
    answer = SimpleNamespace(content=content, connection=Mock())

    def end() -> None:  # as aiohttp does it, which lets go of the connection with the last byte
        content.feed_data(b"world")
        content.feed_eof()
        answer.connection = None

    loop.call_later(0.05, end)
    loop.call_soon(time.sleep, 0.1)  # both timers are due in one round of the loop
    request = cast(web.BaseRequest, SimpleNamespace(protocol=Mock(is_half_closed=False)))
    assert await upstream._piece(cast(aiohttp.ClientResponse, answer), request) == b"world"


def test_a_client_that_left_in_the_middle_of_a_silent_answer_is_let_go(
    emulator: Emulator, start_proxy: StartProxy, imds: MetadataService
) -> None:
    imds.script = _hello_then(b"", pause=30)
    proxy = start_proxy({**emulator.environment, **imds.environment})
    descriptors = Path(f"/proc/{proxy.process.pid}/fd")
    before = len(list(descriptors.iterdir()))
    for _ in range(5):
        with socket.create_connection(("127.0.0.1", proxy.port), 10) as connection:
            connection.sendall(b"GET /metadata/instance HTTP/1.1\r\nHost: localhost\r\n\r\n")
            reply = b""
            while b"hello" not in reply:
                reply += connection.recv(65536)
    assert len(list(descriptors.iterdir())) >= before + 5
    until(lambda: len(list(descriptors.iterdir())) <= before + 2, upstream.GLANCE * 2 + 5)


def _hello_then(more: bytes, pause: float = 0.1) -> Callable[[Seen, socket.socket], None]:
    def script(seen: Seen, connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
        time.sleep(pause)
        connection.sendall(more)
        mute(seen, connection)

    return script


async def _begun(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /latest/x HTTP/1.1\r\nHost: localhost\r\n\r\n")
    begun = await reader.readuntil(b"hello\r\n")
    assert begun.startswith(b"HTTP/1.1 200 ")
    return reader, writer


@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_an_answer_without_a_length_that_ends_in_a_reset_never_looks_whole(
    shared: Proxy, imds: MetadataService, version: str
) -> None:
    def script(seen: Seen, connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\nhello")
        time.sleep(0.3)
        says(b"", reset=True)(seen, connection)

    imds.script = script
    request = f"GET /latest/user-data HTTP/{version}\r\nHost: localhost\r\n\r\n".encode()
    received = b""
    with socket.create_connection(("127.0.0.1", shared.port), 10) as connection:
        connection.sendall(request)
        try:
            while piece := connection.recv(4096):
                received += piece
            ended = "whole"
        except ConnectionResetError:
            ended = "broken"
    assert (b"hello" in received, ended) == (True, "broken")
    assert b"\r\n0\r\n" not in received


@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_an_answer_without_a_length_that_ends_with_its_connection_is_whole(
    shared: Proxy, imds: MetadataService, version: str
) -> None:
    imds.script = says(b"HTTP/1.1 200 OK\r\n\r\nhello", then_close=True)
    status, _, body = ask_raw(shared.port, "GET /latest/user-data", version=version)
    assert (status, body.removesuffix(b"0\r\n\r\n")[-7:].strip()) == (200, b"hello")


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 200 OK\r\nno colon here\r\n",
        b"HTTP/1.1 200 OK\r\nX: a\x00b\r\n",
        b"HTTP/1.1 200 OK\r\nX: J\xfcrgen\r\n",
        b"HTTP/1.1 200 J\xfcrgen\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"a" * 10_000 + b"\r\n",
        b"HTTP/1.1 999 Odd\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -2\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 2\r\n",
        b"HTTP/1.1 2x0 OK\r\n",
        b"HTTP/3.7 200 OK\r\n",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"\x16\x03nonsense",
    ],
)
def test_an_answer_that_cannot_be_read_is_a_502_that_says_so(
    shared: Proxy, imds: MetadataService, head: bytes
) -> None:
    imds.script = says(head + b"\r\nok", then_close=True)
    answered = shared.ask("/metadata/instance")
    assert (answered.status, answered.json["error"]) == (502, "bad_gateway")
    assert "sent an answer that cannot be read" in answered.json["error_description"]


@pytest.mark.parametrize("value", ["Jürgen", "a\tb", "\u20ac"])
def test_an_answers_header_values_keep_every_byte(
    shared: Proxy, imds: MetadataService, value: str
) -> None:
    imds.script = says(answer(b"ok", ("X-Name", value)))
    _, given, _ = ask_raw(shared.port, "GET /metadata/instance")
    assert dict(given)["X-Name"].encode("latin-1") == value.encode()


def test_a_metadata_service_that_hangs_up_is_a_504(shared: Proxy, imds: MetadataService) -> None:
    for script in (says(b"", then_close=True), says(b"", reset=True)):
        imds.script = script
        answered = shared.ask("/metadata/instance")
        assert answered.status == 504
        assert answered.json["error"] == "gateway_timeout"
        assert f"127.0.0.1:{imds.port}" in answered.json["error_description"]


def test_a_refused_connection_is_a_504_at_once(proxy: Proxy) -> None:
    answered = lasting(lambda: proxy.ask("/metadata/instance"), most=0.5)
    assert answered.status == 504
    assert answered.headers["Content-Type"] == "application/json; charset=utf-8"
    assert answered.json["error_description"].endswith("127.0.0.1:9 refused the connection")


def test_a_metadata_service_that_cannot_be_reached_is_a_504_within_a_second(
    emulator: Emulator, start_proxy: StartProxy
) -> None:
    with blackhole() as port:
        proxy = start_proxy(emulator.environment, METADATA_PORT=str(port))
        target = "/metadata/instance?wait_for_change=true"
        answered = lasting(lambda: proxy.ask(target), least=0.8, most=1.6)
        assert answered.status == 504
        assert "did not accept a connection within 1 s" in answered.json["error_description"]


async def test_a_first_byte_that_does_not_come_is_a_504_and_a_long_poll_may_wait(
    imds: MetadataService,
    emulator: Emulator,
    serve_app: ServeApp,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(upstream, "FIRST_BYTE", 0.2)

    def late(seen: Seen, connection: socket.socket) -> None:
        time.sleep(0.5)
        connection.sendall(answer(b"late"))

    imds.script = late
    async with serve_app({**emulator.environment, **imds.environment}) as port:
        refused = await asyncio.to_thread(ask_raw, port, "GET /metadata/instance")
        assert refused[0] == 504
        assert b"sent no answer within" in refused[2]
        target = "/computeMetadata/v1/instance/?timeout_sec=5&wait_for_change=true"
        assert (await asyncio.to_thread(ask_raw, port, f"GET {target}"))[2] == b"late"
        lookalike = await asyncio.to_thread(ask_raw, port, "GET /a?no_wait_for_change=true")
        assert lookalike[0] == 504


async def test_a_slow_upload_is_not_counted_as_a_slow_answer(
    imds: MetadataService,
    emulator: Emulator,
    serve_app: ServeApp,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(upstream, "FIRST_BYTE", 1.0)
    async with serve_app({**emulator.environment, **imds.environment}) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"POST /latest/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\n")
        for letter in b"hello":
            writer.write(bytes((letter,)))
            await asyncio.sleep(0.3)
        assert (await reader.readline()).startswith(b"HTTP/1.1 200 ")
        writer.close()
    assert imds.seen[0].body == b"hello"


def test_a_client_that_leaves_ends_its_request_at_the_metadata_service(
    shared: Proxy, imds: MetadataService
) -> None:
    left = threading.Event()

    def wait(seen: Seen, connection: socket.socket) -> None:
        assert connection.recv(1) == b""
        left.set()
        raise ConnectionResetError

    imds.script = wait
    target = b"GET /computeMetadata/v1/?wait_for_change=true HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with socket.create_connection(("127.0.0.1", shared.port)) as connection:
        connection.sendall(target)
        until = time.monotonic() + 5
        while not imds.seen and time.monotonic() < until:
            time.sleep(0.01)
    assert left.wait(10), "a long poll outlives the client that asked"


def test_a_connection_that_went_stale_between_requests_is_not_an_error(
    shared: Proxy, imds: MetadataService
) -> None:
    closed = threading.Semaphore(0)

    def close_after(seen: Seen, connection: socket.socket) -> None:
        connection.sendall(answer(b"ok"))
        time.sleep(0.05)
        connection.close()
        closed.release()
        raise ConnectionResetError

    imds.script = close_after
    for _ in range(3):
        assert shared.ask("/metadata/instance").status == 200
        assert closed.acquire(timeout=10)
        assert shared.ask("/healthz").status == 200  # so it has seen the end too
        answered = shared.ask("/latest/x", method="PUT", body=b"hello")
        assert (answered.status, imds.seen[-1].body) == (200, b"hello")
        assert closed.acquire(timeout=10)
        assert shared.ask("/healthz").status == 200


@pytest.mark.parametrize(
    ("forward", "passed", "refused"),
    [
        (
            "instance",
            ["GET /metadata/instance/compute", "GET /metadata/versions", "PUT /latest/api/token"],
            [
                "GET /metadata/scheduledevents",
                "POST /metadata/scheduledevents",
                "GET /metadata/attested/document",
                "POST /metadata/instance",
                "GET /metadata/loadbalancer",
                "GET /metadata/instance/../attested/document",
            ],
        ),
        (
            "all",
            ["GET /metadata/scheduledevents", "POST /metadata/scheduledevents", "GET /latest/"],
            ["GET /metadata/instance/../identity/oauth2/token2"],
        ),
        ("none", [], ["GET /metadata/instance", "GET /latest/meta-data/", "GET /"]),
    ],
)
def test_what_is_passed_on_is_a_setting(
    emulator: Emulator,
    start_proxy: StartProxy,
    imds: MetadataService,
    forward: str,
    passed: list[str],
    refused: list[str],
) -> None:
    proxy = start_proxy({**emulator.environment, **imds.environment}, AZWI_FORWARD=forward)
    for line in passed:
        assert ask_raw(proxy.port, line)[0] == 200, line
    assert [seen.line.removesuffix(" HTTP/1.1") for seen in imds.seen] == passed
    for line in refused:
        status, _, body = ask_raw(proxy.port, line)
        assert status in (403, 404), line
        assert b"unreachable" not in body.lower()  # SDKs read that as: no managed identity here
        assert json.loads(body)["error_description"]
    assert len(imds.seen) == len(passed)


async def test_a_client_that_shares_our_own_source_port_is_no_loop(
    serve_app: ServeApp, emulator: Emulator, imds: MetadataService, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kernel gives a source port a second time, for another destination."""
    source = ("127.0.0.1", free_port())
    ours = upstream.Upstream._socket

    def from_source(made: socket.socket) -> socket.socket:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind(source)
        return made

    monkeypatch.setattr(upstream.Upstream, "_socket", lambda *given: from_source(ours(*given)))
    async with serve_app({**emulator.environment, **imds.environment}) as port:
        with from_source(socket.socket()) as client:
            await asyncio.to_thread(client.connect, ("127.0.0.1", port))
            reader, writer = await asyncio.open_connection(sock=client)
            for _ in range(2):  # the second finds our connection of the first
                writer.write(b"GET /metadata/instance HTTP/1.1\r\nHost: localhost\r\n\r\n")
                head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
                assert head.startswith(b"HTTP/1.1 200 ")
                assert await reader.readexactly(15) == b'{"from":"imds"}'
            writer.close()
    assert len(imds.seen) == 2


def test_a_loop_through_the_proxy_itself_is_stopped(emulator: Emulator, tmp_path: Path) -> None:
    port = free_port()
    proxy = launch(tmp_path, {**emulator.environment, "METADATA_PORT": str(port)}, port=port)
    wait_for_port(proxy)
    answered = proxy.ask("/metadata/instance")
    assert answered.status == 504
    assert "PROXY_UID" in answered.json["error_description"]
    assert len(os.listdir(f"/proc/{proxy.process.pid}/fd")) < 40
    assert proxy.stop() == 0

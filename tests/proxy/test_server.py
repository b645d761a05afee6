"""The server survives its clients: whatever arrives, an answer in JSON or an end, and no noise."""

import asyncio
import contextlib
import json
import os
import re
import resource
import select
import socket
import time
from pathlib import Path

import pytest
from aiohttp import web

from azwi_common.proxy_settings import Settings
from azwi_common.settings import load
from azwi_emulator.messages import Fault
from azwi_proxy import app, serve, server
from azwi_testing import (
    Emulator,
    Proxy,
    ServeApp,
    StartProxy,
    cold_resource,
    free_port,
    lasting,
    resident,
)
from azwi_testing.apiserver import until
from azwi_testing.peers import MetadataService, ask_raw, exchange

TOKEN = "/metadata/identity/oauth2/token"


def _status(reply: bytes) -> int:
    return int(reply.split(b" ", 2)[1])


@pytest.mark.parametrize(
    "garbage",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + os.urandom(400),
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"hello\r\n\r\n",
        b"GET / HTTP/1.1\r\nBad Header: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nX: a\r\n folded\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nX: \x00\r\n\r\n",
        b"GET /\x01 HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET * HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET metadata/identity HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx",
        b"POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Long: " + b"x" * 70_000 + b"\r\n\r\n",
        b"GET /" + b"x" * 70_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"".join(b"X-%d: x\r\n" % n for n in range(5000)) + b"\r\n",
    ],
)
def test_bytes_that_are_no_request_are_a_400_in_json(
    shared: Proxy, imds: MetadataService, garbage: bytes
) -> None:
    started = time.monotonic()
    with contextlib.suppress(ConnectionResetError, BrokenPipeError):
        reply = exchange(shared.port, garbage + b"\r\n\r\n")
        if reply:
            head, _, body = reply.partition(b"\r\n\r\n")
            assert _status(reply) in (400, 414, 431), reply
            assert b"Content-Type: application/json; charset=utf-8" in head
            assert json.loads(body.splitlines()[0])["error"] == "invalid_request"
    assert time.monotonic() - started < 5  # the server ends it: the client would wait for ten
    assert not imds.seen


REFUSED = f"GET {TOKEN}?resource=r HTTP/1.1\r\nHost: localhost\r\nMetadata: true\r\n"


@pytest.mark.parametrize(
    ("request_", "status", "reason", "told"),
    [
        (
            f"{REFUSED}baggage: {'x' * (server.MAX_FIELD + 1)}",
            431,
            "header_too_long",
            "header line has",
        ),
        (REFUSED + "X: 1\r\n" * 126 + "X: 1", 431, "too_many_headers", "128 header lines"),
        (REFUSED.replace("=r ", f"={'x' * server.MAX_LINE} "), 414, "target", "request line has"),
        (REFUSED.replace("=r ", "=\x7f "), 400, "target", "must be percent-encoded"),
        (f"{REFUSED}Host: localhost", 400, "header_twice", "comes twice"),
        (REFUSED.replace("Host", "Hoster"), 400, "host", "one Host line"),
        (f"{REFUSED}Bad Name: x", 400, "not_http", "cannot be parsed as HTTP"),
    ],
)
def test_what_the_parser_refuses_is_told_logged_and_counted_by_its_cause(
    proxy: Proxy, request_: str, status: int, reason: str, told: str
) -> None:
    reply = exchange(proxy.port, request_.encode("latin-1") + b"\r\n\r\n")
    assert _status(reply) == status
    assert told in reply.decode()
    counted = f'azwi_proxy_requests_total{{reason="{reason}",route="unparsed",status="{status}"}} 1'
    assert counted in proxy.ask("/metrics").body.decode()
    (line,) = [json.loads(row) for row in proxy.log.splitlines() if '"unparsed"' in row]
    assert (line["status"], line["reason"]) == (status, reason)
    assert "xxx" not in proxy.log


@pytest.mark.parametrize("pause", [0.0, 0.02])
def test_a_head_that_is_too_long_as_a_whole_is_a_431(proxy: Proxy, pause: float) -> None:
    """In pieces it would be kept until its end comes: a hundred lines of 16 KB are 1.6 MB."""
    with socket.create_connection(("127.0.0.1", proxy.port), 10) as connection:
        connection.sendall(REFUSED.encode())
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            for number in range(100):
                connection.sendall(b"X-%d: %b\r\n" % (number, b"x" * 16_000))
                time.sleep(pause)
        reply = b""
        with contextlib.suppress(ConnectionResetError):
            reply = connection.recv(65536)
    if reply:  # a reset may overtake it
        assert _status(reply) == 431
        assert b"head has more than" in reply
    until(lambda: '"head_too_long"' in proxy.log, 10)
    head = f"{REFUSED}baggage: {'x' * 16_000}\r\nX: {'x' * 7_000}\r\n\r\n"
    assert _status(exchange(proxy.port, head.encode())) == 200


def test_long_heads_on_many_connections_cost_bounded_memory(
    emulator: Emulator, start_proxy: StartProxy
) -> None:
    more = {"AZWI_METRICS_PORT": str(free_port()), "POD_IP": "127.0.0.1"}
    proxy = start_proxy({**emulator.environment, **more})
    until(lambda: "listening" in proxy.log, 10)
    before = resident(proxy.process.pid)
    ports = (proxy.port, int(proxy.environment["AZWI_METRICS_PORT"]))
    with contextlib.ExitStack() as opened:
        for number in range(300):
            connection = socket.create_connection(("127.0.0.1", ports[number % 2]), 10)
            opened.enter_context(connection)
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                connection.sendall(REFUSED.encode())
                for line in range(120):
                    connection.sendall(b"X-%d: %b\r\n" % (line, b"x" * 16_000))
        grown = resident(proxy.process.pid) - before
    assert grown < 24 * 1024 * 1024


def test_connections_have_a_limit_and_the_metrics_site_its_own(
    emulator: Emulator, start_proxy: StartProxy
) -> None:
    port = free_port()
    proxy = start_proxy(emulator.environment, AZWI_METRICS_PORT=str(port), POD_IP="127.0.0.1")
    until(lambda: "listening" in proxy.log, 10)
    with contextlib.ExitStack() as opened:
        held = [
            opened.enter_context(socket.create_connection(("127.0.0.1", port), 10))
            for _ in range(serve.METRICS_CONNECTIONS + 10)
        ]
        until(lambda: len(select.select(held, [], [], 0)[0]) == 10, 10)  # their ends
        assert proxy.token().status == 200

    def is_scraped() -> bool:
        with contextlib.suppress(OSError):  # until the others have gone
            return b"200 OK" in exchange(port, b"GET /metrics HTTP/1.0\r\n\r\n")
        return False

    until(is_scraped, 10)


@pytest.mark.parametrize("path", [f"{TOKEN};client_id=x", f"{TOKEN}%3Fclient_id=x"])
def test_parameters_in_the_path_are_refused(shared: Proxy, path: str) -> None:
    answered = shared.ask(f"{path}?resource=r")
    assert answered.status == 400
    assert "not into the path" in answered.json["error_description"]


def test_a_body_of_a_get_is_refused(shared: Proxy) -> None:
    answered = shared.ask(f"{TOKEN}?resource=https://r", body=b"client_id=x")
    assert answered.status == 400
    assert "A GET has no body" in answered.json["error_description"]


def test_a_header_line_as_long_as_w3c_allows_for_baggage_is_no_obstacle(shared: Proxy) -> None:
    told = shared.ask(f"{TOKEN}?resource=https://r", headers={"baggage": "x" * 8192})
    assert told.json["error_description"] == "Required metadata header not specified"


def test_refusals_without_end_are_few_lines_and_a_count(
    emulator: Emulator, start_proxy: StartProxy
) -> None:
    proxy = start_proxy(emulator.environment)
    for _ in range(1000):
        assert proxy.ask(TOKEN).status == 400
    assert proxy.stop() == 0
    lines = [json.loads(row) for row in proxy.log.splitlines()]
    refusals = [line for line in lines if line.get("reason") == "bad_request"]
    assert len(refusals) <= 12  # a minute may have ended between
    more = sum(line.get("more", 0) for line in refusals)
    assert more + sum("more" not in line for line in refusals) == 1000


@pytest.mark.parametrize(
    "line", ["Origin: https://evil", "Sec-Fetch-Site: none", "sec-fetch-dest: x"]
)
@pytest.mark.parametrize(
    "target", [TOKEN + "?resource=r", "/metadata/instance", "/msi/token", "/readyz"]
)
def test_a_page_in_a_browser_gets_nothing(
    shared: Proxy, imds: MetadataService, line: str, target: str
) -> None:
    reply = ask_raw(shared.port, f"GET {target}", "Metadata: true", line)
    assert reply[0] == 400
    assert "web pages" in json.loads(reply[2])["error_description"]
    assert not imds.seen


def test_nodes_own_fetch_is_no_browser(shared: Proxy) -> None:
    reply = ask_raw(shared.port, f"GET {TOKEN}?resource=r", "Sec-Fetch-Mode: cors")
    told = json.loads(reply[2])["error_description"]
    assert told == "Required metadata header not specified"


def test_a_name_that_dns_may_rebind_gets_nothing_and_one_of_the_setting_does(
    emulator: Emulator, start_proxy: StartProxy
) -> None:
    proxy = start_proxy(emulator.environment, AZWI_HOSTS="imds.shop.svc Other.")
    target = f"{TOKEN}?resource={cold_resource()}"
    for host, status in (("evil.example", 400), ("IMDS.shop.svc.:80", 200), ("other", 200)):
        head = (
            f"GET {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nMetadata: true\r\n\r\n"
        )
        assert _status(exchange(proxy.port, head.encode())) == status, host
    raw = exchange(proxy.port, f"GET {target} HTTP/1.0\r\nMetadata: true\r\n\r\n".encode())
    assert _status(raw) == 200
    absolute = f"GET http://evil.example{target} HTTP/1.1\r\nHost: localhost\r\n\r\n"
    assert _status(exchange(proxy.port, absolute.encode())) == 400


def test_a_client_that_half_closes_after_its_request_is_answered(
    emulator: Emulator, start_proxy: StartProxy
) -> None:
    proxy = start_proxy(emulator.environment)
    emulator.control.fault(Fault(kind="latency", seconds=0.5))
    for target in (f"{TOKEN}?resource=https://half", f"{TOKEN}?resource=https://half", "/healthz"):
        head = f"GET {target} HTTP/1.1\r\nHost: localhost\r\nMetadata: true\r\n\r\n".encode()
        with socket.create_connection(("127.0.0.1", proxy.port), 10) as connection:
            connection.sendall(head * 2)
            connection.shutdown(socket.SHUT_WR)
            reply = b""
            while piece := connection.recv(65536):
                reply += piece
        assert reply.count(b"HTTP/1.1 200 ") == 2, reply


def test_a_connection_that_its_client_closes_right_after_the_answer_is_let_go(
    shared: Proxy,
) -> None:
    """It looks like one that is half-closed while its answer is on the way."""
    descriptors = Path(f"/proc/{shared.process.pid}/fd")
    before = len(list(descriptors.iterdir()))
    for _ in range(300):
        assert shared.ask(f"{TOKEN}?resource=%20").status == 400
    until(lambda: len(list(descriptors.iterdir())) <= before + 2, 10)


def test_a_connect_request_makes_no_tunnel(shared: Proxy, imds: MetadataService) -> None:
    assert ask_raw(shared.port, "CONNECT 10.0.0.1:22")[0] == 405
    assert not imds.seen


def test_a_form_that_is_too_large_is_a_413_that_arrives(shared: Proxy) -> None:
    form = b"resource=" + b"x" * 200_000
    answered = shared.ask(TOKEN, method="POST", body=form)
    assert answered.status == 413
    assert answered.json["error"] == "invalid_request"
    lines = "Host: localhost\r\nMetadata: true\r\nTransfer-Encoding: chunked\r\n"
    head = f"POST {TOKEN} HTTP/1.1\r\n{lines}\r\n"
    chunk = b"4000\r\n" + b"x" * 0x4000 + b"\r\n"
    assert _status(exchange(shared.port, head.encode() + chunk * 20, timeout=3)) == 413


def test_clients_that_vanish_leave_no_trace(shared: Proxy, imds: MetadataService) -> None:
    before = shared.log
    head = f"POST {TOKEN} HTTP/1.1\r\nHost: [::]\r\nMetadata: true\r\nContent-Length: 100\r\n\r\nx"
    upload = b"PUT /latest/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nx"
    for sent in (b"", b"GET", head.encode(), upload):
        for reset in (False, True):
            with socket.create_connection(("127.0.0.1", shared.port)) as connection:
                connection.sendall(sent)
                time.sleep(0.02)
                if reset:
                    linger = b"\1\0\0\0\0\0\0\0"
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    time.sleep(0.1)
    assert shared.log == before


def test_a_thousand_probes_that_connect_and_close_log_nothing(shared: Proxy) -> None:
    before = shared.log
    for _ in range(1000):  # Java's SDKs look for IMDS so
        socket.create_connection(("127.0.0.1", shared.port)).close()
    assert shared.ask("/healthz").status == 200
    assert shared.log == before


def _lasts(port: int, first: bytes, piece: bytes = b"") -> float:
    """Seconds until the server ends a connection on which so much trickles in."""
    started = time.monotonic()
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.settimeout(0.1)
        connection.sendall(first)
        while time.monotonic() - started < 10:
            try:
                connection.sendall(piece)
                if not connection.recv(4096):
                    break
            except TimeoutError:
                continue
            except OSError:
                break
    return time.monotonic() - started


async def test_a_head_that_trickles_in_ends_in_time(
    emulator: Emulator, serve_app: ServeApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "IDLE", 0.5)
    async with serve_app(emulator.environment) as port:
        whole = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
        lasted = await asyncio.gather(
            asyncio.to_thread(_lasts, port, b""),
            asyncio.to_thread(_lasts, port, whole),
            asyncio.to_thread(_lasts, port, b"GET / HTTP/1.1\r\n", b"X: y\r\n"),
            asyncio.to_thread(_lasts, port, whole + b"GET / HTTP/1.1\r\n", b"X: y\r\n"),
        )
    assert all(0.4 < seconds < 5 for seconds in lasted), lasted


@pytest.mark.parametrize(
    "form",
    [
        "Content-Length: 50\r\n\r\nx",
        "Transfer-Encoding: chunked\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n5\r\nresou\r\nnonsense\r\n",
    ],
)
async def test_a_form_that_does_not_end_is_a_408(
    emulator: Emulator, serve_app: ServeApp, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    monkeypatch.setattr(app, "FORM_TIME", 1.5)
    async with serve_app(emulator.environment) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        head, _, body = form.partition("\r\n\r\n")
        writer.write(
            f"POST {TOKEN} HTTP/1.1\r\nHost: localhost\r\nMetadata: true\r\n{head}\r\n\r\n".encode()
        )
        await asyncio.sleep(0.1)
        writer.write(body.encode())
        reply = await asyncio.wait_for(reader.read(), 10)
        assert _status(reply) == 408
        assert b'"error_description":"The form did not arrive within' in reply
        writer.close()


def test_a_thousand_idle_connections_keep_nobody_out(
    emulator: Emulator, start_proxy: StartProxy
) -> None:
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, limits[1]))
    try:
        proxy = start_proxy(emulator.environment)  # as a container of containerd 2: few at first
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(limits[1], 4096), limits[1]))
        with contextlib.ExitStack() as idle:
            for _ in range(1000):
                idle.enter_context(socket.create_connection(("127.0.0.1", proxy.port)))
            assert lasting(lambda: proxy.token(cold_resource()), most=1).status == 200
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    assert "Traceback" not in proxy.log


def test_a_proxy_out_of_file_descriptors_recovers(
    emulator: Emulator, start_proxy: StartProxy
) -> None:
    proxy = start_proxy(emulator.environment)
    resource.prlimit(proxy.process.pid, resource.RLIMIT_NOFILE, (64, 64))
    with contextlib.ExitStack() as idle:
        for _ in range(100):
            idle.enter_context(socket.create_connection(("127.0.0.1", proxy.port)))
        time.sleep(0.5)
        before = _cpu(proxy)
        time.sleep(0.5)
        assert _cpu(proxy) - before < 0.25  # seconds: it does not spin
    until = time.monotonic() + 5
    while True:
        try:
            assert proxy.ask("/healthz", timeout=1).status == 200
            break
        except OSError:
            assert time.monotonic() < until
    assert proxy.token("https://fds.example").status == 200
    assert len(proxy.log) < 20_000


def _cpu(proxy: Proxy) -> float:
    fields = Path(f"/proc/{proxy.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_requests_on_one_connection_are_answered_in_order(shared: Proxy) -> None:
    one = b"GET /metadata/identity/oauth2/token HTTP/1.1\r\nHost: localhost\r\n\r\n"
    two = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    reply = exchange(shared.port, one * 50 + two)
    assert reply.count(b"Required metadata header not specified") == 50
    assert reply.endswith(b"ok\n")


def test_an_old_client_gets_an_old_answer(shared: Proxy) -> None:
    status, headers, body = ask_raw(shared.port, f"GET {TOKEN}", version="1.0")
    assert status == 400
    assert ("Content-Length", str(len(body))) in headers


async def test_a_request_that_comes_as_the_stop_begins_is_answered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(server, "FAREWELL", 5.0)

    async def hello(request: web.BaseRequest) -> web.StreamResponse:
        return web.Response(text="hello")

    site = server.Site(hello)
    await site.start("127.0.0.1", 0)
    reader, writer = await asyncio.open_connection("127.0.0.1", site.port)
    request = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
    writer.write(request)
    await reader.readuntil(b"hello")
    stopping = asyncio.create_task(site.stop(2))
    await asyncio.sleep(0)  # it has begun
    writer.write(request)
    head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    assert (body, b"Connection: close" in head) == (b"hello", True)
    writer.close()
    await stopping


async def test_a_stop_takes_no_longer_than_its_grace() -> None:
    begun = asyncio.Event()

    async def endless(request: web.BaseRequest) -> web.StreamResponse:
        begun.set()
        await asyncio.sleep(3600)
        raise AssertionError

    site = server.Site(endless)
    await site.start("127.0.0.1", 0)
    _, writer = await asyncio.open_connection("127.0.0.1", site.port)
    writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
    await begun.wait()
    started = time.monotonic()
    await site.stop(2)
    assert 2 <= time.monotonic() - started < 3.9  # aiohttp by itself takes the grace twice
    writer.close()


async def test_a_bug_is_a_500_in_json_and_a_traceback_in_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def buggy(request: web.BaseRequest) -> web.StreamResponse:
        raise ZeroDivisionError

    settings = {"AZURE_FEDERATED_TOKEN_FILE": "/none", "AZURE_TENANT_ID": "contoso.com"}
    settings["AZURE_CLIENT_ID"] = "11111111-1111-1111-1111-111111111111"
    site = server.Site(buggy, refuse=app.App(load(Settings, settings)).refuse)
    await site.start("127.0.0.1", 0)
    status, headers, body = await asyncio.to_thread(ask_raw, site.port, "GET /")
    await site.stop(0.1)
    assert (status, json.loads(body)["error"]) == (500, "internal_error")
    assert ("Content-Type", "application/json; charset=utf-8") in headers
    assert "ZeroDivisionError" in caplog.text


def test_a_repeated_head_gets_what_the_long_way_would_answer(
    start_proxy: StartProxy, emulator: Emulator
) -> None:
    """Four ways of asking the same within one second: only the first three may be replayed."""
    target = f"/metadata/identity/oauth2/token?resource={cold_resource()}"
    head = f"GET {target} HTTP/1.1\r\nHost: 169.254.169.254\r\nMetadata: true\r\n\r\n".encode()
    proxy = start_proxy(emulator.environment)
    proxy.ask(target)
    for _ in range(50):
        second = int(time.time())
        with socket.create_connection(("127.0.0.1", proxy.port), 5) as connection:
            again = [_ask(connection, head) for _ in range(3)]
        with socket.create_connection(("127.0.0.1", proxy.port), 5) as connection:
            connection.sendall(head[:20])
            time.sleep(0.02)
            long_way = _ask(connection, head[20:])
        if int(time.time()) == second:
            assert {*again} == {long_way}
            break
    else:
        pytest.fail("four requests never fitted into one second")
    refused = head.replace(b"Metadata: true", b"Metadata: false")
    forwarded = head.replace(b"\r\n\r\n", b"\r\nX-Forwarded-For: 10.0.0.1\r\n\r\n")
    with socket.create_connection(("127.0.0.1", proxy.port), 5) as connection:
        told = [_ask(connection, request) for request in (head, refused, head, forwarded)]
    assert [answer.split(b" ")[1] for answer in told] == [b"200", b"400", b"200", b"400"]
    scraped = proxy.ask("/metrics").body.decode()
    assert 'azwi_proxy_requests_total{reason="ok",route="token",status="200"}' in scraped


def _ask(connection: socket.socket, request: bytes) -> bytes:
    """Send, and read one whole answer."""
    connection.sendall(request)
    answer = b""
    while b"\r\n\r\n" not in answer:
        answer += connection.recv(65536)
    head, _, body = answer.partition(b"\r\n\r\n")
    length = int(re.search(rb"Content-Length: (\d+)", head)[1])  # type: ignore[index]  # it is there
    while len(body) < length:
        body += connection.recv(65536)
    return head + b"\r\n\r\n" + body

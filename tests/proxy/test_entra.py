"""Exchanges against the emulator, with everything that can go wrong on the way to Entra ID."""

import asyncio
import base64
import itertools
import json
import os
import resource
import shutil
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import uvloop

from azwi_common.proxy_settings import Settings
from azwi_common.settings import load
from azwi_emulator.messages import (
    AccessTokenShape,
    ClientRegistration,
    Fault,
    ServiceAccountTokenRequest,
)
from azwi_proxy import entra, errors, tokens, transport
from azwi_proxy.entra import Entra
from azwi_proxy.identities import Identity
from azwi_testing import (
    Answer,
    Emulator,
    Proxy,
    ServeApp,
    StartProxy,
    cold_resource,
    free_port,
    lasting,
)
from azwi_testing.apiserver import until
from azwi_testing.peers import (
    ForwardProxy,
    MetadataService,
    Seen,
    answer,
    ask_raw,
    blackhole,
    says,
    self_signed,
)

_clients = iter(range(10**6))


def _client() -> str:
    """A client that no test has asked for."""
    return f"c0000000-0000-0000-0000-{next(_clients):012d}"


def _says(answered: Answer, *parts: str) -> None:
    for part in parts:
        assert part in answered.json["error_description"], answered.json


def _heals(proxy: Proxy, resource: str, within: float, **parameters: str) -> None:
    end = time.monotonic() + within
    while True:
        late = time.monotonic() > end  # by the time of the question: an answer may be slow
        answered = proxy.token(resource, **parameters)
        if answered.status == 200:
            return
        assert not late, answered.json
        time.sleep(0.1)


# --- Entra ID refuses ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "status", "remedy"),
    [
        (500011, 400, "Check the resource https://cold"),
        (70011, 400, "Check the resource https://cold"),
        (700212, 401, "audience api://AzureADTokenExchange"),
        (7002138, 401, "compares subjects with case"),
        (90002, 400, "AZURE_TENANT_ID"),
        (50027, 400, "AZURE_FEDERATED_TOKEN_FILE"),
        (7000112, 401, "is disabled"),
        (53003, 400, "An administrator of tenant"),
        (999999, 400, ""),
    ],
)
def test_a_permanent_refusal_is_a_4xx_with_entra_ids_words_and_our_remedy(
    shared: Proxy, emulator: Emulator, code: int, status: int, remedy: str
) -> None:
    emulator.control.fault(Fault(kind="aadsts", code=code))
    answered = shared.token(cold_resource())
    assert answered.status in (400, 401)
    if code != 999999:
        assert answered.status == status
    assert answered.headers["Content-Type"] == "application/json; charset=utf-8"
    assert "Retry-After" not in answered.headers  # SDKs would retry whatever carries it
    _says(answered, f"AADSTS{code}: ", remedy)
    told = answered.json
    assert list(told)[:2] == ["error", "error_description"]
    assert told["error_codes"] == [code]
    assert len(told["trace_id"]) == len(told["correlation_id"]) == 36
    assert told["timestamp"]
    assert len(emulator.control.exchanges()) == 1


@pytest.mark.parametrize("code", [70021, 700211, 700213, 70025, 700016])
def test_what_may_be_propagation_is_always_a_401_and_heals_without_a_restart(
    shared: Proxy, emulator: Emulator, code: int
) -> None:
    resource, client = cold_resource(), _client()
    for status in (400, 401):
        body = {"error": "e", "error_description": f"AADSTS{code}: no", "error_codes": [code]}
        told = Fault(kind="answer", status=status, body=json.dumps(body), times=1)
        emulator.control.fault(told)
        answered = shared.token(resource, client_id=client)
        assert answered.status == 401
        assert "Identity not found" not in answered.json["error_description"]
        client = _client()


def test_a_credential_created_late_is_used_within_seconds(
    shared: Proxy, emulator: Emulator
) -> None:
    resource, client = cold_resource(), _client()
    tenant = emulator.announced["tenantId"]
    emulator.control.register_client(ClientRegistration(tenant_id=tenant, client_id=client))
    answered = shared.token(resource, client_id=client)
    assert answered.status == 401
    _says(answered, "subject " + emulator.announced["subject"], emulator.announced["issuer"])
    emulator.control.register(tenant, client, subject=emulator.announced["subject"])
    _heals(shared, resource, within=9, client_id=client)


def test_a_failure_is_remembered_so_that_a_hundred_clients_are_not_a_hundred_calls(
    shared: Proxy, emulator: Emulator
) -> None:
    emulator.control.fault(Fault(kind="aadsts", code=500011))
    resource = cold_resource()
    for _ in range(20):
        assert shared.token(resource).status == 400
    assert len(emulator.control.exchanges()) <= 2


# --- Entra ID is busy or broken ------------------------------------------------------------------


def test_throttling_is_held_off_from_entra_id_and_told_to_the_app_in_seconds(
    shared: Proxy, emulator: Emulator
) -> None:
    client = _client()
    tenant = emulator.announced["tenantId"]
    emulator.control.register(tenant, client, subject=emulator.announced["subject"])
    emulator.control.fault(Fault(kind="throttle", retry_after="3"))
    started = time.monotonic()
    first = cold_resource()
    for _ in range(3):
        answered = shared.token(first, client_id=client)
        assert answered.status == 429
        assert 1 <= int(answered.headers["Retry-After"]) <= 5
        assert answered.headers["Content-Type"] == "application/json; charset=utf-8"
        assert answered.json["error"] == "too_many_requests"
    assert len(emulator.control.exchanges(client)) == 1
    emulator.control.clear_faults()
    # Neither another identity nor another resource is held off.
    assert shared.token(cold_resource()).status == 200
    assert shared.token(cold_resource(), client_id=client).status == 200
    _heals(shared, first, within=6, client_id=client)
    assert time.monotonic() - started > 1.5


@pytest.mark.parametrize(
    "fault",
    [
        Fault(kind="answer", status=503, body="<html>try later</html>"),
        Fault(kind="answer", status=500, body=""),
        Fault(kind="answer", status=502, body='{"error":"bad"}'),
        Fault(kind="reset"),
    ],
    ids=["503", "500", "502", "reset"],
)
def test_a_failure_of_the_moment_gets_one_more_try(
    shared: Proxy, emulator: Emulator, fault: Fault
) -> None:
    emulator.control.fault(Fault(**{**fault.__dict__, "times": 1}))
    assert shared.token(cold_resource()).status == 200
    assert len(emulator.control.exchanges()) == 2
    emulator.control.reset()
    emulator.control.fault(fault)
    answered = shared.token(cold_resource())
    assert answered.status == 503
    assert answered.headers["Retry-After"] == "2"
    assert answered.json["error"] == "service_unavailable"
    assert len(emulator.control.exchanges()) == 2


def test_an_entra_id_that_says_when_to_come_back_is_not_asked_before(
    shared: Proxy, emulator: Emulator
) -> None:
    client = _client()
    emulator.control.fault(Fault(kind="answer", status=503, retry_after="30"))
    resource = cold_resource()
    for _ in range(3):
        answered = shared.token(resource, client_id=client)
        assert (answered.status, answered.headers["Retry-After"]) == (503, "2")
    assert len(emulator.control.exchanges(client)) == 1


@pytest.mark.parametrize(
    "body",
    [
        "",
        "[]",
        "null",
        '"text"',
        "{}",
        '{"access_token":"x"}',
        '{"access_token":"x","expires_in":"soon"}',
        '{"access_token":"x","expires_in":null}',
        '{"access_token":"x","expires_in":[1]}',
        '{"access_token":"x","expires_in":1e400}',
        '{"access_token":"x","expires_in":-5}',
        '{"access_token":7,"expires_in":3600}',
        '{"access_token":"","expires_in":3600}',
        '{"error":"temporarily_unavailable"}',
        "[" * 100_000,
        "x" * 300_000,
    ],
)
def test_an_answer_that_makes_no_sense_is_a_503(
    shared: Proxy, emulator: Emulator, body: str
) -> None:
    emulator.control.fault(
        Fault(kind="answer", status=200, body=body, content_type="application/json")
    )
    answered = shared.token(cold_resource(), client_id=_client())
    assert answered.status == 503, answered.body
    assert answered.headers["Retry-After"] == "2"
    assert "127.0.0.1" in answered.json["error_description"] or "Entra ID" in str(answered.json)


@pytest.mark.parametrize("reset", [True, False])
def test_an_answer_without_a_length_that_breaks_off_is_not_taken_for_somebody_elses(
    emulator: Emulator, start_proxy: StartProxy, tmp_path: Path, *, reset: bool
) -> None:
    begun = b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n{"access_token":"t"'
    context, ca_file = self_signed(tmp_path)
    with MetadataService(context) as authority:
        authority.script = says(begun, then_close=not reset, reset=reset)
        proxy = start_proxy(
            emulator.environment,
            AZURE_AUTHORITY_HOST=f"https://127.0.0.1:{authority.port}",
            SSL_CERT_FILE=ca_file,
        )
        answered = proxy.token()
    assert answered.status == 503
    assert f"127.0.0.1:{authority.port} " in answered.json["error_description"]
    assert "Something other" not in answered.json["error_description"]


def test_odd_members_beside_a_token_do_not_matter(shared: Proxy, emulator: Emulator) -> None:
    """Each of them makes msal raise an exception of another kind."""
    odd = '"refresh_in":"soon","id_token":"x","client_info":"x","scope":7,"foci":{}'
    body = '{"access_token":"x","expires_in":"3600",' + odd + "}"
    emulator.control.fault(Fault(kind="answer", status=200, body=body))
    answered = shared.token(cold_resource(), client_id=_client())
    assert (answered.status, answered.json["access_token"]) == (200, "x")


def test_an_answer_that_is_damaged_is_a_503_and_heals(shared: Proxy, emulator: Emulator) -> None:
    emulator.control.fault(Fault(kind="garbage"))
    assert shared.token(cold_resource()).status == 503
    emulator.control.reset()
    emulator.control.fault(Fault(kind="truncate"))
    resource = cold_resource()
    assert shared.token(resource).status == 503
    assert len(emulator.control.exchanges()) == 2  # cut short like a reset: one more try
    emulator.control.clear_faults()
    _heals(shared, resource, within=3)


def test_a_redirect_is_never_followed(
    emulator: Emulator, start_proxy: StartProxy, imds: MetadataService, tmp_path: Path
) -> None:
    context, ca_file = self_signed(tmp_path)
    with MetadataService(context) as authority:
        proxy = start_proxy(
            emulator.environment,
            AZURE_AUTHORITY_HOST=f"https://127.0.0.1:{authority.port}",
            SSL_CERT_FILE=ca_file,
        )
        for status in ("301 a", "302 b", "303 c", "307 d", "308 e"):
            for onward in (f"http://127.0.0.1:{imds.port}/x", "/other"):
                authority.script = says(answer(b"", ("Location", onward), status=status))
                assert proxy.token(cold_resource(), client_id=_client()).status == 503
    assert not imds.seen
    assert len(authority.seen) == 10
    assert {seen.target for seen in authority.seen} == {
        f"/{emulator.announced['tenantId']}/oauth2/v2.0/token"
    }


def test_a_hanging_entra_id_is_a_503_after_ten_seconds_while_others_are_served(
    shared: Proxy, emulator: Emulator
) -> None:
    warm = cold_resource()
    assert shared.token(warm).status == 200
    slow = _client()
    emulator.control.fault(Fault(kind="hang", client_id=slow))
    started = time.monotonic()

    async def both() -> tuple[Answer, Answer]:
        hanging = asyncio.create_task(
            asyncio.to_thread(shared.token, cold_resource(), client_id=slow)
        )
        await asyncio.to_thread(until, emulator.control.exchanges)
        served = await asyncio.to_thread(shared.token, warm)
        cold = await asyncio.to_thread(shared.token, cold_resource())
        assert time.monotonic() - started < 5  # long before the other
        assert (served.status, cold.status) == (200, 200)
        return await hanging, served

    answered, _ = asyncio.run(both())
    assert 9.5 < time.monotonic() - started < 15
    assert answered.status == 503
    _says(answered, "did not answer within 10 s", "127.0.0.1:")


async def test_an_answer_that_trickles_is_given_up_in_time(
    emulator: Emulator, serve_app: ServeApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(entra, "WHOLE", 1.0)
    emulator.control.fault(Fault(kind="trickle", seconds=0.05))
    async with serve_app(emulator.environment) as port:

        def ask() -> tuple[int, list[tuple[str, str]], bytes]:
            line = f"GET /metadata/identity/oauth2/token?resource={cold_resource()}"
            return ask_raw(port, line, "Metadata: true")

        status, _, body = await asyncio.to_thread(lasting, ask, least=0.9, most=1.6)
        assert (status, b"did not answer within" in body) == (503, True)


@pytest.mark.parametrize("tunnelled", [False, True])
def test_a_connection_that_is_given_up_is_closed_though_entra_id_stays_silent(
    emulator: Emulator,
    serve_app: ServeApp,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    *,
    tunnelled: bool,
) -> None:
    """Else it waits half a minute for Entra ID's goodbye: 600 of them while Entra ID hangs."""
    monkeypatch.setattr(entra, "WHOLE", 0.5)
    closed = threading.Event()

    def silent(seen: Seen, connection: socket.socket) -> None:
        connection.settimeout(5)
        while socket.socket.recv(connection, 4096):  # below TLS: a goodbye is not the end
            pass
        closed.set()

    context, ca_file = self_signed(tmp_path)
    with MetadataService(context) as authority, ForwardProxy(authority.port) as between:
        authority.script = silent
        away = {
            "AZURE_AUTHORITY_HOST": f"https://127.0.0.1:{authority.port}",
            "SSL_CERT_FILE": ca_file,
            "HTTPS_PROXY": f"http://127.0.0.1:{between.port}" if tunnelled else "",
        }

        async def given_up() -> None:
            async with serve_app({**emulator.environment, **away}) as port:
                line = f"GET /metadata/identity/oauth2/token?resource={cold_resource()}"
                status, _, _ = await asyncio.to_thread(ask_raw, port, line, "Metadata: true")
                assert status == 503
                assert await asyncio.to_thread(closed.wait, 4)

        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(given_up())


# --- The network in between ----------------------------------------------------------------------


def test_a_certificate_that_is_not_trusted_is_a_503_that_says_so(
    emulator: Emulator, start_proxy: StartProxy
) -> None:
    proxy = start_proxy(emulator.environment)
    emulator.control.fault(Fault(kind="untrusted"))
    resource = cold_resource()
    answered = proxy.token(resource)
    assert answered.status == 503
    _says(answered, "127.0.0.1:", "has a certificate that is not trusted: ")
    assert not emulator.control.exchanges()
    emulator.control.clear_faults()
    _heals(proxy, resource, within=3)


def test_a_refused_connection_is_a_503_that_says_so_and_heals(
    emulator: Emulator, start_proxy: StartProxy
) -> None:
    proxy = start_proxy(emulator.environment)
    emulator.control.fault(Fault(kind="refuse"))
    resource = cold_resource()
    answered = proxy.token(resource)
    assert answered.status == 503
    _says(answered, "127.0.0.1:", "cannot be connected to: ")
    assert "refused" in answered.json["error_description"].lower()
    emulator.control.clear_faults()
    _heals(proxy, resource, within=3)


def test_an_entra_id_that_accepts_no_connection_is_a_503_within_three_seconds(
    emulator: Emulator, start_proxy: StartProxy
) -> None:
    with blackhole() as port:
        away = {"AZURE_AUTHORITY_HOST": f"https://127.0.0.1:{port}"}
        proxy = start_proxy({**emulator.environment, **away})
        started = time.monotonic()
        answered = proxy.token(cold_resource())
        assert 2.8 < time.monotonic() - started < 4.5
        assert (answered.status, answered.headers["Retry-After"]) == (503, "2")
        _says(answered, f"127.0.0.1:{port}", "did not accept a connection within 3 s")


def test_a_name_that_does_not_resolve_is_a_503_that_says_so(
    emulator: Emulator, start_proxy: StartProxy
) -> None:
    proxy = start_proxy(emulator.environment, AZURE_AUTHORITY_HOST="https://login.invalid/")
    started = time.monotonic()
    answered = proxy.token()
    assert time.monotonic() - started < 10.5
    assert answered.status == 503
    assert answered.headers["Retry-After"] == "2"
    _says(answered, "login.invalid does not resolve: ")


def test_the_ca_bundle_of_requests_comes_before_openssls(
    emulator: Emulator, start_proxy: StartProxy
) -> None:
    right, wrong = emulator.announced["caFile"], emulator.announced["tokenProxyCaFile"]
    proxy = start_proxy(emulator.environment, REQUESTS_CA_BUNDLE=right, SSL_CERT_FILE=wrong)
    assert proxy.token().status == 200
    proxy = start_proxy(emulator.environment, REQUESTS_CA_BUNDLE=wrong, SSL_CERT_FILE=right)
    assert proxy.token().status == 503


@pytest.fixture
def onward(emulator: Emulator) -> Iterator[ForwardProxy]:
    """A forward proxy to the emulator, whatever host it is asked for."""
    port = int(emulator.announced["authorityHost"].rstrip("/").rsplit(":", 1)[1])
    with ForwardProxy(port) as proxy:
        yield proxy


def test_a_forward_proxy_is_used_for_the_authority_and_nobody_else_is_called(
    emulator: Emulator, start_proxy: StartProxy, onward: ForwardProxy
) -> None:
    address = f"http://me:hunter2@127.0.0.1:{onward.port}"
    proxy = start_proxy(emulator.environment, "--log-level=debug", HTTPS_PROXY=address)
    assert proxy.token().status == 200
    assert proxy.token(cold_resource(), client_id=_client()).status == 401
    host = emulator.announced["authorityHost"].removeprefix("https://").rstrip("/")
    assert {tunnel.target for tunnel in onward.tunnels} == {host}
    assert onward.tunnels[0].authorization == "Basic bWU6aHVudGVyMg=="
    for secret in ("hunter2", "bWU6aHVudGVyMg"):
        assert secret not in proxy.log


def test_a_private_authority_is_the_only_host_that_is_called(
    emulator: Emulator, start_proxy: StartProxy, onward: ForwardProxy
) -> None:
    """Its certificate does not fit the name, so the call fails; what counts is whom it was for."""
    proxy = start_proxy(
        emulator.environment,
        AZURE_AUTHORITY_HOST="https://login.chinacloudapi.cn",
        HTTPS_PROXY=f"127.0.0.1:{onward.port}",
    )
    answered = proxy.token()
    assert answered.status == 503
    _says(answered, "login.chinacloudapi.cn has a certificate that is not trusted", "127.0.0.1")
    assert {tunnel.target for tunnel in onward.tunnels} == {"login.chinacloudapi.cn:443"}


@pytest.mark.parametrize("region", ["westeurope", "no region"])
def test_msals_own_variables_send_the_assertion_nowhere_else(
    emulator: Emulator, start_proxy: StartProxy, region: str
) -> None:
    proxy = start_proxy(emulator.environment, MSAL_FORCE_REGION=region)
    assert proxy.token().status == 200


@pytest.mark.parametrize("host", ["login..example", "a" * 64 + ".example"])
def test_a_host_that_cannot_be_a_name_is_a_503_that_says_so(
    emulator: Emulator, start_proxy: StartProxy, host: str
) -> None:
    answered = start_proxy(emulator.environment, AZURE_AUTHORITY_HOST=f"https://{host}").token()
    assert answered.status == 503
    _says(answered, f"{host} does not resolve: it is not a valid host name")


@pytest.mark.parametrize("no_proxy", ["127.0.0.1", "example.com, 127.0.0.1", "*", ".0.0.1"])
def test_hosts_of_no_proxy_are_called_directly(
    emulator: Emulator, start_proxy: StartProxy, onward: ForwardProxy, no_proxy: str
) -> None:
    environment = {"https_proxy": f"http://127.0.0.1:{onward.port}", "no_proxy": no_proxy}
    proxy = start_proxy({**emulator.environment, **environment})
    assert proxy.token().status == 200
    assert not onward.tunnels


@pytest.mark.parametrize("refuse", ["407 Proxy Authentication Required", "403 Forbidden", ""])
def test_a_forward_proxy_that_refuses_is_a_503_without_its_password(
    emulator: Emulator, start_proxy: StartProxy, refuse: str
) -> None:
    with ForwardProxy(1, refuse=refuse or "503 x") as refusing:
        port = refusing.port if refuse else free_port()
        address = f"http://me:hunter2@127.0.0.1:{port}"
        proxy = start_proxy(emulator.environment, "--log-level=debug", HTTPS_PROXY=address)
        answered = proxy.token()
    assert answered.status == 503
    _says(answered, "forward proxy", f"status {refuse[:3]}" if refuse else "connection refused")
    for secret in ("hunter2", "bWU6aHVudGVyMg"):
        assert secret not in proxy.log
        assert secret not in answered.body.decode()
    assert not emulator.control.exchanges()


@pytest.mark.parametrize(
    ("credentials", "sent"),
    [
        ("me:p%E2%82%AC", "me:p€"),
        ("me:p€", "me:p€"),
        ("j%C3%BCrgen:gr%C3%BC%C3%9Fe", "jürgen:grüße"),
        ("me:a%3Ab", "me:a:b"),
        ("me", "me:"),
    ],
)
def test_credentials_of_a_forward_proxy_are_sent_as_utf8(
    emulator: Emulator,
    start_proxy: StartProxy,
    onward: ForwardProxy,
    credentials: str,
    sent: str,
) -> None:
    address = f"http://{credentials}@127.0.0.1:{onward.port}"
    proxy = start_proxy(emulator.environment, HTTPS_PROXY=address)
    assert proxy.token().status == 200
    given = onward.tunnels[0].authorization.removeprefix("Basic ")
    assert base64.b64decode(given).decode() == sent


def test_a_forward_proxy_that_does_not_resolve_is_named_and_not_the_login_host(
    emulator: Emulator, start_proxy: StartProxy
) -> None:
    proxy = start_proxy(emulator.environment, HTTPS_PROXY="http://me:hunter2@proxy.invalid:3128")
    answered = proxy.token()
    assert answered.status == 503
    _says(answered, "forward proxy proxy.invalid:3128 (HTTPS_PROXY)", "does not resolve")


def test_a_forward_proxy_that_answers_garbage_is_named_and_not_the_login_host(
    emulator: Emulator, start_proxy: StartProxy, onward: ForwardProxy
) -> None:
    onward.garbage = b"SSH-2.0-OpenSSH_9.2\r\n\r\n"
    proxy = start_proxy(emulator.environment, HTTPS_PROXY=f"http://127.0.0.1:{onward.port}")
    answered = proxy.token()
    assert answered.status == 503
    via = f"The forward proxy 127.0.0.1:{onward.port} (HTTPS_PROXY)"
    _says(answered, via, "sent an answer that is not HTTP")


def test_a_login_host_behind_a_forward_proxy_is_named_for_what_it_does_wrong_itself(
    emulator: Emulator, start_proxy: StartProxy, onward: ForwardProxy
) -> None:
    proxy = start_proxy(emulator.environment, HTTPS_PROXY=f"http://127.0.0.1:{onward.port}")
    emulator.control.fault(Fault(kind="untrusted"))
    answered = proxy.token()
    host = emulator.announced["authorityHost"].removeprefix("https://").rstrip("/")
    assert answered.json["error_description"].startswith(
        f"{host} has a certificate that is not trusted"
    )


# --- Somebody else answers ------------------------------------------------------------------------

BLOCKED = "<html><h1>Access denied by policy</h1></html>"


@pytest.mark.parametrize("status", [200, 301, 302, 401, 403, 404, 407, 418])
def test_a_block_page_is_told_as_somebody_elses_answer(
    shared: Proxy, emulator: Emulator, status: int
) -> None:
    page = Fault(kind="answer", status=status, body=BLOCKED, content_type="text/html; charset=x")
    emulator.control.fault(page)
    answered = shared.token(cold_resource(), client_id=_client())
    assert (answered.status, answered.headers["Retry-After"]) == (503, "2")
    host = emulator.announced["authorityHost"].removeprefix("https://").rstrip("/")
    _says(
        answered,
        f"Something other than Entra ID answered for {host}",
        f"status {status}, content type text/html.",
        "AZURE_AUTHORITY_HOST, HTTPS_PROXY, and the firewall",
    )
    assert "heals" not in answered.json["error_description"]
    assert "denied" not in shared.log


# --- Connections that are dead, and a process that stands still -----------------------------------


def test_kept_connections_that_a_firewall_dropped_cost_no_request(
    emulator: Emulator, start_proxy: StartProxy, tmp_path: Path
) -> None:
    """Twelve of them cost six requests when the second try took a kept connection too."""
    dropped = threading.Event()
    together = threading.Barrier(12)
    token = answer(b'{"access_token":"t","expires_in":3600}')

    def script(seen: Seen, connection: socket.socket) -> None:
        if not dropped.is_set():
            together.wait(20)
            connection.sendall(token)
            dropped.wait(20)
            connection.recv(1)  # a request that comes on a connection that is forgotten
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            connection.close()
            raise ConnectionResetError
        connection.sendall(token)

    context, ca_file = self_signed(tmp_path)
    with MetadataService(context) as authority:
        authority.script = script
        proxy = start_proxy(
            emulator.environment,
            AZURE_AUTHORITY_HOST=f"https://127.0.0.1:{authority.port}",
            SSL_CERT_FILE=ca_file,
        )
        with ThreadPoolExecutor(12) as pool:
            asked = [pool.submit(proxy.token, cold_resource()) for _ in range(12)]
            assert {answered.result().status for answered in asked} == {200}
        dropped.set()
        assert [proxy.token(cold_resource()).status for _ in range(12)] == [200] * 12


def test_an_answer_that_came_while_the_process_stood_still_counts(
    emulator: Emulator, serve_app: ServeApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(entra, "WHOLE", 1.5)
    emulator.control.fault(Fault(kind="latency", seconds=1))

    async def frozen() -> int:
        async with serve_app(emulator.environment) as port:
            line = f"GET /metadata/identity/oauth2/token?resource={cold_resource()}"
            asking = asyncio.create_task(asyncio.to_thread(ask_raw, port, line, "Metadata: true"))
            await asyncio.to_thread(until, emulator.control.exchanges)
            time.sleep(3)  # noqa: ASYNC251  # the whole process stands still
            return (await asking)[0]

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert runner.run(frozen()) == 200


# --- What nobody foresaw --------------------------------------------------------------------------


async def test_an_unforeseen_exception_is_remembered_and_names_its_part_and_its_settings(
    emulator: Emulator,
    serve_app: ServeApp,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Each request of a loop raised it again: 79 times 500, and then 429, which is not true."""
    caplog.set_level("WARNING")
    raised: list[None] = []

    async def send(self: object, request: object) -> None:
        raised.append(None)
        raise UnicodeEncodeError("latin-1", "eyJhbGciOi.secret", 0, 1, "secret")

    monkeypatch.setattr(transport.Transport, "send", send)
    line = f"GET /metadata/identity/oauth2/token?resource={cold_resource()}"
    async with serve_app(emulator.environment) as port:
        for _ in range(50):
            status, _, body = await asyncio.to_thread(ask_raw, port, line, "Metadata: true")
            assert status == 500
    assert len(raised) == 1
    told = json.loads(body)["error_description"]
    assert "in the call (UnicodeEncodeError in test_entra.py:" in told
    assert "Check AZURE_AUTHORITY_HOST, HTTPS_PROXY" in told
    logged = [getattr(record, "fields", {}) for record in caplog.records]
    assert [fields["told"] for fields in logged if "told" in fields] == [told]
    assert "secret" not in told


def test_too_many_open_files_name_the_limit_and_not_the_token_file(
    emulator: Emulator, start_proxy: StartProxy
) -> None:
    proxy = start_proxy(emulator.environment)
    with socket.create_connection(("127.0.0.1", proxy.port)) as kept:
        kept.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        kept.recv(4096)
        used = {int(number) for number in os.listdir(f"/proc/{proxy.process.pid}/fd")}
        limit = next(number for number in itertools.count() if number not in used)
        resource.prlimit(proxy.process.pid, resource.RLIMIT_NOFILE, (limit, limit))
        target = b"/metadata/identity/oauth2/token?resource=https://files"
        kept.sendall(b"GET " + target + b" HTTP/1.1\r\nHost: localhost\r\nMetadata: true\r\n\r\n")
        reply = kept.recv(65536).decode()
    assert reply.startswith("HTTP/1.1 503 ")
    assert f"its limit is {limit} (RLIMIT_NOFILE)" in reply
    assert "token file" not in reply


# --- The token file ------------------------------------------------------------------------------


def test_a_token_file_that_cannot_be_used_is_a_503_that_names_it_and_heals(
    emulator: Emulator, start_proxy: StartProxy, tmp_path: Path
) -> None:
    file = tmp_path / "token"
    proxy = start_proxy(emulator.environment, AZURE_FEDERATED_TOKEN_FILE=str(file))
    resource = cold_resource()

    def told(problem: str) -> None:
        for answered in (proxy.token(cold_resource()), proxy.ask("/readyz")):
            assert answered.status == 503
            assert f"{file} {problem}" in answered.body.decode()

    told("cannot be read: no such file")
    file.write_text("\n")
    told("is empty")
    file.write_text("garbage")
    told("does not hold a JSON Web Token")
    file.write_text("e30.e30.e30")
    told("does not hold a JSON Web Token")
    file.write_bytes(b"\xff\xfe")
    told("cannot be read: it is not a token")
    file.unlink()
    file.mkdir()
    told("cannot be read: is a directory")
    file.rmdir()
    os.mkfifo(file)
    told("cannot be read: is not a regular file")
    file.unlink()
    assert not emulator.control.exchanges()
    shutil.copy(emulator.announced["tokenFile"], file)
    assert proxy.ask("/readyz").status == 200
    _heals(proxy, resource, within=3)


def test_a_token_file_of_another_user_is_named(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("secret")
    file.chmod(0)
    was = os.geteuid()
    if was == 0:
        tmp_path.chmod(0o755)
        os.seteuid(65534)
    try:
        with pytest.raises(errors.Unavailable, match=r"cannot be read: permission denied"):
            entra.read_assertion(str(file))
    finally:
        os.seteuid(was)


def test_a_rotated_token_file_is_read_for_the_next_exchange(
    emulator: Emulator, start_proxy: StartProxy, tmp_path: Path
) -> None:
    file = tmp_path / "token"
    shutil.copy(emulator.announced["tokenFile"], file)
    proxy = start_proxy(emulator.environment, AZURE_FEDERATED_TOKEN_FILE=str(file))
    assert proxy.token(cold_resource()).status == 200
    _, _, namespace, name = emulator.announced["subject"].split(":")
    other = ServiceAccountTokenRequest(namespace=namespace, name=name, lifetime_seconds=1234)
    (tmp_path / "new").write_text(emulator.control.service_account_token(other))
    (tmp_path / "new").rename(file)
    assert proxy.token(cold_resource()).status == 200
    seen = [exchange.assertion_sha256 for exchange in emulator.control.exchanges()]
    assert len(set(seen)) == 2


def test_an_expired_assertion_is_read_again_and_tried_once_more(
    emulator: Emulator, start_proxy: StartProxy, tmp_path: Path
) -> None:
    _, _, namespace, name = emulator.announced["subject"].split(":")
    asked = ServiceAccountTokenRequest(namespace=namespace, name=name, lifetime_seconds=-600)
    file = tmp_path / "token"
    file.write_text(emulator.control.service_account_token(asked))
    proxy = start_proxy(emulator.environment, AZURE_FEDERATED_TOKEN_FILE=str(file))
    answered = proxy.token()
    assert answered.status == 401
    _says(answered, "AADSTS700024", "check the clocks")
    assert len(emulator.control.exchanges()) == 2
    emulator.control.reset()
    emulator.control.fault(Fault(kind="latency", seconds=2, times=1))
    with ThreadPoolExecutor() as pool:
        asking = pool.submit(proxy.token, cold_resource())
        until(emulator.control.exchanges)
        shutil.copy(emulator.announced["tokenFile"], file)  # the kubelet is late
        assert asking.result().status == 200
    first, second = (seen.assertion_sha256 for seen in emulator.control.exchanges())
    assert first != second


# --- The token itself ----------------------------------------------------------------------------


@pytest.mark.parametrize("skew", [-30, 0, 30])
def test_the_times_of_a_token_hold_by_this_nodes_clock(
    emulator: Emulator, start_proxy: StartProxy, tmp_path: Path, skew: int
) -> None:
    _, _, namespace, name = emulator.announced["subject"].split(":")
    asked = ServiceAccountTokenRequest(namespace=namespace, name=name, not_before_seconds=-60)
    file = tmp_path / "token"  # one that was made before Entra ID's clock began, too
    file.write_text(emulator.control.service_account_token(asked))
    proxy = start_proxy(emulator.environment, AZURE_FEDERATED_TOKEN_FILE=str(file))
    emulator.control.shape_access_tokens(AccessTokenShape(lifetime_seconds=4000))
    emulator.control.fault(Fault(kind="skew", seconds=skew))
    answered = proxy.token(cold_resource())
    now = time.time()
    assert answered.status == 200
    assert abs(int(answered.json["expires_on"]) - (now + 4000)) <= 35
    assert 3995 <= int(answered.json["expires_in"]) <= 4000
    assert int(answered.json["not_before"]) <= now + 31


def test_large_tokens_are_answered_whole(shared: Proxy, emulator: Emulator) -> None:
    emulator.control.shape_access_tokens(AccessTokenShape(size_bytes=60_000))
    answered = shared.token(cold_resource())
    assert len(answered.json["access_token"]) > 50_000
    assert answered.headers["Content-Length"] == str(len(answered.body))


# --- AKS identity binding ------------------------------------------------------------------------


@pytest.fixture
def binding(emulator: Emulator) -> dict[str, str]:
    """The variables of a pod with an identity binding, without a CA."""
    return {
        **emulator.environment,
        "AZURE_AUTHORITY_HOST": "https://login.invalid",
        "AZURE_FEDERATED_TOKEN_FILE": emulator.announced["tokenProxyTokenFile"],
        "AZURE_KUBERNETES_TOKEN_PROXY": emulator.announced["tokenProxyUrl"],
        "AZURE_KUBERNETES_SNI_NAME": emulator.announced["tokenProxySniName"],
    }


def test_exchanges_go_to_the_aks_token_proxy_by_its_path_and_name(
    emulator: Emulator, start_proxy: StartProxy, binding: dict[str, str]
) -> None:
    file = emulator.announced["tokenProxyCaFile"]
    by_file = start_proxy(binding, AZURE_KUBERNETES_CA_FILE=file)
    assert by_file.token(cold_resource()).status == 200
    by_data = start_proxy(binding, AZURE_KUBERNETES_CA_DATA=Path(file).read_text())
    assert by_data.token(cold_resource()).status == 200
    slash = {**binding, "AZURE_KUBERNETES_TOKEN_PROXY": emulator.announced["tokenProxyUrl"] + "/"}
    assert start_proxy(slash, AZURE_KUBERNETES_CA_FILE=file).token(cold_resource()).status == 200
    assert [exchange.via for exchange in emulator.control.exchanges()] == ["token-proxy"] * 3
    nameless = start_proxy(
        {**binding, "AZURE_KUBERNETES_SNI_NAME": ""}, AZURE_KUBERNETES_CA_FILE=file
    )
    assert nameless.token(cold_resource()).status == 503  # the handshake needs the name
    assert len(emulator.control.exchanges()) == 3


def test_the_aks_token_proxys_ca_is_replaced_on_disk_without_a_restart(
    emulator: Emulator, start_proxy: StartProxy, binding: dict[str, str], tmp_path: Path
) -> None:
    file = tmp_path / "ca.crt"
    shutil.copy(emulator.announced["caFile"], file)  # another CA
    proxy = start_proxy(binding, AZURE_KUBERNETES_CA_FILE=str(file))
    resource = cold_resource()
    answered = proxy.token(resource)
    assert answered.status == 503
    _says(answered, "has a certificate that is not trusted")
    (tmp_path / "new").write_bytes(Path(emulator.announced["tokenProxyCaFile"]).read_bytes())
    (tmp_path / "new").rename(file)
    _heals(proxy, resource, within=3)
    shutil.copy(emulator.announced["caFile"], file)
    assert proxy.token(cold_resource()).status == 503  # the old connection is not used any more
    file.write_text("")
    assert proxy.token(cold_resource()).status == 503


def test_ca_text_that_is_none_is_exit_2(
    emulator: Emulator, start_proxy: StartProxy, binding: dict[str, str]
) -> None:
    proxy = start_proxy(binding, ready=False, AZURE_KUBERNETES_CA_DATA="nonsense")
    assert proxy.process.wait(10) == 2
    assert "Traceback" not in proxy.log


# --- The end -------------------------------------------------------------------------------------


async def test_no_more_exchanges_run_at_once_than_may(
    emulator: Emulator, serve_app: ServeApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(entra, "AT_ONCE", 2)
    emulator.control.fault(Fault(kind="latency", seconds=2))
    async with serve_app(emulator.environment) as port:
        line = "GET /metadata/identity/oauth2/token?resource=https://busy-"
        answers = await asyncio.gather(
            *(asyncio.to_thread(ask_raw, port, f"{line}{n}", "Metadata: true") for n in range(3))
        )
    assert sorted(status for status, _, _ in answers) == [200, 200, 429]


def test_exchanges_that_hang_take_no_threads(emulator: Emulator, start_proxy: StartProxy) -> None:
    proxy = start_proxy(emulator.environment)
    assert proxy.token(cold_resource()).status == 200
    before = _threads(proxy)
    emulator.control.fault(Fault(kind="latency", seconds=2))
    seen = len(emulator.control.exchanges())
    with ThreadPoolExecutor(10) as pool:
        asked = [pool.submit(proxy.token, cold_resource()) for _ in range(10)]
        until(lambda: len(emulator.control.exchanges()) == seen + 10)
        assert _threads(proxy) == before
        assert [answered.result().status for answered in asked] == [200] * 10


def _threads(proxy: Proxy) -> int:
    return len(os.listdir(f"/proc/{proxy.process.pid}/task"))


def test_it_ends_in_time_while_an_exchange_hangs(
    emulator: Emulator, start_proxy: StartProxy
) -> None:
    proxy = start_proxy(emulator.environment)
    emulator.control.fault(Fault(kind="hang"))
    connection = socket.create_connection(("127.0.0.1", proxy.port))
    with connection:
        target = b"/metadata/identity/oauth2/token?resource=https://hang"
        connection.sendall(
            b"GET " + target + b" HTTP/1.1\r\nHost: localhost\r\nMetadata: true\r\n\r\n"
        )
        until(emulator.control.exchanges)
    started = time.monotonic()  # nobody waits for the answer any more
    assert proxy.stop() == 0
    assert time.monotonic() - started < 5  # the exchange would have ten
    for complaint in ("Traceback", "never", "nclosed"):
        assert complaint not in proxy.log


class Interrupted(Entra):
    """Each try takes a while, and is interrupted."""

    tries = 0
    takes = 0.0

    async def _acquire(self, identity: Identity, scope: str) -> tokens.Token:
        self.tries += 1
        await asyncio.sleep(self.takes)
        raise transport.Interrupted("cut", reason="reset")


@pytest.mark.parametrize(("takes", "tries"), [(0.0, 2), (0.5, 1)])
async def test_a_second_try_is_made_only_where_three_seconds_are_left_for_it(
    monkeypatch: pytest.MonkeyPatch, takes: float, tries: int
) -> None:
    monkeypatch.setattr(entra, "WHOLE", 3.4)
    environment = {
        "AZURE_FEDERATED_TOKEN_FILE": "/none",
        "AZURE_TENANT_ID": "contoso.com",
        "AZURE_CLIENT_ID": "11111111-1111-1111-1111-111111111111",
    }
    asked = Interrupted(load(Settings, environment))
    asked.takes = takes
    with pytest.raises(transport.Interrupted):
        await asked.exchange(Identity("client", "tenant"), "scope")
    assert asked.tries == tries

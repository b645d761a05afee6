"""The running proxy against the emulator: what an app sees."""

import asyncio
import base64
import json
import re
import socket
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NoReturn
from urllib.parse import quote

import pytest
from aiohttp.test_utils import make_mocked_request

from azwi_common.proxy_settings import Settings
from azwi_common.settings import load
from azwi_emulator.directory import principal_id
from azwi_emulator.messages import Fault
from azwi_proxy import app as application
from azwi_proxy import errors, tokens
from azwi_proxy.identities import Identity
from azwi_testing import Answer, Emulator, Proxy, StartProxy, cold_resource
from azwi_testing.peers import ForwardProxy, MetadataService, ask_raw, exchange

TOKEN = "/metadata/identity/oauth2/token"
UNKNOWN = "99999999-9999-9999-9999-999999999999"
_numbers = iter(range(10**6))


def _claims(answered: Answer) -> dict[str, Any]:
    payload = answered.json["access_token"].split(".")[1]
    claims: dict[str, Any] = json.loads(
        base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4))
    )
    return claims


# --- The success body ----------------------------------------------------------------------------


def test_an_unchanged_app_gets_a_token(shared: Proxy, emulator: Emulator) -> None:
    resource = cold_resource()
    answered = shared.token(resource)
    assert answered.status == 200
    assert answered.headers["Content-Type"] == "application/json; charset=utf-8"
    assert answered.headers["Content-Length"] == str(len(answered.body))
    assert "Transfer-Encoding" not in answered.headers
    told = answered.json
    assert list(told) == [
        "access_token",
        "refresh_token",
        "expires_in",
        "expires_on",
        "not_before",
        "resource",
        "token_type",
        "client_id",
    ]
    assert all(isinstance(value, str) for value in told.values())
    assert (told["refresh_token"], told["resource"], told["token_type"]) == ("", resource, "Bearer")
    now = time.time()
    assert re.fullmatch(r"\d{10}", told["expires_on"])
    assert abs(int(told["expires_on"]) - now - int(told["expires_in"])) <= 2
    assert int(told["not_before"]) <= now
    assert answered.body == json.dumps(told, separators=(",", ":")).encode()
    assert b"\n" not in answered.body
    claims = _claims(answered)
    assert (claims["tid"], claims["appid"]) == (
        emulator.announced["tenantId"],
        emulator.announced["clientId"],
    )


def _sql_client(body: str) -> tuple[str, int]:
    """Microsoft.Data.SqlClient 2.1, AzureManagedIdentityAuthenticationProvider."""
    start = body.index("access_token") + len("access_token") + 3
    token = body[start : body.index('"', start)]
    start = body.index("expires_on") + len("expires_on") + 3
    return token, int(body[start : start + 10])


def _mssql_jdbc(body: str) -> tuple[str, int]:
    """mssql-jdbc, SQLServerSecurityUtility.getMSIAuthToken: first line, literal keys."""
    line = body.splitlines()[0]
    start = line.index('"access_token":"') + len('"access_token":"')
    token = line[start : line.index('"', start + 1)]
    start = line.index('"expires_in":"') + len('"expires_in":"')
    return token, int(line[start : line.index('"', start + 1)])


@pytest.mark.parametrize(("parse", "member"), [(_sql_client, 1), (_mssql_jdbc, 2)])
def test_the_parsers_that_search_the_text_find_what_they_want(
    shared: Proxy, parse: Callable[[str], tuple[str, int]], member: int
) -> None:
    answered = shared.token("https://database.windows.net/")
    token, expiry = parse(answered.body.decode())
    assert token == answered.json["access_token"]
    assert expiry == int(answered.json["expires_on" if member == 1 else "expires_in"])


@pytest.mark.parametrize(
    ("written", "scope"),
    [
        ("https://vault.azure.net", "https://vault.azure.net/.default"),
        ("https://management.azure.com/", "https://management.azure.com//.default"),
        ("https%3A%2F%2Fvault.azure.net%2F", "https://vault.azure.net//.default"),
        ("2ff814a6-3304-4ab8-85cb-cd0e6f879c1d", "2ff814a6-3304-4ab8-85cb-cd0e6f879c1d/.default"),
        ("api://App_Id%2FUpper", "api://App_Id/Upper/.default"),
        ("https://graph.microsoft.com/.default", "https://graph.microsoft.com/.default"),
        ("https://a%2525b.example", "https://a%25b.example/.default"),
    ],
)
def test_a_resource_is_echoed_verbatim_and_asked_for_exactly(
    shared: Proxy, emulator: Emulator, written: str, scope: str
) -> None:
    asked = scope if written.endswith("/.default") else scope.removesuffix("/.default")
    answered = shared.token(written)
    assert answered.status == 200
    assert answered.json["resource"] == asked
    scopes = [seen.scope for seen in emulator.control.exchanges()]
    assert scopes in ([scope], [])  # [] where an earlier test has asked for it


# --- Guards --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "target",
    [
        TOKEN,
        f"{TOKEN}?api-version=2018-02-01",
        f"{TOKEN}?api-version=2018-02-01&resource=https://vault.azure.net",
        f"{TOKEN}?resource=x&client_id={UNKNOWN}",
        f"{TOKEN}?resource=x&msi-res-id=/subscriptions/x",
        "//metadata/identity/oauth2/token/",
        "/metadata/identity/info?api-version=2018-02-01",
    ],
)
def test_a_request_without_the_header_is_the_400_that_probes_look_for(
    shared: Proxy, emulator: Emulator, target: str
) -> None:
    for headers in ({}, {"Metadata": "false"}, {"Metadata": ""}):
        answered = shared.ask(target, headers=headers)
        assert answered.status == 400
        assert answered.body == (
            b'{"error":"invalid_request",'
            b'"error_description":"Required metadata header not specified"}'
        )
        assert answered.headers["Content-Type"] == "application/json; charset=utf-8"
    assert not emulator.control.exchanges()


@pytest.mark.parametrize("spelling", ["metadata: true", "METADATA: True", "Metadata:true"])
def test_the_header_is_read_as_imds_reads_it(shared: Proxy, spelling: str) -> None:
    target = f"{TOKEN}?resource=https://vault.azure.net"
    assert ask_raw(shared.port, f"GET {target}", spelling)[0] == 200


def test_a_request_that_somebody_passed_on_is_refused(shared: Proxy, emulator: Emulator) -> None:
    resource = cold_resource()
    for spelling in ("X-Forwarded-For: 1.2.3.4", "x-forwarded-for:"):
        target = f"{TOKEN}?resource={resource}"
        status, headers, body = ask_raw(shared.port, f"GET {target}", "Metadata: true", spelling)
        assert (status, json.loads(body)["error"]) == (400, "invalid_request")
        assert ("Content-Type", "application/json; charset=utf-8") in headers
    two = ask_raw(shared.port, f"GET {target}", "Metadata: true", "Metadata: false")
    assert two[0] == 400
    assert not emulator.control.exchanges()


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "HEAD", "TRACE", "QUERY"])
def test_other_methods_are_a_405_that_names_the_allowed(
    shared: Proxy, imds: MetadataService, method: str
) -> None:
    status, headers, body = ask_raw(shared.port, f"{method} {TOKEN}?resource=x", "Metadata: true")
    assert status == 405
    assert ("Allow", "GET, POST") in headers
    assert (body == b"") == (method == "HEAD")
    assert not imds.seen


def test_a_form_is_read_like_a_query(shared: Proxy, emulator: Emulator) -> None:
    resource = cold_resource()
    form = f"resource={quote(resource, safe='')}&client_id={emulator.announced['clientId']}"
    headers = {"Metadata": "true", "Content-Type": "application/x-www-form-urlencoded"}

    def post(target: str, form: str, headers: dict[str, str] = headers) -> Answer:
        return shared.ask(target, method="POST", headers=headers, body=form.encode())

    answered = post(TOKEN, form)
    assert (answered.status, answered.json["resource"]) == (200, resource)
    assert post(f"{TOKEN}?resource={resource}", "").status == 200
    assert post(f"{TOKEN}?resource={resource}", form).status == 400  # given twice
    assert post(TOKEN, form, {**headers, "Content-Type": "text/plain"}).status == 400
    assert post(TOKEN, form, {"Content-Type": headers["Content-Type"]}).status == 400
    assert post(TOKEN, "resource=%ff").status == 400
    # curl's own way to send a form, with a charset
    charset = {**headers, "Content-Type": headers["Content-Type"] + "; charset=UTF-8"}
    assert post(TOKEN, form, charset).status == 200


def test_a_client_that_waits_to_be_asked_for_its_form_is_asked(shared: Proxy) -> None:
    form = f"resource={cold_resource()}".encode()
    head = (
        f"POST {TOKEN} HTTP/1.1\r\nHost: localhost\r\nMetadata: true\r\nExpect: 100-continue\r\n"
        f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(form)}\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", shared.port), 3) as connection:
        connection.sendall(head.encode())
        assert connection.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(form)
        assert connection.recv(65536).startswith(b"HTTP/1.1 200 OK\r\n")


@pytest.mark.parametrize(
    "query",
    [
        "",
        "resource=",
        "resource=a&resource=a",
        "resource=a&client_id={id}&client_id={id}",
        "resource=a&client_id={id}&object_id={id}",
        "resource=a&msi_res_id=/subscriptions/x&mi_res_id=/subscriptions/x",
        "resource=a%20b",
        "resource=a%0d%0aX:b",
        "resource=%ff",
        "resource=" + "a" * 2000,
        "&".join("a=b" for _ in range(200)) + "&resource=a",
    ],
)
def test_a_request_that_is_not_clear_is_a_400(
    shared: Proxy, emulator: Emulator, query: str
) -> None:
    answered = shared.ask(f"{TOKEN}?{query.format(id=UNKNOWN)}")
    assert answered.status == 400
    assert answered.json["error"] == "invalid_request"
    assert "Identity not found" not in answered.json["error_description"]
    assert "Retry-After" not in answered.headers
    assert not emulator.control.exchanges()


def test_unknown_parameters_and_no_api_version_do_not_matter(shared: Proxy) -> None:
    target = f"{TOKEN}?resource=https://vault.azure.net&xms_cc=cp1&bypass_cache=true&a&=b"
    assert shared.ask(target).status == 200


# --- Paths ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    [
        TOKEN,
        "//metadata/identity/oauth2/token",
        "/metadata/identity/oauth2/token/",
        "/Metadata/Identity/OAuth2/Token",
        "/metadata//identity/./oauth2/token",
        "/metadata/identity/oauth2/%74oken",
        "/metadata/instance/../identity/oauth2/token",
        "/metadata\\identity\\oauth2\\token",
        "http://169.254.169.254/metadata/identity/oauth2/token",
    ],
)
def test_every_spelling_of_the_token_path_is_answered_here(
    shared: Proxy, imds: MetadataService, path: str
) -> None:
    target = f"{path}?resource=https://vault.azure.net"
    status, _, body = ask_raw(shared.port, f"GET {target}", "Metadata: true")
    assert status == 200
    assert b'"access_token":"' in body
    assert not imds.seen


@pytest.mark.parametrize(
    "path",
    [
        "/metadata/identity/getplatformmetadata?cred-api-version=2.0",
        "/metadata/identity/issuecredential?cred-api-version=2.0",
        "/metadata/identity/credential?cred-api-version=1.0",
        "/metadata/identity/oauth2/token2?resource=x",
        "/metadata/identity/oauth2/token/x?resource=x",
        "/metadata/identity",
        "/metadata/identity/oauth2",
        "/metadata/identity%2foauth2%2ftoken2",
        "/metadata/%69dentity/x",
        "/METADATA/IDENTITY/info2",
        "/metadata/identity;a=b/oauth2/x",
        "/metadata/instance/../identity/x",
        "/x/../metadata/identity/x",
        "/metadata/instance/%2e%2e/identity/x",
        "/metadata/%252e%252e/metadata/identity/x",
        "http://169.254.169.254/metadata/identity/x",
    ],
)
def test_other_identity_endpoints_are_a_404_whatever_the_header_and_never_passed_on(
    emulator: Emulator, shared: Proxy, imds: MetadataService, path: str
) -> None:
    for method in ("GET", "POST", "PUT", "HEAD"):
        for headers in ((), ("Metadata: true",)):
            status, _, body = ask_raw(shared.port, f"{method} {path}", *headers)
            assert status == 404
            if method != "HEAD":
                assert json.loads(body)["error"] == "not_found"
    assert not imds.seen


def test_nothing_identity_like_is_passed_on_even_if_everything_is(
    emulator: Emulator, start_proxy: StartProxy, imds: MetadataService
) -> None:
    proxy = start_proxy({**emulator.environment, **imds.environment}, AZWI_FORWARD="all")
    parts = ["identity", "Identity", "%69dentity", "identity%2F", "identity;x", "./identity", "..x"]
    for part in parts:
        for head in ("/metadata/", "//metadata//", "/METADATA/", "/metadata%2f", "/a/../metadata/"):
            for tail in ("", "/oauth2/token?resource=x", "/info", "%00", "%ff", "#x"):
                ask_raw(proxy.port, f"GET {head}{part}{tail}", "Metadata: true")
    assert not [seen.target for seen in imds.seen if "dentity" in seen.target]
    assert proxy.ask("/metadata/scheduledevents").status == 200


def test_info_names_the_tenant_and_the_root_lists_what_is_there(
    shared: Proxy, emulator: Emulator, imds: MetadataService
) -> None:
    told = shared.ask("/metadata/identity/info?api-version=2018-02-01")
    assert (told.status, told.json) == (200, {"tenantId": emulator.announced["tenantId"]})
    assert shared.ask("/metadata/identity/info", method="POST").status == 405
    root = shared.ask("/metadata?api-version=2018-02-01&format=text")
    assert root.status == 200
    assert not imds.seen


def test_a_client_that_offers_http_2_is_answered_in_http_1_again_and_again(shared: Proxy) -> None:
    """Java's HttpClient, which some Azure SDKs use, offers it on every first request."""
    offer = "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAEAAEAA\r\n"
    targets = [f"{TOKEN}?resource=https://vault.azure.net", "/latest/x"] * 2
    with socket.create_connection(("127.0.0.1", shared.port), 3) as connection:
        for target in targets:
            head = f"GET {target} HTTP/1.1\r\nHost: localhost\r\nMetadata: true\r\n{offer}\r\n"
            connection.sendall(head.encode())
            reply = b""
            while not reply.endswith(b"}"):
                reply += connection.recv(65536)
            assert reply.startswith(b"HTTP/1.1 200 OK\r\n")


# --- Identities ----------------------------------------------------------------------------------

OTHER = "0aa0f000-0000-4000-8000-0000000000aa"
TENANT = "0cc0f000-0000-4000-8000-0000000000cc"
OBJECT = principal_id(TENANT, OTHER)
RESOURCE_ID = (
    "/subscriptions/S/resourceGroups/RG/providers/"
    "Microsoft.ManagedIdentity/userAssignedIdentities/Id"
)


@pytest.fixture
def with_map(emulator: Emulator, start_proxy: StartProxy, imds: MetadataService) -> Proxy:
    """A proxy of a pod with a second identity, in a tenant of its own; strict."""
    emulator.control.register(TENANT, OTHER, subject=emulator.announced["subject"])
    second = {
        "clientId": OTHER.upper(),
        "tenantId": TENANT,
        "objectId": OBJECT,
        "resourceId": RESOURCE_ID,
    }
    environment = {"AZWI_IDENTITIES": json.dumps([second]), "AZWI_STRICT_IDENTITIES": "true"}
    return start_proxy({**emulator.environment, **imds.environment, **environment})


def test_each_name_of_an_identity_gets_that_identitys_token(
    with_map: Proxy, emulator: Emulator
) -> None:
    default = emulator.announced["clientId"]
    for parameters, client, tenant in (
        ({}, default, emulator.announced["tenantId"]),
        ({"client_id": default.upper()}, default, emulator.announced["tenantId"]),
        ({"client_id": OTHER}, OTHER, TENANT),
        ({"object_id": OBJECT.upper()}, OTHER, TENANT),
        ({"msi_res_id": RESOURCE_ID}, OTHER, TENANT),
        ({"msi_res_id": quote(RESOURCE_ID.lower(), safe="")}, OTHER, TENANT),
        ({"mi_res_id": RESOURCE_ID.upper()}, OTHER, TENANT),
        ({"msi-res-id": RESOURCE_ID + "/"}, OTHER, TENANT),
        ({"client_id": ""}, default, emulator.announced["tenantId"]),
    ):
        answered = with_map.token("https://vault.azure.net", **parameters)
        assert answered.status == 200, parameters
        claims = _claims(answered)
        assert (claims["appid"], claims["tid"]) == (client, tenant), parameters
    asked = [(seen.client_id, seen.tenant_id) for seen in emulator.control.exchanges()]
    assert asked == [(default, emulator.announced["tenantId"]), (OTHER, TENANT)]


def test_an_unknown_identity_is_never_another_ones_token(
    with_map: Proxy, emulator: Emulator, imds: MetadataService
) -> None:
    for parameters in (
        {"client_id": UNKNOWN},
        {"client_id": "nonsense"},
        {"object_id": UNKNOWN},
        {"object_id": OTHER},
        {"object_id": emulator.announced["clientId"]},
        {"msi_res_id": RESOURCE_ID + "2"},
        {"mi_res_id": "nonsense"},
        {"msi-res-id": OTHER},
    ):
        answered = with_map.token("https://vault.azure.net", **parameters)
        assert answered.status == 400, parameters
        assert answered.json == {
            "error": "invalid_request",
            "error_description": "Identity not found",
        }
        assert "Retry-After" not in answered.headers
    # To know that no identity has an object id takes one token of each, and no more.
    seen = [exchange.client_id for exchange in emulator.control.exchanges()]
    assert sorted(seen) == sorted([emulator.announced["clientId"], OTHER])
    assert not imds.seen


def test_the_log_says_what_a_refused_request_asked_for(with_map: Proxy, emulator: Emulator) -> None:
    client_id = emulator.announced["clientId"]
    with_map.token(object_id=client_id)
    with_map.token(client_id=UNKNOWN)
    with_map.token(msi_res_id="/" + "x" * 500)
    lines = [json.loads(row) for row in with_map.log.splitlines()]
    asked = [line for line in lines if line.get("reason") == "identity_not_found"]
    assert [(line["asked"], line["value"][:36]) for line in asked] == [
        ("object_id", client_id), ("client_id", UNKNOWN), ("msi_res_id", "/" + "x" * 35)
    ]  # fmt: skip
    assert "client id of one of the pod's identities" in asked[0]["hint"]
    assert ["hint" in line for line in asked] == [True, False, False]
    assert len(asked[2]["value"]) == 64


def test_without_strictness_any_client_id_is_tried_at_entra_id(
    shared: Proxy, emulator: Emulator
) -> None:
    client = f"d0000000-0000-0000-0000-{next(_numbers):012d}"
    emulator.control.register(
        emulator.announced["tenantId"], client, subject=emulator.announced["subject"]
    )
    answered = shared.token(cold_resource(), client_id=client)
    assert (answered.status, _claims(answered)["appid"]) == (200, client)
    assert shared.token(cold_resource(), client_id="../../x").status == 400
    assert shared.token(cold_resource(), object_id=client).status == 400
    assert len(emulator.control.exchanges()) == 1


# --- Many at once --------------------------------------------------------------------------------


async def _many(port: int, count: int, resource: Callable[[int], str]) -> list[bytes]:
    async def one(number: int) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        target = f"{TOKEN}?resource={resource(number)}"
        head = f"GET {target} HTTP/1.1\r\nHost: [::]\r\nMetadata: true\r\nConnection: close\r\n\r\n"
        writer.write(head.encode())
        reply = await reader.read()
        writer.close()
        return reply

    return await asyncio.gather(*(one(number) for number in range(count)))


def test_a_thousand_requests_for_one_cold_token_make_one_exchange(
    shared: Proxy, emulator: Emulator
) -> None:
    emulator.control.fault(Fault(kind="latency", seconds=1))
    resource = cold_resource()
    replies = asyncio.run(_many(shared.port, 1000, lambda _: resource))
    assert {reply.split(b" ")[1] for reply in replies} == {b"200"}
    assert len({reply.partition(b'"access_token":"')[2].split(b'"')[0] for reply in replies}) == 1
    assert len(emulator.control.exchanges()) == 1


def test_a_waiter_that_leaves_takes_nobody_along(shared: Proxy, emulator: Emulator) -> None:
    emulator.control.fault(Fault(kind="latency", seconds=0.8))
    resource = cold_resource()
    target = f"{TOKEN}?resource={resource}"
    with ThreadPoolExecutor() as pool:
        first = socket.create_connection(("127.0.0.1", shared.port))
        with first:
            first.sendall(
                f"GET {target} HTTP/1.1\r\nHost: localhost\r\nMetadata: true\r\n\r\n".encode()
            )
            time.sleep(0.2)
            others = [pool.submit(shared.token, resource) for _ in range(5)]
            time.sleep(0.2)
        assert [other.result().status for other in others] == [200] * 5
    assert len(emulator.control.exchanges()) == 1


def test_too_many_different_tokens_at_once_are_a_429_and_stored_ones_are_served(
    emulator: Emulator, start_proxy: StartProxy
) -> None:
    proxy = start_proxy(emulator.environment)
    assert proxy.token("https://warm.example").status == 200
    started = time.monotonic()
    replies = asyncio.run(_many(proxy.port, 100, lambda number: f"https://many-{number}.example"))
    allowed = tokens.RESERVED + tokens.RATE * (1 + time.monotonic() - started)
    by_status = [reply.split(b" ")[1] for reply in replies]
    assert set(by_status) == {b"200", b"429"}
    assert 15 <= by_status.count(b"200") <= allowed
    refused = next(reply for reply in replies if reply.startswith(b"HTTP/1.1 429 "))
    assert b"\r\nRetry-After: 1\r\n" in refused
    assert b'{"error":"too_many_requests","error_description":"' in refused
    assert proxy.token("https://warm.example").status == 200
    time.sleep(1)
    assert proxy.token("https://after.example").status == 200


# --- Operation -----------------------------------------------------------------------------------


def test_health_needs_nothing_and_metrics_tell_no_secret(
    emulator: Emulator, start_proxy: StartProxy
) -> None:
    emulator.control.fault(Fault(kind="aadsts", code=500011, client_id=UNKNOWN))
    proxy = start_proxy(emulator.environment)
    token = proxy.token().json["access_token"]
    proxy.token()
    proxy.token(client_id=UNKNOWN)
    proxy.token(object_id=UNKNOWN)
    proxy.ask(TOKEN, headers={})
    proxy.ask("/metadata/identity/x")
    proxy.ask("/metadata/instance")
    health = proxy.ask("/healthz", headers={})
    assert (health.status, health.body, health.headers["Server"]) == (200, b"ok\n", "azwi-proxy")
    ready = proxy.ask("/readyz", headers={})
    assert (ready.status, ready.body, ready.headers["Server"]) == (200, b"ok\n", "azwi-proxy")
    scraped = proxy.ask("/metrics", headers={})
    assert scraped.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    text = scraped.body.decode()
    for line in (
        'azwi_proxy_requests_total{reason="ok",route="token",status="200"} 2.0',
        'azwi_proxy_requests_total{reason="AADSTS500011",route="token",status="400"} 1.0',
        'azwi_proxy_requests_total{reason="identity_not_found",route="token",status="400"} 1.0',
        'azwi_proxy_requests_total{reason="metadata_header",route="token",status="400"} 1.0',
        'azwi_proxy_requests_total{reason="not_found",route="identity",status="404"} 1.0',
        'azwi_proxy_requests_total{reason="imds_timeout",route="instance",status="504"} 1.0',
        "azwi_proxy_token_cache_hits_total 1.0",
        'azwi_proxy_exchange_seconds_count{result="ok"} 1.0',
        'azwi_proxy_exchange_seconds_count{result="AADSTS500011"} 1.0',
        "azwi_proxy_build_info{version=",
        f'azwi_proxy_token_expiry_seconds{{client="{emulator.announced["clientId"][:8]}"}} ',
    ):
        assert line in text, line
    (taken,) = re.findall(r'azwi_proxy_exchange_seconds_sum\{result="ok"\} (\S+)', text)
    assert 0 < float(taken) < 60
    for secret in (token, token.split(".")[2], emulator.announced["clientId"], UNKNOWN):
        assert secret not in text


def _all_kinds_of_failure(proxy: Proxy, emulator: Emulator) -> list[str]:
    """Provoke each; the secrets that went through."""
    secrets = []
    secret_header = {
        "Metadata": "true",
        "Authorization": "Bearer opensesame",
        "X-Key": "opensesame",
    }
    for fault in (
        None,
        Fault(kind="aadsts", code=700016),
        Fault(kind="aadsts", code=700213),
        Fault(kind="aadsts", code=500011),
        Fault(kind="aadsts", code=700024),
        Fault(kind="throttle", client_id=UNKNOWN),
        Fault(kind="reset"),
        Fault(kind="answer", status=500, body="eyJhbGciOiJSUzI1NiJ9.e30.c2lnbmF0dXJl"),
        Fault(
            kind="answer",
            status=400,
            body='{"error":"x","error_description":"saw eyJhbGciOiJSUzI1NiJ9.e30.c2ln"}',
        ),
        Fault(kind="garbage"),
        Fault(kind="truncate"),
        Fault(kind="refuse"),
        Fault(kind="untrusted"),
    ):
        emulator.control.clear_faults()
        if fault:
            emulator.control.fault(fault)
        answered = proxy.token(cold_resource())
        proxy.token(cold_resource(), client_id=UNKNOWN)
        if answered.status == 200:
            secrets += [answered.json["access_token"], answered.json["access_token"].split(".")[2]]
    proxy.ask(f"{TOKEN}?resource=a%20b&client_id={UNKNOWN}", headers=secret_header)
    proxy.ask("/metadata/instance?opensesame", headers=secret_header)
    proxy.ask("/latest/opensesame", method="PUT", headers=secret_header, body=b"opensesame")
    exchange(proxy.port, b"GET / HTTP/1.1\r\nopensesame\r\nX: opensesame\r\n\r\n", timeout=0.2)
    exchange(proxy.port, b"GET /" + b"opensesame" * 2000 + b"\r\n\r\n", timeout=0.2)
    return [*secrets, "opensesame", "c2ln"]


def test_the_log_tells_what_happened_and_no_secret(
    emulator: Emulator, start_proxy: StartProxy
) -> None:
    port = int(emulator.announced["authorityHost"].rstrip("/").rsplit(":", 1)[1])
    with ForwardProxy(port) as onward:
        proxy = start_proxy(
            emulator.environment,
            "--log-level=debug",
            HTTPS_PROXY=f"http://me:hunter2@127.0.0.1:{onward.port}",
        )
        secrets = _all_kinds_of_failure(proxy, emulator)
        assert proxy.stop() == 0
    with open(emulator.announced["tokenFile"]) as file:
        assertion = file.read().strip()
    secrets += [assertion, assertion.split(".")[1], assertion.split(".")[2]]
    secrets += ["hunter2", "bWU6aHVudGVyMg", UNKNOWN, emulator.announced["clientId"], "eyJ"]
    for secret in secrets:
        assert secret not in proxy.log, secret
    for line in proxy.log.splitlines():
        told = json.loads(line)
        assert list(told)[:3] == ["time", "level", "msg"]
    reasons = {json.loads(line).get("reason") for line in proxy.log.splitlines()}
    assert reasons >= {"AADSTS700016", "AADSTS500011", "throttled", "reset", "tls"}
    assert "Traceback" not in proxy.log


def test_probes_and_stored_tokens_are_not_logged(
    emulator: Emulator, start_proxy: StartProxy
) -> None:
    proxy = start_proxy(emulator.environment)
    proxy.token()
    before = proxy.log
    for _ in range(3):
        proxy.token()
        proxy.ask("/readyz")
        proxy.ask("/healthz")
        proxy.ask("/metrics")
        proxy.ask(TOKEN, headers={})
    assert proxy.log == before
    assert json.loads(before.splitlines()[-1])["msg"] == "token exchange"


def test_at_debug_level_every_stored_token_has_its_line(proxy: Proxy) -> None:
    for _ in range(4):
        proxy.token()
    lines = [json.loads(line) for line in proxy.log.splitlines()]
    assert sum(line["msg"] == "token" for line in lines) == 4


class _Breaks:
    """In Entra's place: whatever is asked of it ends in ``error``."""

    def __init__(self, error: BaseException) -> None:
        self._error = error

    async def exchange(self, identity: Identity, scope: str) -> NoReturn:
        raise self._error


def _in_process(error: BaseException) -> application.App:
    environment = {
        "AZURE_FEDERATED_TOKEN_FILE": "/none",
        "AZURE_TENANT_ID": "contoso.com",
        "AZURE_CLIENT_ID": "11111111-1111-1111-1111-111111111111",
    }
    app = application.App(load(Settings, environment))
    app._entra = _Breaks(error)  # type: ignore[assignment]  # all that is called of it
    return app


@pytest.mark.parametrize(
    ("error", "result"), [(RuntimeError("odd"), "bug"), (asyncio.CancelledError(), "given_up")]
)
async def test_an_exchange_that_brings_no_token_is_never_counted_as_ok(
    error: BaseException, result: str
) -> None:
    app = _in_process(error)
    with pytest.raises(type(error)):
        await app._exchange(Identity("c", "t"), "r/.default")
    counted = app.metrics.exposition().decode()
    assert f'azwi_proxy_exchange_seconds_count{{result="{result}"}} 1.0' in counted
    assert 'result="ok"' not in counted


async def test_a_request_that_breaks_is_counted_as_the_500_that_it_becomes() -> None:
    app = _in_process(RuntimeError("odd"))
    request = make_mocked_request(
        "GET", f"{TOKEN}?resource=r", {"Host": "localhost", "Metadata": "true"}
    )
    with pytest.raises(RuntimeError):
        await app.handle(request)
    counted = 'azwi_proxy_requests_total{reason="bug",route="token",status="500"} 1.0'
    assert counted in app.metrics.exposition().decode()


async def test_a_remembered_failure_keeps_no_request() -> None:
    refused = errors.Refused("no", status=400, error="invalid_resource")
    app = _in_process(refused)
    for _ in range(2):
        request = make_mocked_request(
            "GET", f"{TOKEN}?resource=r", {"Host": "localhost", "Metadata": "true"}
        )
        assert (await app.handle(request)).status == 400
        assert refused.__traceback__ is None

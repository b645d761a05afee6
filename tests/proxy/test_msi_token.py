"""The running proxy's App Service endpoint against the emulator: raw requests and a real client."""

import base64
import json
import re
import subprocess
import sys
import time
from calendar import timegm
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

import pytest

from azwi_emulator.directory import principal_id
from azwi_emulator.messages import Fault
from azwi_testing import (
    Answer,
    Emulator,
    Proxy,
    StartProxy,
    cold_resource,
    launch,
    plain_environment,
    wait_for_port,
)
from azwi_testing.peers import MetadataService, ask_raw

PATH = "/msi/token"
SECRET = "5e81f00d0ddba11c0ffee5"
NEW = ("2019-08-01", "X-IDENTITY-HEADER")
OLD = ("2017-09-01", "Secret")
UNKNOWN = "99999999-9999-9999-9999-999999999999"
OTHER = "0aa0f000-0000-4000-8000-0000000000aa"
RESOURCE_ID = (
    "/subscriptions/S/resourceGroups/RG/providers/"
    "Microsoft.ManagedIdentity/userAssignedIdentities/Id"
)


@pytest.fixture(scope="module")
def process(
    emulator_process: Emulator,
    metadata_process: MetadataService,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Proxy]:
    """A proxy with IDENTITY_HEADER and a second identity, that forwards all it may."""
    second = {"clientId": OTHER, "resourceId": RESOURCE_ID}
    environment = {
        **emulator_process.environment,
        **metadata_process.environment,
        "IDENTITY_HEADER": SECRET,
        "AZWI_IDENTITIES": json.dumps([second]),
        "AZWI_STRICT_IDENTITIES": "true",
        "AZWI_FORWARD": "all",
    }
    proxy = launch(tmp_path_factory.mktemp("appservice"), environment)
    wait_for_port(proxy)
    yield proxy
    assert proxy.stop() == 0
    assert "Traceback" not in proxy.log
    assert SECRET not in proxy.log


@pytest.fixture
def msi(process: Proxy, emulator: Emulator, imds: MetadataService) -> Iterator[Proxy]:
    """That proxy; nothing that a test asks of it may reach IMDS."""
    tenant, subject = emulator.announced["tenantId"], emulator.announced["subject"]
    emulator.control.register(tenant, OTHER, subject=subject)
    yield process
    assert not imds.seen


def ask(
    proxy: Proxy, resource: str, form: tuple[str, str] = NEW, named: tuple[str, str] | None = None
) -> Answer:
    """A request as an SDK makes it."""
    version, header = form
    target = f"{PATH}?api-version={version}&resource={quote(resource, safe='')}"
    if named:
        target += f"&{named[0]}={quote(named[1], safe='')}"
    return proxy.ask(target, headers={header: SECRET})


def claims(token: str) -> dict[str, Any]:
    payload = token.split(".")[1]
    read: dict[str, Any] = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return read


# --- Tokens --------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", [NEW, OLD])
def test_an_app_gets_a_token_in_the_version_that_it_speaks(
    msi: Proxy, emulator: Emulator, form: tuple[str, str]
) -> None:
    resource = cold_resource()
    answered = ask(msi, resource, form)
    assert answered.status == 200
    assert answered.headers["Content-Type"] == "application/json; charset=utf-8"
    assert answered.headers["Content-Length"] == str(len(answered.body))
    assert "Transfer-Encoding" not in answered.headers
    told = answered.json
    assert answered.body == json.dumps(told, separators=(",", ":")).encode()
    assert all(isinstance(value, str) for value in told.values())
    default = emulator.announced["clientId"]
    assert (told["resource"], told["token_type"], told["client_id"]) == (
        resource,
        "Bearer",
        default,
    )
    if form == NEW:
        assert re.fullmatch(r"\d{10}", told["expires_on"])
        expiry = int(told["expires_on"])
    else:
        expiry = timegm(time.strptime(told["expires_on"], "%m/%d/%Y %H:%M:%S +00:00"))
    token = claims(told["access_token"])
    assert (token["aud"], token["appid"], token["exp"]) == (resource, default, expiry)
    assert abs(expiry - time.time() - int(told["expires_in"])) <= 2


@pytest.mark.parametrize("form", [NEW, OLD])
def test_each_name_of_an_identity_gets_that_identitys_token(
    msi: Proxy, emulator: Emulator, form: tuple[str, str]
) -> None:
    object_id = principal_id(emulator.announced["tenantId"], OTHER)
    for name, value in (
        ("client_id", OTHER.upper()),
        ("clientid", OTHER),
        ("object_id", object_id),
        ("principal_id", object_id),
        ("mi_res_id", RESOURCE_ID),
        ("msi_res_id", RESOURCE_ID.lower()),
    ):
        answered = ask(msi, "https://vault.azure.net", form, (name, value))
        assert answered.status == 200, name
        token = claims(answered.json["access_token"])
        assert (token["appid"], answered.json["client_id"]) == (OTHER, OTHER), name


def test_both_protocols_answer_from_one_store(msi: Proxy, emulator: Emulator) -> None:
    resource = cold_resource()
    first = msi.token(resource)
    others = [ask(msi, resource, NEW), ask(msi, resource, OLD)]
    assert {answered.json["access_token"] for answered in others} == {first.json["access_token"]}
    assert len(emulator.control.exchanges()) == 1


def test_an_unknown_identity_is_never_another_ones_token(msi: Proxy, emulator: Emulator) -> None:
    for name in ("client_id", "clientid", "object_id", "principal_id", "mi_res_id"):
        answered = ask(msi, cold_resource(), named=(name, UNKNOWN))
        assert answered.status == 400, name
        assert answered.json == {
            "statusCode": 400,
            "message": "Identity not found",
            "error": "invalid_request",
            "error_description": "Identity not found",
        }
    assert not emulator.control.exchanges()


@pytest.mark.parametrize(
    ("fault", "status", "retry_after"),
    [
        (Fault(kind="aadsts", code=700213), 401, None),
        (Fault(kind="aadsts", code=500011), 400, None),
        (Fault(kind="answer", status=503, body="busy"), 503, "2"),
        (Fault(kind="reset"), 503, "2"),
    ],
)
def test_a_failed_exchange_means_what_it_means_on_imds(
    msi: Proxy, emulator: Emulator, fault: Fault, status: int, retry_after: str | None
) -> None:
    emulator.control.fault(fault)
    resource = cold_resource()
    there = msi.token(resource)
    here = ask(msi, resource)
    assert here.status == there.status == status
    assert here.headers.get("Retry-After") == there.headers.get("Retry-After") == retry_after
    told = here.json
    assert (told.pop("statusCode"), told.pop("message")) == (status, told["error_description"])
    assert told == there.json


# --- Guards --------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", [NEW, OLD])
@pytest.mark.parametrize(
    "values",
    [
        [],
        [""],
        ["x"],
        [SECRET[:-1]],
        [SECRET + "0"],
        [SECRET.upper()],
        [f"{SECRET}, {SECRET}"],
        [SECRET, SECRET],
        [SECRET, "x"],
        ["x", SECRET],
        ["\u00ff" + SECRET],
    ],
)
def test_a_wrong_missing_or_repeated_header_is_a_401(
    msi: Proxy, emulator: Emulator, form: tuple[str, str], values: list[str]
) -> None:
    version, header = form
    target = f"{PATH}?api-version={version}&resource={cold_resource()}"
    lines = [f"{header}: {value}" for value in values]
    status, headers, body = ask_raw(msi.port, f"GET {target}", "Metadata: true", *lines)
    assert status == 401
    assert ("Content-Type", "application/json; charset=utf-8") in headers
    told = json.loads(body)
    assert (told["statusCode"], told["error"]) == (401, "unauthorized")
    assert told["message"] == told["error_description"]
    assert f"The header {header} must be there once" in told["message"]
    assert SECRET not in body.decode()
    assert not emulator.control.exchanges()


@pytest.mark.parametrize(("version", "header"), [(NEW[0], OLD[1]), (OLD[0], NEW[1])])
def test_the_header_of_the_other_version_does_not_count(
    msi: Proxy, version: str, header: str
) -> None:
    assert ask(msi, cold_resource(), (version, header)).status == 401


@pytest.mark.parametrize("query", ["", "resource=%ff", "resource=a&resource=a", "client_id=x"])
def test_the_header_comes_before_the_parameters(msi: Proxy, query: str) -> None:
    assert msi.ask(f"{PATH}?{query}").status == 401
    assert msi.ask(f"{PATH}?{query}", headers={NEW[1]: SECRET}).status == 400


def test_a_request_that_somebody_passed_on_is_refused(msi: Proxy, emulator: Emulator) -> None:
    for form in (NEW, OLD):
        target = f"GET {PATH}?api-version={form[0]}&resource={cold_resource()}"
        status, _, body = ask_raw(
            msi.port, target, f"{form[1]}: {SECRET}", "X-Forwarded-For: 1.2.3.4"
        )
        assert (status, json.loads(body)["statusCode"]) == (400, 400)
    assert not emulator.control.exchanges()


@pytest.mark.parametrize(
    "query",
    [
        "api-version=2019-08-01",
        "resource=a&resource=a",
        "resource=a&api-version=2019-08-01&api-version=2019-08-01",
        "resource=a&client_id={id}&client_id={id}",
        "resource=a&client_id={id}&clientid={id}",
        "resource=a&object_id={id}&principal_id={id}",
        "resource=a&client_id={id}&mi_res_id=/subscriptions/x",
        "resource=a%20b",
        "resource=%ff",
    ],
)
def test_a_request_that_is_not_clear_is_a_400(msi: Proxy, emulator: Emulator, query: str) -> None:
    answered = msi.ask(f"{PATH}?{query.format(id=UNKNOWN)}", headers={NEW[1]: SECRET})
    assert (answered.status, answered.json["error"]) == (400, "invalid_request")
    assert "Identity not found" not in answered.json["message"]
    assert not emulator.control.exchanges()


@pytest.mark.parametrize("method", ["HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "QUERY"])
def test_other_methods_are_a_405_that_names_the_allowed(msi: Proxy, method: str) -> None:
    for headers in ((), (f"{NEW[1]}: {SECRET}",)):
        status, answered, body = ask_raw(msi.port, f"{method} {PATH}?resource=x", *headers)
        assert status == 405
        assert ("Allow", "GET") in answered
        assert (body == b"") == (method == "HEAD")


# --- Paths ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    [
        "/msi/token/", "/MSI/token/", "//msi/token", "/msi//token", "/msi/./token", "/%6dsi/token",
        "/msi%2ftoken", "/x/../msi/token", "/msi\\token", "http://127.0.0.1:8000/msi/token",
    ],
)  # fmt: skip
def test_every_spelling_of_the_path_is_guarded_and_answered_here(msi: Proxy, path: str) -> None:
    target = f"GET {path}?resource=https://vault.azure.net"
    assert ask_raw(msi.port, target)[0] == 401
    status, _, body = ask_raw(msi.port, target, f"{NEW[1]}: {SECRET}")
    assert status == 200
    assert b'"access_token":"' in body


@pytest.mark.parametrize(
    "path",
    ["/msi/token2", "/msi/token/x", "/x/msi/token", "/msi/x/token", "/msi%00/token", "/token/msi"],
)
def test_what_only_resembles_the_path_is_a_404_that_is_not_passed_on(msi: Proxy, path: str) -> None:
    status, _, body = ask_raw(msi.port, f"GET {path}?resource=x", f"{NEW[1]}: {SECRET}")
    assert (status, json.loads(body)["error"]) == (404, "not_found")


def test_without_the_setting_the_path_does_not_exist(
    emulator: Emulator, start_proxy: StartProxy, imds: MetadataService
) -> None:
    proxy = start_proxy({**emulator.environment, **imds.environment}, AZWI_FORWARD="all")
    for method in ("GET", "POST", "HEAD", "DELETE"):
        for header in (NEW[1], OLD[1]):
            for value in ("", SECRET, "None"):
                target = f"{method} {PATH}?resource=https://vault.azure.net"
                status, _, body = ask_raw(proxy.port, target, f"{header}: {value}")
                assert status == 404
                if method != "HEAD":
                    assert "IDENTITY_HEADER is not set" in json.loads(body)["message"]
    assert not imds.seen
    assert not emulator.control.exchanges()


# --- Operation -----------------------------------------------------------------------------------


def test_metrics_have_a_route_of_its_own_and_no_answer_is_sent_again(msi: Proxy) -> None:
    def counted() -> float:
        text = msi.ask("/metrics").body.decode()
        found = re.search(
            r'requests_total\{reason="ok",route="appservice",status="200"\} (\d+)', text
        )
        assert SECRET not in text
        return int(found[1]) if found else 0

    before = counted()
    for _ in range(4):
        assert ask(msi, "https://vault.azure.net").status == 200
    assert counted() == before + 4


def test_the_secret_is_in_no_log_even_at_debug_level(
    emulator: Emulator, start_proxy: StartProxy
) -> None:
    proxy = start_proxy(emulator.environment, "--log-level=debug", IDENTITY_HEADER=SECRET)
    token = ask(proxy, cold_resource()).json["access_token"]
    proxy.ask(f"{PATH}?resource=x&{SECRET}", headers={NEW[1]: "0" + SECRET})
    proxy.ask(f"{PATH}?{SECRET}", headers={NEW[1]: SECRET})
    proxy.ask(f"/{SECRET}", headers={NEW[1]: SECRET})
    assert proxy.stop() == 0
    assert SECRET not in proxy.log
    assert token not in proxy.log
    lines = [json.loads(line) for line in proxy.log.splitlines()]
    assert {"route": "appservice", "status": 401, "reason": "identity_header"}.items() <= next(
        line.items() for line in lines if line.get("status") == 401
    )


def test_a_value_that_nobody_should_use_is_refused_and_not_shown(
    emulator: Emulator, start_proxy: StartProxy
) -> None:
    proxy = start_proxy(emulator.environment, ready=False, IDENTITY_HEADER="hunter2")
    assert proxy.process.wait(15) == 2
    assert "IDENTITY_HEADER must be 16 to 256" in proxy.log
    assert "hunter2" not in proxy.log


# --- A real client -------------------------------------------------------------------------------

CLIENT = """
import base64, json, sys
import azure.identity
make, arguments = sys.argv[1], json.loads(sys.argv[2])
credential = getattr(azure.identity, make)(**arguments)
try:
    token = credential.get_token(sys.argv[3] + "/.default").token
except Exception as error:
    print(json.dumps({"error": f"{type(error).__name__}: {error}"}))
else:
    payload = token.split(".")[1]
    print(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)).decode())
"""


def client(
    proxy: Proxy,
    resource: str,
    make: str = "ManagedIdentityCredential",
    *,
    environment: Mapping[str, str] | None = None,
    arguments: Mapping[str, object] | None = None,
) -> dict[str, Any]:
    """What azure-identity gets in a process that has the variables of a pod without redirect."""
    variables = {
        **plain_environment(),
        "IDENTITY_ENDPOINT": f"http://127.0.0.1:{proxy.port}{PATH}",
        "IDENTITY_HEADER": SECRET,
        "AZURE_POD_IDENTITY_AUTHORITY_HOST": "http://127.0.0.1:9",  # nobody: IMDS is not asked
        **(environment or {}),
    }
    ran = subprocess.run(
        [sys.executable, "-c", CLIENT, make, json.dumps(arguments or {}), resource],
        env=variables,
        capture_output=True,
        timeout=60,
    )
    assert ran.returncode == 0, ran.stderr.decode()
    told: dict[str, Any] = json.loads(ran.stdout)
    return told


@pytest.mark.parametrize("make", ["ManagedIdentityCredential", "DefaultAzureCredential"])
def test_azure_identity_honours_the_variables_and_gets_a_token_with_the_right_claims(
    msi: Proxy, emulator: Emulator, make: str
) -> None:
    resource = cold_resource()
    told = client(msi, resource, make)
    assert (told.get("aud"), told.get("appid"), told.get("tid")) == (
        resource,
        emulator.announced["clientId"],
        emulator.announced["tenantId"],
    ), told
    assert len(emulator.control.exchanges()) == 1


def test_azure_identity_prefers_the_endpoint_to_the_variables_of_workload_identity(
    msi: Proxy, emulator: Emulator
) -> None:
    resource = cold_resource()
    nobody = {**emulator.environment, "AZURE_AUTHORITY_HOST": "https://127.0.0.1:9/"}
    told = client(msi, resource, environment=nobody)
    assert told.get("aud") == resource, told


@pytest.mark.parametrize(
    "arguments",
    [
        {"client_id": OTHER},
        {"identity_config": {"object_id": "its own"}},
        {"identity_config": {"resource_id": RESOURCE_ID}},
    ],
)
def test_azure_identity_names_another_identity_by_each_of_its_names(
    msi: Proxy, emulator: Emulator, arguments: dict[str, Any]
) -> None:
    if "object_id" in arguments.get("identity_config", ()):
        object_id = principal_id(emulator.announced["tenantId"], OTHER)
        arguments = {"identity_config": {"object_id": object_id}}
    told = client(msi, "https://vault.azure.net", arguments=arguments)
    assert told.get("appid") == OTHER, told


def test_azure_identity_shows_our_sentence_where_entra_id_refuses(
    msi: Proxy, emulator: Emulator
) -> None:
    emulator.control.fault(Fault(kind="aadsts", code=700213))
    resource = cold_resource()
    sentence = msi.token(resource).json["error_description"]
    started = time.monotonic()
    told = client(msi, resource)
    assert time.monotonic() - started < 10  # a start of Python; not retries
    assert told["error"].startswith("CredentialUnavailableError: ")
    assert sentence in told["error"]


def test_azure_identity_with_a_wrong_header_shows_which_variable_to_look_at(msi: Proxy) -> None:
    told = client(msi, cold_resource(), environment={"IDENTITY_HEADER": "another0another0"})
    assert "401, The header X-IDENTITY-HEADER must be there once" in told["error"]


AIO = """
import asyncio, json, sys
from azure.identity.aio import ManagedIdentityCredential
async def main():
    async with ManagedIdentityCredential(**json.loads(sys.argv[1])) as credential:
        token = await credential.get_token(sys.argv[2] + "/.default")
        print(json.dumps([token.token, token.expires_on]))
asyncio.run(main())
"""


def test_azure_identity_reads_the_old_versions_date(msi: Proxy) -> None:
    """Its asynchronous credential still speaks it, where the old variables stand alone."""
    endpoint = f"http://127.0.0.1:{msi.port}{PATH}"
    ran = subprocess.run(
        [sys.executable, "-c", AIO, json.dumps({"client_id": OTHER}), "https://vault.azure.net"],
        env={**plain_environment(), "MSI_ENDPOINT": endpoint, "MSI_SECRET": SECRET},
        capture_output=True,
        timeout=60,
    )
    assert ran.returncode == 0, ran.stderr.decode()
    token, expires_on = json.loads(ran.stdout)
    assert (claims(token)["appid"], claims(token)["exp"]) == (OTHER, expires_on)

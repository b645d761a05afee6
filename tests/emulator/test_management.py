"""Graph and ARM over HTTP, as the kept libraries see them, and what the token endpoint honours."""

import asyncio
import contextlib
import json
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPException, HTTPSConnection
from typing import TYPE_CHECKING, Any

import pytest
from azure.core.exceptions import (
    HttpResponseError,
    ResourceExistsError,
    ResourceNotFoundError,
)

from azwi_emulator.messages import ClientRegistration, Fault, ServiceAccountTokenRequest
from azwi_emulator.server import Emulator as InProcess
from azwi_emulator.settings import OFF, Settings
from azwi_testing import Emulator

if TYPE_CHECKING:
    from tests.emulator.conftest import Entra, Sdk

HERE = {"location": "westeurope"}
CONCURRENT = "ConcurrentFederatedIdentityCredentialsWritesForSingleManagedIdentity"
GRAPH, ARM = "https://graph.microsoft.com", "https://management.azure.com"
READ: dict[str, tuple[str, str]] = {
    GRAPH: ("/graph/v1.0/applications", "InvalidAuthenticationToken"),
    ARM: ("/arm/subscriptions?api-version=2022-12-01", "AuthenticationFailed"),
}
SUBJECT = "system:serviceaccount:shop:cart"


def _credential(issuer: str, subject: str = SUBJECT) -> dict[str, Any]:
    return {"issuer": issuer, "subject": subject, "audiences": ["api://AzureADTokenExchange"]}


def _code_of_token(entra: "Entra", emulator: Emulator, client_id: str) -> int:
    """The AADSTS code that the pod of shop/cart gets; 0 for a token."""
    cart = ServiceAccountTokenRequest(namespace="shop", name="cart")
    answer = entra.token(
        client_id=client_id, client_assertion=emulator.control.service_account_token(cart)
    )
    return int(answer.json.get("error_codes", [0])[0])


# --- What is made is honoured ---------------------------------------------------------------------


def test_a_managed_identity_gets_tokens_by_its_credential_until_it_is_deleted(
    entra: "Entra", emulator: Emulator, sdk: "Sdk"
) -> None:
    group, fic = entra.where.resource_group, sdk.msi.federated_identity_credentials
    made = sdk.msi.user_assigned_identities.create_or_update(group, "cart", HERE)
    assert _code_of_token(entra, emulator, made.client_id) == 70025
    fic.create_or_update(group, "cart", "shop", _credential(entra.where.issuer))
    assert _code_of_token(entra, emulator, made.client_id) == 0
    fic.delete(group, "cart", "shop")
    assert _code_of_token(entra, emulator, made.client_id) == 70025
    sdk.msi.user_assigned_identities.delete(group, "cart")
    assert _code_of_token(entra, emulator, made.client_id) == 700016


def test_an_application_gets_tokens_once_it_has_a_service_principal_and_a_credential(
    entra: "Entra", emulator: Emulator
) -> None:
    app = entra.graph("POST", "/applications", {"displayName": "shop"}).json
    path = f"/applications/{app['id']}/federatedIdentityCredentials"
    body = {"name": "cart", **_credential(entra.where.issuer)}
    assert entra.graph("POST", path, body).status == 201
    assert _code_of_token(entra, emulator, app["appId"]) == 7000229
    assert entra.graph("POST", "/servicePrincipals", {"appId": app["appId"]}).status == 201
    assert _code_of_token(entra, emulator, app["appId"]) == 0
    assert entra.graph("DELETE", f"/applications/{app['id']}").status == 204
    assert _code_of_token(entra, emulator, app["appId"]) == 700016


def test_the_tokens_object_id_is_the_principal_that_roles_are_given_to(
    entra: "Entra", sdk: "Sdk"
) -> None:
    group = entra.where.resource_group
    made = sdk.msi.user_assigned_identities.create_or_update(group, "cart", HERE)
    sdk.msi.federated_identity_credentials.create_or_update(
        group, "cart", "demo", _credential(entra.where.issuer, entra.where.subject)
    )
    token = entra.token(client_id=made.client_id).json["access_token"]
    claims = entra.ask("/whoami", headers={"Authorization": f"Bearer {token}"}).json
    assert claims["oid"] == made.principal_id
    assert claims["xms_mirid"].lower() == str(made.id).lower()


def test_a_role_is_assigned_listed_and_taken_away_by_the_kept_library(
    entra: "Entra", sdk: "Sdk"
) -> None:
    made = sdk.msi.user_assigned_identities.create_or_update(
        entra.where.resource_group, "cart", HERE
    )
    scope, roles = entra.group, sdk.authorization.role_assignments
    (role,) = sdk.authorization.role_definitions.list(scope, filter="roleName eq 'Reader'")
    body = {"role_definition_id": role.id, "principal_id": made.principal_id}
    assignment = roles.create(scope, str(uuid.uuid4()), body)
    with pytest.raises(ResourceExistsError) as caught:
        roles.create(scope, str(uuid.uuid4()), body)
    assert caught.value.error is not None
    assert caught.value.error.code == "RoleAssignmentExists"
    mine = f"principalId eq '{made.principal_id}'"
    assert [one.id for one in roles.list_for_scope(scope, filter=mine)] == [assignment.id]
    roles.delete_by_id(assignment.id)
    assert list(roles.list_for_subscription(filter=mine)) == []


def test_a_reset_goes_back_to_the_subscription_and_group_of_the_start(
    entra: "Entra", emulator: Emulator, sdk: "Sdk"
) -> None:
    identities = sdk.msi.user_assigned_identities
    identities.create_or_update(entra.where.resource_group, "cart", HERE)
    emulator.control.reset()
    assert list(identities.list_by_resource_group(entra.where.resource_group)) == []


# --- Who may ask ----------------------------------------------------------------------------------


@pytest.mark.parametrize("api", [GRAPH, ARM])
def test_no_token_is_401_with_a_challenge(entra: "Entra", api: str) -> None:
    path, code = READ[api]
    answer = entra.ask(path)
    assert (answer.status, answer.json["error"]["code"]) == (401, code)
    assert answer.headers["WWW-Authenticate"].startswith("Bearer ")
    assert entra.where.authority_host in answer.headers["WWW-Authenticate"]


@pytest.mark.parametrize(
    ("api", "other", "code"),
    [
        (GRAPH, ARM, "InvalidAuthenticationToken"),
        (ARM, GRAPH, "InvalidAuthenticationTokenAudience"),
    ],
)
def test_a_token_for_another_resource_is_401(
    entra: "Entra", api: str, other: str, code: str
) -> None:
    answer = entra.ask(READ[api][0], headers=entra.bearer(other))
    assert (answer.status, answer.json["error"]["code"]) == (401, code)


@pytest.mark.parametrize(
    ("api", "code"),
    [(GRAPH, "InvalidAuthenticationToken"), (ARM, "ExpiredAuthenticationToken")],
)
def test_a_token_that_has_expired_is_401(
    entra: "Entra", emulator: Emulator, api: str, code: str
) -> None:
    sent = entra.bearer(api)
    emulator.control.fault(Fault(kind="skew", seconds=7200))
    answer = entra.ask(READ[api][0], headers=sent)
    assert (answer.status, answer.json["error"]["code"]) == (401, code)


@pytest.mark.parametrize(
    "resource",
    [f"{ARM}/", "https://management.core.windows.net/", "https://management.usgovcloudapi.net"],
)
def test_every_name_of_arm_is_a_resource(entra: "Entra", resource: str) -> None:
    assert entra.ask(READ[ARM][0], headers=entra.bearer(resource)).status == 200


def test_the_apis_own_address_is_a_resource_too(entra: "Entra") -> None:
    assert entra.ask(READ[ARM][0], headers=entra.bearer(entra.where.arm_url)).status == 200
    assert entra.ask(READ[GRAPH][0], headers=entra.bearer(entra.where.graph_url)).status == 200


def test_a_custom_cloud_is_described_without_a_token(entra: "Entra") -> None:
    (cloud,) = entra.ask("/arm/metadata/endpoints?api-version=2022-09-01").json
    assert cloud["resourceManager"] == f"{entra.where.arm_url}/"
    assert cloud["microsoftGraphResourceId"] == f"{entra.where.graph_url}/"
    login = cloud["authentication"]
    assert login["loginEndpoint"] == entra.where.authority_host.rstrip("/")


# --- Refusals -------------------------------------------------------------------------------------


def test_graphs_refusal_names_the_request(entra: "Entra") -> None:
    mine = str(uuid.uuid4())
    answer = entra.graph("GET", "/applications/nobody", **{"client-request-id": mine})
    error = answer.json["error"]
    assert (answer.status, error["code"]) == (404, "Request_ResourceNotFound")
    assert set(error["innerError"]) == {"date", "request-id", "client-request-id"}
    assert error["innerError"]["client-request-id"] == mine
    assert answer.headers["client-request-id"] == mine
    assert answer.headers["request-id"] == error["innerError"]["request-id"]


def test_arms_refusal_is_what_the_kept_library_reads(entra: "Entra", sdk: "Sdk") -> None:
    with pytest.raises(ResourceNotFoundError) as caught:
        sdk.msi.user_assigned_identities.get(entra.where.resource_group, "none")
    assert caught.value.error is not None
    assert caught.value.error.code == "ResourceNotFound"
    answer = entra.arm("GET", "/subscriptions/none")
    assert str(uuid.UUID(answer.headers["x-ms-request-id"])) == answer.headers["x-ms-request-id"]


def test_an_api_version_is_a_must(entra: "Entra") -> None:
    answer = entra.ask("/arm/subscriptions", headers=entra.bearer(ARM))
    assert (answer.status, answer.json["error"]["code"]) == (400, "MissingApiVersionParameter")


def test_a_path_or_method_that_is_not_known_is_refused(entra: "Entra") -> None:
    answers = [
        entra.graph("GET", "/users"),
        entra.graph("PUT", "/applications", {}),
        entra.arm("GET", f"{entra.group}/providers/Microsoft.Compute/virtualMachines"),
        entra.arm("POST", "/subscriptions"),
    ]
    assert [answer.status for answer in answers] == [400, 405, 404, 405]
    assert all(answer.json["error"]["code"] for answer in answers)


def test_a_body_that_is_no_json_is_refused(entra: "Entra") -> None:
    sent = {**entra.bearer(GRAPH), "Content-Type": "application/json"}
    answer = entra.send("POST", "/graph/v1.0/applications", "{", sent)
    assert (answer.status, answer.json["error"]["code"]) == (400, "BadRequest")
    sent = {**entra.bearer(ARM), "Content-Type": "application/json"}
    answer = entra.send("PUT", f"/arm{entra.group}?api-version=2022-09-01", "ÿ", sent)
    assert (answer.status, answer.json["error"]["code"]) == (400, "InvalidRequestContent")
    answer = entra.send("PUT", f"/arm{entra.group}?api-version=2022-09-01", "[" * 100_000, sent)
    assert (answer.status, answer.json["error"]["code"]) == (400, "InvalidRequestContent")


# --- What clients must bear -----------------------------------------------------------------------


def _together(entra: "Entra", count: int, path: str, body: str) -> list[int]:
    """The status of each PUT of ``count`` at once; ``{}`` in path and body is its number."""
    sent = {**entra.bearer(ARM), "Content-Type": "application/json"}
    ready = threading.Barrier(count)

    def put(number: int) -> int:
        connection = HTTPSConnection(*entra.address, timeout=10, context=entra.tls())
        with contextlib.closing(connection):
            connection.connect()  # so that no handshake comes between the writes
            ready.wait(10)
            where = path.replace("{}", str(number))
            connection.request("PUT", where, body.replace("{}", str(number)), sent)
            return connection.getresponse().status

    with ThreadPoolExecutor(count) as pool:
        return sorted(pool.map(put, range(count)))


def test_of_two_writes_at_once_on_one_identity_one_is_a_conflict(
    entra: "Entra", emulator: Emulator
) -> None:
    path = f"{entra.group}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/cart"
    entra.arm("PUT", path, HERE)
    where = f"{path}/federatedIdentityCredentials/fic-"
    body = {"properties": _credential(entra.where.issuer, "s{}")}
    found = _together(entra, 6, f"/arm{where}{{}}?api-version=2024-11-30", json.dumps(body))
    assert 201 in found
    assert 409 in found
    assert CONCURRENT in {call.code for call in emulator.control.calls("arm")}
    for number in range(6):  # one after the other they all succeed
        body = {"properties": _credential(entra.where.issuer, f"s{number}")}
        assert entra.arm("PUT", f"{where}{number}", body).status in (200, 201)


def test_writes_at_once_on_different_identities_do_not_meet(entra: "Entra") -> None:
    path = f"{entra.group}/providers/Microsoft.ManagedIdentity/userAssignedIdentities"
    for number in range(4):
        entra.arm("PUT", f"{path}/id-{number}", HERE)
    body = json.dumps({"properties": _credential(entra.where.issuer)})
    where = f"/arm{path}/id-{{}}/federatedIdentityCredentials/fic?api-version=2024-11-30"
    assert _together(entra, 4, where, body) == [201] * 4


def test_fault_concurrent_meets_writes_of_credentials_only(
    entra: "Entra", emulator: Emulator, sdk: "Sdk"
) -> None:
    group, fic = entra.where.resource_group, sdk.msi.federated_identity_credentials
    emulator.control.fault(Fault(kind="concurrent", times=1, at=("credentials",)))
    sdk.msi.user_assigned_identities.create_or_update(group, "cart", HERE)
    body = _credential(entra.where.issuer)
    with pytest.raises(ResourceExistsError) as caught:
        fic.create_or_update(group, "cart", "shop", body)
    assert caught.value.error is not None
    assert caught.value.error.code == CONCURRENT
    assert fic.create_or_update(group, "cart", "shop", body).name == "shop"


@pytest.mark.parametrize(
    ("api", "place", "code"),
    [(GRAPH, "graph", "TooManyRequests"), (ARM, "arm", "SubscriptionRequestsThrottled")],
)
def test_throttling_is_429_in_the_apis_own_words_with_a_time_to_wait(
    entra: "Entra", emulator: Emulator, api: str, place: Any, code: str
) -> None:
    emulator.control.fault(Fault(kind="throttle", retry_after="7", at=(place,)))
    answer = entra.ask(READ[api][0], headers=entra.bearer(api))
    assert (answer.status, answer.json["error"]["code"]) == (429, code)
    assert answer.headers["Retry-After"] == "7"


def test_the_kept_library_waits_and_tries_again(
    entra: "Entra", emulator: Emulator, sdk: "Sdk"
) -> None:
    emulator.control.fault(Fault(kind="throttle", retry_after="1", times=1, at=("arm",)))
    started = time.monotonic()
    assert list(sdk.msi.user_assigned_identities.list_by_subscription()) == []
    assert time.monotonic() - started >= 1
    assert [call.status for call in emulator.control.calls("arm")] == [429, 200]


@pytest.mark.parametrize("kind", ["reset", "truncate", "garbage"])
def test_transport_faults_apply_here_too(entra: "Entra", emulator: Emulator, kind: Any) -> None:
    sent = entra.bearer(GRAPH)
    emulator.control.fault(Fault(kind=kind, at=("graph",), times=1))
    with pytest.raises((OSError, ValueError, HTTPException)):
        _ = entra.ask(READ[GRAPH][0], headers=sent).json
    assert entra.ask(READ[GRAPH][0], headers=sent).json["value"] == []


def test_with_a_lag_readers_and_the_token_endpoint_see_a_write_later(
    entra: "Entra", emulator: Emulator, sdk: "Sdk"
) -> None:
    group, identities = entra.where.resource_group, sdk.msi.user_assigned_identities
    emulator.control.fault(Fault(kind="lag", seconds=3))
    made = identities.create_or_update(group, "cart", HERE)
    sdk.msi.federated_identity_credentials.create_or_update(
        group, "cart", "shop", _credential(entra.where.issuer)
    )
    with pytest.raises(ResourceNotFoundError):
        identities.get(group, "cart")
    with pytest.raises(HttpResponseError) as caught:
        _assign(entra, sdk, made.principal_id)
    assert caught.value.error is not None
    assert (caught.value.status_code, caught.value.error.code) == (400, "PrincipalNotFound")
    codes = []
    until = time.monotonic() + 20
    while time.monotonic() < until and 0 not in codes:
        codes.append(_code_of_token(entra, emulator, made.client_id))
        time.sleep(0.05)
    assert codes[0] == 700016
    assert codes[-1] == 0
    assert identities.get(group, "cart").client_id == made.client_id
    _assign(entra, sdk, made.principal_id)


def _assign(entra: "Entra", sdk: "Sdk", principal_id: str) -> None:
    (role,) = sdk.authorization.role_definitions.list(entra.group, filter="roleName eq 'Reader'")
    body = {"role_definition_id": role.id, "principal_id": principal_id}
    sdk.authorization.role_assignments.create(entra.group, str(uuid.uuid4()), body)


async def test_lists_come_in_pages_that_the_kept_library_follows(
    make_sdk: Any,
) -> None:
    async with InProcess(Settings(control_port=OFF, page_size=2)) as emulator:
        where = emulator.announcement
        emulator.state.add_client(
            ClientRegistration(
                tenant_id=where.tenant_id, client_id=where.client_id, secret=make_sdk.secret
            )
        )

        def use() -> list[str]:
            with make_sdk(where) as sdk:
                for number in range(5):
                    sdk.msi.user_assigned_identities.create_or_update(
                        where.resource_group, f"id-{number}", HERE
                    )
                return [one.name for one in sdk.msi.user_assigned_identities.list_by_subscription()]

        assert await asyncio.to_thread(use) == [f"id-{number}" for number in range(5)]
        reads = [call for call in emulator.state.calls if call.method == "GET"]
        assert len(reads) == 3


def test_graphs_pages_are_followed_by_their_links(entra: "Entra") -> None:
    for number in range(3):
        entra.graph("POST", "/applications", {"displayName": f"app {number}"})
    url, names = f"{entra.where.graph_url}/v1.0/applications?$top=2&$select=displayName", []
    for _ in range(2):
        path = url.removeprefix(entra.where.authority_host.rstrip("/"))
        body = entra.ask(path, headers=entra.bearer(GRAPH)).json
        names += [app["displayName"] for app in body["value"]]
        url = body.get("@odata.nextLink", "")
    assert (names, url) == (["app 0", "app 1", "app 2"], "")


# --- The record -----------------------------------------------------------------------------------


def test_calls_are_remembered_without_their_tokens_and_queries(
    entra: "Entra", emulator: Emulator
) -> None:
    entra.graph("GET", "/applications?$filter=displayName%20eq%20'x'")
    entra.arm("GET", "/subscriptions/none")
    seen = [(c.api, c.method, c.path, c.status, c.code) for c in emulator.control.calls()]
    assert seen == [
        ("graph", "GET", "/v1.0/applications", 200, None),
        ("arm", "GET", "/subscriptions/none", 404, "SubscriptionNotFound"),
    ]
    assert [call.api for call in emulator.control.calls("arm")] == ["arm"]

"""The control endpoint, as curl sees it."""

import json
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Any

import pytest

from azwi_emulator.messages import ClientRegistration, Fault, ServiceAccountTokenRequest
from azwi_testing import Emulator

if TYPE_CHECKING:
    from tests.emulator.conftest import Entra

TENANT = "11111111-2222-3333-4444-555555555555"
CLIENT = "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee"
SUBJECT = "system:serviceaccount:shop:cart"
CART = ServiceAccountTokenRequest(namespace="shop", name="cart")


def _call(
    emulator: Emulator, method: str, path: str, body: bytes | None = None, **headers: str
) -> tuple[int, Any]:
    request = urllib.request.Request(
        emulator.announced["controlUrl"] + path, data=body, method=method, headers=headers
    )
    try:
        with urllib.request.urlopen(request, timeout=5) as response:
            return response.status, json.loads(response.read())
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.loads(error.read())


def test_it_says_where_everything_is(emulator: Emulator) -> None:
    assert _call(emulator, "GET", "/") == (200, dict(emulator.announced))


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "part"),
    [
        ("PUT", "/faults/f", b"{", 400, "not JSON"),
        ("PUT", "/faults/f", b"\xff", 400, "not JSON"),
        ("PUT", "/faults/f", b"[]", 400, "must be a JSON object"),
        ("PUT", "/faults/f", b'{"kind":"x"}', 400, "'kind' must be one of latency, answer"),
        ("PUT", "/clients", b"", 400, "lacks the field 'tenantId'"),
        ("PUT", "/issuers", b'{"issuer":"https://i/","jwks":{}}', 400, "'jwks' cannot be used"),
        ("DELETE", "/clients/t/c", None, 404, "No client 'c'"),
        ("GET", "/nothing", None, 404, "GET /nothing"),
        ("POST", "/faults", b"", 405, "POST /faults"),
    ],
)
def test_a_wrong_call_is_a_json_sentence(
    emulator: Emulator, method: str, path: str, body: bytes | None, status: int, part: str
) -> None:
    code, answer = _call(emulator, method, path, body)
    assert code == status
    assert part in answer["error"]


def test_a_web_page_cannot_steer_it(emulator: Emulator) -> None:
    code, answer = _call(emulator, "POST", "/reset", b"", Origin="https://evil.example")
    assert (code, answer["error"]) == (403, "The control endpoint is not for web pages.")


def test_a_name_that_was_rebound_to_this_machine_is_refused(emulator: Emulator) -> None:
    code, answer = _call(emulator, "GET", "/exchanges", Host="evil.example")
    assert code == 403
    assert "'evil.example'" in answer["error"]
    assert _call(emulator, "GET", "/exchanges", Host="localhost:1")[0] == 200


def test_a_credential_can_be_registered_listed_and_deleted(
    entra: "Entra", emulator: Emulator
) -> None:
    control = emulator.control
    known = control.register(TENANT, CLIENT, subject=SUBJECT)
    token = control.service_account_token(CART)
    assert entra.token(tenant=TENANT, client_id=CLIENT, client_assertion=token).status == 200
    listed = {c["id"]: c for c in _call(emulator, "GET", "/credentials")[1]["credentials"]}
    assert listed[known]["subject"] == SUBJECT
    control.delete_credential(known)
    answer = entra.token(tenant=TENANT, client_id=CLIENT, client_assertion=token)
    assert answer.json["error_codes"] == [70025]
    clients = _call(emulator, "GET", "/clients")[1]["clients"]
    assert CLIENT in {client["clientId"] for client in clients}


def test_a_registration_can_take_its_time_to_propagate(entra: "Entra", emulator: Emulator) -> None:
    control = emulator.control
    control.register_client(
        ClientRegistration(tenant_id=TENANT, client_id=CLIENT, delay_seconds=100)
    )
    control.register(TENANT, CLIENT, subject=SUBJECT, delay_seconds=200)
    token = control.service_account_token(CART)
    codes = []
    for passed in (0, 100, 200):
        control.fault(Fault(kind="skew", seconds=passed), name="clock")
        answer = entra.token(tenant=TENANT, client_id=CLIENT, client_assertion=token)
        codes.append(answer.json.get("error_codes", [0])[0])
    assert codes == [700016, 70025, 0]


def test_faults_are_listed_with_what_is_left_of_them(entra: "Entra", emulator: Emulator) -> None:
    emulator.control.fault(Fault(kind="throttle", times=2))
    entra.token()
    listed = _call(emulator, "GET", "/faults")[1]["faults"]
    assert (listed["throttle"]["kind"], listed["throttle"]["left"]) == ("throttle", 1)


def test_requests_are_counted_and_can_be_chosen_by_client(
    entra: "Entra", emulator: Emulator
) -> None:
    entra.token()
    entra.token(client_id="nobody")
    _, answer = _call(emulator, "GET", "/exchanges?clientId=nobody")
    assert answer["count"] == 2
    assert [seen["clientId"] for seen in answer["exchanges"]] == ["nobody"]


def test_a_reset_goes_back_to_the_start(entra: "Entra", emulator: Emulator) -> None:
    control = emulator.control
    control.register(TENANT, CLIENT, subject=SUBJECT)
    control.delete_client(entra.where.tenant_id, entra.where.client_id)
    control.fault(Fault(kind="refuse"))
    _call(emulator, "PUT", "/access-tokens", b'{"lifetimeSeconds":1}')
    control.reset()
    assert entra.token().json["expires_in"] >= 3600
    assert [seen.client_id for seen in control.exchanges()] == [entra.where.client_id]
    assert entra.token(tenant=TENANT).json["error_codes"] == [90002]
    assert _call(emulator, "GET", "/access-tokens")[1]["lifetimeSeconds"] is None


def test_a_client_secret_gets_tokens_and_is_never_listed(
    entra: "Entra", emulator: Emulator
) -> None:
    body = {"tenantId": TENANT, "clientId": CLIENT, "secret": "hush"}
    assert _call(emulator, "PUT", "/clients", json.dumps(body).encode())[0] == 200

    def ask(secret: str) -> int:
        answer = entra.token(
            tenant=TENANT,
            client_id=CLIENT,
            client_secret=secret,
            client_assertion="",
            client_assertion_type="",
        )
        return int(answer.json.get("error_codes", [0])[0])

    assert [ask("hush"), ask("rush")] == [0, 7000215]
    assert "hush" not in json.dumps(_call(emulator, "GET", "/clients")[1])
    assert "hush" not in json.dumps(_call(emulator, "GET", "/exchanges")[1])


def test_a_private_key_is_refused_and_not_repeated(emulator: Emulator) -> None:
    key = "-----BEGIN PRIVATE KEY-----\nhush\n-----END PRIVATE KEY-----"
    body = {"tenantId": TENANT, "clientId": CLIENT, "certificate": key}
    code, answer = _call(emulator, "PUT", "/clients", json.dumps(body).encode())
    assert code == 400
    assert "hand in the certificate alone" in answer["error"]
    assert "hush" not in answer["error"]
    assert CLIENT not in json.dumps(_call(emulator, "GET", "/clients")[1])


def test_calls_of_graph_and_arm_are_listed(entra: "Entra", emulator: Emulator) -> None:
    entra.ask("/graph/v1.0/applications")
    (call,) = _call(emulator, "GET", "/calls?api=graph")[1]["calls"]
    assert (call["path"], call["status"]) == ("/v1.0/applications", 401)
    assert _call(emulator, "GET", "/calls?api=arm")[1]["calls"] == []

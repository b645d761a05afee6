"""What is served over TLS: real sockets, the CA verified, the real msal."""

import json
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import jwt
import msal
import pytest
import requests
from azure.identity import WorkloadIdentityCredential

from azwi_emulator import announce, keys
from azwi_emulator.messages import (
    AccessTokenShape,
    ClientRegistration,
    Fault,
    Forgery,
    ServiceAccountTokenRequest,
)
from azwi_testing import Emulator

if TYPE_CHECKING:
    from tests.emulator.conftest import Entra

TENANT = "11111111-2222-3333-4444-555555555555"
CLIENT = "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee"


def _msal(entra: "Entra", assertion: str) -> dict[str, Any]:
    with requests.Session() as session:
        session.verify = entra.where.ca_file
        session.trust_env = False
        application = msal.ConfidentialClientApplication(
            entra.where.client_id,
            authority=entra.where.authority_host + entra.where.tenant_id,
            client_credential={"client_assertion": lambda: assertion},
            http_client=session,
            instance_discovery=False,
        )
        answer: dict[str, Any] = application.acquire_token_for_client(
            ["https://vault.azure.net/.default"]
        )
        return answer


def test_msal_gets_a_token_by_a_federated_assertion(entra: "Entra") -> None:
    answer = _msal(entra, entra.form()["client_assertion"])
    assert answer["token_type"] == "Bearer"
    assert 3600 <= answer["expires_in"] < 5400
    assert entra.ask("/whoami", headers=_bearer(answer["access_token"])).status == 200


def test_instance_discovery_points_to_the_tenant_that_is_asked_about(entra: "Entra") -> None:
    tenant = entra.where.authority_host + entra.where.tenant_id
    asked = quote(f"{tenant}/oauth2/v2.0/authorize", safe="")
    answer = entra.ask(f"/common/discovery/instance?authorization_endpoint={asked}").json
    assert answer["tenant_discovery_endpoint"] == (
        f"{tenant}/v2.0/.well-known/openid-configuration"
    )
    host = entra.where.authority_host.split("/")[2]
    assert answer["metadata"][0]["aliases"] == [host]


def test_azure_identity_gets_a_token_with_nothing_but_what_is_printed(
    entra: "Entra", monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in announce.variables(entra.where).items():
        monkeypatch.setenv(name, value)
    with WorkloadIdentityCredential() as credential:
        token = credential.get_token("https://vault.azure.net/.default").token
    assert entra.ask("/whoami", headers=_bearer(token)).status == 200


def test_msal_is_told_why_there_is_no_token(entra: "Entra", emulator: Emulator) -> None:
    other = emulator.control.service_account_token(ServiceAccountTokenRequest(name="other"))
    answer = _msal(entra, other)
    assert answer["error"] == "invalid_client"
    assert answer["error_codes"] == [700213]


def test_a_granted_request_has_the_json_of_entra_id(entra: "Entra") -> None:
    answer = entra.token()
    assert answer.status == 200
    assert answer.headers["Content-Type"] == "application/json; charset=utf-8"
    assert answer.headers["Cache-Control"].startswith("no-store")
    assert set(answer.json) == {"token_type", "expires_in", "ext_expires_in", "access_token"}
    assert answer.json["expires_in"] == answer.json["ext_expires_in"]
    assert abs(len(answer.json["access_token"]) - 1600) < 50


def test_the_access_token_verifies_with_the_published_keys(entra: "Entra") -> None:
    token = entra.token().json["access_token"]
    configuration = entra.ask(f"/{entra.where.tenant_id}/v2.0/.well-known/openid-configuration")
    path = configuration.json["jwks_uri"].removeprefix(entra.where.authority_host.rstrip("/"))
    public = keys.read_jwks(entra.ask(path).json)[jwt.get_unverified_header(token)["kid"]]
    claims = jwt.decode(
        token,
        public,
        algorithms=["RS256"],
        audience="https://vault.azure.net",
        issuer=configuration.json["issuer"],
    )
    assert claims["appid"] == entra.where.client_id


def test_a_refusal_is_json_with_a_trace_and_the_callers_correlation_id(entra: "Entra") -> None:
    mine = "12345678-1234-1234-1234-123456789abc"
    path = f"/{entra.where.tenant_id}/oauth2/v2.0/token"
    form = entra.form(client_id="nobody")
    answer = entra.ask(path, form=form, headers={"client-request-id": mine})
    body = answer.json
    assert (answer.status, body["error"], body["error_codes"]) == (
        400,
        "unauthorized_client",
        [700016],
    )
    assert body["correlation_id"] == mine
    assert answer.headers["x-ms-request-id"] == body["trace_id"]
    assert body["error_description"].startswith("AADSTS700016: ")
    assert f"Timestamp: {body['timestamp']}" in body["error_description"]


@pytest.mark.parametrize(
    ("forgery", "code"), [("signature", 700027), ("key", 50013), ("algorithm", 700027)]
)
def test_a_forged_assertion_is_refused(
    entra: "Entra", emulator: Emulator, forgery: Forgery, code: int
) -> None:
    asked = ServiceAccountTokenRequest(name="demo", forgery=forgery)
    forged = emulator.control.service_account_token(asked)
    answer = entra.token(client_assertion=forged)
    assert (answer.status, answer.json["error_codes"]) == (401, [code])


def test_an_expired_assertion_is_refused(entra: "Entra", emulator: Emulator) -> None:
    asked = ServiceAccountTokenRequest(name="demo", lifetime_seconds=-1)
    stale = emulator.control.service_account_token(asked)
    answer = entra.token(client_assertion=stale)
    assert (answer.status, answer.json["error_codes"]) == (401, [700024])


def test_a_new_signing_key_of_the_issuer_is_fetched_when_it_is_first_seen(
    entra: "Entra", emulator: Emulator
) -> None:
    old = entra.form()["client_assertion"]
    assert entra.token().status == 200
    emulator.control.rotate_issuer_keys(keep_old=True)
    assert entra.token().status == 200  # the token file has been signed anew
    assert entra.token(client_assertion=old).status == 200


def test_a_dropped_signing_key_ends_the_tokens_that_it_signed(
    entra: "Entra", emulator: Emulator
) -> None:
    old = entra.form()["client_assertion"]
    emulator.control.rotate_issuer_keys(keep_old=False)
    assert entra.token().status == 200
    assert entra.token(client_assertion=old).json["error_codes"] == [50013]


def test_the_issuers_keys_are_asked_for_once(entra: "Entra", emulator: Emulator) -> None:
    assert entra.token().status == 200
    emulator.control.fault(Fault(kind="answer", status=500, at=("issuer",)))
    assert entra.token().status == 200


def test_an_issuer_that_fails_is_90061(entra: "Entra", emulator: Emulator) -> None:
    emulator.control.fault(Fault(kind="answer", status=500, at=("issuer",)))
    answer = entra.token()
    assert (answer.status, answer.json["error_codes"]) == (400, [90061])


def test_an_issuer_whose_keys_are_no_json_is_900612(entra: "Entra", emulator: Emulator) -> None:
    emulator.control.fault(Fault(kind="garbage", at=("issuer",)))
    answer = entra.token()
    assert (answer.status, answer.json["error_codes"]) == (400, [900612])


def test_keys_that_are_handed_in_stand_for_an_issuer_out_of_reach(
    entra: "Entra", emulator: Emulator
) -> None:
    cluster, issuer = keys.SigningKey(), "https://cluster.invalid/"
    emulator.control.register(TENANT, CLIENT, subject="s", issuer=issuer)
    emulator.control.register_issuer(issuer, {"keys": [cluster.public_jwk()]})
    now = int(time.time())
    assertion = cluster.sign(
        {"iss": issuer, "sub": "s", "aud": "api://AzureADTokenExchange", "exp": now + 60}
    )
    assert entra.token(tenant=TENANT, client_id=CLIENT, client_assertion=assertion).status == 200


def test_an_issuer_that_no_credential_names_is_never_asked(
    entra: "Entra", emulator: Emulator
) -> None:
    # Were it asked, the answer would be 90061: nothing listens there.
    key = keys.SigningKey()
    now = int(time.time())
    assertion = key.sign(
        {
            "iss": "https://127.0.0.1:9/",
            "sub": entra.where.subject,
            "aud": "api://AzureADTokenExchange",
            "exp": now + 60,
        }
    )
    assert entra.token(client_assertion=assertion).json["error_codes"] == [700211]


def test_a_resource_that_the_client_does_not_know_is_500011(
    entra: "Entra", emulator: Emulator
) -> None:
    emulator.control.register_client(
        ClientRegistration(
            tenant_id=entra.where.tenant_id,
            client_id=entra.where.client_id,
            resources=("https://storage.azure.com",),
        )
    )
    assert entra.token().json["error_codes"] == [500011]
    assert entra.token(scope="https://storage.azure.com/.default").status == 200


def test_lifetime_size_and_refresh_of_access_tokens_can_be_set(
    entra: "Entra", emulator: Emulator
) -> None:
    emulator.control.shape_access_tokens(
        AccessTokenShape(lifetime_seconds=120, size_bytes=3000, refresh_in_seconds=60)
    )
    answer = entra.token().json
    assert (answer["expires_in"], answer["refresh_in"]) == (120, 60)
    assert abs(len(answer["access_token"]) - 3000) < 50


def test_only_a_posted_form_is_read(entra: "Entra") -> None:
    path = f"/{entra.where.tenant_id}/oauth2/v2.0/token"
    headers = {"Content-Type": "application/json"}
    answer = entra.ask(path, form=json.dumps(entra.form()), headers=headers)
    assert answer.json["error_codes"] == [900144]


def test_an_unknown_tenant_has_no_metadata(entra: "Entra") -> None:
    for path in ("v2.0/.well-known/openid-configuration", "discovery/v2.0/keys"):
        answer = entra.ask(f"/99999999-2222-3333-4444-555555555555/{path}")
        assert (answer.status, answer.json["error"]) == (400, "invalid_tenant")


def test_the_issuer_serves_what_a_cluster_serves(entra: "Entra") -> None:
    document = entra.ask("/issuer/.well-known/openid-configuration").json
    assert document["issuer"] == entra.where.issuer
    token = entra.form()["client_assertion"]
    published = keys.read_jwks(entra.ask("/issuer/openid/v1/jwks").json)
    assert jwt.get_unverified_header(token)["kid"] in published


def test_the_protected_resource_answers_claims_or_a_reason(entra: "Entra") -> None:
    token = entra.token(scope="https://storage.azure.com/.default").json["access_token"]
    right = entra.ask("/whoami?audience=https://storage.azure.com", headers=_bearer(token))
    wrong = entra.ask("/whoami", headers=_bearer(token))
    none = entra.ask("/whoami")
    assert (right.status, right.json["azp"]) == (200, entra.where.client_id)
    assert (wrong.status, none.status) == (401, 401)
    assert "not for 'https://vault.azure.net'" in wrong.json["error"]


def _bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def test_what_is_not_served_is_a_json_sentence(entra: "Entra") -> None:
    missing = entra.ask("/nothing")
    wrong_method = entra.ask(f"/{entra.where.tenant_id}/oauth2/v2.0/token")
    assert (missing.status, wrong_method.status) == (404, 405)
    assert "GET /nothing" in missing.json["error"]
    assert wrong_method.headers["Allow"] == "POST"


def test_a_form_that_is_too_large_is_refused(entra: "Entra") -> None:
    answer = entra.token(client_assertion="x" * 200_000)
    assert answer.status == 413
    assert answer.json["error"]


def test_the_emulator_says_that_it_is_ready(entra: "Entra") -> None:
    assert entra.ask("/healthz").body == b"ok\n"


def test_token_requests_are_remembered_without_their_assertions(
    entra: "Entra", emulator: Emulator
) -> None:
    form = entra.form()
    entra.token()
    entra.token(client_id="nobody")
    first, second = emulator.control.exchanges()
    assert (first.status, first.aadsts) == (200, None)
    assert (first.client_id, first.scope) == (entra.where.client_id, form["scope"])
    assert (second.status, second.aadsts, second.client_id) == (400, 700016, "nobody")
    assert first.assertion_sha256 == second.assertion_sha256
    assert form["client_assertion"] not in repr(first)

"""Whether a request is granted: every check, and their order."""

import base64
import contextlib
import json
from typing import Any

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from azwi_emulator import federation, keys
from azwi_emulator.aadsts import Refusal
from azwi_emulator.directory import Client, Credential, Directory
from azwi_emulator.federation import ASSERTION_TYPE, Door, Grant
from azwi_emulator.messages import BINDING_AUDIENCE

NOW = 1_700_000_000
TENANT = "11111111-2222-3333-4444-555555555555"
CLIENT = "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee"
BARE = "bbbbbbbb-bbbb-cccc-dddd-eeeeeeeeeeee"
BOUND = "cccccccc-bbbb-cccc-dddd-eeeeeeeeeeee"
ISSUER = "https://issuer.example/"
SUBJECT = "system:serviceaccount:default:app"
AUDIENCE = "api://AzureADTokenExchange"
AUTHORITY = "https://login.example/"
SCOPE = "https://vault.azure.net/.default"

KEY, STRANGER = keys.SigningKey(), keys.SigningKey()
PUBLISHED = keys.read_jwks({"keys": [KEY.public_jwk()]})


def _directory() -> Directory:
    known = Directory()
    known.add_credential(Credential(TENANT, CLIENT, ISSUER, SUBJECT, AUDIENCE))
    known.add_client(Client(TENANT, BARE))
    known.add_credential(Credential(TENANT, BOUND, ISSUER, SUBJECT, BINDING_AUDIENCE))
    return known


def _assertion(key: keys.SigningKey = KEY, algorithm: str = "RS256", **changes: Any) -> str:
    claims = {
        "iss": ISSUER,
        "sub": SUBJECT,
        "aud": [AUDIENCE],
        "iat": NOW,
        "nbf": NOW,
        "exp": NOW + 600,
        **changes,
    }
    return key.sign({n: v for n, v in claims.items() if v is not None}, algorithm=algorithm)


def _form(**changes: str) -> dict[str, str]:
    fields = {
        "grant_type": "client_credentials",
        "client_id": CLIENT,
        "scope": SCOPE,
        "client_assertion_type": ASSERTION_TYPE,
        "client_assertion": _assertion(),
        **changes,
    }
    return {name: value for name, value in fields.items() if value}


def _decide(
    *,
    tenant: str = TENANT,
    directory: Directory | None = None,
    door: Door = "entra",
    now: float = NOW,
    **changes: str,
) -> Grant:
    request = federation.parse(tenant, _form(**changes))
    found = federation.match(
        request, directory or _directory(), door=door, authority=AUTHORITY, now=now
    )
    return federation.grant(found, PUBLISHED, now=now)


def _code(**changes: Any) -> int:
    with pytest.raises(Refusal) as caught:
        _decide(**changes)
    return caught.value.code


def test_a_right_request_is_granted() -> None:
    assert _decide() == Grant(TENANT, CLIENT, "https://vault.azure.net")


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"grant_type": ""}, 900144),
        ({"grant_type": "password"}, 70003),
        ({"client_id": ""}, 900144),
        ({"scope": ""}, 900144),
        ({"resource": "https://vault.azure.net"}, 901002),
        ({"client_assertion": ""}, 7000218),
        ({"client_assertion_type": "urn:ietf:params:oauth:jwt-bearer"}, 7000218),
        ({"tenant": "99999999-2222-3333-4444-555555555555"}, 90002),
        ({"tenant": "unknown.example"}, 90002),
        ({"tenant": "no-tenant"}, 900023),
        ({"tenant": "common"}, 50194),
        ({"client_id": "99999999-bbbb-cccc-dddd-eeeeeeeeeeee"}, 700016),
        ({"client_id": BARE}, 70025),
        ({"client_id": BOUND}, 70025),
    ],
)
def test_the_request_itself_must_be_right(changes: dict[str, Any], code: int) -> None:
    assert _code(**changes) == code


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"iss": "https://issuer.example"}, 700211),  # the slash at the end counts
        ({"iss": f"{AUTHORITY}{TENANT}/v2.0"}, 700222),
        ({"sub": "system:serviceaccount:default:other"}, 700213),
        ({"sub": "system:serviceaccount:default:APP"}, 7002138),
        ({"aud": [BINDING_AUDIENCE]}, 700212),
        ({"aud": [AUDIENCE, "https://kubernetes.default.svc"]}, 700212),
        ({"aud": []}, 700212),
        ({"exp": NOW}, 700024),
        ({"nbf": NOW + 600, "exp": NOW + 1200}, 700024),
        ({"iss": None}, 50027),
        ({"sub": None}, 50027),
        ({"aud": None}, 50027),
        ({"aud": [1]}, 50027),
        ({"exp": None}, 50027),
        ({"exp": "tomorrow"}, 50027),
        ({"exp": True}, 50027),
        ({"exp": 1e300}, 50027),
    ],
)
def test_the_assertion_must_be_what_the_credential_describes(
    changes: dict[str, Any], code: int
) -> None:
    try:
        text = _assertion(**changes)
    except (TypeError, jwt.PyJWTError):  # PyJWT refuses to sign some of them: sign the raw payload
        text = _raw(changes)
    assert _code(client_assertion=text) == code


def _raw(changes: dict[str, Any]) -> str:
    claims = {"iss": ISSUER, "sub": SUBJECT, "aud": AUDIENCE, "exp": NOW + 600, **changes}
    given_claims = {name: value for name, value in claims.items() if value is not None}
    return _coded({"alg": "RS256", "kid": KEY.key_id}, given_claims)


@pytest.mark.parametrize("text", ["x", "a.b.c", "eyJhbGciOiJSUzI1NiJ9.W10.AAAA", "é.é.é"])
def test_what_is_no_jwt_is_malformed(text: str) -> None:
    assert _code(client_assertion=text) == 50027


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)
_HEADERS = st.dictionaries(st.sampled_from(["alg", "kid", "typ", "crit", "b64"]), _JSON)
_CLAIMS = st.dictionaries(st.sampled_from(["iss", "sub", "aud", "exp", "nbf"]), _JSON)


@given(st.text() | st.builds(lambda header, claims: _coded(header, claims), _HEADERS, _CLAIMS))
def test_whatever_is_sent_is_an_assertion_or_refused(text: str) -> None:
    with contextlib.suppress(Refusal):
        federation.read_assertion(text)


def _coded(*parts: object) -> str:
    coded = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in parts]
    return b".".join([*coded, b"AAAA"]).decode()


def test_a_strangers_signature_is_refused() -> None:
    forged = STRANGER.sign(
        jwt.decode(_assertion(), options={"verify_signature": False}), key_id=KEY.key_id
    )
    assert _code(client_assertion=forged) == 700027


def test_a_key_that_the_issuer_does_not_publish_is_refused() -> None:
    assert _code(client_assertion=_assertion(STRANGER)) == 50013


@pytest.mark.parametrize("algorithm", ["RS384", "RS512", "PS256"])
def test_no_algorithm_but_rs256_is_accepted(algorithm: str) -> None:
    assert _code(client_assertion=_assertion(algorithm=algorithm)) == 700027


def test_an_unsigned_assertion_is_refused() -> None:
    header, payload, _ = _assertion().split(".")
    none = base64.urlsafe_b64encode(b'{"alg":"none"}').rstrip(b"=").decode()
    assert _code(client_assertion=f"{none}.{payload}.") == 700027
    assert header


def test_an_audience_may_be_a_string_or_a_list_of_one() -> None:
    assert _decide(client_assertion=_assertion(aud=AUDIENCE)) == _decide()


def test_an_assertion_may_start_a_few_seconds_in_the_future() -> None:
    assert _decide(client_assertion=_assertion(nbf=NOW + federation.EARLY_SECONDS)).client_id


def test_an_assertion_without_nbf_is_valid_from_ever() -> None:
    assert _decide(client_assertion=_assertion(nbf=None)).client_id


@pytest.mark.parametrize(
    ("scope", "resource"),
    [
        ("https://vault.azure.net/.default", "https://vault.azure.net"),
        ("https://management.azure.com//.default", "https://management.azure.com/"),
        ("2ff814a6-3304-4ab8-85cb-cd0e6f879c1d/.default", "2ff814a6-3304-4ab8-85cb-cd0e6f879c1d"),
        ("api://x/.default", "api://x"),
        ("api://x/.default openid offline_access profile", "api://x"),  # as MSAL Go asks
    ],
)
def test_the_resource_is_all_before_the_last_slash(scope: str, resource: str) -> None:
    assert _decide(scope=scope).resource == resource


@pytest.mark.parametrize(
    ("scope", "code"),
    [
        ("https://vault.azure.net", 1002012),
        ("https://vault.azure.net/user_impersonation", 1002012),
        ("https%3A%2F%2Fvault.azure.net%2F.default", 1002012),
        ("/.default", 70011),
        ("https://a/.default https://b/.default", 70011),
        ("openid offline_access profile", 1002012),
    ],
)
def test_a_scope_that_is_not_one_resource_is_refused(scope: str, code: int) -> None:
    assert _code(scope=scope) == code


def test_any_resource_is_known_unless_the_client_lists_some() -> None:
    known = _directory()
    known.add_client(Client(TENANT, CLIENT, resources=("https://vault.azure.net",)))
    assert _decide(directory=known).client_id
    assert _code(directory=known, scope="https://vault.azure.net//.default") == 500011


def test_before_it_has_propagated_a_client_is_unknown() -> None:
    known = _directory()
    known.add_client(Client(TENANT, CLIENT, visible_from=NOW + 60))
    assert _code(directory=known) == 700016
    assert _decide(directory=known, now=NOW + 60).client_id


def test_before_it_has_propagated_a_credential_does_not_exist() -> None:
    known = Directory()
    known.add_credential(Credential(TENANT, CLIENT, ISSUER, SUBJECT, AUDIENCE, NOW + 60))
    assert _code(directory=known) == 70025
    assert _decide(directory=known, now=NOW + 60).client_id


def test_the_token_proxy_takes_assertions_for_itself_only() -> None:
    bound = _assertion(aud=BINDING_AUDIENCE)
    assert _decide(door="token-proxy", client_id=BOUND, client_assertion=bound).client_id
    assert _code(door="token-proxy") == 70025
    assert _code(door="token-proxy", client_id=BOUND) == 700212
    assert _code(client_assertion=bound) == 700212


def test_entra_id_checks_in_its_order() -> None:
    """Everything is wrong; one thing after the other is put right."""
    wrong: dict[str, Any] = {
        "grant_type": "password",
        "client_assertion_type": "x",
        "tenant": "unknown.example",
        "client_id": "nobody",
        "client_assertion": "x",
        "scope": "x",
    }
    codes = [_code(**wrong)]
    for name, right in (
        ("grant_type", "client_credentials"),
        ("client_assertion_type", ASSERTION_TYPE),
        ("tenant", TENANT),
        ("client_id", CLIENT),
        ("client_assertion", _assertion(STRANGER, iss="https://x", sub="x", aud="x", exp=NOW - 1)),
        ("client_assertion", _assertion(STRANGER, sub="x", aud="x", exp=NOW - 1)),
        ("client_assertion", _assertion(STRANGER, aud="x", exp=NOW - 1)),
        ("client_assertion", _assertion(STRANGER, exp=NOW - 1)),
        ("client_assertion", _assertion(exp=NOW - 1)),
        ("client_assertion", _assertion()),
    ):
        wrong[name] = right
        codes.append(_code(**wrong))
    assert codes == [
        70003, 7000218, 90002, 700016, 50027, 700211, 700213, 700212, 50013, 700024, 1002012,
    ]  # fmt: skip


def test_a_form_is_decoded_once_and_empty_fields_are_absent() -> None:
    assert federation.parse_form("scope=a%252Fb&client_id=") == {"scope": "a%2Fb"}


def test_a_field_that_is_given_twice_is_refused() -> None:
    with pytest.raises(Refusal, match="AADSTS90013"):
        federation.parse_form("client_id=a&client_id=b")


def _by_secret(known: Directory, door: Door = "entra", **changes: str) -> Grant | int:
    fields = {
        "grant_type": "client_credentials",
        "client_id": CLIENT,
        "scope": SCOPE,
        "client_secret": "hush",
        **changes,
    }
    try:
        request = federation.parse(TENANT, {name: text for name, text in fields.items() if text})
        return federation.grant_by_secret(request, known, door=door, now=NOW)
    except Refusal as refusal:
        return refusal.code


def test_a_client_may_prove_itself_by_its_secret() -> None:
    known = _directory()
    assert _by_secret(known) == 7000215
    known.set_secret(TENANT, CLIENT, "hush")
    assert _by_secret(known) == Grant(TENANT, CLIENT, "https://vault.azure.net", by_secret=True)
    assert _by_secret(known, client_secret="rush") == 7000215
    assert _by_secret(known, client_id="nobody") == 700016
    assert _by_secret(known, scope="") == 900144
    assert _by_secret(known, scope="x") == 1002012
    assert _by_secret(known, client_secret="") == 7000218


def test_the_token_proxy_takes_no_secret() -> None:
    known = _directory()
    known.set_secret(TENANT, CLIENT, "hush")
    assert _by_secret(known, door="token-proxy") == 7000218


def test_a_secret_does_not_show_itself() -> None:
    request = federation.TokenRequest(TENANT, CLIENT, SCOPE, "", "hush")
    assert "hush" not in repr(request)


@pytest.mark.parametrize(
    ("principal_from", "code"), [(None, 7000229), (NOW + 1, 7000229), (NOW, 0)]
)
def test_a_client_without_a_service_principal_gets_no_token(
    principal_from: float | None, code: int
) -> None:
    known = _directory()
    known.add_client(Client(TENANT, CLIENT, principal_from=principal_from))
    known.set_secret(TENANT, CLIENT, "hush")
    found = _by_secret(known)
    assert (found if isinstance(found, int) else 0) == code

"""The protected resource: which access tokens it takes."""

from typing import Any

import pytest

from azwi_emulator import errors, keys, resource

NOW = 1_700_000_000
AUTHORITY = "https://login.example/"
KEY, STRANGER = keys.SigningKey(), keys.SigningKey()
PUBLISHED = keys.read_jwks({"keys": [KEY.public_jwk()]})


def _bearer(key: keys.SigningKey = KEY, **changes: Any) -> str:
    claims = {
        "iss": f"{AUTHORITY}t/v2.0",
        "aud": "https://vault.azure.net",
        "tid": "t",
        "nbf": NOW - 300,
        "exp": NOW + 3600,
        **changes,
    }
    return "Bearer " + key.sign({name: value for name, value in claims.items() if value})


def _claims(authorization: str) -> dict[str, Any]:
    return resource.claims_of(
        authorization, PUBLISHED, authority=AUTHORITY, audience="https://vault.azure.net", now=NOW
    )


def test_a_good_token_is_answered_by_its_claims() -> None:
    assert _claims(_bearer(appid="app"))["appid"] == "app"


@pytest.mark.parametrize(
    ("authorization", "part"),
    [
        ("", "no bearer token"),
        ("Basic eHg6eHg=", "no bearer token"),
        ("Bearer ", "no bearer token"),
        ("Bearer x", "malformed"),
        (_bearer(STRANGER), "does not publish"),
        (_bearer()[:-8] + "AAAAAAAA", "malformed or its signature"),
        (_bearer(iss="https://other.example/t/v2.0"), "not issued by this"),
        (_bearer(aud="https://vault.azure.net/"), "not for 'https://vault.azure.net'"),
        (_bearer(exp=NOW), "expired"),
        (_bearer(nbf=NOW + 1), "not valid yet"),
        (_bearer(exp=None), "malformed"),
    ],
)
def test_any_other_token_is_a_401_with_a_reason(authorization: str, part: str) -> None:
    with pytest.raises(errors.RequestRefused, match=part) as caught:
        _claims(authorization)
    assert caught.value.status == 401


@pytest.mark.parametrize(
    ("authorization", "why"),
    [
        ("", "missing"),
        ("Bearer x", "invalid"),
        (_bearer(aud="https://other"), "audience"),
        (_bearer(exp=NOW), "expired"),
    ],
)
def test_what_is_wrong_with_a_token_is_told_apart(authorization: str, why: str) -> None:
    with pytest.raises(errors.TokenRefused) as caught:
        _claims(authorization)
    assert caught.value.why == why


def test_a_resource_may_have_several_names() -> None:
    names = {"https://vault.azure.net", "https://vault.azure.net/"}
    for name in names:
        claims = resource.claims_of(
            _bearer(aud=name), PUBLISHED, authority=AUTHORITY, audience=names, now=NOW
        )
        assert claims["aud"] == name

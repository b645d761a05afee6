"""The OIDC issuer: what it signs and publishes."""

import time

import jwt
import pytest

from azwi_emulator import keys
from azwi_emulator.issuer import Issuer
from azwi_emulator.messages import Forgery, ServiceAccountTokenRequest

URL = "https://127.0.0.1:1/issuer/"


def _verified(issuer: Issuer, token: str) -> bool:
    public = keys.read_jwks(issuer.jwks()).get(jwt.get_unverified_header(token)["kid"])
    if public is None:
        return False
    try:
        jwt.decode(token, public, algorithms=["RS256"], options={"verify_aud": False})
    except jwt.InvalidTokenError:
        return False
    return True


def test_the_issuer_keeps_its_trailing_slash_everywhere() -> None:
    document = Issuer(URL).discovery_document()
    assert document["issuer"] == URL
    assert document["jwks_uri"] == URL + "openid/v1/jwks"


def test_its_tokens_verify_with_what_it_publishes() -> None:
    issuer = Issuer(URL)
    token = issuer.mint(ServiceAccountTokenRequest(), now=time.time())
    assert _verified(issuer, token)
    assert jwt.decode(token, options={"verify_signature": False})["iss"] == URL


@pytest.mark.parametrize("forgery", ["signature", "key", "algorithm"])
def test_a_forgery_does_not_verify(forgery: Forgery) -> None:
    issuer = Issuer(URL)
    forged = issuer.mint(ServiceAccountTokenRequest(forgery=forgery), now=time.time())
    assert not _verified(issuer, forged)


def test_a_token_outlives_a_rotation_only_where_its_key_is_kept() -> None:
    issuer = Issuer(URL)
    token = issuer.mint(ServiceAccountTokenRequest(), now=time.time())
    assert issuer.rotate(keep_old=True)[0] == issuer.key_id
    assert _verified(issuer, token)
    assert issuer.rotate(keep_old=False) == [issuer.key_id]
    assert not _verified(issuer, token)

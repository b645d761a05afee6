"""Signing keys, their rotation, and other parties' JWKS."""

from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

from azwi_emulator import errors, keys

KEY = keys.SigningKey()


def test_what_a_key_signs_its_published_half_verifies() -> None:
    token = KEY.sign({"sub": "s"})
    assert jwt.get_unverified_header(token) == {"alg": "RS256", "kid": KEY.key_id, "typ": "JWT"}
    public = keys.read_jwks({"keys": [KEY.public_jwk()]})[KEY.key_id]
    assert jwt.decode(token, public, algorithms=["RS256"]) == {"sub": "s"}


def test_the_header_has_no_type_where_kubernetes_writes_none() -> None:
    assert jwt.get_unverified_header(KEY.sign({}, typ=False)) == {"alg": "RS256", "kid": KEY.key_id}


def test_nothing_private_is_published() -> None:
    assert set(KEY.public_jwk()) == {"use", "kty", "kid", "alg", "n", "e"}


def test_a_rotation_publishes_the_old_key_still() -> None:
    ring = keys.KeyRing()
    old = ring.current.key_id
    ring.rotate(keep_old=True)
    assert ring.current.key_id != old
    assert [key["kid"] for key in ring.jwks()["keys"]] == [ring.current.key_id, old]


def test_a_rotation_may_drop_the_old_key() -> None:
    ring = keys.KeyRing()
    ring.rotate(keep_old=False)
    assert [key["kid"] for key in ring.jwks()["keys"]] == [ring.current.key_id]


def test_a_jwks_does_not_grow_without_end() -> None:
    ring = keys.KeyRing()
    for _ in range(4):
        ring.rotate(keep_old=True)
    assert len(ring.jwks()["keys"]) == 3


def test_keys_of_other_types_and_uses_are_passed_over() -> None:
    jwks = {
        "keys": [
            {"kty": "EC", "kid": "ec", "crv": "P-256", "x": "x", "y": "y"},
            {**KEY.public_jwk(), "kid": "enc", "use": "enc"},
            {"kty": "RSA", "n": KEY.public_jwk()["n"], "e": "AQAB"},
        ]
    }
    assert list(keys.read_jwks(jwks)) == [""]


@pytest.mark.parametrize(
    "jwks",
    [
        None,
        [],
        {},
        {"keys": {}},
        {"keys": []},
        {"keys": [1, {"kty": "EC"}]},
        {"keys": [{"kty": "RSA", "kid": "k"}]},
        {"keys": [{"kty": "RSA", "n": "!", "e": "AQAB"}]},
        {"keys": [{"kty": "RSA", "n": 5, "e": "AQAB"}]},
    ],
)
def test_a_jwks_without_a_usable_key_is_refused(jwks: Any) -> None:
    with pytest.raises(errors.BadKeys):
        keys.read_jwks(jwks)


def test_a_private_key_in_a_jwks_is_read_as_its_public_half() -> None:
    private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    jwk = {**RSAAlgorithm.to_jwk(private, as_dict=True), "kid": "k"}
    assert isinstance(keys.read_jwks({"keys": [jwk]})["k"], rsa.RSAPublicKey)

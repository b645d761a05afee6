"""What a token says of itself, and that it stays out of every text."""

import time
from pathlib import Path

import jwt
import pytest

from azwi_cli import errors, keys, tokens
from azwi_commands import AUDIENCE, kid_of, openssl, service_account_token

ISSUER = "https://issuer.example/"


def test_its_claims_are_read(signing_key: Path) -> None:
    now = int(time.time())
    raw = service_account_token(signing_key, ISSUER, iat=now, exp=now + 60)
    token = tokens.read(f"\n{raw}\n".encode(), "token")
    assert token == tokens.Token(
        raw=raw,
        kid=kid_of(signing_key),
        algorithm="RS256",
        issuer=ISSUER,
        subject="system:serviceaccount:shop:app",
        audiences=(AUDIENCE,),
        issued_at=now,
        expires_at=now + 60,
    )


def test_one_audience_may_be_text(signing_key: Path) -> None:
    raw = service_account_token(signing_key, ISSUER, aud="one")
    assert tokens.read(raw.encode(), "token").audiences == ("one",)


def test_a_signature_is_verified_whatever_the_times_say(signing_key: Path, new_key: Path) -> None:
    raw = service_account_token(signing_key, ISSUER, exp=1, nbf=int(time.time()) + 900)
    token = tokens.read(raw.encode(), "token")
    (right,) = keys.read(signing_key.read_bytes(), "key")
    (wrong,) = keys.read(new_key.read_bytes(), "key")
    assert token.is_signed_by(right)
    assert not token.is_signed_by(wrong)


def test_a_signature_by_another_algorithm_is_none(signing_key: Path, tmp_path: Path) -> None:
    (right,) = keys.read(signing_key.read_bytes(), "key")
    longer = service_account_token(signing_key, ISSUER, alg="RS512")
    assert not tokens.read(longer.encode(), "token").is_signed_by(right)
    unsigned = jwt.encode({"iss": ISSUER}, "", algorithm="none", headers={"kid": right.kid})
    assert not tokens.read(unsigned.encode(), "token").is_signed_by(right)


def test_ec_signatures_are_verified_too(tmp_path: Path) -> None:
    file = tmp_path / "ec.key"
    file.write_bytes(openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout"))
    (key,) = keys.read(file.read_bytes(), "key")
    raw = service_account_token(file, ISSUER, alg="ES256")
    assert tokens.read(raw.encode(), "token").is_signed_by(key)


@pytest.mark.parametrize(
    "content",
    [b"", b"hello", b"a.b.c", b"\xff\xfe", b"eyJhbGciOiJSUzI1NiJ9.eyJhdWQiOjF9", b"a.b.c.d.e"],
)
def test_what_is_no_token_is_refused_without_showing_it(content: bytes) -> None:
    with pytest.raises(errors.BadInput, match="kubectl create token") as told:
        tokens.read(content, "the-file")
    assert told.value.__cause__ is None
    if content.isascii() and len(content) > 5:
        assert content.decode() not in str(told.value)


def test_neither_text_nor_repr_shows_the_token(signing_key: Path) -> None:
    raw = service_account_token(signing_key, ISSUER)
    token = tokens.read(raw.encode(), "token")
    assert raw not in f"{token!r} {token}"
    assert raw.split(".")[2] not in f"{token!r} {token}"

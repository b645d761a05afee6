"""Whether Entra ID would take a token: one fault each, and its line."""

import time
from pathlib import Path
from typing import Any

import pytest

from azwi_cli import accepted, keys, tokens
from azwi_cli.checks import Status
from azwi_cli.keys import PublicKey
from azwi_commands import kid_of, service_account_token

ISSUER = "https://issuer.example/"


@pytest.fixture(scope="module")
def published(signing_key: Path) -> list[PublicKey]:
    return keys.read(signing_key.read_bytes(), "key")


def check(private: Path, published: list[PublicKey], **claims: Any) -> dict[str, Any]:
    """What is not well, by name; never with a piece of the token in it."""
    raw = service_account_token(private, claims.pop("iss", ISSUER), **claims)
    given = tokens.read(raw.encode(), "token")
    said = list(accepted.token(given, ISSUER, published, now=time.time()))
    assert not [line for line in said if raw.split(".")[2] in str(line)]
    bad = [line for line in said if line.status is not Status.PASS]
    assert all(line.why and line.remedy for line in bad)
    return {line.name: (line.status, line.says) for line in bad}


def test_a_good_token_passes(signing_key: Path, published: list[PublicKey]) -> None:
    assert check(signing_key, published) == {}


@pytest.mark.parametrize(
    ("claims", "name", "status", "says"),
    [
        ({"iss": ISSUER[:-1]}, "token-issuer", Status.FAIL, "the slash differs"),
        ({"iss": "https://other.example/"}, "token-issuer", Status.FAIL, "other.example"),
        ({"kid": "another"}, "token-key", Status.FAIL, "another, which is not published"),
        ({"alg": "RS512"}, "token-key", Status.FAIL, "RS512"),
        ({"aud": "https://kubernetes"}, "token-audience", Status.WARN, "https://kubernetes"),
        ({"aud": []}, "token-audience", Status.WARN, "nobody"),
        ({"sub": "somebody"}, "token-subject", Status.WARN, "somebody"),
        ({"exp": 1}, "token-lifetime", Status.WARN, "has expired"),
    ],
)
def test_each_fault_has_its_line(
    claims: dict[str, Any],
    name: str,
    status: Status,
    says: str,
    signing_key: Path,
    published: list[PublicKey],
) -> None:
    found = check(signing_key, published, **claims)
    assert set(found) == {name}
    assert found[name][0] is status
    assert says in found[name][1]


def test_a_signature_by_another_key_under_this_kid_fails(
    signing_key: Path, new_key: Path, published: list[PublicKey]
) -> None:
    found = check(new_key, published, kid=kid_of(signing_key))
    assert found["token-key"][0] is Status.FAIL
    assert "does not verify" in found["token-key"][1]

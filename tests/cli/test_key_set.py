"""What a published key set must be: one fault each, and its line."""

import json
from pathlib import Path
from typing import Any

import pytest

from azwi_cli import key_set
from azwi_cli.checks import Status
from azwi_cli.web import Answer
from azwi_commands import jwks_of, kid_of, openssl

URL = "https://issuer.example/openid/v1/jwks"


def read(document: Any) -> tuple[list[str], list[tuple[Status, str]]]:
    """Kids of what can be used; what was said."""
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    found, said = key_set.read(Answer(URL, 200, body))
    assert all(check.why and check.remedy for check in said if check.status is not Status.PASS)
    return [key.kid for key in found], [(check.status, check.says) for check in said]


@pytest.fixture(scope="module")
def good(signing_key: Path) -> dict[str, Any]:
    (key,) = jwks_of(signing_key)["keys"]
    assert isinstance(key, dict)
    return key


def test_a_good_set_passes(signing_key: Path, new_key: Path) -> None:
    kids, said = read(jwks_of(signing_key, new_key))
    assert kids == [kid_of(signing_key), kid_of(new_key)]
    assert said == [(Status.PASS, "2 of 2 keys can verify RS256.")]


@pytest.mark.parametrize("body", [b"", b"no JSON", b"[]", b'{"keys": {}}', b'{"keys": null}'])
def test_what_is_no_set_fails(body: bytes) -> None:
    assert read(body) == ([], [(Status.FAIL, "The key set is not a JSON Web Key Set.")])


def test_an_empty_set_fails() -> None:
    assert read({"keys": []}) == ([], [(Status.FAIL, "The key set is empty.")])


def test_a_private_key_is_the_worst_that_can_be_published(good: dict[str, Any]) -> None:
    kids, said = read({"keys": [{**good, "d": "c2VjcmV0"}, good]})
    assert kids == [good["kid"]]
    assert said[0][0] is Status.FAIL
    assert "anybody can sign tokens" in said[0][1]
    assert "c2VjcmV0" not in said[0][1]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"kid": ""}, "Key 1 has no kid."),
        ({"kid": 5}, "Key 1 has no kid."),
        ({"use": "enc"}, "is not for signatures."),
        ({"n": "!!!"}, "do not make a key"),
        ({"n": None}, "do not make a key"),
        ({"kty": "OKP", "crv": "Ed25519", "x": "AA"}, "do not make a key"),
        ({"kty": "new"}, "do not make a key"),
    ],
)
def test_a_key_that_cannot_be_used_is_told_and_passed_over(
    good: dict[str, Any], change: dict[str, Any], says: str
) -> None:
    kids, said = read({"keys": [{**good, **change}, good]})
    assert kids == [good["kid"]]
    assert said[0][0] is Status.WARN
    assert says in said[0][1]
    assert said[1] == (Status.PASS, "1 of 2 keys can verify RS256.")


def test_members_that_are_no_objects_are_told(good: dict[str, Any]) -> None:
    assert read({"keys": ["text", good]})[1][0] == (Status.WARN, "Key 1 is no JSON object.")


def test_a_kid_twice_fails(good: dict[str, Any]) -> None:
    assert (Status.FAIL, "Two keys have the same kid.") in read({"keys": [good, good]})[1]


def test_more_keys_than_entra_id_reads_fail(good: dict[str, Any]) -> None:
    many = [{**good, "kid": str(number)} for number in range(101)]
    assert (Status.FAIL, "The set has 101 keys.") in read({"keys": many})[1]
    assert Status.FAIL not in [status for status, _ in read({"keys": many[:100]})[1]]


def test_without_a_key_for_rs256_it_fails(tmp_path: Path) -> None:
    for command in (("ecparam", "-name", "prime256v1", "-genkey"), ("genrsa", "1024")):
        file = tmp_path / "other.key"
        file.write_bytes(openssl(*command))
        kids, said = read(jwks_of(file))
        assert kids == [kid_of(file)]
        assert said == [(Status.FAIL, "No key of the set can verify RS256.")]

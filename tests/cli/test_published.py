"""What an issuer's server and discovery document must be: one fault each, and its line."""

import json
import time
from collections.abc import Mapping
from typing import Any

import pytest

from azwi_cli import published
from azwi_cli.checks import Check, Status
from azwi_cli.errors import Unavailable
from azwi_cli.web import Answer

ISSUER = "https://issuer.example/"
NOW = time.time()
DAY = 86400
JSON = {"content-type": "application/json"}
DOCUMENT = {
    "issuer": ISSUER,
    "jwks_uri": "https://issuer.example/openid/v1/jwks",
    "id_token_signing_alg_values_supported": ["RS256"],
}
PASS, WARN, FAIL = Status.PASS, Status.WARN, Status.FAIL


def answer(body: bytes = b"{}", status: int = 200, **more: Any) -> Answer:
    return Answer(ISSUER, status, body, more.pop("headers", JSON), **more)


def statuses(checks: Any) -> dict[str, Status]:
    found: list[Check] = list(checks)
    assert all(check.why and check.remedy for check in found if check.status is not PASS)
    return {check.name: check.status for check in found}


def test_a_good_url_passes_and_another_says_why() -> None:
    assert published.issuer_url(ISSUER).status is PASS
    assert published.issuer_url("http://issuer.example/").status is FAIL


@pytest.mark.parametrize(
    ("got", "own", "wanted"),
    [
        (answer(address="20.1.2.3"), False, {"reachable": PASS, "certificate": PASS}),
        (answer(address="2603:1::1"), False, {"reachable": PASS, "certificate": PASS}),
        (answer(), False, {"reachable": PASS, "certificate": PASS}),
        (answer(address="10.0.0.1"), False, {"reachable": WARN, "certificate": PASS}),
        (answer(address="127.0.0.1"), True, {"reachable": WARN, "certificate": WARN}),
        (answer(address="fe80::1%eth0"), False, {"reachable": WARN, "certificate": PASS}),
        (answer(certificate_ends=NOW + 3 * DAY), False, {"reachable": PASS, "certificate": WARN}),
        (answer(certificate_ends=NOW + 30 * DAY), False, {"reachable": PASS, "certificate": PASS}),
        (Unavailable("It is gone.", "Bring it back."), False, {"reachable": FAIL}),
    ],
)
def test_the_server_must_be_where_entra_id_can_ask_it(
    got: Answer | Unavailable, own: bool, wanted: Mapping[str, Status]
) -> None:
    assert statuses(published.reachable(got, own_authority=own, now=NOW)) == wanted


@pytest.mark.parametrize(
    ("headers", "content_type", "cache"),
    [
        (JSON, PASS, PASS),
        ({"content-type": "application/json; charset=utf-8"}, PASS, PASS),
        ({"content-type": "application/jwk-set+json"}, PASS, PASS),
        ({"content-type": "application/octet-stream"}, WARN, PASS),
        ({"content-type": "text/html"}, WARN, PASS),
        ({}, WARN, PASS),
        ({**JSON, "cache-control": "public, max-age=3600"}, PASS, PASS),
        ({**JSON, "cache-control": "no-store"}, PASS, PASS),
        ({**JSON, "cache-control": "max-age=604800"}, PASS, WARN),
    ],
)
def test_a_document_must_come_as_json_and_not_be_kept_for_days(
    headers: Mapping[str, str], content_type: Status, cache: Status
) -> None:
    assert statuses(published.served(answer(headers=headers), "it", "document")) == {
        "document": PASS,
        "document-content-type": content_type,
        "document-cache": cache,
    }


@pytest.mark.parametrize(
    ("status", "remedy"),
    [
        (301, "at the address itself"),
        (401, "system:service-account-issuer-discovery"),
        (403, "anonymous read access"),
        (404, "azwi oidc generate"),
        (500, "log of that server"),
    ],
)
def test_another_status_fails_with_what_helps(status: int, remedy: str) -> None:
    headers = {"location": "https://elsewhere.example/"}
    (check,) = published.served(answer(status=status, headers=headers), "it", "document")
    assert check.status is FAIL
    assert remedy in check.remedy
    assert str(status) in check.says or "elsewhere.example" in check.says


def test_a_key_set_that_cannot_be_had_fails() -> None:
    gone = Unavailable("It is gone.", "Bring it back.")
    assert statuses(published.served(gone, "the key set", "key-set")) == {"key-set": FAIL}


@pytest.mark.parametrize(
    ("change", "name", "status", "says"),
    [
        ({}, "issuer", PASS, "to the letter"),
        ({"issuer": ISSUER.rstrip("/")}, "issuer", FAIL, "ends without a slash"),
        ({"issuer": "https://Issuer.example/"}, "issuer", FAIL, "https://Issuer.example/"),
        ({"issuer": None}, "issuer", FAIL, "None"),
        ({"issuer": ""}, "issuer", FAIL, "names no issuer"),
        ({"jwks_uri": "http://issuer.example/keys"}, "jwks-uri", FAIL, "must be an https URL"),
        ({"jwks_uri": ""}, "jwks-uri", FAIL, "missing"),
        ({"id_token_signing_alg_values_supported": ["ES256"]}, "algorithms", FAIL, "RS256"),
        ({"id_token_signing_alg_values_supported": None}, "algorithms", WARN, "RS256"),
    ],
)
def test_the_document_must_say_what_tokens_say(
    change: dict[str, Any], name: str, status: Status, says: str
) -> None:
    found = published.read_document(answer(json.dumps({**DOCUMENT, **change}).encode()))
    checks = {check.name: check for check in published.document(found, ISSUER)}
    assert checks.pop(name).status is status
    assert {check.status for check in checks.values()} == {PASS}
    assert says in next(c.says for c in published.document(found, ISSUER) if c.name == name)


@pytest.mark.parametrize("body", [b"", b"no JSON", b"[]", b"1", b"\xff", b"[" * 100_000])
def test_what_is_no_document_fails(body: bytes) -> None:
    found = published.read_document(answer(body))
    assert statuses(published.document(found, ISSUER)) == {"document": FAIL}


@pytest.mark.parametrize(
    ("header", "age"),
    [
        ("", None),
        ("public", None),
        ("max-age=60", 60),
        ("public,max-age=60", 60),
        ("Max-Age=60", 60),
        ("s-maxage=60", None),
        ("no-cache, max-age=60", 0),
        ("max-age=-1", None),
    ],
)
def test_the_age_of_a_cache_header(header: str, age: int | None) -> None:
    assert published.max_age({"cache-control": header}) == age

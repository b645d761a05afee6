"""Issuers are asked for their keys over TLS, within bounds."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from azwi_emulator import certificates, discovery, errors, keys
from azwi_emulator.certificates import Authority, Names
from azwi_emulator.discovery import IssuerKeys
from azwi_emulator.listener import TlsListener

HERE = Names.of(("127.0.0.1",))
NOW = certificates.now()
CA = Authority.make(HERE, now=NOW)
KEY, NEXT = keys.SigningKey(), keys.SigningKey()


class External:
    """An issuer that answers as it is told and counts."""

    def __init__(self) -> None:
        self.url = ""
        self.asked: list[str] = []
        self.published = [KEY]
        self.document: Any = None
        self.jwks_answer: web.Response | None = None

    async def configuration(self, _: web.Request) -> web.Response:
        self.asked.append("configuration")
        right = {"issuer": self.url, "jwks_uri": self.url + "keys"}
        return web.json_response(right if self.document is None else self.document)

    async def keys(self, _: web.Request) -> web.Response:
        self.asked.append("keys")
        jwks = {"keys": [key.public_jwk() for key in self.published]}
        return self.jwks_answer or web.json_response(jwks)


@pytest.fixture
async def external(tmp_path: Path) -> AsyncIterator[External]:
    issuer = External()
    served = CA.issue(HERE, now=NOW)
    async with TlsListener(
        "127.0.0.1",
        0,
        purpose="a test",
        context=certificates.server_context(),
        scratch=tmp_path,
        own=served,
        strange=served,
    ) as listener:
        issuer.url = f"https://127.0.0.1:{listener.port}/"
        app = web.Application()
        app.router.add_get("/.well-known/openid-configuration", issuer.configuration)
        app.router.add_get("/keys", issuer.keys)
        await listener.serve(app)
        yield issuer


@pytest.fixture
def issuer_keys() -> IssuerKeys:
    return IssuerKeys(ssl.create_default_context(cadata=CA.pem))


async def test_keys_are_fetched_once_and_kept(external: External, issuer_keys: IssuerKeys) -> None:
    for _ in range(2):
        assert list(await issuer_keys.get(external.url, KEY.key_id)) == [KEY.key_id]
    assert external.asked == ["configuration", "keys"]


async def test_an_unknown_kid_asks_again(external: External, issuer_keys: IssuerKeys) -> None:
    await issuer_keys.get(external.url, KEY.key_id)
    external.published.insert(0, NEXT)
    assert NEXT.key_id in await issuer_keys.get(external.url, NEXT.key_id)


async def test_old_keys_are_asked_for_again(
    external: External, issuer_keys: IssuerKeys, monkeypatch: pytest.MonkeyPatch
) -> None:
    await issuer_keys.get(external.url, KEY.key_id)
    monkeypatch.setattr(discovery, "KEPT_SECONDS", 0)
    await issuer_keys.get(external.url, KEY.key_id)
    assert external.asked.count("keys") == 2


async def test_requests_at_the_same_time_ask_once(
    external: External, issuer_keys: IssuerKeys
) -> None:
    await asyncio.gather(*(issuer_keys.get(external.url, KEY.key_id) for _ in range(10)))
    assert external.asked == ["configuration", "keys"]


async def test_an_issuer_that_no_trusted_ca_vouches_for_is_unreachable(external: External) -> None:
    strict = IssuerKeys(ssl.create_default_context())
    with pytest.raises(errors.IssuerUnreachable, match="does not answer"):
        await strict.get(external.url, KEY.key_id)
    assert external.asked == []


async def test_an_issuer_without_tls_is_never_asked(issuer_keys: IssuerKeys) -> None:
    with pytest.raises(errors.IssuerUnreachable, match="no https address"):
        await issuer_keys.get("http://127.0.0.1:1/", "k")


async def test_an_issuer_that_is_down_is_unreachable(issuer_keys: IssuerKeys) -> None:
    with pytest.raises(errors.IssuerUnreachable, match="does not answer"):
        await issuer_keys.get("https://127.0.0.1:9/", "k")


async def test_an_issuer_that_is_slow_is_unreachable(
    external: External, issuer_keys: IssuerKeys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(discovery, "TIMEOUT", 1e-9)
    with pytest.raises(errors.IssuerUnreachable, match="does not answer"):
        await issuer_keys.get(external.url, KEY.key_id)


@pytest.mark.parametrize(
    ("document", "part"),
    [
        ([], "another issuer"),
        ({}, "another issuer"),
        ({"issuer": "https://127.0.0.1/", "jwks_uri": "x"}, "another issuer"),
    ],
)
async def test_a_document_of_another_issuer_is_refused(
    external: External, issuer_keys: IssuerKeys, document: Any, part: str
) -> None:
    external.document = document
    with pytest.raises(errors.IssuerUnreachable, match=part):
        await issuer_keys.get(external.url, KEY.key_id)


async def test_keys_without_tls_are_not_fetched(
    external: External, issuer_keys: IssuerKeys
) -> None:
    external.document = {"issuer": external.url, "jwks_uri": "http://127.0.0.1:1/keys"}
    with pytest.raises(errors.IssuerUnreachable, match="no https address"):
        await issuer_keys.get(external.url, KEY.key_id)


@pytest.mark.parametrize(
    ("answer", "error", "part"),
    [
        ({"status": 500}, errors.IssuerUnreachable, "answered 500"),
        ({"status": 302, "headers": {"Location": "/"}}, errors.IssuerUnreachable, "answered 302"),
        ({"text": "<html>"}, errors.BadKeys, "not JSON"),
        ({"text": json.dumps({"keys": []})}, errors.BadKeys, "no RSA key"),
        ({"body": b" " * (discovery.LARGEST + 1)}, errors.IssuerUnreachable, "larger"),
    ],
)
async def test_keys_that_cannot_be_read_are_refused(
    external: External,
    issuer_keys: IssuerKeys,
    answer: dict[str, Any],
    error: type[Exception],
    part: str,
) -> None:
    external.jwks_answer = web.Response(**answer)
    with pytest.raises(error, match=part):
        await issuer_keys.get(external.url, KEY.key_id)


async def test_a_failure_is_not_remembered(external: External, issuer_keys: IssuerKeys) -> None:
    external.jwks_answer = web.Response(status=500)
    with pytest.raises(errors.IssuerUnreachable):
        await issuer_keys.get(external.url, KEY.key_id)
    external.jwks_answer = None
    assert await issuer_keys.get(external.url, KEY.key_id)


async def test_keys_that_are_handed_in_are_used_without_asking(
    external: External, issuer_keys: IssuerKeys
) -> None:
    issuer_keys.give(external.url, {"keys": [NEXT.public_jwk()]})
    assert list(await issuer_keys.get(external.url, KEY.key_id)) == [NEXT.key_id]
    assert external.asked == []
    issuer_keys.forget()
    assert list(await issuer_keys.get(external.url, KEY.key_id)) == [KEY.key_id]

"""Talks to OIDC issuers: fetches their signing keys over TLS and keeps them, as Entra ID does.

``federation`` lets only issuers get here that a registered credential names. Redirects are not
followed, answers and waits are bounded, proxies of the environment are not used.
"""

import asyncio
import json
import ssl
import time
from dataclasses import dataclass
from typing import Any

import aiohttp
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from azwi_emulator import errors, keys

KEPT_SECONDS = 3600  # Entra ID keeps keys for hours; a kid that it does not know makes it ask again
TIMEOUT = 5  # seconds for either document: the caller of the token endpoint is waiting
LARGEST = 1 << 20  # bytes: a JWKS of real issuers has a few KB

Keys = dict[str, RSAPublicKey]


@dataclass(frozen=True, slots=True)
class _Fetched:
    keys: Keys
    at: float
    """Monotonic time, in seconds."""


class IssuerKeys:
    """Signing keys by issuer: handed in, kept, or fetched."""

    def __init__(self, trust: ssl.SSLContext) -> None:
        self._trust = trust
        self._given: dict[str, Keys] = {}
        self._fetched: dict[str, _Fetched] = {}
        self._locks: dict[str, asyncio.Lock] = {}

    def give(self, issuer: str, jwks: dict[str, Any]) -> None:
        """Use these keys for ``issuer`` and never ask it; raises BadKeys."""
        self._given[issuer] = keys.read_jwks(jwks)

    def forget(self) -> None:
        """Drop every key, handed in or fetched."""
        self._given.clear()
        self._fetched.clear()

    async def get(self, issuer: str, key_id: str) -> Keys:
        """The issuer's keys; asked for once more where ``key_id`` is not among those kept.

        Raises IssuerUnreachable or BadKeys, each with the end of a sentence.
        """
        if issuer in self._given:
            return self._given[issuer]
        seen = self._fetched.get(issuer)
        if seen and key_id in seen.keys and time.monotonic() - seen.at < KEPT_SECONDS:
            return seen.keys
        async with self._locks.setdefault(issuer, asyncio.Lock()):
            kept = self._fetched.get(issuer)
            if kept is None or kept is seen:  # else another request has just fetched them
                kept = _Fetched(await self._fetch(issuer), time.monotonic())
                self._fetched[issuer] = kept
            return kept.keys

    async def _fetch(self, issuer: str) -> Keys:
        connector = aiohttp.TCPConnector(ssl=self._trust, force_close=True)
        limit = aiohttp.ClientTimeout(total=TIMEOUT)
        async with aiohttp.ClientSession(connector=connector, timeout=limit) as session:
            document = await _get(session, issuer.rstrip("/") + "/.well-known/openid-configuration")
            if not isinstance(document, dict) or document.get("issuer") != issuer:
                raise errors.IssuerUnreachable("the discovery document names another issuer")
            return keys.read_jwks(await _get(session, str(document.get("jwks_uri"))))


async def _get(session: aiohttp.ClientSession, url: str) -> object:
    if not url.startswith("https://"):
        raise errors.IssuerUnreachable(f"{url} is no https address")
    try:
        async with session.get(url, allow_redirects=False) as response:
            if response.status != 200:
                raise errors.IssuerUnreachable(f"{url} answered {response.status}")
            return json.loads(await _body(response))
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        reason = str(error) or type(error).__name__
        raise errors.IssuerUnreachable(f"{url} does not answer ({reason})") from error
    except ValueError as error:
        raise errors.BadKeys(f"{url} is not JSON") from error


async def _body(response: aiohttp.ClientResponse) -> bytes:
    body = b""
    async for part in response.content.iter_chunked(1 << 16):
        body += part
        if len(body) > LARGEST:
            raise errors.IssuerUnreachable("the answer is larger than 1 MiB")
    return body

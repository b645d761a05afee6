"""Sends what msal would send, by aiohttp, and hands msal the answer.

To the configured host and nowhere else, with a limit on every phase. A status other than 200 is
raised as `Answered` and never shown to msal, which would lose it; what the network does wrong
becomes one of ``errors`` here, with a sentence that names the host.
"""

import asyncio
import json
import os
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from yarl import URL

from azwi_common import __version__, contract
from azwi_common.proxy_settings import Settings
from azwi_proxy import aadsts, connecting, errors, files
from azwi_proxy.trust import Trust

CONNECT = 3.0  # seconds for a TCP connection
MAX_ANSWER = 256 * 1024  # bytes; a token is 2 KB
LONGEST = 366 * 86400  # seconds of life; real tokens have 28 h at most


class Interrupted(errors.Unavailable):
    """A reset or a 5xx: worth one more try at once."""


class Answered(Exception):
    """An answer that holds no token: another status than 200, or nothing that calls itself JSON."""

    def __init__(self, status: int, text: str, retry_after: str, content_type: str) -> None:
        self.status, self.text, self.retry_after = status, text, retry_after
        self.content_type = content_type
        super().__init__(f"status {status}")


class NotYet(Exception):
    """Raised through msal in place of an answer."""


@dataclass(frozen=True, slots=True)
class Request:
    """What msal would post."""

    url: str
    form: Mapping[str, str]
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Response:
    """What msal wants of an HTTP response."""

    status_code: int
    text: str
    headers: Mapping[str, str]

    def raise_for_status(self) -> None:
        """Never has a reason to: other statuses are raised as Answered."""


class Client:
    """The ``http_client`` of msal for one exchange: waits for nothing.

    Notes the ``request`` and raises NotYet, which msal lets pass; later it gives the ``answer``.
    """

    request: Request
    answer: Response | None = None

    def get(self, url: str, **_: Any) -> Response:
        """Answer msal's discovery without a call.

        The v2 token endpoint has one path on every host, an AKS token proxy serves no discovery
        document, and a request less is a failure less.
        """
        tenant = url.removesuffix("/v2.0/.well-known/openid-configuration")
        document = {
            "issuer": f"{tenant}/v2.0",
            "authorization_endpoint": f"{tenant}/oauth2/v2.0/authorize",
            "token_endpoint": f"{tenant}/oauth2/v2.0/token",
        }
        return Response(200, json.dumps(document), {})

    def post(
        self, url: str, *, data: Mapping[str, str], headers: Mapping[str, str], **_: Any
    ) -> Response:
        """The answer, once there is one; raises NotYet before."""
        if self.answer is None:
            self.request = Request(url, data, headers)
            raise NotYet
        return self.answer


def _essence(said: Mapping[str, Any]) -> str:
    """What msal is to read of a success; members of an odd form make it raise anything.

    ValueError ends a sentence that starts with the host.
    """
    token = said.get("access_token")
    if not (isinstance(token, str) and token):
        raise ValueError("sent an answer that holds no token (access_token)")
    lifetime = _whole_seconds(said.get("expires_in"))
    if not 0 < lifetime < LONGEST:
        raise ValueError("sent a token without a lifetime that can be used (expires_in)")
    return json.dumps({"token_type": "Bearer", "access_token": token, "expires_in": lifetime})


def _whole_seconds(given: Any) -> int:
    """``3599``, ``"3599"`` or ``"3599.0"`` as seconds; 0 for what is no number."""
    try:
        return int(float(given)) if isinstance(given, str | int | float) else 0
    except (ValueError, OverflowError):  # not a number, NaN, or infinite
        return 0


async def _give_way(*_: object) -> None:
    """Let what is stored be answered between the steps of a connection, which take their time."""
    await asyncio.sleep(0)


class Transport:
    """The way to Entra ID, or to an AKS token proxy in its place."""

    def __init__(self, settings: Settings) -> None:
        proxied = settings.token_proxy
        base = proxied or settings.authority
        self._base = proxied or ""
        self._sni = settings.token_proxy_sni
        self._proxy = settings.forward_proxy(base)
        if proxied:
            self._trust = Trust(settings.token_proxy_ca_file, settings.token_proxy_ca_data)
        else:
            self._trust = Trust(settings.requests_ca_bundle or settings.ssl_cert_file)
        self.peer = urlsplit(base).netloc
        """Whom a failure is about: host, and port where it is not 443."""
        named = contract.KUBERNETES_TOKEN_PROXY if proxied else contract.AUTHORITY_HOST
        self.concerns = f"{named}, {contract.HTTPS_PROXY}"
        """The settings that say where a request goes."""

    async def start(self) -> None:
        """Open the session; raises errors.Unavailable where a CA file cannot be used."""
        self._trust.context()
        steps = aiohttp.TraceConfig()
        steps.on_connection_create_start.append(_give_way)
        steps.on_connection_create_end.append(_give_way)
        self._connector = connecting.Connector()
        self._session = aiohttp.ClientSession(
            connector=self._connector,
            trace_configs=[steps],
            headers={"User-Agent": f"{contract.SERVER_NAME}/{__version__}"},
            # ``entra`` limits the whole: a timer here would not count what came during a freeze.
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT),
            cookie_jar=aiohttp.DummyCookieJar(),
        )

    async def close(self) -> None:
        """Close the session and its connections."""
        await self._session.close()

    async def send(self, request: Request) -> Response:
        """Send an exchange; raises Answered for what holds no token, or errors.Unavailable."""
        through, credentials = self._proxy, None
        if through and through.authorization:
            credentials = {"Proxy-Authorization": through.authorization}
        try:
            async with self._session.post(
                URL(self._address(request.url), encoded=True),
                data=dict(request.form),
                headers=dict(request.headers),
                ssl=self._trust.context(),
                server_hostname=self._sni,
                proxy=through and URL(through.url),
                proxy_headers=credentials,  # aiohttp's own spelling of them is Latin-1
                allow_redirects=False,  # an assertion goes to the configured host, or nowhere
            ) as response:
                return await self._read(response)
        except (aiohttp.ClientError, OSError) as error:  # TimeoutError is an OSError
            raise self._failure(error) from error

    def _address(self, url: str) -> str:
        if not self._base:
            return url
        return self._base + urlsplit(url).path

    async def _read(self, response: aiohttp.ClientResponse) -> Response:
        body = bytearray()
        async for chunk in response.content.iter_any():
            body += chunk
            if len(body) > MAX_ANSWER:
                told = self._sentence("sent an answer that is too large")
                raise errors.Unavailable(told, reason="bad_answer")
        text = body.decode("utf-8", "replace")
        said = aadsts.json_object(text)
        given = response.headers
        kind = given.get("Content-Type", "")
        if response.status != 200 or not (said or "json" in kind.lower()):
            raise Answered(response.status, text, given.get("Retry-After", ""), kind)
        try:
            return Response(200, _essence(said), {})
        except ValueError as error:
            raise errors.Unavailable(self._sentence(str(error)), reason="bad_answer") from error

    def silent(self, seconds: float) -> errors.Unavailable:
        """The error for a peer that did not answer in so many seconds."""
        told = self._sentence(f"did not answer within {seconds:.0f} s")
        return errors.Unavailable(told, reason="timeout")

    def _failure(self, error: Exception) -> errors.Unavailable:
        """The one place where failures of the network become ours."""
        cause = error.cause if isinstance(error, connecting.TunnelFailed) else error
        if files.exhausted(cause):
            return files.no_descriptors()
        told, reason = _told(cause)
        made: type[errors.Unavailable] = errors.Unavailable
        if reason in ("reset", "bad_answer"):
            self._connector.forget_idle()
            made = Interrupted
        if cause is error:
            return made(self._sentence(told), reason=reason)
        assert self._proxy  # there is no tunnel without
        via = f"{self._proxy.host}:{self._proxy.port} ({contract.HTTPS_PROXY})"
        told = f"The forward proxy {via}, on the way to {self.peer}, {told}."
        return made(told, reason="forward_proxy")

    def _sentence(self, told: str) -> str:
        through = f" (through the forward proxy {self._proxy.host})" if self._proxy else ""
        return f"{self.peer} {told}{through}."


# The first that matches: what happened, as the end of a sentence that starts with the host, and the
# reason that metrics count it under.
_FAILURES: tuple[tuple[type[Exception], str, str], ...] = (
    (aiohttp.ClientConnectorDNSError, "does not resolve: {detail}", "dns"),
    (
        aiohttp.ClientConnectorCertificateError,
        "has a certificate that is not trusted: {detail}",
        "tls",
    ),
    (aiohttp.ClientSSLError, "did not complete the TLS handshake", "tls"),
    (ssl.SSLError, "did not complete the TLS handshake", "tls"),
    (aiohttp.ClientHttpProxyError, "refused the connection: {detail}", "forward_proxy"),
    (
        aiohttp.ConnectionTimeoutError,
        f"did not accept a connection within {CONNECT:.0f} s",
        "timeout",
    ),
    (aiohttp.ClientConnectorError, "cannot be connected to: {detail}", "connect"),
    (aiohttp.ClientResponseError, "sent an answer that is not HTTP", "bad_answer"),
    (aiohttp.ClientPayloadError, "sent an answer that is cut short", "bad_answer"),
    (Exception, "closed the connection without an answer", "reset"),
)


def _told(error: Exception) -> tuple[str, str]:
    told, reason = next((t, r) for kind, t, r in _FAILURES if isinstance(error, kind))
    return told.format(detail=_detail(error)), reason


def _detail(error: Exception) -> str:
    """What the operating system, OpenSSL or the forward proxy said."""
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        cause = error.certificate_error
        return str(getattr(cause, "verify_message", "") or type(cause).__name__)
    if isinstance(error, aiohttp.ClientConnectorError):
        number = error.os_error.errno or 0
        if number > 0 and not isinstance(error, aiohttp.ClientConnectorDNSError):
            return os.strerror(number).lower()  # its own text is "Connect call failed"
        return error.os_error.strerror or str(error.os_error)
    if isinstance(error, aiohttp.ClientHttpProxyError):
        return f"status {error.status}"
    return ""

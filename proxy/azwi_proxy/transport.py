"""Sends what msal would send, by aiohttp, and hands msal the answer.

To the configured host and nowhere else, with a limit on every phase. A status other than 200 is
raised as `Answered` and never shown to msal, which would lose it; what the network does wrong
becomes one of ``errors`` here, with a sentence that names the host.
"""

import asyncio
import errno
import json
import os
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Never
from urllib.parse import urlsplit

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.client_reqrep import ConnectionKey
from yarl import URL

from azwi_common import __version__, contract
from azwi_proxy import errors
from azwi_proxy.settings import Settings
from azwi_proxy.trust import Trust

WHOLE = 10.0  # seconds for a request, name resolution included: SDKs give up at 30
CONNECT = 3.0  # seconds for a TCP connection
RESOLVE = 5.0  # seconds for a name: one round over two servers by resolv.conf's defaults
MAX_ANSWER = 256 * 1024  # bytes; a token is 2 KB
LONGEST = 366 * 86400  # seconds of life; real tokens have 28 h at most


class Interrupted(errors.Unavailable):
    """A reset or a 5xx: worth one more try at once."""


class Answered(Exception):
    """An answer that is not 200."""

    def __init__(self, status: int, text: str, retry_after: str) -> None:
        self.status, self.text, self.retry_after = status, text, retry_after
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


def _essence(text: str) -> str:
    """What msal is to read of a success; members of an odd form make it raise anything."""
    said = json.loads(text)
    token, lifetime = said["access_token"], int(said["expires_in"])
    if not (isinstance(token, str) and token and 0 < lifetime < LONGEST):
        raise ValueError("no token, or no lifetime")
    return json.dumps({"token_type": "Bearer", "access_token": token, "expires_in": lifetime})


class _Resolver(aiohttp.ThreadedResolver):
    """Name resolution that gives up: getaddrinfo itself may take half a minute."""

    async def resolve(self, *args: Any, **kwargs: Any) -> list[Any]:
        try:
            async with asyncio.timeout(RESOLVE):
                return await super().resolve(*args, **kwargs)
        except TimeoutError as error:
            raise OSError(errno.ETIMEDOUT, f"no answer from DNS within {RESOLVE:.0f} s") from error
        except UnicodeError as error:  # a label that is empty or longer than 63
            raise OSError(errno.EINVAL, "it is not a valid host name") from error


class _Connector(aiohttp.TCPConnector):
    """Cuts a connection that is given up.

    aiohttp would say goodbye, and the loop wait half a minute for Entra ID's: while it hangs, six
    hundred such connections beside the two hundred in use.
    """

    def _release(
        self, key: ConnectionKey, protocol: ResponseHandler, *, should_close: bool = False
    ) -> None:
        if should_close:
            protocol.abort()
        super()._release(key, protocol, should_close=should_close)


async def _give_way(*_: object) -> None:
    """Let what is stored be answered between the steps of a connection, which take their time."""
    await asyncio.sleep(0)


class Transport:
    """The way to Entra ID, or to an AKS token proxy in its place."""

    def __init__(self, settings: Settings) -> None:
        proxied = settings.token_proxy
        self._base = proxied or ""
        self._sni = settings.token_proxy_sni or None
        host = urlsplit(proxied or settings.authority)
        through = settings.forward_proxy(host.hostname or "")
        self._proxy = URL(through) if through else None
        if proxied:
            self._trust = Trust(settings.token_proxy_ca_file, settings.token_proxy_ca_data)
        else:
            self._trust = Trust(settings.requests_ca_bundle or settings.ssl_cert_file)
        self.peer = host.netloc
        """Whom a failure is about: host, and port where it is not 443."""

    async def start(self) -> None:
        """Open the session; raises errors.Unavailable where a CA file cannot be used."""
        self._trust.context()
        steps = aiohttp.TraceConfig()
        steps.on_connection_create_start.append(_give_way)
        steps.on_connection_create_end.append(_give_way)
        self._session = aiohttp.ClientSession(
            # No limit of its own: ``entra`` has one.
            connector=_Connector(limit=0, resolver=_Resolver()),
            trace_configs=[steps],
            headers={"User-Agent": f"{contract.SERVER_NAME}/{__version__}"},
            timeout=aiohttp.ClientTimeout(total=WHOLE, sock_connect=CONNECT),
            cookie_jar=aiohttp.DummyCookieJar(),
        )

    async def close(self) -> None:
        """Close the session and its connections."""
        await self._session.close()

    async def send(self, request: Request) -> Response:
        """Send an exchange; raises Answered for another status than 200, or errors.Unavailable."""
        try:
            async with self._session.post(
                URL(self._address(request.url), encoded=True),
                data=dict(request.form),
                headers=dict(request.headers),
                ssl=self._trust.context(),
                server_hostname=self._sni,
                proxy=self._proxy,
                allow_redirects=False,  # an assertion goes to the configured host, or nowhere
            ) as response:
                return await self._read(response)
        except (aiohttp.ClientError, OSError) as error:  # TimeoutError is an OSError
            self._raise(error)

    def _address(self, url: str) -> str:
        if not self._base:
            return url
        return self._base + urlsplit(url).path

    async def _read(self, response: aiohttp.ClientResponse) -> Response:
        body = bytearray()
        async for chunk in response.content.iter_any():
            body += chunk
            if len(body) > MAX_ANSWER:
                raise self._unavailable("sent an answer that is too large", "bad_answer")
        text = body.decode("utf-8", "replace")
        if response.status != 200:
            raise Answered(response.status, text, response.headers.get("Retry-After", ""))
        try:
            return Response(200, _essence(text), {})
        except (ValueError, TypeError, KeyError, OverflowError, RecursionError) as error:
            raise self._unavailable("sent an answer that holds no token", "bad_answer") from error

    def _raise(self, error: Exception) -> Never:
        """The one place where failures of the network become ours."""
        told, reason = _told(error)
        if reason in ("reset", "bad_answer"):
            raise Interrupted(f"{self.peer} {told}.", reason=reason) from error
        raise self._unavailable(told, reason) from error

    def _unavailable(self, told: str, reason: str) -> errors.Unavailable:
        through = f" (through the proxy {self._proxy.host})" if self._proxy else ""
        return errors.Unavailable(f"{self.peer} {told}{through}.", reason=reason)


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
    (aiohttp.ClientHttpProxyError, "was refused by the forward proxy: {detail}", "forward_proxy"),
    (
        aiohttp.ClientProxyConnectionError,
        "is behind a forward proxy that cannot be reached: {detail}",
        "forward_proxy",
    ),
    (
        aiohttp.ConnectionTimeoutError,
        f"did not accept a connection within {CONNECT:.0f} s",
        "timeout",
    ),
    (TimeoutError, f"did not answer within {WHOLE:.0f} s", "timeout"),
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

"""Talks to the real metadata service: streams a request there and its answer back.

Bytes of path, query and body are left as they are, in constant memory. No caller may hand it an
identity request: ``app`` decides that by ``paths`` first.
"""

import asyncio
import re
import socket
import struct
import weakref
from collections.abc import AsyncIterator, Mapping
from typing import Any

import aiohttp
from aiohttp import web
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from azwi_proxy import connecting, errors, files, headers, paths
from azwi_proxy.deadline import Deadline

CONNECT = 1.0  # seconds: on a cluster that drops IMDS traffic the app must hear so soon
FIRST_BYTE = 10.0  # seconds from the end of the request's body
GLANCE = 5.0  # seconds between two looks at the connection of an answer that is silent
CHUNK = 64 * 1024

_HOP_BY_HOP = frozenset(
    (
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    )
)
_NEVER_DROPPED = frozenset(("metadata", "x-forwarded-for"))
"""IMDS's own guards: a Connection header that names them must not remove them."""

_LONG_POLL = re.compile(r"(?:^|&)wait_for_change=true(?:&|$)", re.IGNORECASE)
"""GCP holds such a request open until something changes, or for its own timeout_sec."""

_INVENTED = ("Content-Type", "Server")
"""What aiohttp adds to an answer that lacks it; Date too, but that RFC 9110 wants to be added."""

_ORIGINAL_DESTINATION = 80
"""SO_ORIGINAL_DST of <linux/netfilter_ipv4.h>, which answers with a sockaddr_in."""
_SOCKADDR_IN = struct.Struct("!2xH4s8x")

_AUTOMATIC = ("Accept", "Accept-Encoding", "Content-Type", "User-Agent")


class Upstream:
    """The real metadata service at one address."""

    def __init__(self, address: str, port: int) -> None:
        self._address = address
        self._port = port
        self._sockets: weakref.WeakSet[socket.socket] = weakref.WeakSet()

    async def start(self) -> None:
        """Open the session, on the running loop."""
        self._session = aiohttp.ClientSession(
            connector=connecting.Plain(limit=0, socket_factory=self._socket),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
        )

    async def close(self) -> None:
        """Close the session and its connections."""
        await self._session.close()

    async def forward(self, request: web.BaseRequest) -> web.StreamResponse:
        """Pass ``request`` on and stream the answer; raises errors.Upstream… before that.

        A connection that breaks later breaks the app's connection too: a short body must not look
        like a whole one.
        """
        self._refuse_own(request)
        _refuse_bytes(request)
        patient = is_long_poll(request.raw_path)
        try:
            async with await self._head(request, None if patient else FIRST_BYTE) as answer:
                if not _is_readable(answer):
                    raise self._unreadable()
                return await _relay(answer, request)
        except aiohttp.ClientResponseError as error:
            raise self._unreadable() from error
        except (aiohttp.ClientError, OSError) as error:  # TimeoutError is an OSError
            if files.exhausted(error):
                raise files.no_descriptors() from error
            raise errors.UpstreamUnreachable(
                f"The instance metadata service at {self._address}:{self._port} {_told(error)}"
            ) from error

    def _unreadable(self) -> errors.UpstreamUnreadable:
        return errors.UpstreamUnreadable(
            f"The instance metadata service at {self._address}:{self._port} sent an answer that"
            " cannot be read"
        )

    async def _head(
        self, request: web.BaseRequest, patience: float | None
    ) -> aiohttp.ClientResponse:
        """Send the request; the answer's status and headers, its body still to be read."""
        target = paths.origin_form(request.raw_path)
        async with Deadline(patience) as limit:
            return await self._session.request(
                request.method,
                URL(f"http://{self._address}:{self._port}{target}", encoded=True),
                headers=_sent_on(request),
                skip_auto_headers=_AUTOMATIC,
                data=_body(request, limit) if request.can_read_body else None,
                allow_redirects=False,
            )

    def _socket(self, address: Any) -> socket.socket:
        """A socket as aiohttp would make it, remembered to recognise our own requests."""
        family, kind, protocol, _, _ = address
        made = socket.socket(family, kind, protocol)
        self._sockets.add(made)
        return made

    def _refuse_own(self, request: web.BaseRequest) -> None:
        """Stop a loop: without an exempt UID the redirect sends our own request back to us."""
        if request.transport is None:
            return
        peer = request.transport.get_extra_info("peername")
        for ours in list(self._sockets):
            try:
                looped = (
                    ours.fileno() != -1
                    and ours.getsockname() == peer
                    # An app's connection may have our source port, to another destination.
                    and ours.getpeername() == _aimed_at(request.transport)
                )
            except OSError:  # closed meanwhile
                continue
            if looped:
                raise errors.UpstreamUnreachable(
                    "The proxy's own traffic is redirected back to it:"
                    " run it as the UID that azwi-proxy-init exempts (PROXY_UID, 1501)"
                )


def is_long_poll(target: str) -> bool:
    """Whether a request may be held open until something changes."""
    return _LONG_POLL.search(paths.split(target)[1]) is not None


def _aimed_at(transport: asyncio.Transport) -> Any:
    """Where the peer connected to, as it saw it: before the redirect, if there is one."""
    try:
        found = transport.get_extra_info("socket").getsockopt(
            socket.IPPROTO_IP, _ORIGINAL_DESTINATION, _SOCKADDR_IN.size
        )
    except OSError:  # this connection is not redirected, or the kernel can redirect none
        return transport.get_extra_info("sockname")
    port, address = _SOCKADDR_IN.unpack(found)
    return socket.inet_ntoa(address), port


def _refuse_bytes(request: web.BaseRequest) -> None:
    """aiohttp sends no bytes that are no UTF-8: ``tr``, byte 255, ``ue`` arrives as ``true``."""
    if not _is_utf8(request.headers):
        raise errors.BadRequest("A header is not UTF-8, and so cannot be passed on")


def _is_readable(answer: aiohttp.ClientResponse) -> bool:
    """Whether the head of an answer can be passed on as it came; see `_refuse_bytes`."""
    return (
        _is_utf8(answer.headers)
        and _is_utf8({"": answer.reason or ""})
        and 200 <= answer.status < 600
    )


def _is_utf8(given: Mapping[str, str]) -> bool:
    try:
        for name, value in given.items():
            f"{name}{value}".encode()
    except UnicodeEncodeError:
        return False
    return True


def _sent_on(request: web.BaseRequest) -> CIMultiDict[str]:
    """The request's headers; its length only with its body, or the next request would be eaten."""
    sent = _end_to_end(request.headers)
    if not request.can_read_body:
        sent.popall("Content-Length", None)
    return sent


async def _body(request: web.BaseRequest, limit: Deadline) -> AsyncIterator[bytes]:
    """The request's body; each piece of it puts the limit for the first byte of the answer off."""
    await invite(request)
    async for chunk in request.content.iter_chunked(CHUNK):
        limit.renew()
        yield chunk


async def invite(request: web.BaseRequest) -> None:
    """Tell a client that waits for it (curl, from 1 MB on) to send its body."""
    if request.headers.get(headers.EXPECT, "").lower() != "100-continue" or request.version < (
        1,
        1,
    ):
        return
    writer = request.writer
    await writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    writer.output_size = 0  # the answer itself has not begun


class _Relayed(web.StreamResponse):
    """An answer that gets no header from aiohttp that its sender did not send."""

    async def _prepare_headers(self) -> None:
        absent = [name for name in _INVENTED if name not in self.headers]
        await super()._prepare_headers()
        for name in absent:
            self.headers.popall(name, None)


async def _relay(answer: aiohttp.ClientResponse, request: web.BaseRequest) -> web.StreamResponse:
    response = _Relayed(
        status=answer.status, reason=answer.reason, headers=_end_to_end(answer.headers)
    )
    bodiless = request.method == "HEAD" or answer.status in (204, 304)
    if "Content-Length" not in answer.headers and not bodiless and request.version >= (1, 1):
        response.enable_chunked_encoding()
    await response.prepare(request)
    try:
        while chunk := await _piece(answer, request):
            await response.write(chunk)
    except (aiohttp.ClientError, OSError):
        _break(request.transport)
        return response
    await response.write_eof()
    return response


def _break(transport: asyncio.Transport | None) -> None:
    """Reset a connection: to HTTP/1.0 an ordinary end would be the end of the body."""
    if transport is not None:
        at_once = struct.pack("ii", 1, 0)
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, at_once)
        transport.abort()


async def _piece(answer: aiohttp.ClientResponse, request: web.BaseRequest) -> bytes:
    """The next of the body, empty at its end; however long that takes, while there is a connection.

    After a broken chunk aiohttp closes the connection and tells nobody who reads: so look. A client
    that has half-closed its connection has most likely left: for it nobody waits long.
    """
    while True:
        try:
            async with asyncio.timeout(GLANCE):
                return await answer.content.read(CHUNK)
        except TimeoutError:
            if answer.content.is_eof():  # it ended just now, and aiohttp let go of the connection
                continue
            if getattr(request.protocol, "is_half_closed", False):
                raise
            connection = answer.connection
            if connection is None or connection.transport is None:
                raise
            if connection.transport.is_closing():
                raise


def _end_to_end(
    given: CIMultiDictProxy[str] | CIMultiDict[str],
) -> CIMultiDict[str]:
    """Headers without those that are about one connection (RFC 9110 section 7.6.1)."""
    named = {
        name.strip().lower()
        for value in given.getall("Connection", ())
        for name in value.split(",")
    }
    dropped = (_HOP_BY_HOP | named | {"expect"}) - _NEVER_DROPPED
    return CIMultiDict(
        (name, value) for name, value in given.items() if name.lower() not in dropped
    )


def _told(error: Exception) -> str:
    if isinstance(error, aiohttp.ConnectionTimeoutError):
        return f"did not accept a connection within {CONNECT:.0f} s"
    if isinstance(error, TimeoutError):
        return f"sent no answer within {FIRST_BYTE:.0f} s"
    if isinstance(error, aiohttp.ClientConnectorError):
        return "refused the connection"
    return "closed the connection without an answer"

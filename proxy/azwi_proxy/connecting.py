"""Connections that the proxy opens: names, sockets, the tunnel of a forward proxy, their end."""

import asyncio
import errno
import functools
import socket
from typing import TYPE_CHECKING, Any

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.client_reqrep import ClientRequest, ConnectionKey

if TYPE_CHECKING:
    from aiohttp.tracing import Trace

RESOLVE = 5.0  # seconds for a name: one round over two servers by resolv.conf's defaults
UNHEARD = 4.0  # seconds for a peer to confirm what was sent; leaves time for a new connection


class TunnelFailed(aiohttp.ClientError):
    """A forward proxy did not open a connection to Entra ID; ``cause`` says why."""

    def __init__(self, cause: Exception) -> None:
        self.cause = cause
        super().__init__(str(cause))


class _BehindTunnel(Exception):
    """What went wrong once the forward proxy had done its part."""

    def __init__(self, cause: Exception) -> None:
        self.cause = cause
        super().__init__(str(cause))


class Resolver(aiohttp.ThreadedResolver):
    """Name resolution that gives up: getaddrinfo itself may take half a minute."""

    async def resolve(self, *args: Any, **kwargs: Any) -> list[Any]:
        try:
            async with asyncio.timeout(RESOLVE):
                return await super().resolve(*args, **kwargs)
        except TimeoutError as error:
            raise OSError(errno.ETIMEDOUT, f"no answer from DNS within {RESOLVE:.0f} s") from error
        except UnicodeError as error:  # a label that is empty or longer than 63
            raise OSError(errno.EINVAL, "it is not a valid host name") from error


class _Protocol(ResponseHandler):
    """Takes a body without a length for whole only where its sender closed the connection.

    aiohttp takes it so after a reset too.
    """

    def connection_lost(self, exc: BaseException | None) -> None:
        if exc is not None and self._payload is not None and not self._payload.is_eof():
            self._payload.set_exception(aiohttp.ClientPayloadError("the connection was lost"))
        super().connection_lost(exc)


class Plain(aiohttp.TCPConnector):
    """Connections of that kind."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        made = functools.partial(_Protocol, loop=self._loop)
        self._factory = made  # type: ignore[assignment]  # the same, but for its own subclass


class Connector(Plain):
    """Connections to Entra ID; those that are given up are cut.

    Failures of a forward proxy on the way are raised as TunnelFailed. At the end of a connection
    aiohttp would say goodbye, and the loop wait half a minute for Entra ID's: while it hangs, six
    hundred such connections beside the two hundred in use.
    """

    def __init__(self) -> None:
        # No limit of its own: ``entra`` has one.
        super().__init__(limit=0, resolver=Resolver(), socket_factory=_socket)

    def forget_idle(self) -> None:
        """Cut what is kept for later requests.

        One kept connection turned out to be dead, and firewalls forget all of them at once.
        """
        kept = [protocol for kept in self._conns.values() for protocol, _ in kept]
        self._conns.clear()
        for protocol in kept:
            protocol.abort()

    def _release(
        self, key: ConnectionKey, protocol: ResponseHandler, *, should_close: bool = False
    ) -> None:
        if should_close:
            protocol.abort()
        super()._release(key, protocol, should_close=should_close)

    async def _create_proxy_connection(
        self, req: ClientRequest, traces: list["Trace"], timeout: aiohttp.ClientTimeout
    ) -> tuple[asyncio.BaseTransport, ResponseHandler]:
        try:
            return await super()._create_proxy_connection(req, traces, timeout)
        except _BehindTunnel as error:
            raise error.cause from None
        except (aiohttp.ClientError, OSError) as error:
            raise TunnelFailed(error) from error

    async def _start_tls_connection(
        self, *args: Any, **kwargs: Any
    ) -> tuple[asyncio.BaseTransport, ResponseHandler]:
        try:
            return await super()._start_tls_connection(*args, **kwargs)
        except Exception as error:
            raise _BehindTunnel(error) from error


def _socket(address: Any) -> socket.socket:
    """A socket that notices a dead peer in seconds: a firewall that forgot a connection is mute."""
    family, kind, protocol, _, _ = address
    made = socket.socket(family, kind, protocol)
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, round(UNHEARD * 1000))
    return made

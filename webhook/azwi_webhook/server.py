"""Listens: aiohttp's low-level server around one handler, with TLS or without.

Changes of it: connections are accepted here, so that their number is bounded from the first byte
of the handshake on; bytes that are no HTTP are answered with one sentence, and stay out of the log;
no answer names the server's software; and when the site is about to end each answer is the last one
of its connection.
"""

import asyncio
import contextlib
import logging
import resource
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from typing import Final

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from azwi_webhook.app import Handler
from azwi_webhook.connections import Connections, Crowded

IDLE = 180.0
"""Seconds until a connection without calls is closed. API servers, as any Go client, close theirs
after 90, and they must be first: a call that crosses our closing is lost, and its pod refused."""
BACKLOG = 1024  # connections the kernel may hold for us: thousands of pods may start at once
HANDSHAKE = 5.0  # seconds; an API server waits 10 for a whole review
FIRST = 5.0  # seconds until the head of the first request is whole
FEW = 32
"""Connections of one address that may wait for longer: a Go client in a burst opens more than it
needs, keeps 25 of them for 90 seconds, and does not repeat a call on one that we have just cut."""
LATE = 0.5  # seconds by which a timer is late only where the process was frozen
MOST = 256
"""Connections at a time. One takes 0.03 MB, and 0.2 where it sends what nobody reads; what finds no
room waits a moment, while its call is sent on another one."""
WAITING = 2048  # connections that wait for room
OURS = 40  # descriptors of the process itself: the libraries' files, the API server's connections
BUFFER = 16 * 1024  # bytes that a connection may send while nobody reads them, three times
AGAIN = 0.1  # seconds until accepting is tried again, where descriptors are used up
FAREWELL = 0.25  # seconds in which the clients of open connections are told to close them
NAME = "azwi-webhook"  # in place of aiohttp's and Python's versions
CLOSING = 0.1  # seconds; aiohttp's own shutdown waits twice as long as it is told to

_NO_DESCRIPTOR: Final = (
    "no connection can be accepted: raise the limit of open files of azwi-webhook's container"
)

log = logging.getLogger("azwi_webhook.server")


class _Protocol(RequestHandler):
    __slots__ = (
        "_connections",
        "_first",
        "_peer",
        "_site",
        "_until",
        "accepted",
        "idle_since",
        "over",
    )

    def __init__(
        self,
        manager: "_Server",
        accepted: socket.socket,
        connections: Connections,
        peer: str,
    ) -> None:
        super().__init__(
            manager,
            loop=asyncio.get_running_loop(),
            access_log=None,  # type: ignore[arg-type]  # None is how it is switched off
            keepalive_timeout=IDLE,
            lingering_time=1.0,
            read_bufsize=BUFFER,
            auto_decompress=False,
            logger=log,
        )
        self._site = manager
        self.accepted = accepted
        self.idle_since: float | None = time.monotonic()
        self.over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._connections = connections
        self._peer = peer
        self._until = time.monotonic() + IDLE
        loop = asyncio.get_running_loop()
        self._first: asyncio.TimerHandle | None = loop.call_later(HANDSHAKE, self._still_silent)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for the first request, but not for long."""
        super().connection_made(transport)
        if hasattr(transport, "set_read_buffer_limits"):  # uvloop's TLS: it would hold 512 KB more
            transport.set_read_buffer_limits(BUFFER)
        self.stop_waiting()
        self._first = asyncio.get_running_loop().call_later(FIRST, self._still_silent)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Tell whoever waits for it."""
        super().connection_lost(exc)
        self.stop_waiting()
        if not self.over.done():
            self.over.set_result(None)

    def begin(self) -> None:
        """A request has come."""
        self.idle_since = None
        self.stop_waiting()

    def stop_waiting(self) -> None:
        """The first request has come, or never will."""
        if self._first:
            self._first.cancel()
            self._first = None

    def end(self) -> None:
        """Make room for another connection."""
        self._site.count("crowded")
        self._cut()

    def _still_silent(self) -> None:
        """Cut it, unless it is one of the few that a client keeps in store, or a freeze is over."""
        loop = asyncio.get_running_loop()
        assert self._first is not None
        late = loop.time() - self._first.when() > LATE  # what came meanwhile is read only now
        if late or (self.transport is not None and self._may_wait()):
            self._first = loop.call_later(LATE if late else FIRST, self._still_silent)
            return
        if self.transport is not None:  # else its handshake fails, and is counted as that
            self._site.count("silent")
        self._cut()

    def _may_wait(self) -> bool:
        return self._connections.of(self._peer) <= FEW and time.monotonic() < self._until

    def _cut(self) -> None:
        """Close it at once, in the middle of a handshake too."""
        self._connections.leave(self._peer, self)
        with contextlib.suppress(OSError):
            self.accepted.shutdown(socket.SHUT_RDWR)
        if self.transport is not None:
            self.transport.abort()

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """Send an answer; the last one of this connection where the site ends."""
        if not resp.prepared:
            resp.headers["Server"] = NAME
            if self._site.ending:
                resp.force_close()
        finished = await super().finish_response(request, resp, start_time)
        self.idle_since = time.monotonic()
        return finished

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer what never reached a handler, or broke in one."""
        if status >= 500:
            log.error("a request broke", exc_info=exc)
            if request.writer.output_size > 0:
                raise ConnectionError("the answer had begun") from exc
        told = "The request cannot be read as HTTP.\n" if status < 500 else "The webhook failed.\n"
        response = web.Response(status=status, text=told)
        response.force_close()
        return response


class _Server(web.Server):
    ending = False
    """Whether each answer is the last one of its connection."""
    count: Callable[[str], None] = staticmethod(lambda _: None)
    """Is told why a connection was given up."""


class Site:
    """One listening address with one handler."""

    def __init__(
        self,
        handler: Handler,
        context: ssl.SSLContext | None = None,
        count: Callable[[str], None] = lambda _: None,
    ) -> None:
        """``count`` is told why a connection was given up; metrics.LOST_CONNECTIONS names them."""
        self._handler = handler
        self._context = context
        self._count = count
        self._connections = Connections(*_room())
        self._tasks: set[asyncio.Task[None]] = set()
        self._listeners: list[socket.socket] = []
        self._accepting: list[asyncio.Task[None]] = []

    async def start(self, host: str, port: int) -> None:
        """Listen; raises OSError where that is not possible."""
        self._manager = _Server(self._handle, handler_cancellation=True)
        self._manager.count = self._count
        for family, address in _addresses(host, port):
            dual = family == socket.AF_INET6 and not host
            listener = socket.create_server(
                address, family=family, backlog=BACKLOG, dualstack_ipv6=dual
            )
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
            listener.setblocking(False)
            self._listeners.append(listener)
        self._accepting = [asyncio.create_task(self._accept(one)) for one in self._listeners]
        self.port: int = self._listeners[0].getsockname()[1]

    @property
    def connections(self) -> int:
        """Connections that there are."""
        return self._connections.count

    async def _accept(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        told = False
        while True:
            try:
                accepted, address = await loop.sock_accept(listener)
            except OSError as error:  # no descriptor is free: an idle connection gives its own
                self._count("descriptors")
                if not told:
                    log.error(_NO_DESCRIPTOR, extra={"fields": {"told": error.strerror}})
                told = True
                self._connections.make_room()
                await asyncio.sleep(AGAIN)
                continue
            told = False
            task = asyncio.create_task(self._serve(accepted, address[0]))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _serve(self, accepted: socket.socket, peer: str) -> None:
        """One connection, from before its handshake until it is over."""
        with accepted:
            try:
                protocol = await self._connections.enter(
                    peer, lambda: _Protocol(self._manager, accepted, self._connections, peer)
                )
            except Crowded:
                self._count("crowded")
                return
            try:
                await self._shake_hands(protocol)
                await protocol.over
            except OSError:  # ssl.SSLError is one
                self._count("handshake")
            finally:
                protocol.stop_waiting()
                self._connections.leave(peer, protocol)

    async def _shake_hands(self, protocol: _Protocol) -> None:
        await asyncio.get_running_loop().connect_accepted_socket(
            lambda: protocol,
            protocol.accepted,
            ssl=self._context,
        )

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        protocol = request.protocol
        if isinstance(protocol, _Protocol):
            protocol.begin()
        return await self._handler(request)

    def end_soon(self) -> None:
        """Go on listening, but make each answer the last one of its connection."""
        self._manager.ending = True

    async def stop(self, grace: float) -> None:
        """Stop listening, let requests in flight end within ``grace`` seconds, close the rest."""
        for task in self._accepting:
            task.cancel()
        await asyncio.gather(*self._accepting, return_exceptions=True)
        for listener in self._listeners:
            listener.close()
        self.end_soon()
        await self._until_left(FAREWELL)
        self._manager.pre_shutdown()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(grace):
                await self._manager.shutdown(grace)
        await self._manager.shutdown(CLOSING)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _until_left(self, seconds: float) -> None:
        """Let a request on its way be answered: its connection, closed as idle, would lose it."""
        until = asyncio.get_running_loop().time() + seconds
        while self._manager.connections and asyncio.get_running_loop().time() < until:  # noqa: ASYNC110  # aiohttp's manager tells nobody when its last connection ends
            await asyncio.sleep(0.01)


def _room() -> tuple[int, int]:
    """Connections at a time, and how many wait, within what the limit of open files allows."""
    free = max(8, resource.getrlimit(resource.RLIMIT_NOFILE)[0] - OURS)
    most = min(MOST, free // 2)
    return most, min(WAITING, free - most)


def _addresses(host: str, port: int) -> Iterator[tuple[int, tuple[str, int]]]:
    """Families and addresses to listen on; an empty host means all of them, by one socket."""
    if not host:
        dual = socket.has_dualstack_ipv6()
        yield (socket.AF_INET6 if dual else socket.AF_INET), ("", int(port))
        return
    found = socket.getaddrinfo(host, int(port), type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    for family, address in dict.fromkeys((entry[0], entry[4][:2]) for entry in found):
        yield family, (str(address[0]), int(address[1]))

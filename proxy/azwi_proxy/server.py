"""Listens: the HTTP server around `app`, on loopback, and the metrics site beside it.

aiohttp's low-level server: the routes are not patterns but a reading of the path (``paths``).
Changes three things of it: a request that is no HTTP is answered in IMDS's JSON; what aiohttp would
log (the bytes it could not parse, header lines included) stays out of the log; and a head that was
answered from the token store within the same second is answered again unparsed (``replay``).
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from typing import Any

from aiohttp import HttpVersion10, HttpVersion11, http_exceptions, web
from aiohttp.http_parser import RawRequestMessage
from aiohttp.web_protocol import RequestHandler

from azwi_proxy import app as application
from azwi_proxy import errors
from azwi_proxy.replay import Replay, is_plain_head, key
from azwi_proxy.upstream import is_long_poll

MAX_LINE = 8190  # bytes of a request line, aiohttp's own limit
MAX_FIELD = 16 * 1024  # bytes of a header line; W3C lets ``baggage`` have 8,192
MAX_WHOLE = 24 * 1024  # bytes of a head; SDKs send some 500
MOST = 2048  # connections at once; a thousand clients may start together
IDLE = 75.0  # seconds; also ends a request head that trickles in
BACKLOG = 1024  # connections the kernel may hold for us: a thousand clients may start at once
FAREWELL = 0.25  # seconds in which the clients of open connections are told to close them
CLOSING = 0.1  # seconds; aiohttp's own shutdown waits twice as long as it is told to

Refuse = Callable[[errors.ProxyError, BaseException | None], web.Response]
"""Answers an error; the exception is the one that a handler broke with."""

log = logging.getLogger("azwi_proxy.server")


class _Protocol(RequestHandler):
    __slots__ = ("_begun", "_head", "_plain", "_replay", "_site", "_unanswered", "is_half_closed")

    def __init__(self, manager: "_Server", replay: Replay) -> None:
        super().__init__(
            manager,
            loop=asyncio.get_running_loop(),
            access_log=None,  # type: ignore[arg-type]  # None is how it is switched off
            keepalive_timeout=IDLE,
            lingering_time=0,
            auto_decompress=False,
            max_line_size=MAX_LINE,
            max_field_size=MAX_FIELD,
            logger=log,
        )
        self._site = manager
        self._replay = replay
        self._plain = True
        """Whether every piece of data so far was exactly one plain head."""
        self._unanswered = 0
        """Requests that were given to the parser and have no whole answer yet."""
        self._head = b""
        """What is read of the one such request, if it came when there was no other."""
        self.is_half_closed = False
        """Whether the client sends no more; it may have left for good."""
        self._begun = 0
        """Bytes of a head whose end has not come yet."""

    def data_received(self, data: bytes) -> None:
        """Answer a known head at once; give everything else to the parser."""
        if self._plain:
            busy = self._unanswered or self._close or self._force_close or self._paused
            idle = not (busy or self._site.ending)
            known = self._replay.answer(data) if idle else None
            if known is None:
                head = key(data)
                self._plain = bool(head) or is_plain_head(data)
                self._head = head if idle else b""
                known = self._replay.answer(self._head)
                if known and self._replay.comes_again(data):
                    self._replay.keep(data, known)
            if known and self.transport is not None:
                self._next_keepalive_close_time = self._loop.time() + IDLE
                self.transport.write(known)
                return
            self._unanswered += 1
        if self._is_too_long(data):
            self._refuse_head()
            return
        requests = self._request_count
        super().data_received(data)
        if self._request_count > requests:
            self._begun = 0

    def _is_too_long(self, data: bytes) -> bool:
        """Count the bytes of a head that comes in pieces; whether it has more than MAX_WHOLE."""
        current = self._current_request
        is_body = self._waiter is None and self._request_count > 0
        if is_body and (current is None or not current.content.is_eof()):
            return False  # or a request that waits for the one before it
        end = data.find(b"\r\n\r\n")
        self._begun += len(data) if end < 0 else end
        return self._begun > MAX_WHOLE

    def _refuse_head(self) -> None:
        error = errors.Unparsed(
            f"The request's head has more than {MAX_WHOLE} bytes",
            reason="head_too_long",
            status=431,
        )
        response = self._site.refuse(error, None)
        if self.transport is not None:
            self.transport.write(_closing(response))
        self.force_close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Serve a connection, unless there are too many."""
        super().connection_made(transport)
        if len(self._site.connections) > self._site.most:
            self.force_close()

    def eof_received(self) -> bool:  # type: ignore[override]  # aiohttp returns None, for "close"
        """Answer a client that half-closes after its request; it may read for as long as it likes.

        A long poll ends instead: a client that has gone looks the same, and it would go on for
        hours.
        """
        waits = self._messages or (self._request_count and self._waiter is None)
        current = self._current_request
        if not waits or (current is not None and is_long_poll(current.raw_path)):
            return False
        self.is_half_closed = True
        if not self._messages:
            self.close()  # once the request in hand is answered, which it may have been just now
        return True

    def give_up_if_left(self) -> None:
        """Cut the connection of a client that sends no more: most of them have gone for good."""
        if self.is_half_closed and self.transport is not None:
            self.transport.abort()

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """Send an answer, and remember it where the same head may have it again."""
        last = self._site.ending or (self.is_half_closed and not self._messages)
        if last and not resp.prepared:
            resp.force_close()
        finished = await super().finish_response(request, resp, start_time)
        if last and self.is_half_closed:
            self.close()
        if self._plain and resp.keep_alive:
            self._unanswered -= 1
            if self._head and isinstance(resp, application.StoredAnswer):
                self._keep(request, resp)
        return finished

    def _keep(self, request: web.BaseRequest, answer: application.StoredAnswer) -> None:
        if self._replay.comes_again(self._head):
            self._replay.remember(self._head, _spelled(answer, request), answer.second)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer what never reached a handler, or broke in one."""
        if status != 400 and request.writer.output_size > 0:
            raise ConnectionError("the answer had begun") from exc
        error = _unparsed(exc) if status == 400 else errors.Broken()
        response = self._site.refuse(error, None if status == 400 else exc)
        response.force_close()
        return response


def _unparsed(exc: BaseException | None) -> errors.ProxyError:
    """What the parser refuses, by its cause; of the bytes themselves nothing is told."""
    if isinstance(exc, http_exceptions.LineTooLong):
        if MAX_FIELD in exc.args:
            return errors.Unparsed(
                f"A header line has more than {MAX_FIELD} bytes",
                reason="header_too_long",
                status=431,
            )
        return errors.Unparsed(
            f"The request line has more than {MAX_LINE} bytes", reason="target", status=414
        )
    told = str(exc.args[0]) if exc and exc.args else ""
    if told.startswith("Too many headers"):
        return errors.Unparsed(
            "There are more than 128 header lines", reason="too_many_headers", status=431
        )
    if told.startswith("Missing 'Host'"):
        return errors.HostRefused("There must be one Host line")
    if told.startswith("Duplicate"):
        return errors.Unparsed("A header that may come once comes twice", reason="header_twice")
    if isinstance(exc, http_exceptions.InvalidURLError):
        return errors.Unparsed(
            "The request's target has characters that must be percent-encoded", reason="target"
        )
    return errors.Unparsed("The request cannot be parsed as HTTP", reason="not_http")


class _Server(web.Server):
    replay: Replay
    refuse: Refuse
    most = MOST
    ending = False
    """Whether each answer is the last one of its connection."""

    def _make_request(self, message: RawRequestMessage, *rest: Any) -> web.BaseRequest:
        """Let a version that is not spoken here be answered as any unreadable request, in 1.1."""
        if message.version not in (HttpVersion10, HttpVersion11):
            message = message._replace(
                version=HttpVersion11, method="GET", path="*", should_close=True
            )
        return super()._make_request(message, *rest)

    def __call__(self) -> RequestHandler:
        return _Protocol(self, self.replay)


class Site:
    """One listening address with one handler."""

    def __init__(
        self,
        handler: application.Handler,
        replay: Replay | None = None,
        refuse: Refuse = application.refusal,
        most: int = MOST,
    ) -> None:
        """``refuse``: answers what never reached ``handler``, or broke in it.

        ``most``: connections at once; further ones are closed.
        """
        self._most = most
        self._handler = handler
        self._refuse = refuse
        self._replay = replay or Replay()

    async def start(self, host: str, port: int) -> None:
        """Listen; raises OSError where that is not possible."""
        loop = asyncio.get_running_loop()
        # A client that leaves takes its request along: a long poll would go on for hours. Exchanges
        # are tasks of their own (``tokens``), so nobody else loses by it.
        self._manager = _Server(self._handler, handler_cancellation=True)
        self._manager.replay = self._replay
        self._manager.refuse = self._refuse
        self._manager.most = self._most
        self._server = await loop.create_server(
            self._manager, host, port, backlog=BACKLOG, reuse_address=True
        )
        self.port: int = self._server.sockets[0].getsockname()[1]

    async def stop(self, grace: float) -> None:
        """Stop listening, let requests in flight end within ``grace`` seconds, close the rest."""
        self._server.close()
        self._manager.ending = True
        await self._until_left(FAREWELL)
        for connection in self._manager.connections:
            if isinstance(connection, _Protocol):
                connection.give_up_if_left()
        self._manager.pre_shutdown()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(grace):
                await self._manager.shutdown(grace)
        await self._manager.shutdown(CLOSING)

    async def _until_left(self, seconds: float) -> None:
        """Let a request that is on its way be answered: closed idle, its connection would lose it.

        Each answer says ``Connection: close`` now, so busy clients leave by themselves.
        """
        until = asyncio.get_running_loop().time() + seconds
        while self._manager.connections and asyncio.get_running_loop().time() < until:  # noqa: ASYNC110  # aiohttp's manager tells nobody when its last connection ends
            await asyncio.sleep(0.01)


def _spelled(response: application.StoredAnswer, request: web.BaseRequest) -> bytes:
    """``response`` as aiohttp has just sent it, to the byte."""
    version = request.version
    lines = [f"HTTP/{version.major}.{version.minor} {response.status} {response.reason}"]
    lines += [f"{name}: {value}" for name, value in response.headers.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + response.token_body


def _closing(response: web.Response) -> bytes:
    """A refusal as bytes, for a connection that ends with it."""
    body = response.body if isinstance(response.body, bytes) else b""
    lines = [f"HTTP/1.1 {response.status} {response.reason}", "Connection: close"]
    lines += [f"{name}: {value}" for name, value in response.headers.items()]
    return "\r\n".join([*lines, f"Content-Length: {len(body)}"]).encode() + b"\r\n\r\n" + body

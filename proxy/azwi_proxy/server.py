"""Listens: the HTTP server around `app`, on loopback, and the metrics site beside it.

aiohttp's low-level server: the routes are not patterns but a reading of the path (``paths``).
Changes three things of it: a request that is no HTTP is answered in IMDS's JSON; what aiohttp would
log (the bytes it could not parse, header lines included) stays out of the log; and a head that was
answered from the token store within the same second is answered again unparsed (``replay``).
"""

import asyncio
import contextlib
import logging
from typing import Any

from aiohttp import HttpVersion10, HttpVersion11, web
from aiohttp.http_parser import RawRequestMessage
from aiohttp.web_protocol import RequestHandler

from azwi_proxy import app as application
from azwi_proxy.replay import Replay, is_plain_head, without_ids

IDLE = 75.0  # seconds; also ends a request head that trickles in
BACKLOG = 1024  # connections the kernel may hold for us: a thousand clients may start at once
FAREWELL = 0.25  # seconds in which the clients of open connections are told to close them
CLOSING = 0.1  # seconds; aiohttp's own shutdown waits twice as long as it is told to

log = logging.getLogger("azwi_proxy.server")


class _Protocol(RequestHandler):
    __slots__ = ("_head", "_plain", "_replay", "_site", "_unanswered")

    def __init__(self, manager: "_Server", replay: Replay) -> None:
        super().__init__(
            manager,
            loop=asyncio.get_running_loop(),
            access_log=None,  # type: ignore[arg-type]  # None is how it is switched off
            keepalive_timeout=IDLE,
            lingering_time=0,
            auto_decompress=False,
            logger=log,
        )
        self._site = manager
        self._replay = replay
        self._plain = True
        """Whether every piece of data so far was exactly one plain head."""
        self._unanswered = 0
        """Requests that were given to the parser and have no whole answer yet."""
        self._head = b""
        """The one such request, less its ID, if it came when there was no other."""

    def data_received(self, data: bytes) -> None:
        """Answer a known head at once; give everything else to the parser."""
        if self._plain:
            busy = self._unanswered or self._close or self._force_close or self._paused
            idle = not (busy or self._site.ending)
            known = self._replay.answer(data) if idle else None
            if known is None:
                self._plain = is_plain_head(data)
                self._head = without_ids(data) if idle and self._plain else b""
                known = self._replay.answer(self._head)
            if known and self.transport is not None:
                self._next_keepalive_close_time = self._loop.time() + IDLE
                self.transport.write(known)
                return
            self._unanswered += 1
        super().data_received(data)

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """Send an answer, and remember it where the same head may have it again."""
        if self._site.ending and not resp.prepared:
            resp.force_close()
        finished = await super().finish_response(request, resp, start_time)
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
        if status != 400:
            log.error("a request broke", exc_info=exc)
            if request.writer.output_size > 0:
                raise ConnectionError("the answer had begun") from exc
        response = application.bad_message() if status == 400 else application.broken()
        response.force_close()
        return response


class _Server(web.Server):
    replay: Replay
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

    def __init__(self, handler: application.Handler, replay: Replay | None = None) -> None:
        self._handler = handler
        self._replay = replay or Replay()

    async def start(self, host: str, port: int) -> None:
        """Listen; raises OSError where that is not possible."""
        loop = asyncio.get_running_loop()
        # A client that leaves takes its request along: a long poll would go on for hours. Exchanges
        # are tasks of their own (``tokens``), so nobody else loses by it.
        self._manager = _Server(self._handler, handler_cancellation=True)
        self._manager.replay = self._replay
        self._server = await loop.create_server(
            self._manager, host, port, backlog=BACKLOG, reuse_address=True
        )
        self.port: int = self._server.sockets[0].getsockname()[1]

    async def stop(self, grace: float) -> None:
        """Stop listening, let requests in flight end within ``grace`` seconds, close the rest."""
        self._server.close()
        self._manager.ending = True
        await self._until_left(FAREWELL)
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

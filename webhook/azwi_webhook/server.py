"""Listens: aiohttp's low-level server around one handler, with TLS or without.

Changes three things of it: bytes that are no HTTP are answered with one sentence, and stay out of
the log; and when the site is about to end each answer is the last one of its connection.
"""

import asyncio
import contextlib
import logging
import ssl

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from azwi_webhook.app import Handler

IDLE = 180.0
"""Seconds until a connection without calls is closed. API servers, as any Go client, close theirs
after 90, and they must be first: a call that crosses our closing is lost, and its pod refused."""
BACKLOG = 1024  # connections the kernel may hold for us: thousands of pods may start at once
HANDSHAKE = 10.0  # seconds; an API server waits no longer for a whole review
FAREWELL = 0.25  # seconds in which the clients of open connections are told to close them
CLOSING = 0.1  # seconds; aiohttp's own shutdown waits twice as long as it is told to

log = logging.getLogger("azwi_webhook.server")


class _Protocol(RequestHandler):
    __slots__ = ("_site",)

    def __init__(self, manager: "_Server") -> None:
        super().__init__(
            manager,
            loop=asyncio.get_running_loop(),
            access_log=None,  # type: ignore[arg-type]  # None is how it is switched off
            keepalive_timeout=IDLE,
            lingering_time=1.0,
            auto_decompress=False,
            logger=log,
        )
        self._site = manager

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """Send an answer; the last one of this connection where the site ends."""
        if self._site.ending and not resp.prepared:
            resp.force_close()
        return await super().finish_response(request, resp, start_time)

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

    def __call__(self) -> RequestHandler:
        return _Protocol(self)


class Site:
    """One listening address with one handler."""

    def __init__(self, handler: Handler, context: ssl.SSLContext | None = None) -> None:
        self._handler = handler
        self._context = context

    async def start(self, host: str, port: int) -> None:
        """Listen; raises OSError where that is not possible."""
        self._manager = _Server(self._handler, handler_cancellation=True)
        self._server = await asyncio.get_running_loop().create_server(
            self._manager,
            host or None,
            port,
            backlog=BACKLOG,
            reuse_address=True,
            ssl=self._context,
            ssl_handshake_timeout=HANDSHAKE if self._context else None,
        )
        self.port: int = self._server.sockets[0].getsockname()[1]

    def end_soon(self) -> None:
        """Go on listening, but make each answer the last one of its connection."""
        self._manager.ending = True

    async def stop(self, grace: float) -> None:
        """Stop listening, let requests in flight end within ``grace`` seconds, close the rest."""
        self._server.close()
        self.end_soon()
        await self._until_left(FAREWELL)
        self._manager.pre_shutdown()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(grace):
                await self._manager.shutdown(grace)
        await self._manager.shutdown(CLOSING)

    async def _until_left(self, seconds: float) -> None:
        """Let a request on its way be answered: its connection, closed as idle, would lose it."""
        until = asyncio.get_running_loop().time() + seconds
        while self._manager.connections and asyncio.get_running_loop().time() < until:  # noqa: ASYNC110  # aiohttp's manager tells nobody when its last connection ends
            await asyncio.sleep(0.01)

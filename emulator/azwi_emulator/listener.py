"""One TCP port of the emulator: bound at once, so that URLs are known; served, closed, reopened."""

import socket
import ssl
from pathlib import Path
from typing import Any, Self

from aiohttp import web

from azwi_emulator import errors
from azwi_emulator.certificates import ServingCertificate

_GOODBYE = 0.2  # seconds that requests under way get when the emulator stops: it is a test tool
_WAITING = 1024  # connections in the backlog: load tests open many at once


class Listener:
    """A bound port; ``serve`` starts it. ``refuse`` and ``accept`` may be called at any time."""

    def __init__(
        self, host: str, port: int, *, purpose: str, context: ssl.SSLContext | None = None
    ) -> None:
        self._context = context
        self._family, self._address = _resolve(host, port, purpose)
        self._purpose = purpose
        self._socket = self._bind()
        self._address = self._socket.getsockname()
        self._runner: web.AppRunner | None = None
        self._site: web.SockSite | None = None

    @property
    def port(self) -> int:
        """The port, also where any free one was asked for."""
        return int(self._address[1])

    async def serve(self, app: web.Application) -> None:
        """Answer with ``app``."""
        self._runner = web.AppRunner(
            app, access_log=None, handler_cancellation=True, shutdown_timeout=_GOODBYE
        )
        await self._runner.setup()
        await self._listen()

    async def refuse(self) -> None:
        """Close the port and its connections; it stays reserved for this process."""
        if self._site is not None:
            await self._site.stop()
            self._site = None
            self.drop_connections()
            self._socket = self._bind()  # bound but not listening: connections are refused

    async def accept(self) -> None:
        """Open the port again after ``refuse``."""
        if self._site is None and self._runner is not None:
            await self._listen()

    def drop_connections(self) -> None:
        """End every connection, so that clients must open new ones."""
        if self._runner is not None and self._runner.server is not None:
            for connection in self._runner.server.connections:
                connection.force_close()

    async def stop(self) -> None:
        """Close everything."""
        if self._runner is not None:
            await self._runner.cleanup()
        self._socket.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def _listen(self) -> None:
        if self._runner is None:
            raise RuntimeError("serve() comes first")
        self._site = web.SockSite(
            self._runner, self._socket, ssl_context=self._context, backlog=_WAITING
        )
        await self._site.start()

    def _bind(self) -> socket.socket:
        bound = socket.socket(self._family, socket.SOCK_STREAM)
        try:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            bound.bind(self._address)
        except OSError as error:
            bound.close()
            host, port = self._address[:2]
            raise errors.StartFailed(
                f"Port {port} of {host}, for {self._purpose}, cannot be opened: {error.strerror}."
                " Choose another port, or 0 for any free one."
            ) from error
        return bound


class TlsListener(Listener):
    """A port over TLS that can show a certificate of a CA that nobody trusts."""

    def __init__(
        self,
        host: str,
        port: int,
        *,
        purpose: str,
        context: ssl.SSLContext,
        scratch: Path,
        own: ServingCertificate,
        strange: ServingCertificate,
    ) -> None:
        super().__init__(host, port, purpose=purpose, context=context)
        self._tls, self._scratch = context, scratch
        self._certificates = {True: own, False: strange}
        self._trusted: bool | None = None
        self.show(trusted=True)

    def show(self, *, trusted: bool) -> None:
        """Use the right certificate or the strange one; a change ends the open connections."""
        if trusted != self._trusted:
            self._certificates[trusted].load_into(self._tls, self._scratch)
            self._trusted = trusted
            self.drop_connections()


def _resolve(host: str, port: int, purpose: str) -> tuple[socket.AddressFamily, Any]:
    try:
        found = socket.getaddrinfo(
            host, int(port), type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
    except OSError as error:
        raise errors.StartFailed(
            f"The address {host!r}, for {purpose}, cannot be resolved: {error.strerror}."
        ) from error
    family, _, _, _, address = found[0]
    return family, address

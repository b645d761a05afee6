"""A loop that answers and shakes hands, and no more: ``bench/handshakes.py PORT BYTES A_SECOND``.

Constant bytes for every head, unparsed, and so many TLS connections a second to who listens on the
port that AUTHORITY names, each cut after ten. ``SSL_CERT_FILE``: whom to trust.
"""

import asyncio
import os
import ssl
import sys
from typing import cast
from urllib.parse import urlsplit

import uvloop

HANG = 10.0  # seconds


class _Constant(asyncio.Protocol):
    def __init__(self, answer: bytes) -> None:
        self._answer = answer

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        if data.endswith(b"\r\n\r\n"):
            self._transport.write(self._answer)


async def main(port: int, size: int, a_second: int) -> None:
    """Serve until killed."""
    loop = asyncio.get_running_loop()
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {size}\r\n\r\n"
    answer = head.encode() + b"x" * size
    await loop.create_server(lambda: _Constant(answer), "127.0.0.1", port, backlog=1024)
    authority = urlsplit(os.environ["AUTHORITY"])
    context = ssl.create_default_context()
    hanging: set[asyncio.Task[None]] = set()
    while a_second:
        task = asyncio.create_task(_hang(authority.hostname or "", authority.port or 443, context))
        hanging.add(task)
        task.add_done_callback(hanging.discard)
        await asyncio.sleep(1 / a_second)
    await asyncio.Event().wait()


async def _hang(host: str, port: int, context: ssl.SSLContext) -> None:
    connect = asyncio.get_running_loop().create_connection
    transport, _ = await connect(asyncio.Protocol, host, port, ssl=context)
    await asyncio.sleep(HANG)
    transport.abort()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main(*map(int, sys.argv[1:])))

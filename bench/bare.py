"""The least that aiohttp can do: one constant body on uvloop. ``bench/bare.py PORT BYTES``."""

import asyncio
import sys

import uvloop
from aiohttp import web


async def main(port: int, size: int) -> None:
    """Serve until killed."""
    body = b"x" * size

    async def answer(request: web.BaseRequest) -> web.Response:
        headers = {"Content-Type": "application/json; charset=utf-8", "Server": "bare"}
        return web.Response(body=body, headers=headers)

    server = web.Server(answer, access_log=None)
    await asyncio.get_running_loop().create_server(server, "127.0.0.1", port, backlog=1024)
    await asyncio.Event().wait()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main(int(sys.argv[1]), int(sys.argv[2])))

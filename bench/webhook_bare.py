"""The least that aiohttp can do for a review: TLS, the JSON parsed, a constant patch.

``bench/webhook_bare.py PORT CERTIFICATE PATCH``: files with chain and key, and with the patch.
"""

import asyncio
import base64
import json
import ssl
import sys
from pathlib import Path

import uvloop
from aiohttp import web


async def main(port: int, certificate: str, patch: bytes) -> None:
    """Serve until killed."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    encoded = base64.b64encode(patch).decode()

    async def answer(request: web.BaseRequest) -> web.Response:
        review = json.loads(await request.read())
        response = {
            "uid": review["request"]["uid"],
            "allowed": True,
            "patchType": "JSONPatch",
            "patch": encoded,
        }
        told = {"apiVersion": review["apiVersion"], "kind": review["kind"], "response": response}
        return web.Response(body=json.dumps(told).encode(), content_type="application/json")

    server = web.Server(answer, access_log=None)
    loop = asyncio.get_running_loop()
    await loop.create_server(server, "127.0.0.1", port, backlog=1024, ssl=context)
    await asyncio.Event().wait()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main(int(sys.argv[1]), sys.argv[2], Path(sys.argv[3]).read_bytes()))

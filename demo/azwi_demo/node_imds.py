"""A stand-in for the node's own metadata service: the one whose identity no app must ever get.

Answers every path, and writes each request line it sees to standard output, for whoever watches.
Run it as ``python -m azwi_demo.node_imds ADDRESS PORT``.
"""

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

NODE_TOKEN = "the-identity-of-the-node"
INSTANCE = {"compute": {"azEnvironment": "AzurePublicCloud", "location": "westeurope"}}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Instance metadata, or the node's token: as a real node would."""
        print(self.requestline, flush=True)
        identity = "identity" in self.path.lower()
        body = json.dumps({"access_token": NODE_TOKEN} if identity else INSTANCE).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_PUT = do_GET

    def log_message(self, *_: object) -> None:
        """Nothing: the request line is written above."""


if __name__ == "__main__":
    ThreadingHTTPServer((sys.argv[1], int(sys.argv[2])), _Handler).serve_forever()

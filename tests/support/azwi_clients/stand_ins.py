"""Stand-ins for the Azure services that some clients call with their token: ARM, and one blob.

They answer under the services' own names, which the pod's hosts file sends to loopback, over TLS by
a CA of their own. Whether a token is good is Entra ID's emulator's word.
"""

import contextlib
import json
import ssl
import threading
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

from azwi_demo.pod import Pod
from azwi_emulator import certificates

ARM: Final = "management.azure.com"
BLOBS: Final = "azwi.blob.core.windows.net"
CONTAINER: Final = f"https://{BLOBS}/clients"
BLOB: Final = f"{CONTAINER}/claims.json"
AUDIENCES: Final = {
    ARM: "https://management.core.windows.net/",
    BLOBS: "https://storage.azure.com",
}


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    pod: Pod
    whoami: str
    trusted: str


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_GET(self) -> None:
        """One subscription list that is empty, and one blob: the claims of the token shown."""
        host = (self.headers["Host"] or "").partition(":")[0]
        status, claims = self._claims(AUDIENCES.get(host, ""))
        if status != 200:
            self._say(status, {"error": {"code": "InvalidAuthenticationToken", **claims}})
        elif host == ARM:
            self._say(200, {"value": []})
        else:
            self._say(200, claims)

    do_HEAD = do_GET

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # the base class's name
        """Say nothing."""

    def _claims(self, audience: str) -> tuple[int, dict[str, Any]]:
        request = urllib.request.Request(
            f"{self.server.whoami}?audience={urllib.parse.quote(audience, safe='')}",
            headers={"Authorization": self.headers["Authorization"] or ""},
        )
        trust = ssl.create_default_context(cafile=self.server.trusted)
        try:
            with (
                self.server.pod.network(),
                urllib.request.urlopen(request, timeout=10, context=trust) as told,
            ):
                return 200, json.loads(told.read())
        except urllib.error.HTTPError as error:
            with error:
                return error.code, {"message": error.read().decode()}

    def _say(self, status: int, value: Any) -> None:
        body = json.dumps(value).encode()
        ranged = status == 200 and "x-ms-range" in self.headers  # how SDKs ask for a whole blob
        self.send_response(206 if ranged else status)
        if ranged:
            self.send_header("Content-Range", f"bytes 0-{len(body) - 1}/{len(body)}")
        for name, text in (
            ("Content-Type", "application/json"),
            ("Content-Length", str(len(body))),
            ("Last-Modified", "Sun, 01 Mar 2026 00:00:00 GMT"),
            ("ETag", '"0x1"'),
            ("x-ms-blob-type", "BlockBlob"),
        ):
            self.send_header(name, text)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


@contextlib.contextmanager
def stand_ins(pod: Pod, folder: Path, authority: str, trusted: str) -> Iterator[Path]:
    """Serve them on port 443 of the pod's loopback; yields the file of the CA to trust.

    ``authority`` is Entra ID's address and ends with a slash, ``trusted`` the file of its CA.
    """
    names = certificates.Names.of(AUDIENCES)
    authority_of_names = certificates.Authority.make(
        names, now=certificates.now(), title="stand-ins CA"
    )
    ca_file = folder / "stand-ins.pem"
    ca_file.write_text(authority_of_names.pem)
    context = certificates.server_context()
    authority_of_names.issue(names, now=certificates.now()).load_into(context, folder)
    with pod.network():
        server = _Server(("127.0.0.1", 443), _Handler)
    server.pod, server.whoami, server.trusted = pod, f"{authority}whoami", trusted
    server.socket = context.wrap_socket(
        server.socket, server_side=True, do_handshake_on_connect=False
    )
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield ca_file
    finally:
        server.shutdown()
        server.server_close()

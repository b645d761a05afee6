"""Peers of the proxy that a test scripts byte by byte: an IMDS stand-in and a forward proxy.

Raw sockets and threads, so that what is asserted is what stood on the wire.
"""

import abc
import contextlib
import datetime
import ipaddress
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

WHOLE_BODY = 1 << 20  # bytes of a request's body that are kept; of a larger one only its length


@dataclass
class Seen:
    """One request, as it stood on the wire."""

    line: str
    headers: list[tuple[str, str]]
    body: bytes = b""
    body_length: int = 0

    @property
    def target(self) -> str:
        """Path and query, bytes untouched."""
        return self.line.split(" ")[1]

    def values(self, name: str) -> list[str]:
        """Every value of a header."""
        return [value for other, value in self.headers if other.lower() == name.lower()]


Script = Callable[[Seen, socket.socket], None]
"""Answers one request on its connection, or does not."""


class Listener(abc.ABC):
    """A thread per connection on a loopback port of its own."""

    def __init__(self, backlog: int = 128) -> None:
        self._listening = socket.create_server(("127.0.0.1", 0), backlog=backlog)
        self.port: int = self._listening.getsockname()[1]
        self.connections = 0
        self._open: set[socket.socket] = set()

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        for connection in list(self._open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listening.accept()
                self.connections += 1
                self._open.add(connection)
                threading.Thread(target=self._run, args=(connection,), daemon=True).start()

    def _run(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            self.serve(connection)
        self._open.discard(connection)

    @abc.abstractmethod
    def serve(self, connection: socket.socket) -> None:
        """Talk on one connection until it ends."""


class MetadataService(Listener):
    """An IMDS stand-in that records every request, and answers as ``script`` does."""

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        super().__init__()
        self._context = context
        self.seen: list[Seen] = []
        self.script: Script = plain_answer

    def reset(self) -> None:
        """As at the start."""
        self.seen.clear()
        self.script = plain_answer

    @property
    def environment(self) -> dict[str, str]:
        """The variables that make a proxy forward to it."""
        return {"METADATA_IP": "127.0.0.1", "METADATA_PORT": str(self.port)}

    def serve(self, connection: socket.socket) -> None:
        """Requests, one after the other."""
        with contextlib.ExitStack() as wrapped:
            if self._context:
                secured = self._context.wrap_socket(connection, server_side=True)
                connection = wrapped.enter_context(secured)
            for seen in requests(connection):
                self.seen.append(seen)
                self.script(seen, connection)


def requests(connection: socket.socket) -> Iterator[Seen]:
    """Read requests, bodies included, until the peer closes."""
    buffer = bytearray()
    while head := _head(connection, buffer):
        lines = head.decode("latin-1").split("\r\n")
        headers = [(name, value) for name, _, value in (line.partition(": ") for line in lines[1:])]
        seen = Seen(lines[0], headers)
        body = _chunks(connection, buffer) if seen.values("Transfer-Encoding") else None
        length = seen.values("Content-Length")
        for piece in body or _pieces(connection, buffer, int(length[0]) if length else 0):
            seen.body_length += len(piece)
            if seen.body_length <= WHOLE_BODY:
                seen.body += piece
        yield seen


def _fill(connection: socket.socket, buffer: bytearray) -> bool:
    received = connection.recv(262144)
    buffer += received
    return bool(received)


def _head(connection: socket.socket, buffer: bytearray, end: bytes = b"\r\n\r\n") -> bytes:
    while end not in buffer:
        if not _fill(connection, buffer):
            return b""
    head, _, rest = bytes(buffer).partition(end)
    buffer[:] = rest
    return head


def _pieces(connection: socket.socket, buffer: bytearray, left: int) -> Iterator[bytes]:
    while left:
        if not buffer and not _fill(connection, buffer):
            return
        piece = bytes(buffer[:left])
        del buffer[: len(piece)]
        left -= len(piece)
        yield piece


def _chunks(connection: socket.socket, buffer: bytearray) -> Iterator[bytes]:
    while size := int(_head(connection, buffer, b"\r\n") or b"0", 16):
        yield b"".join(_pieces(connection, buffer, size))
        _head(connection, buffer, b"\r\n")
    _head(connection, buffer, b"\r\n")


def answer(
    body: bytes = b"",
    *headers: tuple[str, str],
    status: str = "200 OK",
    length: bool = True,
) -> bytes:
    """The bytes of an HTTP answer."""
    lines = [f"HTTP/1.1 {status}", *(f"{name}: {value}" for name, value in headers)]
    if length:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def plain_answer(seen: Seen, connection: socket.socket) -> None:
    """A small JSON answer to everything."""
    body = b"" if seen.line.startswith("HEAD ") else b'{"from":"imds"}'
    head = answer(b'{"from":"imds"}', ("Content-Type", "application/json"))
    connection.sendall(head.partition(b"\r\n\r\n")[0] + b"\r\n\r\n" + body)


def says(reply: bytes, *, then_close: bool = False, reset: bool = False) -> Script:
    """A script that sends these bytes; then goes on, closes, or resets the connection."""

    def script(seen: Seen, connection: socket.socket) -> None:
        connection.sendall(reply)
        if reset:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        if reset or then_close:
            connection.close()
            raise ConnectionResetError

    return script


def mute(seen: Seen, connection: socket.socket) -> None:
    """Never answers; ends when the peer closes."""
    connection.recv(1)
    raise ConnectionResetError


@dataclass
class Tunnel:
    """One CONNECT that a forward proxy was asked for."""

    target: str
    authorization: str = field(default="", repr=False)


def self_signed(folder: Path) -> tuple[ssl.SSLContext, str]:
    """A server's context with a certificate for 127.0.0.1, and the CA file to trust it by."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "azwi test")])
    now = datetime.datetime.now(datetime.UTC)
    names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(names, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = folder / "self-signed.pem"
    pem = serialization.Encoding.PEM
    secret = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    file.write_bytes(certificate.public_bytes(pem) + secret)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context, str(file)


class ForwardProxy(Listener):
    """A CONNECT proxy that sends every tunnel to one address, and remembers what was asked."""

    def __init__(self, port: int, *, refuse: str = "") -> None:
        super().__init__()
        self.tunnels: list[Tunnel] = []
        self._onward = port
        self._refuse = refuse
        self.garbage = b""
        """What is answered to CONNECT in place of HTTP."""

    def serve(self, connection: socket.socket) -> None:
        """One tunnel."""
        lines = _head(connection, bytearray()).decode("latin-1").split("\r\n")
        fields = dict(line.split(": ", 1) for line in lines[1:])
        self.tunnels.append(Tunnel(lines[0].split(" ")[1], fields.get("Proxy-Authorization", "")))
        if self.garbage:
            connection.sendall(self.garbage)
            return
        if self._refuse:
            connection.sendall(answer(b"no", status=self._refuse))
            return
        with socket.create_connection(("127.0.0.1", self._onward)) as onward:
            connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            back = threading.Thread(target=_pump, args=(onward, connection), daemon=True)
            back.start()
            _pump(connection, onward)
            back.join()


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_WR)


def exchange(port: int, request: bytes, *, timeout: float = 10, host: str = "127.0.0.1") -> bytes:
    """Send raw bytes, and read what comes back until the peer closes or says no more."""
    received = bytearray()
    with socket.create_connection((host, port), timeout) as connection:
        connection.sendall(request)
        with contextlib.suppress(TimeoutError):
            while data := connection.recv(262144):
                received += data
    return bytes(received)


def ask_raw(
    port: int,
    line: str,
    *headers: str,
    body: bytes = b"",
    timeout: float = 10,
    version: str = "1.1",
) -> tuple[int, list[tuple[str, str]], bytes]:
    """One request with exactly these header lines: status, headers, and body as they came.

    The body is what stood on the wire after the head: chunks are not joined.
    """
    lines = [f"{line} HTTP/{version}", "Host: 169.254.169.254", "Connection: close", *headers]
    reply = exchange(port, "\r\n".join(lines).encode() + b"\r\n\r\n" + body, timeout=timeout)
    head, _, rest = reply.partition(b"\r\n\r\n")
    first, *others = head.decode("latin-1").split("\r\n")
    fields = [(name, value) for name, _, value in (other.partition(": ") for other in others)]
    return int(first.split(" ")[1]) if first else 0, fields, rest


@contextlib.contextmanager
def blackhole() -> Iterator[int]:
    """A port that accepts no connection: beyond its backlog the kernel drops SYNs."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full, contextlib.ExitStack() as held:
        port: int = full.getsockname()[1]
        for _ in range(4):
            waiting = held.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(("127.0.0.1", port))
        yield port

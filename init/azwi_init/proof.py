"""Proves the redirect: a connection to the metadata address must arrive at the proxy's port.

The init container listens on that port itself and must see its own bytes arrive, so they cannot
have gone to a real metadata server. Where a running azwi-proxy holds the port (kubelets do run init
containers again beside a running sidecar), azwi-proxy must answer at the metadata address. Who
answers at the port itself is asked only to say what is wrong when it does not.
"""

import errno
import os
import socket
import struct
import time
from collections.abc import Callable

from azwi_common import contract
from azwi_init.errors import InitError, NotRedirected, PortTaken

# Everything below is local to the pod and takes microseconds when it works; three connections that
# hang, one after the other, stay below the time that the whole program may take.
CONNECT = 1.5  # a first packet that was lost is sent again after 1 s
ARRIVE = 1.0
ANSWER = 1.5
PAUSE = 0.25
SILENCE = 0.1
"""For one connection: our bytes are sent before it is accepted, a silent one must not cost more."""
_HEAD = 8192  # bytes; an answer of azwi-proxy has a head of about 150
_BY_ANOTHER = "was answered by somebody else"
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)

Address = tuple[str, int]


def prove(metadata: Address, proxy_port: int) -> str:
    """How it was proven that ``metadata`` is redirected to ``proxy_port``; InitError if not."""
    listener = _listen(proxy_port)
    if listener is None:
        _ask_proxy(metadata, proxy_port)
        return "azwi-proxy answered"
    with listener:
        _twice(lambda: _see_own_bytes(metadata, listener))
    return "own bytes arrived"


def is_proxy(head: bytes) -> bool:
    """Whether this beginning of an HTTP answer is azwi-proxy's: its Server header says so."""
    for line in head.partition(b"\r\n\r\n")[0].split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"server":
            return value.strip() == contract.SERVER_NAME.encode()
    return False


def _twice(attempt: Callable[[], None]) -> None:
    try:
        attempt()
    except InitError:
        time.sleep(PAUSE)
        attempt()


def _listen(port: int) -> socket.socket | None:
    """A listener on the proxy's port, or None where somebody holds that port."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        # connections that have closed do not hold the port
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        listener.listen()
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            return None
        raise PortTaken(
            f"port {port} cannot be listened on ({error.strerror})",
            "set PROXY_PORT to 1024 or more",
        ) from error
    return listener


def _see_own_bytes(metadata: Address, listener: socket.socket) -> None:
    nonce = os.urandom(16)
    try:
        with _connection(metadata) as connection:
            connection.sendall(nonce)
            if _arrives(listener, nonce):
                return
    except OSError as error:
        raise _not_redirected(metadata, _outcome(error)) from error
    raise _not_redirected(metadata, _BY_ANOTHER)


def _connection(metadata: Address) -> socket.socket:
    connection = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    connection.settimeout(CONNECT)
    try:
        connection.connect(metadata)
    except OSError:
        connection.close()
        raise
    return connection


def _arrives(listener: socket.socket, nonce: bytes) -> bool:
    """Whether a connection brings the nonce; those of apps, which may come meanwhile, are reset."""
    deadline = time.monotonic() + ARRIVE
    while (left := deadline - time.monotonic()) > 0:
        listener.settimeout(left)
        try:
            arrived, _ = listener.accept()
            with arrived:
                # the reset leaves no TIME_WAIT behind that would keep the proxy from the port
                arrived.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
                arrived.settimeout(min(left, SILENCE))
                if arrived.recv(len(nonce), socket.MSG_WAITALL) == nonce:
                    return True
        except OSError:  # nobody came, or came and left
            continue
    return False


def _ask_proxy(metadata: Address, port: int) -> None:
    try:
        _twice(lambda: _see_proxy(metadata))
    except NotRedirected as error:
        if outcome := _unless_proxy(("127.0.0.1", port)):
            raise _port_taken(port, outcome) from error
        raise


def _see_proxy(metadata: Address) -> None:
    if outcome := _unless_proxy(metadata):
        raise _not_redirected(metadata, outcome)


def _unless_proxy(address: Address) -> str:
    """What came of a request to ``address``; nothing when azwi-proxy answered it."""
    request = (
        f"GET {contract.READY_PATH} HTTP/1.1\r\nHost: {address[0]}\r\nConnection: close\r\n\r\n"
    )
    try:
        with _connection(address) as connection:
            connection.sendall(request.encode())
            head = _head(connection)
    except OSError as error:
        return _outcome(error)
    return "" if is_proxy(head) else _BY_ANOTHER


def _head(connection: socket.socket) -> bytes:
    """What the other side answers, up to the end of the head; TimeoutError when that takes long."""
    deadline = time.monotonic() + ANSWER
    head = b""
    while b"\r\n\r\n" not in head and len(head) < _HEAD:
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        connection.settimeout(left)
        piece = connection.recv(_HEAD)
        if not piece:
            break
        head += piece
    return head


def _outcome(error: OSError) -> str:
    if isinstance(error, TimeoutError):
        return "timed out"
    if isinstance(error, ConnectionRefusedError):
        return "was refused"
    return f"failed ({error.strerror or error})"


def _not_redirected(metadata: Address, outcome: str) -> NotRedirected:
    return NotRedirected(
        f"the rules are set, but a connection to {metadata[0]}:{metadata[1]} did not arrive at the"
        f" proxy's port: it {outcome}",
        "look for a default route, and for rules of a service mesh or CNI that come first",
    )


def _port_taken(port: int, outcome: str) -> PortTaken:
    return PortTaken(
        f"port {port} is taken by something that is not azwi-proxy (a connection there {outcome})",
        "free that port, or give the proxy another PROXY_PORT",
    )

"""Proves the redirect: a connection to the metadata address must reach the proxy's port, and back.

The init container listens on that port itself. It must see its own bytes arrive, so they cannot
have gone to a real metadata server, and must read the answer: a pod without an IPv4 address sends
what nobody can answer. Where a running azwi-proxy holds the port (kubelets do run init containers
again beside a running sidecar), azwi-proxy must answer at the metadata address. Who answers at the
port itself is asked only to say what is wrong when it does not.

Rules of others may treat users differently. A socket belongs to the thread's file system user, so
setfsuid(2) is enough to connect as another one; it needs the capability SETUID.
"""

import ctypes
import errno
import os
import socket
import struct
import time
from collections.abc import Callable

from azwi_common import contract
from azwi_init.errors import NotRedirected, PortTaken

# Everything below is local to the pod and takes microseconds when it works; two tries of all users
# and the question who holds the port stay below the time that the whole program may take.
TRY = 2.5  # for all users together
CONNECT = 1.5  # a first packet that was lost is sent again after 1 s
ARRIVE = 1.0
ANSWER = 1.5
PAUSE = 0.25
SILENCE = 0.1
"""For one connection: our bytes are sent before it is accepted, a silent one must not cost more."""
_HEAD = 8192  # bytes; an answer of azwi-proxy has a head of about 150
_NONCE = 16  # bytes
_BY_ANOTHER = "was answered by somebody else"
_NO_ANSWER = "arrived at the proxy's port, but no answer came back"
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)

Address = tuple[str, int]


class Impostor(Exception):
    """Somebody else answered, or nobody; says what the connection did."""


def prove(metadata: Address, proxy_port: int, user: int | None = None) -> str:
    """How it was proven that ``metadata`` is redirected to ``proxy_port``; InitError if not.

    It is proven for this process's user and, where given, for ``user``, whom it must be able to be.
    """
    users = (None,) if user is None else (None, user)
    listener = _listen(proxy_port)
    if listener is None:
        _ask_proxy(metadata, proxy_port, users)
        return "azwi-proxy answered"
    with listener:
        _twice(users, metadata, lambda who, until: _there_and_back(metadata, listener, who, until))
    return "own bytes arrived and came back"


def may_be(user: int) -> bool:
    """Whether this process may open sockets as ``user``."""
    libc = ctypes.CDLL(None)
    libc.setfsuid(user)
    return int(libc.setfsuid(os.geteuid())) == user


def is_proxy(head: bytes) -> bool:
    """Whether this beginning of an HTTP answer is azwi-proxy's: its Server header says so."""
    for line in head.partition(b"\r\n\r\n")[0].split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"server":
            return value.strip() == contract.SERVER_NAME.encode()
    return False


def _twice(
    users: tuple[int | None, ...],
    metadata: Address,
    attempt: Callable[[int | None, float], None],
) -> None:
    """Make an attempt for each user, and all of them again if one fails."""
    try:
        _each(users, metadata, attempt)
    except NotRedirected:
        time.sleep(PAUSE)
        _each(users, metadata, attempt)


def _each(
    users: tuple[int | None, ...],
    metadata: Address,
    attempt: Callable[[int | None, float], None],
) -> None:
    until = time.monotonic() + TRY
    for user in users:
        try:
            attempt(user, until)
        except (OSError, Impostor) as error:
            raise NotRedirected.missed(
                metadata, _predicate(error), errno=getattr(error, "errno", None), user=user
            ) from error


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


def _there_and_back(
    metadata: Address, listener: socket.socket, user: int | None, until: float
) -> None:
    there, back = os.urandom(_NONCE), os.urandom(_NONCE)
    with _connection(metadata, until, user) as connection:
        connection.sendall(there)
        with _arrival(listener, there, until) as arrived:
            arrived.sendall(back)
            try:
                connection.settimeout(_left(until, ARRIVE))
                answer = connection.recv(_NONCE, socket.MSG_WAITALL)
            except TimeoutError as error:
                raise Impostor(_NO_ANSWER) from error
    if answer != back:
        raise Impostor(_BY_ANOTHER)


def _connection(metadata: Address, until: float, user: int | None = None) -> socket.socket:
    connection = _socket_of(user)
    try:
        connection.settimeout(_left(until, CONNECT))
        connection.connect(metadata)
    except OSError:
        connection.close()
        raise
    return connection


def _socket_of(user: int | None) -> socket.socket:
    if user is None:
        return socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    libc = ctypes.CDLL(None)
    libc.setfsuid(user)  # of this thread alone; it leaves NET_ADMIN as it is
    try:
        return socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    finally:
        libc.setfsuid(os.geteuid())


def _left(until: float, most: float) -> float:
    """Seconds that one step may take; TimeoutError when none are left."""
    left = min(until - time.monotonic(), most)
    if left <= 0:
        raise TimeoutError
    return left


def _arrival(listener: socket.socket, nonce: bytes, until: float) -> socket.socket:
    """The connection that brings the nonce; those of apps, which may come meanwhile, are reset."""
    deadline = min(until, time.monotonic() + ARRIVE)
    while (left := deadline - time.monotonic()) > 0:
        listener.settimeout(left)
        try:
            arrived, _ = listener.accept()
        except OSError:  # nobody came, or came and left
            continue
        # the reset leaves no TIME_WAIT behind that would keep the proxy from the port
        arrived.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        if _brings(arrived, nonce, min(left, SILENCE)):
            return arrived
        arrived.close()
    raise Impostor(_BY_ANOTHER)


def _brings(arrived: socket.socket, nonce: bytes, patience: float) -> bool:
    arrived.settimeout(patience)
    try:
        return arrived.recv(_NONCE, socket.MSG_WAITALL) == nonce
    except OSError:
        return False


def _ask_proxy(metadata: Address, port: int, users: tuple[int | None, ...]) -> None:
    try:
        _twice(users, metadata, lambda user, until: _see_proxy(metadata, until, user))
    except NotRedirected as error:
        try:
            _see_proxy(("127.0.0.1", port), time.monotonic() + TRY)
        except (OSError, Impostor) as answer:
            raise _port_taken(port, _outcome(answer)) from error
        raise


def _see_proxy(address: Address, until: float, user: int | None = None) -> None:
    """Send a request to ``address``, and raise OSError or Impostor unless azwi-proxy answers."""
    request = (
        f"GET {contract.READY_PATH} HTTP/1.1\r\nHost: {address[0]}\r\nConnection: close\r\n\r\n"
    )
    with _connection(address, until, user) as connection:
        connection.sendall(request.encode())
        head = _head(connection, min(until, time.monotonic() + ANSWER))
    if not is_proxy(head):
        raise Impostor(_BY_ANOTHER)


def _head(connection: socket.socket, until: float) -> bytes:
    """What the other side answers, up to the end of the head; TimeoutError when that takes long."""
    head = b""
    while b"\r\n\r\n" not in head and len(head) < _HEAD:
        connection.settimeout(_left(until, ANSWER))
        piece = connection.recv(_HEAD)
        if not piece:
            break
        head += piece
    return head


def _predicate(error: Exception) -> str:
    if str(error) == _NO_ANSWER:
        return _NO_ANSWER
    return f"did not arrive at the proxy's port: it {_outcome(error)}"


def _outcome(error: Exception) -> str:
    """What came of a connection, as the end of a sentence that begins with "it"."""
    if isinstance(error, Impostor):
        return str(error)
    if isinstance(error, TimeoutError):
        return "timed out"
    if isinstance(error, ConnectionRefusedError):
        return "was refused"
    return f"failed ({getattr(error, 'strerror', None) or error})"


def _port_taken(port: int, outcome: str) -> PortTaken:
    return PortTaken(
        f"port {port} is taken by something that is not azwi-proxy (a connection there {outcome})",
        "free that port, or give the proxy another PROXY_PORT",
    )

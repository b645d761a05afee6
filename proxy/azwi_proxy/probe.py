"""``azwi-proxy --probe``: waits until the proxy in this pod is ready, or says why it is not.

Run by the kubelet (startup probe, postStart hook) within the container's CPU limit, where every
import costs ten times its usual time: sockets alone, no HTTP library, and of these the module in C:
Python's own around it imports enums and selectors, for half of what the whole probe costs.
"""

import _socket
import time

from azwi_common import contract

PATIENCE = 60.0  # seconds: at a CPU limit, or on a busy node, the start takes many
PAUSE = 0.1
TRY = 2.0  # seconds for one answer


def wait_until_ready(port: int, patience: float = PATIENCE) -> str:
    """Ask for /readyz until it says yes; returns why it does not, or nothing when it does."""
    until = time.monotonic() + patience
    while problem := _ask(port, min(TRY, max(0.1, until - time.monotonic()))):
        if time.monotonic() + PAUSE >= until:
            return problem
        time.sleep(PAUSE)
    return ""


def _ask(port: int, timeout: float) -> str:
    until = time.monotonic() + timeout
    connection = _socket.socket(_socket.AF_INET, _socket.SOCK_STREAM)
    try:
        connection.settimeout(timeout)
        connection.connect(("127.0.0.1", port))
        connection.sendall(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        answer = bytearray()
        while (chunk := connection.recv(4096)) and len(answer) < 65536:
            answer += chunk
            connection.settimeout(max(0.001, until - time.monotonic()))
    except OSError as error:
        return f"azwi-proxy does not answer on 127.0.0.1:{port}: {error.strerror or error}"
    finally:
        connection.close()
    head, _, body = bytes(answer).partition(b"\r\n\r\n")
    if f"Server: {contract.SERVER_NAME}".encode() not in head.split(b"\r\n"):
        return f"what listens on {port} is not azwi-proxy"
    if head.startswith(b"HTTP/1.1 200 "):
        return ""
    return body.decode("utf-8", "replace").strip()

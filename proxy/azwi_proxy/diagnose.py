"""``azwi-proxy --diagnose``: what this pod looks like from inside, as JSON for ``azwi doctor``.

Run beside a running azwi-proxy, within its memory limit: the standard library alone, and sockets.
Every wait has an end; all of them together take 20 seconds at most. Never in the output: the token,
the password of a forward proxy, the value of IDENTITY_HEADER.
"""

import base64
import errno
import json
import os
import re
import socket
import ssl
import threading
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import SplitResult, urlsplit

from azwi_common import __version__, contract
from azwi_common.proxy_settings import Settings, read
from azwi_common.proxy_values import HttpProxy
from azwi_common.settings import SettingsError, describe
from azwi_proxy import errors, files, probe
from azwi_proxy.trust import Trust

RESOLVE = 5.0  # seconds
CONNECT = 3.0
ANSWER = 5.0
LARGEST = 65536  # bytes of a token file, or of an answer's head

# Their values are secrets, or long; that they are set is enough.
_HIDDEN = ("https_proxy", "identity_header", "token_proxy_ca_data")
_CLOSE = "Connection: close\r\n\r\n"
_COUNT = re.compile(
    r'^azwi_proxy_exchange_seconds_count\{result="([\w-]+)"\} ([\d.]+)', re.MULTILINE
)
_CLAIMS = ("iss", "sub", "aud", "exp", "nbf", "iat")


def report(environ: Mapping[str, str], flags: Mapping[str, str]) -> dict[str, Any]:
    """Everything, as it is printed; what went wrong stands where it went wrong."""
    settings, problems = _settings(environ, flags)
    token_file = settings.token_file if settings else environ.get(contract.FEDERATED_TOKEN_FILE, "")
    port = settings.port if settings else contract.DEFAULT_PROXY_PORT
    return {
        "version": __version__,
        "now": time.time(),
        "uid": os.getuid(),
        "settings": {"problems": problems, **({"values": _shown(settings)} if settings else {})},
        "token": _token(token_file),
        "login": _login(settings) if settings else {},
        "redirect": _redirect(settings) if settings else {},
        "ready": _ready(port),
        "exchanges": _exchanges(int(port)),
    }


def _settings(
    environ: Mapping[str, str], flags: Mapping[str, str]
) -> tuple[Settings | None, list[str]]:
    try:
        return read(environ, flags), []
    except SettingsError as error:
        return None, list(error.problems)


def _shown(settings: Settings) -> dict[str, Any]:
    """Values by variable; of those that are not shown, whether they are set."""
    shown: dict[str, Any] = {}
    for setting in describe(Settings):
        value = getattr(settings, setting.field)
        if value not in (None, "", (), False):
            shown[setting.env.name] = "(set)" if setting.field in _HIDDEN else _plain(value)
    return shown


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return [item if isinstance(item, str) else item.client_id for item in value]
    return int(value) if isinstance(value, int) else str(value)


# --- The token ------------------------------------------------------------------------------------


def _token(file: str) -> dict[str, Any]:
    """The claims that Entra ID compares, or what is wrong with the file."""
    try:
        with files.regular(file) as opened:
            content = opened.read(LARGEST)
            changed = os.fstat(opened.fileno()).st_mtime
    except OSError as error:
        reason = (error.strerror or "an error").lower()
        return {"file": file, "problem": f"cannot be read ({reason})"}
    claims = _claims(content.strip())
    if claims is None:
        problem = "holds no service account token" if content.strip() else "is empty"
        return {"file": file, "problem": problem}
    return {"file": file, "changed": changed, "claims": claims}


def _claims(token: bytes) -> dict[str, Any] | None:
    try:
        payload = token.split(b".")[1]
        found = json.loads(base64.urlsafe_b64decode(payload + b"=" * (-len(payload) % 4)))
    except (ValueError, IndexError, RecursionError):
        return None
    if not isinstance(found, dict):
        return None
    return {name: found[name] for name in _CLAIMS if name in found}


# --- The login host -------------------------------------------------------------------------------


def _login(settings: Settings) -> dict[str, Any]:
    """Whether tokens can be exchanged: name, connection, TLS, and the clock at the other end."""
    url = urlsplit(settings.token_proxy or settings.authority)
    found: dict[str, Any] = {"host": url.netloc, "stage": "ca"}
    try:
        found |= _asked(url, settings, found)
        del found["stage"]
    except errors.Unavailable as error:
        found["problem"] = error.description.rstrip(".")
    except TimeoutError:
        found["problem"] = "no answer in time"
    except ssl.SSLCertVerificationError as error:
        found["problem"] = f"its certificate is not trusted ({error.verify_message})"
    except (OSError, ValueError) as error:
        found["problem"] = str(getattr(error, "strerror", "") or error).lower()
    return found


def _asked(url: SplitResult, settings: Settings, found: dict[str, Any]) -> dict[str, Any]:
    context = _trust(settings).context()
    via = settings.forward_proxy(url.geturl())
    with _connected(url, via, found) as plain:
        plain.settimeout(ANSWER)
        if via:
            _open_tunnel(plain, url, via)
        found["stage"] = "tls"
        name = settings.token_proxy_sni or url.hostname
        with context.wrap_socket(plain, server_hostname=name) as connection:
            found["stage"] = "answer"
            head = _head(connection, f"HEAD / HTTP/1.1\r\nHost: {url.netloc}\r\n")
            return {"tls": connection.version(), **_skew(head)}


def _connected(url: SplitResult, via: HttpProxy | None, found: dict[str, Any]) -> socket.socket:
    """A connection to the login host, or to the forward proxy on the way, which errors name."""
    try:
        found["stage"] = "resolve"
        peer = (via.host, via.port) if via else (url.hostname or "", url.port or 443)
        address = _resolved(*peer)
        found["stage"] = "connect"
        return socket.create_connection(address, CONNECT)
    except OSError as error:
        if via is None:
            raise
        reason = "no answer in time" if isinstance(error, TimeoutError) else error.strerror or error
        raise ValueError(f"the forward proxy {via.host}: {reason}") from error


def _trust(settings: Settings) -> Trust:
    if settings.token_proxy:
        return Trust(settings.token_proxy_ca_file, settings.token_proxy_ca_data)
    return Trust(settings.requests_ca_bundle or settings.ssl_cert_file)


def _resolved(host: str, port: int) -> tuple[str, int]:
    """An address; getaddrinfo knows no timeout, so a thread does it."""
    found: list[Any] = []

    def resolve() -> None:
        try:
            found.append(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][4])
        except OSError as error:
            found.append(error)
        except UnicodeError:  # a label that is empty or longer than 63
            found.append(OSError(errno.EINVAL, "it is not a valid host name"))

    thread = threading.Thread(target=resolve, daemon=True)
    thread.start()
    thread.join(RESOLVE)
    if not found:
        raise TimeoutError
    if isinstance(found[0], OSError):
        raise found[0]
    return str(found[0][0]), port


def _open_tunnel(plain: socket.socket, url: SplitResult, via: HttpProxy) -> None:
    where = url.netloc if url.port else f"{url.netloc}:443"
    lines = f"CONNECT {where} HTTP/1.1\r\nHost: {where}\r\n"
    if via.authorization:
        lines += f"Proxy-Authorization: {via.authorization}\r\n"
    version, status, *_ = [*_head(plain, lines, more="\r\n").split(), b"", b""]
    if not version.startswith(b"HTTP/1."):
        raise ValueError(f"the forward proxy {via.host} sent an answer that is not HTTP")
    if status != b"200":
        code = status.decode("ascii", "replace")
        raise ValueError(f"the forward proxy {via.host} answers {code}")


def _head(connection: socket.socket, lines: str, more: str = _CLOSE) -> bytes:
    """The head of the answer to a request that ends with ``more``."""
    return _answer(connection, lines + more, b"\r\n\r\n").partition(b"\r\n\r\n")[0]


def _answer(connection: socket.socket, request: str, end: bytes = b"") -> bytes:
    """What comes until ``end``, or until the other side closes."""
    connection.sendall(request.encode())
    answer = bytearray()
    until = time.monotonic() + ANSWER
    while not (end and end in answer) and len(answer) < LARGEST:
        connection.settimeout(max(0.001, until - time.monotonic()))
        chunk = connection.recv(4096)
        if not chunk:
            break
        answer += chunk
    return bytes(answer)


def _skew(head: bytes) -> dict[str, Any]:
    """By how many seconds this node's clock is ahead, by the answer's Date."""
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"date":
            try:
                there = parsedate_to_datetime(value.decode("ascii", "replace").strip())
            except ValueError:
                return {}
            return {"skew": round(time.time() - there.timestamp(), 1)}
    return {}


# --- The pod's own network ------------------------------------------------------------------------


def _redirect(settings: Settings) -> dict[str, Any]:
    """Who answers at the metadata address, as far as this user can see."""
    address = str(settings.metadata_ip), int(settings.metadata_port)
    forwards = settings.forward != "none"
    return {
        "address": f"{address[0]}:{address[1]}",
        # The redirect lets the proxy's own user through, unless it forwards nothing.
        "exempt": forwards and os.getuid() == contract.DEFAULT_PROXY_UID,
        "reaches": _who(address),
        # With this header apps are told where to ask, as in environment mode.
        "expected": not settings.identity_header,
    }


def _who(address: tuple[str, int]) -> str:
    try:
        with socket.create_connection(address, CONNECT) as connection:
            request = f"GET {contract.READY_PATH} HTTP/1.1\r\nHost: {address[0]}\r\n"
            head = _head(connection, request)
    except OSError:
        return "nobody"
    server = f"Server: {contract.SERVER_NAME}".encode()
    return contract.SERVER_NAME if server in head.split(b"\r\n") else "somebody else"


def _exchanges(port: int) -> dict[str, int]:
    """How often the running proxy exchanged the token, by result, from its own metrics."""
    request = f"GET /metrics HTTP/1.1\r\nHost: localhost\r\n{_CLOSE}"
    try:
        with socket.create_connection(("127.0.0.1", port), CONNECT) as connection:
            text = _answer(connection, request).decode("ascii", "replace")
    except OSError:
        return {}
    return {result: int(float(count)) for result, count in _COUNT.findall(text)}


def _ready(port: int) -> dict[str, Any]:
    problem = probe.wait_until_ready(int(port), patience=0.5)  # getaddrinfo takes no subclass
    return {"port": int(port), **({"problem": problem} if problem else {})}

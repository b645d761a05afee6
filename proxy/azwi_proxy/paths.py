"""What a request target means, however it is spelled.

Pure, and the security boundary of the pass-through: a target that the real metadata service could
take for an identity endpoint must never reach it (the class of CVE-2022-23551), because there the
*node's* identity answers. Two questions are asked of the fully decoded path:

* does any reading of it name an identity endpoint? (`_mentions_identity`, errs on the side of yes)
* what is its canonical reading? (`_canonical`: decoded, ``\\`` is ``/``, dots resolved, no case)
"""

import enum
import re
import unicodedata
from urllib.parse import unquote

from azwi_proxy import bounded

_DECODINGS = 16
"""Percent-decoding stops at a fixed point; a target that needs more rounds is an attack."""

_TOKEN = ("metadata", "identity", "oauth2", "token")
_INFO = ("metadata", "identity", "info")
_APP_SERVICE = ("msi", "token")
_ABSOLUTE = re.compile(r"\A(?i:https?)://[^/?#]*")
_PARAMETERS = re.compile(r"[;?#].*", re.DOTALL)
_HTTP_SYS = re.compile(r"%u[0-9a-f]{4}", re.IGNORECASE)
"""Windows' own notation for a character; nobody else decodes it, and no metadata path needs it."""

_UNSAFE = re.compile(r"[^\x21-\x7e]")


class Route(enum.Enum):
    """What the proxy does with a request."""

    TOKEN = "token"
    IDENTITY_INFO = "identity_info"
    IDENTITY = "identity"
    """Any other identity endpoint: never forwarded."""
    APP_SERVICE = "appservice"
    """/msi/token, the token endpoint of App Service's protocol."""
    METADATA_ROOT = "metadata_root"
    INSTANCE = "instance"
    AZURE = "azure"
    """Azure metadata that is neither identity nor instance: attested, scheduledevents, …"""
    FOREIGN = "foreign"
    """Not Azure's: AWS and GCP metadata."""
    READY = "readyz"
    HEALTH = "healthz"
    METRICS = "metrics"
    UNREADABLE = "unreadable"
    """No reading that is safe to pass on."""


_ENDPOINTS = {
    _TOKEN: Route.TOKEN, _INFO: Route.IDENTITY_INFO, _APP_SERVICE: Route.APP_SERVICE
}  # fmt: skip
_LOCAL = {"/readyz": Route.READY, "/healthz": Route.HEALTH, "/metrics": Route.METRICS}


@bounded.cached(256)
def route(target: str) -> Route:
    """The route of a request target as it stood in the request line (origin or absolute form)."""
    path = split(target)[0]
    if local := _LOCAL.get(path):
        return local
    decoded = _decoded(path)
    if decoded is None or not path.startswith("/") or "#" in target:
        return Route.UNREADABLE
    if _mentions_identity(decoded):
        return _ENDPOINTS.get(_canonical(decoded), Route.IDENTITY)
    if _UNSAFE.search(decoded):
        return Route.UNREADABLE
    return _forwardable(decoded)


def split(target: str) -> tuple[str, str]:
    """Path and query of a target, bytes untouched, less the scheme and host of absolute form."""
    path, _, query = _ABSOLUTE.sub("", target, count=1).partition("?")
    return path or "/", query


def origin_form(target: str) -> str:
    """Path and query as they are sent on: the target, less the scheme and host of absolute form."""
    rest = _ABSOLUTE.sub("", target, count=1)
    return rest if rest.startswith("/") else "/" + rest


def _decoded(path: str) -> str | None:
    """``path`` percent-decoded until nothing changes; None where that does not end soon."""
    for _ in range(_DECODINGS):
        # Bytes that are no UTF-8 (overlong forms too) become U+FFFD, which is unsafe, see `route`.
        once = unquote(path, errors="replace")
        if once == path:
            return None if _HTTP_SYS.search(path) else path.replace("\\", "/")
        path = once
    return None


def _mentions_identity(decoded: str) -> bool:
    """Whether some segment reads ``metadata`` and some segment begins with ``identity``.

    Order and dots are ignored on purpose: a peer that decodes or resolves less than we do would see
    an identity path where our reading has already left it. The same goes for ``msi`` and ``token``:
    whatever is spelled like App Service's endpoint brings the pod's secret along, and asks for an
    identity. Which spellings it may have is as on IMDS: two SDKs append a slash, App Service itself
    wrote MSI, and the header guards every one of them.
    """
    names = [_folded(segment) for segment in re.split(r"[/?#;]", decoded)]
    return _both(names, "metadata", "identity") or _both(names, "msi", "token")


def _both(names: list[str], name: str, beginning: str) -> bool:
    return name in names and any(other.startswith(beginning) for other in names)


def _folded(segment: str) -> str:
    """A segment as the most forgiving peer reads it: width, case, outer dots and junk ignored."""
    plain = unicodedata.normalize("NFKD", segment).casefold()
    return _UNSAFE.sub("", plain).strip(".")


def _canonical(decoded: str) -> tuple[str, ...]:
    """The segments that remain when dots are resolved and empty ones dropped, in lower case."""
    kept: list[str] = []
    for segment in decoded.split("/"):
        name = _PARAMETERS.sub("", segment).lower()
        if name == "..":
            del kept[-1:]
        elif name not in ("", "."):
            kept.append(name)
    return tuple(kept)


def _forwardable(decoded: str) -> Route:
    segments = _canonical(decoded)
    names = decoded.lower().split("/")
    if ".." in names and "metadata" in names:
        return Route.AZURE  # a peer that resolves less than we do may see any part of it
    if not segments or segments[0] != "metadata":
        return Route.FOREIGN
    if len(segments) == 1:
        return Route.METADATA_ROOT
    return Route.INSTANCE if segments[1] in ("instance", "versions") else Route.AZURE

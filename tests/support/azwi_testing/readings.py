"""What some peer might read in a request target: the judge of the pass-through's fuzz tests.

Independent of ``azwi_proxy.paths`` on purpose, and the other way round: that one decodes all it can
and asks once; this one keeps every half-decoded reading and asks whether *any* of them is an
identity path. Each step below is something that a known HTTP server or router really does.
"""

import re
import unicodedata
from collections.abc import Callable, Iterator

DECODINGS = 4
_ESCAPE = re.compile(rb"%([0-9a-fA-F]{2})")
_WIDE = re.compile(r"%u([0-9a-fA-F]{4})", re.IGNORECASE)
_ORIGIN = re.compile(rb"\A[a-zA-Z][a-zA-Z0-9+.-]*:/*[^/\\]*")
_JUNK = re.compile(r"[\x00-\x20\x7f-\xa0\u200b-\u200f\u2060\ufeff\ufffd]")

Step = Callable[[str], str]


def names_identity(target: bytes) -> bool:
    """Whether some reading of a request target lies below /metadata/identity, or is /msi/token."""
    return any(_is_identity(reading) for reading in readings(target))


def readings(target: bytes) -> Iterator[list[str]]:
    """The segments of the path, as every combination of habits reads them."""
    paths = {text for raw in _decoded(_without_query(target)) for text in _texts(raw)}
    for habit in _HABITS:
        paths |= {habit(path) for path in paths}
    return (path.casefold().split("/") for path in paths)


def _without_query(target: bytes) -> bytes:
    return target.partition(b"?")[0]


def _decoded(path: bytes) -> Iterator[bytes]:
    """Percent-decoded 0 to 4 times, with and without scheme and host."""
    for start in {path, _ORIGIN.sub(b"", path)}:
        yield start
        for _ in range(DECODINGS):
            start = _ESCAPE.sub(lambda found: bytes([int(found[1], 16)]), start)
            yield start


def _texts(raw: bytes) -> Iterator[str]:
    """As UTF-8 with junk ignored, as Latin-1, and with overlong forms accepted; HTTP.sys's %uXXXX.

    https://learn.microsoft.com/troubleshoot/developer/webapps/iis/iisadmin-service-inetinfo/httpsys-registry-windows
    (PercentUAllowed, on unless it is switched off).
    """
    for text in {raw.decode(errors="ignore"), raw.decode("latin-1"), _overlong(raw)}:
        yield text
        if "%u" in text.lower():
            yield _WIDE.sub(lambda found: chr(int(found[1], 16)), text)


def _overlong(raw: bytes) -> str:
    """UTF-8 as decoders before RFC 3629 read it: 2- and 3-byte forms of ASCII are ASCII."""
    two = re.sub(
        rb"[\xc0\xc1][\x80-\xbf]", lambda m: bytes([(m[0][0] & 1) << 6 | m[0][1] & 63]), raw
    )
    three = re.sub(
        rb"\xe0[\x80\x81][\x80-\xbf]", lambda m: bytes([(m[0][1] & 1) << 6 | m[0][2] & 63]), two
    )
    return three.decode(errors="ignore")


def _compatible(path: str) -> str:
    return unicodedata.normalize("NFKC", path)


def _slashes(path: str) -> str:
    return path.replace("\\", "/")


def _cut(path: str) -> str:
    """Ends at NUL, a decoded ``?`` or ``#``."""
    return re.split(r"[\x00?#]", path, maxsplit=1)[0]


def _without_junk(path: str) -> str:
    return _JUNK.sub("", path)


def _without_parameters(path: str) -> str:
    return re.sub(r";[^/]*", "", path)


def _without_outer_dots(path: str) -> str:
    """Windows: a name's trailing dots and blanks do not count; ``.`` and ``..`` are no names."""
    return "/".join(
        part if part in (".", "..") else part.rstrip(". ") or part for part in path.split("/")
    )


def _merged(path: str) -> str:
    return re.sub(r"/{2,}", "/", path)


def _resolved(path: str) -> str:
    kept: list[str] = []
    for part in path.split("/"):
        if part == "..":
            kept[1:] = kept[1:-1]
        elif part != ".":
            kept.append(part)
    return "/".join(kept)


_HABITS: tuple[Step, ...] = (
    _compatible,
    _slashes,
    _cut,
    _without_junk,
    _without_parameters,
    _without_outer_dots,
    _merged,
    _resolved,
)


def _is_identity(segments: list[str]) -> bool:
    named = [segment for segment in segments if segment]
    if named[:2] == ["msi", "token"]:
        return True
    return len(named) > 1 and named[0] == "metadata" and named[1].startswith("identity")

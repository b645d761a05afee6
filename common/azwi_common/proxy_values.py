"""Values of azwi-proxy's settings: URLs, the forward proxy's credentials, NO_PROXY, paths.

Pure. The proxy reads its settings by them, and the webhook checks what it puts into pods.
"""

import base64
import ipaddress
import re
from ipaddress import IPv4Address
from typing import Self
from urllib.parse import SplitResult, unquote_to_bytes, urlsplit

_GUARD = re.compile(r"[!-~]{16,256}")  # what a header can hold, and nobody guesses
_TLS_NAME = re.compile(
    r"(?=.{1,253}$)[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
    r"(\.[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?)*\.?"
)
_SEPARATORS = re.compile(r"[,;\s]+")
_SPARED = re.compile(r"(?:\*?\.)?(?P<name>[\w-]+(?:\.[\w-]+)*)\.?(?::(?P<port>\d{1,5}))?")


class Ipv4(str):
    """An IPv4 address."""

    __slots__ = ()

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Parse; ValueError says what is allowed."""
        try:
            return cls(IPv4Address(text))
        except ValueError as error:
            raise ValueError(f"must be an IPv4 address; it is {text[:40]!r}") from error


class FilePath(str):
    """The path of a file."""

    __slots__ = ()

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Parse; ValueError says what is allowed."""
        if not text.isprintable():  # a line break that YAML left there, most often
            raise ValueError("must be one path, without line breaks or control characters")
        return cls(text)


class TlsName(str):
    """The name of a host, as a TLS handshake sends it."""

    __slots__ = ()

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Parse; ValueError says what is allowed."""
        if not _TLS_NAME.fullmatch(text):
            raise ValueError(f"must be the name of a host, without a port; it is {text[:40]!r}")
        return cls(text)


class Authority(str):
    """``https://host[:port]``, without a final slash."""

    __slots__ = ()

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Parse; ValueError says what is allowed."""
        url = _https(text)
        if url.path.strip("/"):
            raise ValueError("must be a host alone, such as https://login.microsoftonline.com/")
        return cls(f"https://{url.netloc}")


class TokenProxy(str):
    """``https://host[:port][/path]``, without a final slash."""

    __slots__ = ()

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Parse; ValueError says what is allowed."""
        return cls(_https(text).geturl().rstrip("/"))


class HttpProxy(str):
    """``http://[user:password@]host:port``; the text may hold a password, so it is never shown."""

    __slots__ = ()

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Parse; ValueError says what is allowed."""
        made = cls(text if "://" in text else f"http://{text}")
        url = _split(made)
        if url.scheme != "http" or not url.hostname:
            raise ValueError(
                "must be the http:// URL of a forward proxy (encrypted requests go through it too)"
            )
        _refuse_unsendable(*made._credentials())
        return made

    @property
    def host(self) -> str:
        """Its name or address."""
        return urlsplit(self).hostname or ""

    @property
    def port(self) -> int:
        """Its port; 80 where none is given."""
        return urlsplit(self).port or 80

    @property
    def url(self) -> str:
        """Where it is, without credentials."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"

    @property
    def authorization(self) -> str:
        """The value of Proxy-Authorization; empty where it wants none.

        UTF-8, as curl and Node send it (RFC 7617 names no other encoding).
        """
        user, password = self._credentials()
        return (
            f"Basic {base64.b64encode(user + b':' + password).decode()}" if user + password else ""
        )

    def _credentials(self) -> tuple[bytes, bytes]:
        """User and password, decoded."""
        url = urlsplit(self)
        return unquote_to_bytes(url.username or ""), unquote_to_bytes(url.password or "")


def _refuse_unsendable(user: bytes, password: bytes) -> None:
    """Raise ValueError for credentials that Basic authentication cannot carry (RFC 7617)."""
    if b":" in user:
        raise ValueError("must have a user without a colon (%3A): none can be sent to the proxy")
    for part in (user, password):
        try:
            text = part.decode()
        except UnicodeDecodeError as error:
            raise ValueError("must have a user and a password in UTF-8, percent-encoded") from error
        if any(ord(character) < 32 or ord(character) == 127 for character in text):
            raise ValueError("must have a user and a password without control characters")


class NoProxy(tuple[str, ...]):
    """Hosts that the forward proxy is not used for; entries by commas, semicolons or blanks.

    An entry is a host or a domain (``example.com``, ``.example.com``, ``*.example.com``: itself and
    all below), an address, a network (``10.0.0.0/8``), or ``*``; all but the latter two may have a
    port and a final dot.
    """

    __slots__ = ()

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Parse; entries that are none are kept, and told by ``ignored``."""
        return cls(entry for entry in _SEPARATORS.split(text.lower()) if entry)

    @property
    def ignored(self) -> tuple[str, ...]:
        """Entries that match no host, since they have none of these forms."""
        return tuple(entry for entry in self if not _is_entry(entry))

    def spares(self, host: str, port: int) -> bool:
        """Return whether ``host`` at ``port`` is reached directly."""
        low = host.lower().removesuffix(".")
        return any(_spares(entry, low, port) for entry in self)


def _is_entry(entry: str) -> bool:
    return entry == "*" or bool(_SPARED.fullmatch(entry)) or _network(entry) is not None


def _spares(entry: str, host: str, port: int) -> bool:
    if entry == "*":
        return True
    if address := _address(host):
        network = _network(entry)
        if network is not None and network[1] in (0, port) and address in network[0]:
            return True
    found = _SPARED.fullmatch(entry)
    if not found or int(found["port"] or port) != port:
        return False
    return host == found["name"] or host.endswith("." + found["name"])


Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def _network(entry: str) -> tuple[Network, int] | None:
    """The addresses that an entry names, and its port or 0; None where it names none."""
    text, port = entry, "0"
    if entry.startswith("["):
        text, _, rest = entry[1:].partition("]")
        port = rest.removeprefix(":") or ("0" if entry.endswith("]") else "")
    elif entry.count(":") == 1:
        text, _, port = entry.partition(":")
    try:
        return ipaddress.ip_network(text, strict=False), int(port)
    except ValueError:
        return None


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


class IdentityHeader(str):
    """What a request to /msi/token must bring along; the text is never shown."""

    __slots__ = ()

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Parse; ValueError says what is allowed."""
        if not _GUARD.fullmatch(text):
            raise ValueError("must be 16 to 256 letters, digits or signs of ASCII, at random")
        return cls(text)

    def __repr__(self) -> str:
        return "IdentityHeader(…)"


def _https(text: str) -> SplitResult:
    url = _split(text)
    if url.scheme != "https" or not url.hostname:
        raise ValueError("must be an https:// URL")
    if url.username is not None or url.query or url.fragment or text.endswith(("?", "#")):
        raise ValueError("must not have a user, a query or a fragment")
    return url


def _split(text: str) -> SplitResult:
    if not text.isprintable() or " " in text:  # urlsplit drops line breaks, and keeps blanks
        raise ValueError("must be a URL without white space or control characters")
    try:
        url = urlsplit(text)
        _ = url.port  # raises where it is no number
    except ValueError as error:
        raise ValueError("must be a URL with a valid host and port") from error
    return url

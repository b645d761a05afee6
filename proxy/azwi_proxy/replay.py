"""Answers again, byte for byte, what was answered from the token store within this same second.

A client that asks in a loop sends the same head every time, but for lines that nobody here reads:
the ID that SDKs give each request, what tracing libraries add. Parsing it again would give the same
request, the store the same token, and the body the same seconds: so ``server`` may send the same
answer without any of it. Nothing outlives its second; whatever is not exactly one plain GET head on
an idle connection takes the long way. Nor is anything kept for a head that comes for the first
time: some differ in what only their client knows.
"""

import enum
import re
import time
from array import array
from collections.abc import Callable

from azwi_proxy import headers

MAX_HEADS = 256  # different heads a second; more are simply parsed
MAX_HEAD = 4096  # bytes
MAX_LINES = 64  # aiohttp counts what nobody reads too, and refuses more than 128
MAX_KEPT = 1024 * 1024  # bytes of heads and answers; a token is 2 KB
SEEN = 1024  # heads that are known to have come, by a hash
MAX_NAMES = 512  # spellings of header names that are known to be read, or not
MAX_NAME = 64  # bytes of each
_END = b"\r\n\r\n"
# A body, or a change of protocol, would begin behind the head.
_NOT_PLAIN = (b"content-length", b"transfer-encoding", b"upgrade", b"expect")
_PRINTABLE = bytes([9, 10, 13, *range(32, 127)])
_REQUEST_LINE = re.compile(rb"GET [!-~]+ HTTP/1\.[01]")
_TOKEN = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_READ = frozenset(name.lower().encode() for name in (*headers.READ, *headers.READ_BY_AIOHTTP))
_READ_PREFIXES = tuple(prefix.lower().encode() for prefix in headers.PREFIXES_READ_BY_AIOHTTP)


class _Kind(enum.Enum):
    """What a header line means for the key of its head."""

    UNREAD = enum.auto()
    READ = enum.auto()
    CONNECTION = enum.auto()
    """Read, and plain by two of its values alone."""
    LONG_WAY = enum.auto()
    """Announces what is not plain, or is not the name of a header."""


class Replay:
    """Answers of the current second, by whole heads and by what is read of them (``key``)."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._second = 0
        self._answers: dict[bytes, bytes] = {}
        self._seen = array("q", bytes(8 * SEEN))
        self._count = 0
        self._bytes = 0

    def answer(self, head: bytes) -> bytes | None:
        """The whole answer to a request that is exactly ``head``, if this second has one."""
        if int(self._clock()) != self._second:
            return None
        answer = self._answers.get(head)
        if answer is not None:
            self._count += 1
        return answer

    def comes_again(self, head: bytes) -> bool:
        """Whether ``head`` has come before, some 1,000 others ago at most."""
        mark = hash(head)
        before, self._seen[mark % SEEN] = self._seen[mark % SEEN], mark
        return before == mark

    def remember(self, head: bytes, answer: bytes, second: int) -> None:
        """Keep ``answer``, which was spelled in Unix second ``second``, for the rest of it."""
        if int(self._clock()) != second:
            return
        if self._second != second:
            self._answers.clear()
            self._bytes = 0
            self._second = second
        size = len(head) + len(answer)
        if len(self._answers) < MAX_HEADS and self._bytes + size <= MAX_KEPT:
            self._answers[head] = answer
            self._bytes += size

    def keep(self, head: bytes, answer: bytes) -> None:
        """Keep ``answer``, which has just been found by a head's key, by the whole head too."""
        self.remember(head, answer, self._second)

    def take_count(self) -> int:
        """How many answers were sent again since the last call; for metrics."""
        count, self._count = self._count, 0
        return count


def key(head: bytes) -> bytes:
    """The request line and the lines that are read, in order; empty where a head is not so plain.

    What is left out must be beyond doubt: a folded line, a bare line feed or a blank before a colon
    may change what the lines around it mean. A head with a key is plain (``is_plain_head``).
    """
    if len(head) > MAX_HEAD or head.translate(None, _PRINTABLE):
        return b""
    first, *lines = head.split(b"\r\n")
    ends = len(lines)
    if ends > MAX_LINES or head.count(b"\r") != ends or head.count(b"\n") != ends:
        return b""
    if lines[-2:] != [b"", b""] or not _REQUEST_LINE.fullmatch(first):
        return b""
    kept = [first]
    for line in lines[:-2]:
        name, colon, value = line.partition(b":")
        kind = (_kinds.get(name) or _kind(name)) if colon else _Kind.LONG_WAY
        if kind is _Kind.UNREAD:
            continue
        if kind is _Kind.LONG_WAY or (kind is _Kind.CONNECTION and not _is_plain(value)):
            return b""
        kept.append(line)
    return b"\r\n".join(kept) + _END


_kinds: dict[bytes, _Kind] = {}


def _kind(name: bytes) -> _Kind:
    """What lines of a name mean; known spellings are looked up."""
    lower = name.lower()
    if not _TOKEN.fullmatch(name) or lower.startswith((*_NOT_PLAIN, *_READ_PREFIXES)):
        kind = _Kind.LONG_WAY
    elif lower == b"connection":
        kind = _Kind.CONNECTION
    else:
        kind = _Kind.READ if lower in _READ else _Kind.UNREAD
    if len(_kinds) < MAX_NAMES and len(name) <= MAX_NAME:
        _kinds[name] = kind
    return kind


def _is_plain(connection: bytes) -> bool:
    return connection.strip().lower() in (b"keep-alive", b"close")


def is_plain_head(data: bytes) -> bool:
    """Whether ``data`` is one whole GET head and nothing else, with no body to follow."""
    if len(data) > MAX_HEAD or not data.startswith(b"GET ") or data.find(_END) != len(data) - 4:
        return False
    lower = data.lower()
    return not any(word in lower for word in _NOT_PLAIN)

"""Answers again, byte for byte, what was answered from the token store within this same second.

A client that asks in a loop sends the same head every time, but for lines that nobody here reads:
the ID that SDKs give each request, what tracing libraries add. Parsing it again would give the same
request, the store the same token, and the body the same seconds: so ``server`` may send the same
answer without any of it. Nothing outlives its second; whatever is not exactly one plain GET head on
an idle connection takes the long way. Nor is anything kept for a head that comes for the first
time: some differ in what only their client knows.
"""

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
_END = b"\r\n\r\n"
# A body, or a change of protocol, would begin behind the head.
_NOT_PLAIN = (b"content-length", b"transfer-encoding", b"upgrade", b"expect")
_READ = b"(?i:%b|(?:%b)[^:\r\n]*)" % tuple(
    "|".join(map(re.escape, names)).encode()
    for names in (
        (*headers.READ, *headers.READ_BY_AIOHTTP),
        headers.PREFIXES_READ_BY_AIOHTTP,
    )
)
# Lines in the plainest spelling: a token, a colon, printable text, between two line ends.
_UNREAD_LINE = re.compile(
    rb"\r\n(?!%b:)[!#$%%&'*+\-.^_`|~0-9A-Za-z]+:[\t\x20-\x7e]*(?=\r\n)" % _READ
)
_KEY = re.compile(rb"GET [\x21-\x7e]+ HTTP/1\.[01](?:\r\n%b:[\t\x20-\x7e]*)*\r\n\r\n" % _READ)


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
    """The request line and the lines that are read, in order; empty where the head is not so plain.

    What is left out must be beyond doubt: a folded line, a bare line feed or a blank before a colon
    may change what the lines around it mean.
    """
    if head.count(b"\r\n") > MAX_LINES:
        return b""
    read = _UNREAD_LINE.sub(b"", head)
    return read if _KEY.fullmatch(read) else b""


def is_plain_head(data: bytes) -> bool:
    """Whether ``data`` is one whole GET head and nothing else, with no body to follow."""
    if len(data) > MAX_HEAD or not data.startswith(b"GET ") or data.find(_END) != len(data) - 4:
        return False
    lower = data.lower()
    return not any(word in lower for word in _NOT_PLAIN)

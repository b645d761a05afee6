"""Answers again, byte for byte, what was answered from the token store within this same second.

A client that asks in a loop sends the same head every time, but for the ID that SDKs give each
request. Parsing it again would give the same request, the store the same token, and the body the
same seconds: so ``server`` may send the same answer without any of it. Nothing outlives its second;
whatever is not exactly one plain GET head on an idle connection takes the long way. Nor is anything
kept for a head that comes for the first time: some differ in what only their client knows.
"""

import re
import time
from array import array
from collections.abc import Callable

MAX_HEADS = 256  # different heads a second; more are simply parsed
MAX_HEAD = 4096  # bytes
SEEN = 1024  # heads that are known to have come, by a hash
_END = b"\r\n\r\n"
# A body, or a change of protocol, would begin behind the head.
_NOT_PLAIN = (b"content-length", b"transfer-encoding", b"upgrade", b"expect")
# Whole lines that tell requests apart for whoever reads logs. They say nothing to us, and aiohttp
# does no more than count them: it refuses a head of more than 128 lines.
_ID = re.compile(
    rb"\r\n(?i:x-ms-(?:client-|correlation-|)request-id|(?:x-|client-|)request-id"
    rb"|(?:x-|)correlation-id|traceparent): [!-~]+(?=\r\n)"
)
_MAX_LINES = 64


class Replay:
    """Answers of the current second, by the bytes of the request's head (``without_ids``)."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._second = 0
        self._answers: dict[bytes, bytes] = {}
        self._seen = array("q", bytes(8 * SEEN))
        self._count = 0

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
            self._second = second
        if len(self._answers) < MAX_HEADS:
            self._answers[head] = answer

    def take_count(self) -> int:
        """How many answers were sent again since the last call; for metrics."""
        count, self._count = self._count, 0
        return count


def without_ids(head: bytes) -> bytes:
    """A plain head without the lines that are another in each of a client's requests."""
    return _ID.sub(b"", head) if head.count(b"\r\n") <= _MAX_LINES else head


def is_plain_head(data: bytes) -> bool:
    """Whether ``data`` is one whole GET head and nothing else, with no body to follow."""
    if len(data) > MAX_HEAD or not data.startswith(b"GET ") or data.find(_END) != len(data) - 4:
        return False
    lower = data.lower()
    return not any(word in lower for word in _NOT_PLAIN)

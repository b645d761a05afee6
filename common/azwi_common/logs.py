"""JSON lines on standard error, one per event, and the redaction that every line passes through.

A line never holds a token, an assertion or a header: callers do not log them, and whatever looks
like a JSON Web Token is cut out here all the same, because exceptions of libraries quote what they
saw.
"""

import json
import logging
import os
import re
import select
import sys
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable
from typing import Any

MAX_QUEUED = 256 * 1024  # bytes of lines that wait for the log's reader
MAX_LINE = 16 * 1024  # bytes; a traceback has 2,000
FAREWELL = 0.9  # seconds that the end of a program waits for its log

Write = Callable[[bytes], None]

LEVELS = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "warn": logging.WARNING,  # the Go reference's spelling
    "error": logging.ERROR,
}

# header.payload.signature, perhaps cut off: JOSE headers start with '{"', which is "eyJ" in base64.
_JWT = re.compile(r"eyJ[A-Za-z0-9_-]{8,}(?:(?:\.|%2[Ee])[A-Za-z0-9_-]*){0,4}")


def redact(text: str) -> str:
    """``text`` without anything that looks like a JSON Web Token."""
    return _JWT.sub("[token]", text)


def short(client_id: str) -> str:
    """The first 8 characters of a client id: enough to tell identities apart, useless to others."""
    return client_id[:8]


class JsonLines(logging.Formatter):
    """One JSON object per record: time, level, msg, and what ``extra={"fields": …}`` holds."""

    def format(self, record: logging.LogRecord) -> str:
        """The line for one record, redacted, without a newline."""
        moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        line: dict[str, Any] = {
            "time": f"{moment}.{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "msg": record.getMessage(),
        }
        line.update(getattr(record, "fields", {}))
        if record.exc_info and record.exc_info[0]:
            line["error"] = "".join(traceback.format_exception(*record.exc_info))
        return redact(json.dumps(line, default=str, ensure_ascii=False))


class Writer:
    """Writes lines from a thread, out of a bounded queue.

    Standard error is a pipe to the container runtime. If nobody reads it, a write blocks once 64
    KiB are on their way, and with it the whole program. So only a thread waits for it. Lines that
    find the queue full are dropped and counted, and a line says so once there is room again.
    """

    def __init__(self, write: Write) -> None:
        self._write = write
        self._queue: deque[bytes] = deque()
        self._bytes = 0
        self._untold = 0
        self._changed = threading.Condition()
        self._busy = False
        self.lost = 0
        """Lines that were dropped since the start."""
        threading.Thread(target=self._run, name="log", daemon=True).start()

    def put(self, line: bytes) -> None:
        """Queue a line that ends in a newline; never waits."""
        if len(line) > MAX_LINE:
            line = _cut(line)
        with self._changed:
            if self._bytes + len(line) > MAX_QUEUED:
                self._lose(1)
                return
            self._add(line)
            self._changed.notify_all()

    def wait_until_written(self, seconds: float) -> bool:
        """Return whether the queue was written within so many seconds."""
        with self._changed:
            return self._changed.wait_for(lambda: not (self._queue or self._busy), seconds)

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._queue)
                count, batch = len(self._queue), b"".join(self._queue)
                self._queue.clear()
                self._busy = True
            written = self._written(batch)
            with self._changed:
                self._bytes -= len(batch)
                self._busy = False
                if not written:
                    self._lose(count)
                elif self._untold:
                    self._tell()
                self._changed.notify_all()

    def _written(self, batch: bytes) -> bool:
        try:
            self._write(batch)
        except (OSError, ValueError):  # a full disk, nobody reads any more, or a closed stream
            return False
        return True

    def _add(self, line: bytes) -> None:
        self._queue.append(line)
        self._bytes += len(line)

    def _lose(self, count: int) -> None:
        self.lost += count
        self._untold += count

    def _tell(self) -> None:
        """Say how many lines are missing here."""
        told = {"msg": "log lines were lost: they could not be written", "levelname": "WARNING"}
        record = logging.makeLogRecord({**told, "fields": {"lost": self._untold}})
        self._untold = 0
        self._add(JsonLines().format(record).encode() + b"\n")


def _cut(line: bytes) -> bytes:
    """A line of JSON that says what was too long, in place of one that is."""
    kept = line[: MAX_LINE // 3].decode(errors="ignore")  # its quotes are escaped once more
    cut = {"msg": "a log line was too long", "begins": kept}
    return json.dumps(cut, ensure_ascii=False).encode() + b"\n"


class _Lines(logging.Handler):
    """Hand each record's line to the writer; never wait for the log's reader."""

    def __init__(self, writer: Writer) -> None:
        super().__init__()
        self._writer = writer

    def emit(self, record: logging.LogRecord) -> None:
        """Spell the line and queue it; an error in a record costs that line alone."""
        try:
            line = self.format(record)
        except Exception:  # noqa: BLE001  # a record that cannot be spelled must stop nobody
            line = json.dumps({"level": "error", "msg": "a log record cannot be spelled"})
        self._writer.put(line.encode(errors="backslashreplace") + b"\n")

    def flush(self) -> None:
        """Wait until all is written, for FAREWELL seconds at most; logging does so at exit."""
        self._writer.wait_until_written(FAREWELL)


_writer: Writer | None = None


def configure(level: str, write: Write | None = None) -> None:
    """Send all records from ``level`` on to standard error, as JSON lines, from a thread.

    ``write`` takes the place of standard error: it gets whole lines as bytes, raises OSError where
    they are lost, and may take its time.
    """
    global _writer
    _writer = Writer(write or _to_standard_error())
    handler = _Lines(_writer)
    handler.setFormatter(JsonLines())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(LEVELS[level])


def lost() -> int:
    """Return how many lines were dropped since the start, because nobody read them; for metrics."""
    return _writer.lost if _writer else 0


def _to_standard_error() -> Write:
    """Write to the descriptor itself: Python's own stream would keep what a full disk refused.

    It would fail again at the end, and Python then exits with 120, whatever the program's own code.
    """
    try:
        descriptor = sys.stderr.fileno()
    except (OSError, ValueError):  # replaced by something that is no file
        stream = sys.stderr

        def write(data: bytes) -> None:
            stream.write(data.decode())

        return write

    def write_all(data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            try:
                rest = rest[os.write(descriptor, rest) :]
            except BlockingIOError:  # another process has set it so
                select.select([], [descriptor], [], 1)

    return write_all

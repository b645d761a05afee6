"""JSON lines on standard error, one per event, and the redaction that every line passes through.

A line never holds a token, an assertion or a header: callers do not log them, and whatever looks
like a JSON Web Token is cut out here all the same, because exceptions of libraries quote what they
saw.
"""

import io
import json
import logging
import re
import sys
import time
import traceback
from typing import Any, TextIO

LEVELS = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "warn": logging.WARNING,  # the Go reference's spelling
    "error": logging.ERROR,
}

# header.payload.signature, perhaps cut off: JOSE headers start with '{"', which is "eyJ" in base64.
_JWT = re.compile(r"eyJ[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*){0,4}")


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


class _Lines(logging.StreamHandler[TextIO]):
    def handleError(self, record: logging.LogRecord) -> None:
        """Lose a line that cannot be written: a full disk under the log must stop nobody."""


def _standard_error() -> TextIO:
    """Standard error without a buffer: what it kept of a full disk would fail again at the end.

    Python then exits with 120, whatever the program's own code.
    """
    try:
        descriptor = sys.stderr.fileno()
    except (OSError, ValueError):  # replaced by something that is no file
        return sys.stderr
    raw = io.FileIO(descriptor, "w", closefd=False)
    text = {"encoding": "utf-8", "errors": "backslashreplace"}
    return io.TextIOWrapper(raw, write_through=True, **text)  # type: ignore[arg-type]  # as python -u


def configure(level: str, stream: TextIO | None = None) -> None:
    """Send all records from ``level`` on to ``stream`` (standard error) as JSON lines."""
    handler = _Lines(stream or _standard_error())
    handler.setFormatter(JsonLines())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(LEVELS[level])

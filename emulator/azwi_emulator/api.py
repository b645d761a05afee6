"""What Graph and ARM have in common: a call, a reply, a refusal, and a table of routes. Pure."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from azwi_emulator.cloud import Cloud

Name = Literal["graph", "arm"]
"""Of an API, as in places of faults and in the record of calls."""

_SLASHES: Final = re.compile("/{2,}")


@dataclass(frozen=True, slots=True)
class Call:
    """One authenticated request, with everything that deciding it needs."""

    method: str
    path: str
    """Below the API's base URL, percent-decoded, beginning with a slash."""
    query: Mapping[str, str]
    body: Any
    """Decoded JSON; None where there is no body."""
    tenant_id: str
    """Of the token."""
    now: float
    """Unix time, in seconds."""
    lag: float
    """Seconds after which readers see what is written."""
    base_url: str
    """Of the API, without a trailing slash."""
    page_size: int
    new_id: Callable[[], str]
    prefer: str = ""
    """Of the header of that name."""

    def object(self, name: str = "") -> dict[str, Any]:
        """The body, or its member ``name``, as a JSON object; anything else counts as empty."""
        body = self.body if isinstance(self.body, dict) else {}
        part = body.get(name) if name else body
        return part if isinstance(part, dict) else {}


@dataclass(frozen=True, slots=True)
class Reply:
    """What is answered."""

    status: int = 200
    body: Mapping[str, Any] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


class Problem(Exception):
    """An API says no; ``graph`` and ``arm`` each spell it in their own JSON."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        headers: Mapping[str, str] | None = None,
        details: list[dict[str, str]] | None = None,
    ) -> None:
        self.status, self.code, self.message = status, code, message
        self.headers, self.details = headers or {}, details
        super().__init__(f"{code}: {message}")


Handler = Callable[[Cloud, Call, Mapping[str, str]], Reply]
"""Decides a call, with the variables of its path; raises Problem."""


@dataclass(frozen=True, slots=True)
class Route:
    """What answers a method on the paths that match."""

    method: str
    pattern: re.Pattern[str]
    handler: Handler


Routes = tuple[Route, ...]


def route(method: str, pattern: str, handler: Handler) -> Route:
    """A route; the names of segments compare without regard to case."""
    return Route(method, re.compile(pattern, re.IGNORECASE), handler)


def normal(path: str) -> str:
    """A path as routes match it: SDKs put a slash before a scope that begins with one."""
    return _SLASHES.sub("/", path).rstrip("/") or "/"


def find(routes: Routes, method: str, path: str) -> tuple[Route, dict[str, str]] | None:
    """The route for a request and its variables; None for an unknown path or method."""
    for known in routes:
        found = known.pattern.fullmatch(path)
        if found and known.method == method:
            return known, {name: value or "" for name, value in found.groupdict().items()}
    return None


def allowed(routes: Routes, path: str) -> tuple[str, ...]:
    """Methods that the path knows; none for an unknown path."""
    return tuple(known.method for known in routes if known.pattern.fullmatch(path))

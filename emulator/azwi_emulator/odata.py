"""The part of OData that Graph and ARM clients use: ``$filter``, ``$select`` and pages. Pure.

A filter is comparisons (``displayName eq 'x'``), ``startswith(displayName,'x')`` and bare functions
(``atScope()``), joined by ``and`` and ``or``, without brackets. Field names are taken literally.
Sources: learn.microsoft.com/graph/filter-query-parameter and
learn.microsoft.com/azure/role-based-access-control/role-assignments-list-rest.
"""

import base64
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeVar
from urllib.parse import quote, urlencode

T = TypeVar("T")

LARGEST_PAGE: Final = 999  # Graph's limit for $top

_TERM: Final = re.compile(
    r"(?P<field>[\w/]+)\s+(?P<operator>eq)\s+'(?P<value>(?:[^']|'')*)'"
    r"|(?P<function>startswith)\(\s*(?P<in>[\w/]+)\s*,\s*'(?P<prefix>(?:[^']|'')*)'\s*\)"
    r"|(?P<bare>\w+)\(\s*(?:'(?P<argument>(?:[^']|'')*)')?\s*\)",
    re.IGNORECASE,
)
_JOINT: Final = re.compile(r"\s+(and|or)\s+", re.IGNORECASE)


class BadQuery(ValueError):
    """A query option cannot be understood; the text is a sentence."""


@dataclass(frozen=True, slots=True)
class Term:
    """One comparison, or a bare function (``field`` is its name, ``value`` its argument)."""

    kind: Literal["eq", "startswith", "function"]
    field: str
    value: str


@dataclass(frozen=True, slots=True)
class Filter:
    """Alternatives of which one must hold; of an alternative every term must hold."""

    alternatives: tuple[tuple[Term, ...], ...]

    def terms(self) -> tuple[Term, ...]:
        """The terms of a filter without ``or``; raises BadQuery for one that has it."""
        if len(self.alternatives) != 1:
            raise BadQuery("This filter may not contain 'or'.")
        return self.alternatives[0]

    def holds(self, item: Mapping[str, Any]) -> bool:
        """Whether ``item`` passes; raises BadQuery for a bare function or an unknown field."""
        return any(all(_holds(term, item) for term in terms) for terms in self.alternatives)


def parse_filter(text: str) -> Filter:
    """Parse a ``$filter``; raises BadQuery."""
    alternatives: list[list[Term]] = [[]]
    at = 0
    while True:
        found = _TERM.match(text.strip(), at)
        if not found:
            raise BadQuery(f"The filter {text!r} cannot be understood.")
        alternatives[-1].append(_term(found))
        joint = _JOINT.match(text.strip(), found.end())
        if joint is None:
            break
        if joint[1].lower() == "or":
            alternatives.append([])
        at = joint.end()
    if found.end() != len(text.strip()):
        raise BadQuery(f"The filter {text!r} cannot be understood.")
    return Filter(tuple(tuple(terms) for terms in alternatives))


def select(item: Mapping[str, Any], fields: str) -> dict[str, Any]:
    """``item`` with the fields of a ``$select`` only; annotations (``@odata.…``) stay."""
    wanted = {field.strip() for field in fields.split(",") if field.strip()}
    if not wanted:
        return dict(item)
    return {name: value for name, value in item.items() if name in wanted or name.startswith("@")}


def page(
    items: Sequence[T],
    query: Mapping[str, str],
    *,
    size: int,
    link: Callable[[str], str],
) -> tuple[Sequence[T], str | None]:
    """One page of ``items``, and the link to the next one; raises BadQuery.

    ``query`` holds ``$top`` and ``$skiptoken``; ``link`` makes a URL of the next page's token.
    """
    size = min(_top(query.get("$top"), size), LARGEST_PAGE)
    start = _offset(query)
    rest = len(items) > start + size
    return items[start : start + size], link(_token(start + size)) if rest else None


def next_link(base_url: str, path: str, query: Mapping[str, str], token: str) -> str:
    """The decoded ``path`` below ``base_url`` with its ``query``, at the page of ``token``."""
    kept = {name: value for name, value in query.items() if name.lower() != "$skiptoken"}
    url = base_url + quote(path, safe="/()'=$:@")
    return f"{url}?{urlencode({**kept, '$skiptoken': token}, quote_via=quote, safe='$')}"


def _term(found: re.Match[str]) -> Term:
    if found["operator"]:
        return Term("eq", found["field"], _unquoted(found["value"]))
    if found["prefix"] is not None:
        return Term("startswith", found["in"], _unquoted(found["prefix"]))
    return Term("function", found["bare"], _unquoted(found["argument"] or ""))


def _unquoted(text: str) -> str:
    return text.replace("''", "'")


def _holds(term: Term, item: Mapping[str, Any]) -> bool:
    if term.kind == "function" or term.field not in item:
        raise BadQuery(f"Filtering by {term.field!r} is not supported.")
    value = str(item[term.field] or "").casefold()  # as Graph and ARM compare strings
    wanted = term.value.casefold()
    return value == wanted if term.kind == "eq" else value.startswith(wanted)


def _top(text: str | None, default: int) -> int:
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 6 and 0 < int(text) <= LARGEST_PAGE):
        raise BadQuery(f"'$top' must be 1 to {LARGEST_PAGE}.")
    return min(int(text), default)


def _token(offset: int) -> str:
    return base64.urlsafe_b64encode(str(offset).encode()).decode().rstrip("=")


def _offset(query: Mapping[str, str]) -> int:
    token = next((value for name, value in query.items() if name.lower() == "$skiptoken"), None)
    if token is None:
        return 0
    try:
        return int(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)).decode("ascii"))
    except ValueError as error:
        raise BadQuery("'$skiptoken' is none that was given out.") from error

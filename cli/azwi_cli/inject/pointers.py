"""JSON Patch (RFC 6902) on plain data: the operations that the webhook makes. Pure."""

import copy
from collections.abc import Iterable, Mapping
from typing import Any

Operation = Mapping[str, Any]
"""``op`` (add or remove), ``path`` and, for add, ``value``."""
Path = tuple[str | int, ...]


def parts(pointer: str) -> tuple[str, ...]:
    """The names of a JSON Pointer (RFC 6901)."""
    return tuple(
        part.replace("~1", "/").replace("~0", "~") for part in pointer.removeprefix("/").split("/")
    )


Change = tuple[Path, Operation]
"""An operation, and the way to where its pointer starts."""


def applied(data: Any, patch: Iterable[Operation], base: Path = ()) -> Any:
    """A copy of ``data``, changed; pointers start at ``base``."""
    return changed(data, [(base, operation) for operation in patch])


def changed(data: Any, changes: Iterable[Change]) -> Any:
    """A copy of ``data`` after changes in several places."""
    # Through no alias: an object that stands in two places must change in one.
    changed = _unshared(data)
    for base, operation in changes:
        *way, last = parts(operation["path"])
        parent = changed
        for part in (*base, *way):
            parent = parent[int(part)] if isinstance(parent, list) else parent[part]
        _apply(parent, last, operation)
    return changed


def _apply(parent: Any, last: str, operation: Operation) -> None:
    if operation["op"] == "remove":
        del parent[int(last) if isinstance(parent, list) else last]
    elif isinstance(parent, list):
        place = len(parent) if last == "-" else int(last)
        parent.insert(place, copy.deepcopy(operation["value"]))
    else:
        parent[last] = copy.deepcopy(operation["value"])


def _unshared(data: Any) -> Any:
    if isinstance(data, dict):
        return {name: _unshared(value) for name, value in data.items()}
    return [_unshared(item) for item in data] if isinstance(data, list) else data

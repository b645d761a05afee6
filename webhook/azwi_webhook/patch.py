"""Operations of a JSON Patch (RFC 6902) that add one thing and leave the rest alone."""

from collections.abc import Sequence
from typing import Any

Operation = dict[str, Any]
"""One operation: ``op``, ``path`` and, unless it removes, ``value``."""


def pointer(*parts: str | int) -> str:
    """A JSON Pointer (RFC 6901): names with ``/`` and ``~`` are escaped."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in parts)


def append(path: str, present: Sequence[Any], new: Sequence[Any]) -> list[Operation]:
    """Put ``new`` behind what the array at ``path`` holds; it may be missing, null or empty."""
    if not new:
        return []
    if not present:
        return [add(path, list(new))]
    end = path + "/-"
    return [add(end, value) for value in new]


def insert(path: str, present: Sequence[Any], at: int, new: Sequence[Any]) -> list[Operation]:
    """Put ``new`` before the element ``at`` of the array at ``path``, in its order."""
    if not present:
        return append(path, present, new)
    return [add(f"{path}/{at + place}", value) for place, value in enumerate(new)]


def add(path: str, value: Any) -> Operation:
    """Add a member or an element; a member that is there, such as a null, is replaced."""
    return {"op": "add", "path": path, "value": value}


def remove(path: str) -> Operation:
    """Remove what is at ``path``."""
    return {"op": "remove", "path": path}

"""Changes a YAML document by a round trip, where ``edits`` cannot: with aliases and merges. Pure.

ruamel.yaml keeps comments, order and quotes as far as it can.
"""

import copy
import io
import re
from collections.abc import Iterable
from typing import Any, Final

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.scalarstring import DoubleQuotedScalarString

from azwi_cli.inject import edits, manifests, pointers

_HEAD: Final = re.compile(r"\A(?:(?!---)[^\n]*\n)*?---[ \t]*(?:#[^\n]*)?\r?\n")


def rewritten(text: str, changes: Iterable[tuple[pointers.Path, pointers.Operation]]) -> str:
    """``text`` after every operation, each with the way to where its pointer starts."""
    head = _HEAD.match(text)
    start = head.end() if head else 0
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 100_000
    yaml.indent(mapping=2, sequence=4, offset=2)
    tree = yaml.load(text[start:])
    for base, operation in changes:
        _change(tree, base, operation)
    out = io.StringIO()
    yaml.dump(tree, out)
    return text[:start] + manifests.with_ends_of(text, out.getvalue())


def _change(tree: Any, base: pointers.Path, operation: pointers.Operation) -> None:
    *way, last = pointers.parts(operation["path"])
    parent = tree
    for part in (*base, *way):
        parent = _own(parent, int(part) if isinstance(parent, list) else part)
    if operation["op"] == "remove":
        del parent[int(last) if isinstance(parent, list) else last]
    elif isinstance(parent, list):
        place = len(parent) if last == "-" else int(last)
        parent.insert(place, _as_tree(operation["value"]))
    else:
        parent[last] = _as_tree(operation["value"])


def _own(parent: Any, part: Any) -> Any:
    """The child at ``part``; one that other places may share is replaced by a copy of its own."""
    child = parent[part]
    merged = isinstance(parent, CommentedMap) and bool(parent.merge)
    if merged or (getattr(child, "anchor", None) and child.anchor.value):
        is_alias = _is_alias(parent, part, child)
        child = _without_anchor(child)
        if is_alias:
            _drop_head(parent, part, child)
        parent[part] = child
    return child


def _is_alias(parent: Any, part: Any, child: Any) -> bool:
    """Whether it is said further above, and here is its name only."""
    said = child.lc.line, child.lc.col
    if isinstance(parent, CommentedSeq):
        before = any(item is child for item in parent[:part])
        return before or said < (parent.lc.line, parent.lc.col)
    place = (parent.lc.data or {}).get(part)  # none where it comes from a merge
    return place is None or said < tuple(place[:2])


def _drop_head(parent: Any, part: Any, child: Any) -> None:
    """The comments above its first line, which the library gives to each place, and misplaces."""
    child.ca.comment = None
    parent.ca.items.pop(part, None)


def _without_anchor(node: Any) -> Any:
    made = copy.deepcopy(node)
    if hasattr(made, "_yaml_anchor"):
        del made._yaml_anchor
    return made


def _as_tree(value: Any) -> Any:
    if isinstance(value, dict):
        return CommentedMap((name, _as_tree(item)) for name, item in value.items())
    if isinstance(value, list):
        return CommentedSeq(_as_tree(item) for item in value)
    if isinstance(value, str) and not edits.is_plain(value):
        return DoubleQuotedScalarString(value)
    return value

"""Changes the text of a YAML document where a JSON Patch says, and nowhere else. Pure.

A round trip through a parser moves comments that stand between two members and respells what
nobody touched. Here the nodes' places in the text say where lines are put in or cut out; every
other byte stays. What text cannot do (an alias, a merge) is left to ``trees``.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import yaml

from azwi_cli.inject import manifests, pointers

_WIDE: Final = 100_000  # columns: nothing is folded
_PLAIN: Final = re.compile(r"[A-Za-z/-][\w./=-]*(?::[\w./-]+)*", re.ASCII)
"""Texts that nobody takes for anything but text, whatever version of YAML is read."""
_PROPERTIES: Final = re.compile(r"(?:[&!]\S*(?:\s+|#[^\n]*(?=\n))+)*")
"""What may stand before a block's first line."""


class CannotEdit(Exception):
    """The text has a form that only a whole new text can change."""


def edited_all(text: str, changes: Iterable[pointers.Change]) -> str:
    """``text`` after all operations, in their order; raises CannotEdit."""
    for base, operation in changes:
        text = edited(text, operation, base)
    return text


def edited_items(text: str, changes: Mapping[int, Sequence[pointers.Change]]) -> str:
    """``text`` of a list, whose items change; raises CannotEdit.

    Each item is read again for itself alone, so that a long list takes no longer than its items.
    """
    pair = _pair(manifests.composed(text), "items")
    if pair is None or pair[1].flow_style:
        raise CannotEdit
    for place in sorted(changes, reverse=True):  # from behind: places before it stay true
        item = pair[1].value[place]
        start, end = item.start_mark.index, _line_after(text, item)
        before = text[_line_start(text, start) : start]
        if before.strip() != "-":
            raise CannotEdit
        try:
            piece = edited_all(" " * len(before) + text[start:end], changes[place])
        except yaml.YAMLError as error:  # an alias of another item's
            raise CannotEdit from error
        text = text[:start] + piece[len(before) :] + text[end:]
    return text


def edited(text: str, operation: pointers.Operation, base: pointers.Path) -> str:
    """``text`` after one operation, whose pointer starts at ``base``; raises CannotEdit."""
    if not text.endswith("\n"):
        text += manifests.with_ends_of(text, "\n")
    root = manifests.composed(text)
    *way, last = pointers.parts(operation["path"])
    parent, opener = _found(root, (*base, *way))
    indented = _dashes_are_indented(text, root)
    if operation["op"] == "remove":
        return _without(text, parent, last)
    if isinstance(parent, yaml.SequenceNode):
        return _with_item(text, parent, opener, str(last), operation["value"], indented)
    return _with_member(text, parent, str(last), operation["value"], indented)


def _found(root: Any, way: pointers.Path) -> tuple[Any, Any]:
    """The node at ``way`` and the name above it; raises CannotEdit where an alias is on the way."""
    shared = _shared(root)
    node, opener = root, None
    for part in way:
        if isinstance(node, yaml.SequenceNode):
            node = node.value[int(part)]
        else:
            pair = _pair(node, str(part))
            if pair is None:
                raise CannotEdit
            opener, node = pair
        if id(node) in shared:
            raise CannotEdit
    return node, opener


def _shared(root: Any) -> set[int]:
    """Nodes that stand in several places."""
    seen: set[int] = set()
    shared: set[int] = set()
    waiting = [root]
    while waiting:
        node = waiting.pop()
        if id(node) in seen:
            shared.add(id(node))
            continue
        seen.add(id(node))
        waiting += _children(node)
    return shared


def _children(node: Any) -> list[Any]:
    if isinstance(node, yaml.MappingNode):
        return [child for pair in node.value for child in pair]
    return list(node.value) if isinstance(node, yaml.SequenceNode) else []


def _pair(node: Any, name: str) -> Any:
    if not isinstance(node, yaml.MappingNode):
        raise CannotEdit
    return next((pair for pair in node.value if pair[0].value == name), None)


# --- Putting in -----------------------------------------------------------------------------------


def _with_member(text: str, parent: Any, name: str, value: Any, indented: bool) -> str:
    pair = _pair(parent, name)
    if parent.flow_style:
        if pair is not None:
            return _cut(text, pair[1].start_mark.index, pair[1].end_mark.index, _json(value))
        return _into_flow(text, parent, f"{_json(name)}: {_json(value)}")
    if not parent.value or any(key.value == "<<" for key, _ in parent.value):
        raise CannotEdit
    column = parent.value[0][0].start_mark.column
    lines = _block({name: value}, column, indented)
    if pair is None:
        return _insert(text, _line_after(text, parent), lines)
    return _replaced(text, pair, lines)


def _replaced(text: str, pair: Any, lines: str) -> str:
    """In place of a null or an empty value, which stands on its name's own line."""
    key, old = pair
    start, end = _line_start(text, key.start_mark.index), _line_end(text, old.end_mark.index)
    before = text[start : key.start_mark.index]
    behind = text[old.end_mark.index : end].strip()
    if (old.value and not old.tag.endswith(":null")) or "\n" in text[
        key.start_mark.index : old.end_mark.index
    ]:
        raise CannotEdit
    head, newline, rest = lines.partition("\n")
    head = before + head.lstrip() + (f" {behind}" if behind else "")
    return text[:start] + manifests.with_ends_of(text, head + newline + rest) + text[end:]


def _with_item(text: str, parent: Any, opener: Any, at: str, value: Any, indented: bool) -> str:
    place = len(parent.value) if at == "-" else int(at)
    if parent.flow_style:
        if place < len(parent.value):
            index = parent.value[place].start_mark.index
            return _cut(text, index, index, f"{_json(value)}, ")
        return _into_flow(text, parent, _json(value))
    lines = _block([value], _column(text, parent), indented)
    if place == 0:
        return _insert(text, _line_end(text, opener.end_mark.index), lines)
    return _insert(text, _line_after(text, parent.value[place - 1]), lines)


def _into_flow(text: str, parent: Any, item: str) -> str:
    end = parent.end_mark.index - 1
    inside = text[parent.start_mark.index + 1 : end].rstrip()
    comma = ", " if inside and not inside.endswith(",") else ""
    at = parent.start_mark.index + 1 + len(inside)
    return _cut(text, at, at, comma + item)


def _block(value: Any, column: int, indented: bool) -> str:
    """The lines of ``value``, ``column`` signs to the right."""
    dumper = _Dumper if indented else _Flat
    written = yaml.dump(value, Dumper=dumper, sort_keys=False, width=_WIDE, allow_unicode=True)
    return "".join(" " * column + line for line in written.splitlines(keepends=True))


class _Dumper(yaml.SafeDumper):
    """Dashes to the right of their name; double quotes where quotes are needed, no aliases."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)

    def ignore_aliases(self, data: Any) -> bool:
        return True


class _Flat(_Dumper):
    """Dashes below their name."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        yaml.SafeDumper.increase_indent(self, flow, indentless)


def is_plain(text: str) -> bool:
    """Whether ``text`` needs no quotes."""
    resolver: Any = yaml.resolver.Resolver()
    kind = resolver.resolve(yaml.ScalarNode, text, (True, False))
    return kind == _TEXT and bool(_PLAIN.fullmatch(text)) and text.lower() not in ("y", "n")


def _text_node(dumper: Any, text: str) -> Any:
    style = None if is_plain(text) or "\n" in text else '"'
    return dumper.represent_scalar(_TEXT, text, style=style)


_TEXT: Final = "tag:yaml.org,2002:str"
_Dumper.add_representer(str, _text_node)


# --- Cutting out ----------------------------------------------------------------------------------


def _without(text: str, parent: Any, last: str | int) -> str:
    if isinstance(parent, yaml.SequenceNode):
        place = int(last)
        pieces = [(item, item) for item in parent.value]
    else:
        pieces = list(parent.value)
        place = next((i for i, (key, _) in enumerate(pieces) if key.value == last), -1)
    if place < 0 or len(pieces) == 1:
        raise CannotEdit
    if parent.flow_style:
        return _out_of_flow(text, pieces, place)
    start = _line_start(text, pieces[place][0].start_mark.index)
    column = _column(text, parent)
    if text[start : start + column].strip():  # the first name of an item, behind its dash
        return _first_moved_up(text, pieces)
    return _cut(text, start, _line_after(text, pieces[place][1]), "")


def _first_moved_up(text: str, pieces: list[Any]) -> str:
    """The second member takes the first one's place, where no comment stands between."""
    end = pieces[1][0].start_mark.index
    if text[_line_after(text, pieces[0][1]) : end].strip():
        raise CannotEdit
    return _cut(text, pieces[0][0].start_mark.index, end, "")


def _out_of_flow(text: str, pieces: list[Any], place: int) -> str:
    if place + 1 < len(pieces):
        start, end = pieces[place][0].start_mark.index, pieces[place + 1][0].start_mark.index
    else:
        start, end = pieces[place - 1][1].end_mark.index, pieces[place][1].end_mark.index
    return _cut(text, start, end, "")


# --- Places ---------------------------------------------------------------------------------------


def _column(text: str, node: Any) -> int:
    """Where the lines of a block begin; a block with an anchor or a tag itself begins at that."""
    properties = _PROPERTIES.match(text, node.start_mark.index)
    start: int = properties.end() if properties else node.start_mark.index
    return start - _line_start(text, start)


def _cut(text: str, start: int, end: int, between: str) -> str:
    return text[:start] + between + text[end:]


def _insert(text: str, at: int, lines: str) -> str:
    return text[:at] + manifests.with_ends_of(text, lines) + text[at:]


def _line_start(text: str, index: int) -> int:
    return text.rfind("\n", 0, index) + 1


def _line_end(text: str, index: int) -> int:
    found = text.find("\n", index)
    return len(text) if found < 0 else found + 1


def _line_after(text: str, node: Any) -> int:
    """Where the line behind a node's content begins: a block's own end is behind its comments."""
    return max(_ends(text, node))


def _ends(text: str, node: Any) -> Iterator[int]:
    if isinstance(node, yaml.ScalarNode):
        end = node.end_mark.index
        is_line = node.style in ("|", ">") and text[end - 1 : end] == "\n"
        yield end if is_line else _line_end(text, end)
    elif node.flow_style or not node.value:
        yield _line_end(text, node.end_mark.index)
    else:
        for child in _children(node):
            yield from _ends(text, child)


def _dashes_are_indented(text: str, root: Any) -> bool:
    """Whether the first sequence in a mapping is; True where there is none."""
    waiting = [root]
    while waiting:
        node = waiting.pop(0)
        for key, value in node.value if isinstance(node, yaml.MappingNode) else ():
            if isinstance(value, yaml.SequenceNode) and value.value and not value.flow_style:
                return bool(_column(text, value) > key.start_mark.column)
        waiting += _children(node)
    return True


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)

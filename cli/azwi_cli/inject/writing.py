"""Writes a changed document: its text edited, or as far as that cannot be, written anew. Pure."""

from collections.abc import Sequence
from typing import Any

import yaml

from azwi_cli import errors
from azwi_cli.inject import edits, manifests, pointers

Change = pointers.Change


def changed(document: manifests.Document, changes: Sequence[Change]) -> str:
    """The document's text after the changes; what they do not touch stays as it is spelled."""
    if not changes:
        return document.text
    expected = pointers.changed(document.data, changes)
    if document.is_json:
        return manifests.json_text(expected, document.text)
    for write in (_edited, _written_anew):
        text = write(document, changes)
        if text and _says(text, expected):
            return text
    raise errors.AzwiError(
        f"{document.place}: its text cannot be changed so that it says what it should.",
        "Report it; until then, write the document in plain block style.",
    )


def _edited(document: manifests.Document, changes: Sequence[Change]) -> str:
    """Empty where that cannot be."""
    try:
        if all(base[:1] == ("items",) for base, _ in changes):
            return edits.edited_items(document.text, _by_item(changes))
        return edits.edited_all(document.text, changes)
    except (edits.CannotEdit, yaml.YAMLError):  # an edit may be wrong, too, as the next one sees
        return ""


def _written_anew(document: manifests.Document, changes: Sequence[Change]) -> str:
    from azwi_cli.inject import trees

    return trees.rewritten(document.text, changes)


def _says(text: str, expected: Any) -> bool:
    try:
        return bool(manifests.parsed(text) == expected)
    except yaml.YAMLError:
        return False


def _by_item(changes: Sequence[Change]) -> dict[int, list[Change]]:
    """Changes of a list's items, each from its item on."""
    found: dict[int, list[Change]] = {}
    for (_, place, *base), operation in changes:
        found.setdefault(int(place), []).append((tuple(base), operation))
    return found

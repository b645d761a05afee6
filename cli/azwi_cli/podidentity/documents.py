"""Reads manifests: files, folders and standard input, of any number of documents each.

Malformed YAML is named with its file and line. What is no Kubernetes object is passed over only
in folders, where other YAML may lie about.
"""

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

from azwi_cli import errors

LARGEST: Final = 64 << 20
"""Bytes of one file: `kubectl get -A -o yaml` of a big cluster is some ten."""
_ENDINGS: Final = (".yaml", ".yml", ".json")
_STANDARD_INPUT: Final = "-"


def read(names: Iterable[Path]) -> Iterator[dict[str, Any]]:
    """Every Kubernetes object in these files; lists are taken apart."""
    for name in names:
        for path in _files(name):
            for document in _documents(path, strict=not name.is_dir()):
                yield from _taken_apart(document)


def _files(name: Path) -> list[Path]:
    if not name.is_dir():
        return [name]
    found = sorted(path for path in name.rglob("*") if path.suffix in _ENDINGS and path.is_file())
    if not found:
        raise errors.NotFound(
            f"{name} has no files that end in {', '.join(_ENDINGS)}.", "Name another folder."
        )
    return found


def _documents(path: Path, *, strict: bool) -> Iterator[dict[str, Any]]:
    import yaml

    from azwi_cli.kubernetes_yaml import Loader

    try:
        found = list(yaml.load_all(_text(path), Loader))
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        what = getattr(error, "problem", None) or "it cannot be read"
        raise errors.BadInput(
            f"{_shown(path)}{line}: this is not YAML: {what}.", "Correct it."
        ) from None
    for document in found:
        if isinstance(document, dict) and document.get("kind"):
            yield document
        elif strict and document is not None:
            raise errors.BadInput(
                f"{_shown(path)} holds no Kubernetes object: a document has no kind.",
                "Name a file with manifests.",
            )


def _text(path: Path) -> bytes:
    if str(path) == _STANDARD_INPUT:
        data = sys.stdin.buffer.read(LARGEST + 1)
    else:
        try:
            with path.open("rb") as file:
                data = file.read(LARGEST + 1)
        except FileNotFoundError as error:
            raise errors.NotFound(
                f"{path} does not exist; manifests are expected there."
            ) from error
        except OSError as error:
            raise errors.BadInput(f"{path} cannot be read: {error.strerror}.") from error
    if len(data) > LARGEST:
        raise errors.BadInput(
            f"{_shown(path)} is larger than {LARGEST >> 20} MiB.", "Split it into several files."
        )
    return data


def _taken_apart(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    kind = str(document["kind"])
    items = document.get("items")
    if not (kind.endswith("List") and isinstance(items, list)):
        yield document
        return
    for item in items:
        if isinstance(item, dict):
            item.setdefault("kind", kind.removesuffix("List"))
            item.setdefault("apiVersion", document.get("apiVersion"))
            yield item


def _shown(path: Path) -> str:
    return "standard input" if str(path) == _STANDARD_INPUT else str(path)

"""Files of Kubernetes objects: their documents, the objects in them, the pod templates of those.

Pure. Every byte of a file belongs to one document, so that what nobody changes is written back as
it came. Values are read as Kubernetes reads them.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import yaml

from azwi_cli import errors
from azwi_cli.kubernetes_yaml import Loader

Object = dict[str, Any]
Path = tuple[str | int, ...]
"""Names and places on the way to something in a document."""

_MARKER: Final = re.compile(r"^---(?=[ \t\r\n]|$)", re.MULTILINE)
_TEMPLATES: Final[Mapping[str, tuple[str, ...]]] = {
    "Pod": (),
    "CronJob": ("spec", "jobTemplate", "spec", "template"),
    "PodTemplate": ("template",),
}
_USUAL: Final = ("spec", "template")


@dataclass(frozen=True, slots=True)
class Document:
    """One document of a file."""

    file: str
    number: int
    """From 1."""
    text: str
    """With its marker ``---``, if it has one; all of a file's documents make up the file."""
    data: Any
    """None where there is nothing but comments."""

    @property
    def place(self) -> str:
        """For sentences."""
        return f"{self.file}, document {self.number}"

    @property
    def is_json(self) -> bool:
        """Whether the text is JSON, which wants to be written as such."""
        return _is_json(self.text)


@dataclass(frozen=True, slots=True)
class Thing:
    """One Kubernetes object of a document; the items of a List are things of their own."""

    document: Document
    path: Path
    data: Object

    @property
    def kind(self) -> str:
        """Its kind."""
        return str(self.data.get("kind") or "object")

    @property
    def metadata(self) -> Object:
        """Its metadata; empty where there are none."""
        found = self.data.get("metadata")
        return found if isinstance(found, dict) else {}

    def namespace(self, default: str) -> str:
        """Where it lives."""
        return str(self.metadata.get("namespace") or default)

    @property
    def name(self) -> str:
        """Its name, or the start of one."""
        return str(self.metadata.get("name") or self.metadata.get("generateName") or "without name")

    @property
    def place(self) -> str:
        """For sentences: what it is and where it stands."""
        return f"{self.document.place} ({self.kind} {self.name})"


@dataclass(frozen=True, slots=True)
class Template:
    """A pod, or what pods are made from."""

    owner: Thing
    path: Path
    """In the document."""
    pod: Object


def read(text: str, file: str) -> list[Document]:
    """The documents of a file; errors.BadInput says where it is wrong."""
    text = text.removeprefix("\ufeff")
    starts = [0, *(found.start() for found in _MARKER.finditer(text) if found.start())]
    pieces = [text[a:b] for a, b in zip(starts, [*starts[1:], len(text)], strict=True)]
    documents: list[Document] = []
    line = 1
    for number, piece in enumerate(_joined(pieces), 1):
        documents.append(Document(file, number, piece, _data(piece, file, number, line)))
        line += piece.count("\n")
    return documents


def _joined(pieces: list[str]) -> list[str]:
    """What stands before the first ``---`` belongs to it, unless it is a document of its own."""
    first, *rest = pieces
    if rest and not any(map(_says_something, first.splitlines())) and not _MARKER.match(first):
        return [first + rest[0], *rest[1:]]
    return pieces


def _says_something(line: str) -> bool:
    bare = line.strip()
    return bool(bare) and not bare.startswith(("#", "%"))


def _data(text: str, file: str, number: int, line: int) -> Any:
    try:
        if not _is_json(text):
            _refuse_twins(yaml.compose(text, Loader))
        return parsed(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {line + mark.line}" if mark else ""
        problem = getattr(error, "problem", None) or "it cannot be read"
        raise errors.BadInput(
            f"{file}, document {number}{where}: this is not YAML ({problem}).",
            "Correct it; a template must be rendered first.",
        ) from None
    except RecursionError:
        raise errors.BadInput(
            f"{file}, document {number}: it is nested too deeply.", "Is it a manifest?"
        ) from None


def parsed(text: str) -> Any:
    """The value of a document; raises yaml.YAMLError."""
    # Nearly all JSON is YAML: not the escapes of what has more than 16 bits.
    return json.loads(text) if _is_json(text) else yaml.load(text, Loader)


def _is_json(text: str) -> bool:
    if not text.lstrip().startswith("{"):
        return False
    try:
        json.loads(text, object_pairs_hook=_without_twins)
    except ValueError:
        return False  # YAML in brackets, perhaps; its own reader says what is wrong
    return True


def _without_twins(pairs: list[tuple[str, Any]]) -> None:
    if len({name for name, _ in pairs}) < len(pairs):
        raise ValueError("a name stands there twice")


def composed(text: str) -> Any:
    """The nodes of a document, with their places in the text."""
    return yaml.compose(text, Loader)


def _refuse_twins(node: Any) -> None:
    """A name that stands twice: readers disagree on which counts, the API server refuses it."""
    seen: set[int] = set()
    waiting = [node]
    while waiting:
        node = waiting.pop()
        if node is None or id(node) in seen or isinstance(node, yaml.ScalarNode):
            continue
        seen.add(id(node))
        if isinstance(node, yaml.SequenceNode):
            waiting += node.value
            continue
        names: set[str] = set()
        for key, value in node.value:
            waiting.append(value)
            if not isinstance(key, yaml.ScalarNode):
                problem = "a name is not text"
                raise yaml.constructor.ConstructorError(None, None, problem, key.start_mark)
            if key.value in names and key.value != "<<":
                problem = f"{key.value!r} stands there twice"
                raise yaml.constructor.ConstructorError(None, None, problem, key.start_mark)
            names.add(key.value)


def things(document: Document) -> Iterator[Thing]:
    """The objects of a document; lists are opened."""
    yield from _things(document, (), document.data)


def _things(document: Document, path: Path, data: Any) -> Iterator[Thing]:
    if not isinstance(data, dict):
        return
    items = data.get("items")
    if isinstance(items, list) and str(data.get("kind", "")).endswith("List"):
        for place, item in enumerate(items):
            yield from _things(document, (*path, "items", place), item)
    else:
        yield Thing(document, path, data)


def template(thing: Thing) -> Template | None:
    """Where the pods of ``thing`` come from; None where it makes none.

    Kinds that nobody here knows count where they have a pod at ``spec.template``, as Rollout has.
    """
    path = _TEMPLATES.get(thing.kind, _USUAL)
    found: Any = thing.data
    for name in path:
        found = found.get(name) if isinstance(found, dict) else None
    spec = found.get("spec") if isinstance(found, dict) else None
    if not isinstance(spec, dict) or not isinstance(spec.get("containers"), list):
        return None
    return Template(thing, (*thing.path, *path), found)


def with_ends_of(like: str, text: str) -> str:
    """``text`` with the line ends of ``like``."""
    return re.sub(r"\r?\n", "\r\n", text) if "\r\n" in like else text


def json_text(data: Any, like: str) -> str:
    """``data`` as JSON, indented as ``like`` is."""
    second = re.search(r"\n([ \t]*)\S", like)
    indent = second[1] if second else None
    end = like[len(like.rstrip()) :]
    separators = None if indent or ": " in like[:200] else (",", ":")
    text = json.dumps(data, indent=indent, ensure_ascii=False, separators=separators)
    return with_ends_of(like, text) + end

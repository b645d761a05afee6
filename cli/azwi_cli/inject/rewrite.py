"""Reads files of manifests and writes them changed: whole, or not at all; notes beside it."""

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from azwi_cli import errors, files, output
from azwi_cli.inject import manifests, offline, writing

STANDARD_INPUT: Final = Path("-")
_ENDINGS: Final = (".yaml", ".yml", ".json")
_SHOWN: Final = 3  # places of one refusal
_LARGEST: Final = 64 << 20  # bytes: a rendered chart with its CRDs has a few MB


@dataclass(frozen=True, slots=True)
class Target:
    """Where the result goes."""

    output: Path | None
    in_place: bool
    force: bool
    dry_run: bool

    def check(self, names: Sequence[Path]) -> None:
        """Raise BadInput where the flags contradict each other."""
        if self.output and self.in_place:
            raise errors.BadInput("Give either --output or --in-place.")
        if self.in_place and STANDARD_INPUT in names:
            raise errors.BadInput("Standard input cannot be changed in place: leave out -f -.")


def read(names: Iterable[Path]) -> dict[Path, list[manifests.Document]]:
    """The documents by file; folders are opened, not those below them."""
    found: dict[Path, list[manifests.Document]] = {}
    for name in names:
        for path in _opened(name):
            found[path] = manifests.read(_text(path), _shown(path))
    return found


def _opened(name: Path) -> list[Path]:
    if not name.is_dir():
        return [name]
    found = sorted(path for path in name.iterdir() if path.suffix in _ENDINGS and path.is_file())
    if not found:
        raise errors.NotFound(f"{name} has no files of manifests ({', '.join(_ENDINGS)}).")
    return found


def _shown(path: Path) -> str:
    return "standard input" if path == STANDARD_INPUT else str(path)


def _text(path: Path) -> str:
    data = (
        sys.stdin.buffer.read()
        if path == STANDARD_INPUT
        else files.read(path, "a manifest", _LARGEST)
    )
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise errors.BadInput(f"{_shown(path)} is not UTF-8 text.", "Convert it.") from error


def decided(
    found: Mapping[Path, Sequence[manifests.Document]],
    decide: Callable[[manifests.Template], offline.Outcome],
) -> list[offline.Outcome]:
    """What becomes of every pod template; raises BadInput with every refusal at once."""
    outcomes = [
        decide(template)
        for documents in found.values()
        for template in offline.templates(documents)
    ]
    if refused := [*_refused(outcomes)]:
        raise errors.BadInput("\n".join(refused), "Nothing was written.")
    for item in outcomes:
        for warning in item.warnings:
            output.note(f"Warning: {item.template.owner.place}: {warning}")
    return outcomes


def _refused(outcomes: Iterable[offline.Outcome]) -> Iterator[str]:
    """Every refusal; the same one of a few places, and how many more there are."""
    places: dict[str, list[str]] = {}
    for item in outcomes:
        if item.refused:
            places.setdefault(item.refused, []).append(item.template.owner.place)
    for refused, found in places.items():
        yield from (f"{place}: {refused}" for place in found[:_SHOWN])
        if len(found) > _SHOWN:
            yield f"{len(found) - _SHOWN} more: {refused}"


def write(
    found: Mapping[Path, Sequence[manifests.Document]],
    outcomes: Sequence[offline.Outcome],
    target: Target,
) -> None:
    """Print or write every document, changed or as it was."""
    changes: dict[int, list[writing.Change]] = {}
    for item in outcomes:
        changes.setdefault(id(item.template.owner.document), []).extend(item.changes)
    texts = {
        path: "".join(
            writing.changed(document, changes.get(id(document), ())) for document in documents
        )
        for path, documents in found.items()
    }
    if target.in_place:
        for path, text in texts.items():
            _say_or_write(path, text, target, force=True)
    elif target.output:
        _say_or_write(target.output, _joined(list(texts.values())), target, force=target.force)
    elif not target.dry_run:
        # As bytes: a file is UTF-8 wherever it goes, whatever a terminal's text is.
        sys.stdout.buffer.write(_joined(list(texts.values())).encode())


def _joined(texts: Sequence[str]) -> str:
    """Several files as one: each begins a document of its own."""
    whole = ""
    for text in texts:
        if whole and not whole.endswith("\n"):
            whole += "\n"
        if whole and not text.lstrip("# \n").startswith("---"):
            whole += "---\n"
        whole += text
    return whole


def _say_or_write(path: Path, text: str, target: Target, *, force: bool) -> None:
    if target.dry_run:
        output.note(f"Would write {path}.")
    elif files.write(path, text.encode(), force=force, mode=files.EVERYBODY):
        output.note(f"Wrote {path}.")
    else:
        output.note(f"Unchanged: {path}.")

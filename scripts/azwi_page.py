"""Writes docs/azwi.md from the commands of azwi (``make docs``). A test keeps it so."""

import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from azwi_cli import commands
from azwi_cli.errors import Code

PAGE = Path(__file__).parent.parent / "docs" / "azwi.md"
INTRODUCTION = """# azwi

Made from the commands by `make docs`. Install it from a clone with `pipx install '.[cli]'`; kubectl
finds it as `kubectl azwi`. Results go to standard output, everything else to standard error. Every
command takes `--debug` and `-h`.
"""
_MEANINGS = {
    Code.DONE: "done; all checks passed",
    Code.FAILED: "it did not work, or a check failed",
    Code.USAGE: "the command line, or a file given with it, is wrong",
    Code.ATTENTION: "it worked; a check warns, or a step is left to do",
    Code.UNAVAILABLE: "somebody did not answer: try again",
    Code.DENIED: "not allowed, or not logged in",
    Code.NOT_FOUND: "a file or an object does not exist",
    Code.EXISTS: "a file is in the way; `--force` overwrites it",
    Code.INTERRUPTED: "interrupted",
}
_EVERYWHERE = {"--debug", "--help"}


def page() -> str:
    """The whole page, as Markdown."""
    sections = [
        section
        for entry in commands.TABLE
        for section in _sections(f"azwi {entry.name}", commands.load(entry), entry.aliases)
    ]
    return "\n".join([INTRODUCTION, *sections, _codes()])


def _sections(path: str, command: Any, aliases: tuple[str, ...] = ()) -> Iterator[str]:
    children = getattr(command, "commands", {})
    if not children or command.invoke_without_command or aliases:
        yield _section(path, command, aliases)
    for name, child in children.items():
        yield from _sections(f"{path} {name}", child)


def _section(path: str, command: Any, aliases: tuple[str, ...]) -> str:
    lines = [f"## {path}\n", inspect.cleandoc(command.help), ""]
    if aliases:
        lines += [f"Also: {', '.join(f'`{alias}`' for alias in aliases)}.", ""]
    rows = [_row(parameter) for parameter in command.params if not _everywhere(parameter)]
    if rows:
        lines += ["| argument | default | meaning |", "|---|---|---|", *rows, ""]
    return "\n".join(lines)


def _row(parameter: Any) -> str:
    default = parameter.default
    shown = "" if default in (None, False, ()) else f"`{getattr(default, 'value', default)}`"
    if parameter.required:
        shown = "**required**"
    variable = getattr(parameter, "envvar", None)
    meaning = f"{parameter.help} Or `{variable}`." if variable else parameter.help
    return f"| {_name(parameter)} | {shown} | {meaning} |".replace("|  |", "| |")


def _name(parameter: Any) -> str:
    names = sorted((*parameter.opts, *parameter.secondary_opts), key=lambda name: -len(name))
    if names[0].startswith("-"):
        return ", ".join(f"`{name}`" for name in names)
    return f"`{(parameter.metavar or names[0].upper()).strip('[].')}`"


def _everywhere(parameter: Any) -> bool:
    return bool(_EVERYWHERE & set(parameter.opts))


def _codes() -> str:
    head = ["## Exit codes\n", "| code | meaning |", "|---|---|"]
    return "\n".join([*head, *(f"| {int(code)} | {_MEANINGS[code]} |" for code in Code), ""])


if __name__ == "__main__":
    PAGE.write_text(page())

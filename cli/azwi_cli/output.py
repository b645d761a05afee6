"""What goes to standard output: tables for people, JSON and YAML for programs.

What a format needs is imported when it is asked for. Colour is Rich's matter: on a terminal only,
and not there where NO_COLOR is set. Debug lines do without ``logging``: its import is a tenth of
``azwi --help``, and with it libraries would show their headers, and so tokens.
"""

import io
import sys
from collections.abc import Callable, Iterable, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

if TYPE_CHECKING:
    from rich.console import Console


class Format(StrEnum):
    """How results are written."""

    TABLE = "table"
    JSON = "json"
    YAML = "yaml"


FormatOption = Annotated[Format, typer.Option("--format", "-o", help="How to print the result.")]
LongFormatOption = Annotated[Format, typer.Option("--format", help="How to print the result.")]
"""For podidentity, where ``-o`` is the output directory."""
ForceOption = Annotated[bool, typer.Option("--force", help="Overwrite files that exist.")]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Say what would change; do nothing.")]

_debugging = False
_UNBOUND: Final = 10_000  # columns, for those who read a pipe: nothing is wrapped or cut


def show(data: Any, form: Format, table: Callable[[Any], Any]) -> None:
    """Print ``data``: as it is for programs, by ``table`` (text or a Rich object) for people."""
    import codecs
    import json

    takes_all = codecs.lookup(sys.stdout.encoding or "ascii").name == "utf-8"
    if form is Format.JSON:
        print(json.dumps(data, indent=2, ensure_ascii=not takes_all))
    elif form is Format.YAML:
        import yaml

        plain = json.loads(json.dumps(data))  # YAML's safe writer knows no enumerations
        print(yaml.safe_dump(plain, sort_keys=False, allow_unicode=takes_all), end="")
    else:
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(errors="backslashreplace")  # others wrote what is shown
        readable = table(data)
        if isinstance(readable, str):
            print(printable(readable))
        else:
            console().print(readable)


def console() -> "Console":
    """Standard output as Rich writes it; text of others is never taken for markup."""
    from rich.console import Console

    width = None if sys.stdout.isatty() else _UNBOUND
    return Console(width=width, markup=False, highlight=False, emoji=False)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Any:
    """A table without lines, that ``cut`` and ``awk`` read too; a narrow screen cuts no name."""
    from rich.table import Column, Table

    columns = [Column(name, overflow="fold") for name in head]
    made = Table(*columns, box=None, pad_edge=False, padding=(0, 3, 0, 0))
    for row in rows:
        made.add_row(*(printable(cell) for cell in row))
    return made


def printable(text: str) -> str:
    """``text`` without what could steer a terminal: others may have written it."""
    return "".join(c if c.isprintable() or c in "\n\t" else repr(c)[1:-1] for c in text)


def note(text: str) -> None:
    """A sentence for people, beside the result: on standard error."""
    print(printable(text), file=sys.stderr)


def enable_debug() -> None:
    """Show debug lines and tracebacks from now on."""
    global _debugging
    _debugging = True


def is_debugging() -> bool:
    """Whether ``--debug`` is given."""
    return _debugging


def debug(text: str) -> None:
    """What is done, for those who asked; never a header, a token or a body."""
    if _debugging:
        note(f"debug: {text}")

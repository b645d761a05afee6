"""Asks before something is done that cannot simply be undone."""

import sys
from typing import Annotated

import typer

from azwi_cli import errors, output

YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Do it without asking.")]


def confirmed(question: str, *, yes: bool) -> None:
    """Return where the answer is yes: by ``--yes``, or by whoever sits at the terminal.

    The plan is shown before. Raises errors.BadInput where nobody can be asked, and
    errors.Declined where the answer is anything else.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise errors.BadInput(
            "Nobody is at a terminal to confirm this.", "Add --yes to do it without asking."
        )
    print(output.printable(f"{question} [y/N] "), end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise errors.Declined("Nothing was changed: it was not confirmed.")

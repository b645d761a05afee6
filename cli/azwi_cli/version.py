"""``azwi version``."""

import platform
from typing import Any, Final

import typer

from azwi_cli import output
from azwi_common import __version__

app: Final = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def version(form: output.FormatOption = output.Format.TABLE) -> None:
    """Print the version of azwi."""
    found = {"client": {"version": __version__, "python": platform.python_version()}}
    output.show(found, form, _table)


def _table(found: Any) -> str:
    return f"Version: {found['client']['version']}"

"""``azwi completion``: scripts that make a shell complete azwi's commands and flags."""

from enum import StrEnum
from typing import Annotated, Final

import typer

app: Final = typer.Typer(add_completion=False, rich_markup_mode=None)

VARIABLE: Final = "_AZWI_COMPLETE"
"""The scripts set it to call azwi for what can follow."""


class Shell(StrEnum):
    """Shells that Typer has scripts for."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"
    POWERSHELL = "powershell"


@app.command()
def completion(
    shell: Annotated[Shell, typer.Argument(help="Whose script to print.")],
) -> None:
    """Print the completion script for a shell.

    For this session: source <(azwi completion bash). For good, write it where the shell looks for
    such scripts, such as /etc/bash_completion.d/azwi or ~/.config/fish/completions/azwi.fish.
    """
    from typer import completion as scripts

    print(scripts.get_completion_script(prog_name="azwi", complete_var=VARIABLE, shell=shell))  # type: ignore[attr-defined]  # used by Typer's own commands from there


def prepare() -> None:
    """Teach Typer the shells, before it answers one of the scripts."""
    from typer import completion as scripts

    scripts.completion_init()  # type: ignore[attr-defined]  # as above

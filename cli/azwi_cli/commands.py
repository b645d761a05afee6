"""The table of commands. A command's module is imported when it is called, not before."""

import importlib
from dataclasses import dataclass
from typing import Annotated, Any, Final

import typer
from typer.core import TyperCommand, TyperGroup

from azwi_cli import output
from azwi_common import __version__


@dataclass(frozen=True, slots=True)
class Entry:
    """A command or a group of them."""

    name: str
    help: str
    aliases: tuple[str, ...] = ()
    path: str = ""
    """Of its module below ``azwi_cli``, where that is not its name."""

    @property
    def module(self) -> str:
        """The module, or the package of a large group, that has its ``app``."""
        return f"azwi_cli.{self.path or self.name}"


TABLE: Final = (
    Entry("jwks", "Write a JSON Web Key Set of service account keys."),
    Entry("oidc", "Publish, check and rotate the keys of a cluster's token issuer."),
    Entry(
        "serviceaccount",
        "Make, list and delete the identities of service accounts.",
        aliases=("sa",),
    ),
    Entry("podidentity", "Migrate from aad-pod-identity to workload identity.", ("pi",)),
    Entry("doctor", "Say why a pod gets no token; explain errors."),
    Entry("inject", "Do to the pods of files what the webhook would do."),
    Entry("uninject", "Take out of the pods of files what was injected.", path="inject.uninject"),
    Entry("version", "Print the version of azwi."),
    Entry("completion", "Print the completion script for a shell."),
)
_ENTRIES: Final = {name: entry for entry in TABLE for name in (entry.name, *entry.aliases)}


class Commands(TyperGroup):
    """The group ``azwi``; its subcommands are those of the table."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Names without aliases, in the order of the table."""
        return [entry.name for entry in TABLE]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """A command by name or alias; None where there is none of that name."""
        entry = _ENTRIES.get(cmd_name)
        return load(entry) if entry else None

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """As the base class does it, but from the table: help must import nothing."""
        with formatter.section("Commands"):
            formatter.write_dl([(entry.name, entry.help) for entry in TABLE])


def load(entry: Entry) -> TyperCommand | TyperGroup:
    """The command of ``entry``, with what every command has."""
    command: Any = typer.main.get_command(importlib.import_module(entry.module).app)
    command.name = entry.name
    _add_debug(command)
    loaded: TyperCommand | TyperGroup = command
    return loaded


def root() -> Commands:
    """``azwi`` itself."""
    app = typer.Typer(
        name="azwi",
        cls=Commands,
        add_completion=False,  # `azwi completion` prints the scripts; nothing is installed unasked
        rich_markup_mode=None,  # help by Rich takes as long to import as all of Typer
        no_args_is_help=True,
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
        epilog="'azwi COMMAND --help' says more about each.",
    )
    app.callback()(_azwi)
    group: Any = typer.main.get_command(app)
    group.commands = dict.fromkeys(_ENTRIES)  # for the suggestion after a typing error
    _add_debug(group)
    commands: Commands = group
    return commands


def _version(value: bool) -> None:
    if value:
        print(f"Version: {__version__}")
        raise typer.Exit


def _azwi(
    version: Annotated[
        bool,
        typer.Option(
            "--version",
            callback=_version,
            expose_value=False,
            is_eager=True,
            help="Print the version of azwi.",
        ),
    ] = False,
) -> None:
    """Set up workload identities, and find out why a pod gets no token."""


def _debug(value: bool) -> None:
    if value:
        output.enable_debug()


def _with_debug(
    debug: Annotated[
        bool,
        typer.Option(
            "--debug",
            callback=_debug,
            expose_value=False,
            help="Log what is done; show where an error comes from.",
        ),
    ] = False,
) -> None:
    """Nobody calls this: it has the one option that every command has."""


def _add_debug(command: Any) -> None:
    app = typer.Typer(add_completion=False)
    app.command()(_with_debug)
    donor: Any = typer.main.get_command(app)
    command.params.append(donor.params[0])
    for child in getattr(command, "commands", {}).values():
        if child is not None:
            _add_debug(child)

"""``azwi jwks``: a JSON Web Key Set of service account keys, for whoever publishes it."""

from pathlib import Path
from typing import Annotated, Final

import typer

from azwi_cli import files, flags, output

app: Final = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def jwks(
    public_keys: flags.PublicKeys = None,
    more: Annotated[
        list[Path] | None, typer.Argument(metavar="[FILE]...", help="Further files of keys.")
    ] = None,
    output_file: Annotated[
        Path | None,
        typer.Option(help="Write the set to this file, for the owner alone; else print it."),
    ] = None,
    force: output.ForceOption = False,
) -> None:
    """Write the public keys of service account tokens as a JSON Web Key Set.

    Each key has the kid that the API server gives it. Private keys are taken too; only their public
    half is written. A key set that exists is overwritten, another file only with --force.
    """
    from azwi_cli import keys

    found = flags.read_keys([*flags.split(public_keys), *(more or [])])
    text = keys.jwks_text(found).encode()
    if output_file is None:
        # As bytes: no newline is added, and none is translated.
        with open(1, "wb", closefd=False) as stdout:
            stdout.write(text)
        return
    files.write(output_file, text, force=force, replaceable=keys.is_jwks)

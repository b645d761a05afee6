"""Flags that several commands share, and how their values are read."""

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from azwi_cli import errors, files, output

if TYPE_CHECKING:
    from azwi_cli.keys import PublicKey

_LEAST_BITS: Final = 2048  # for RS256, by RFC 7518 section 3.3

PublicKeys = Annotated[
    list[str] | None,
    typer.Option(
        "--public-keys",
        metavar="FILE[,FILE]...",
        help="PEM file of public or private keys or certificates; may be given again.",
    ),
]


def split(values: Iterable[str] | None) -> list[Path]:
    """Values of a flag that may be repeated and may hold several, as Go's flags read them."""
    return [Path(name) for row in csv.reader(values or ()) for name in row if name]


def read_keys(paths: Sequence[Path], flag: str = "--public-keys") -> "list[PublicKey]":
    """The keys of all files, each once, in their order; warns of those that are too short."""
    from azwi_cli import keys

    if not paths:
        raise errors.BadInput(f"No key is given. Name at least one file with {flag}.")
    found = []
    for path in paths:
        of_file = keys.read(files.read(path, "a key in PEM form"), str(path))
        for key in of_file:
            if key.algorithm == "RS256" and key.bits < _LEAST_BITS:
                output.note(
                    f"Warning: the RSA key in {path} has {key.bits} bits; RS256 wants"
                    f" {_LEAST_BITS} or more."
                )
        found += of_file
    return list({key.kid: key for key in found}.values())

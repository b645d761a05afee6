"""Commands that upload what an issuer publishes to Azure blob storage. Pure."""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

from azwi_cli import errors

# The storage endpoints of the public, the Chinese and the US government cloud.
_SUFFIXES: Final = ("core.windows.net", "core.chinacloudapi.cn", "core.usgovcloudapi.net")
_MAX_AGE: Final = "public, max-age=3600"  # what an API server answers; a rotation waits as long
_TYPE: Final = "application/json"


@dataclass(frozen=True, slots=True)
class Place:
    """Where in blob storage an issuer lives."""

    account: str
    container: str
    prefix: str
    """Before the names of blobs; empty, or with a slash at its end."""


def place(issuer: str) -> Place:
    """The account and container that ``issuer`` names; raises BadInput where it is another host."""
    parts = urlsplit(issuer)
    account, _, rest = (parts.hostname or "").partition(".")
    folders = [unquote(part) for part in parts.path.split("/") if part]
    if rest in {f"blob.{suffix}" for suffix in _SUFFIXES} and folders:
        return Place(account, folders[0], "".join(f"{name}/" for name in folders[1:]))
    # A static website: ACCOUNT.z13.web.core.windows.net serves the container $web.
    zone, _, website = rest.partition(".")
    if zone.startswith("z") and website in {f"web.{suffix}" for suffix in _SUFFIXES}:
        return Place(account, "$web", "".join(f"{name}/" for name in folders))
    raise errors.BadInput(
        f"{issuer} is not in Azure blob storage.",
        "Leave out --upload-commands and publish the folder where the URL leads, or use an issuer"
        " such as https://ACCOUNT.blob.core.windows.net/CONTAINER/.",
    )


def upload_commands(where: Place, sources: Mapping[str, Path]) -> list[str]:
    """A command of the Azure CLI for each file; ``sources``: blob name to local file."""
    return [
        shlex.join(
            (
                *("az", "storage", "blob", "upload", "--auth-mode", "login"),
                *("--account-name", where.account, "--container-name", where.container),
                *("--name", where.prefix + name, "--file", str(file)),
                *("--content-type", _TYPE, "--content-cache-control", _MAX_AGE, "--overwrite"),
            )
        )
        for name, file in sources.items()
    ]

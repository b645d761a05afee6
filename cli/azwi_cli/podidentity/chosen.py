"""Flags that detect and migrate share, and how their values are read."""

import re
from pathlib import Path
from typing import Annotated, Final

import typer

from azwi_cli import errors
from azwi_cli.podidentity import modes
from azwi_common import contract

_PORTS: Final = (1, 65535)
_UNITS: Final = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}
_PART: Final = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(h|ms|us|µs|ns|m|s)")

NamespaceOption = Annotated[
    str,
    typer.Option(
        "--namespace", "-n", metavar="NAME", help="Namespace whose workloads are looked at."
    ),
]
AllOption = Annotated[
    bool, typer.Option("--all-namespaces", "-A", help="Look at the workloads of every namespace.")
]
FilesOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--filename",
        "-f",
        metavar="FILE",
        help="Read this file or folder of manifests in place of the cluster; - is standard input;"
        " may be given again.",
    ),
]
OutputDirOption = Annotated[
    Path | None, typer.Option("--output-dir", "-o", help="Folder to write the files to.")
]
PortOption = Annotated[
    int,
    typer.Option(
        "--proxy-port",
        "-p",
        metavar="PORT",
        min=_PORTS[0],
        max=_PORTS[1],
        help="Port of the sidecar on loopback.",
    ),
]
ModeOption = Annotated[
    modes.Mode | None,
    typer.Option(
        "--proxy-mode",
        help="How apps reach the sidecar: redirect needs NET_ADMIN, environment needs nothing but"
        " SDKs that honour its variables (docs/clients.md). Else what a workload's annotation"
        " says, else the webhook's AZWI_PROXY_MODE where that can be read, else redirect.",
        show_default=False,
    ),
]
ExpirationOption = Annotated[
    str,
    typer.Option(
        "--service-account-token-expiration",
        metavar="DURATION",
        help="Lifetime of the token, 1h to 24h; such as 90m.",
    ),
]
TenantOption = Annotated[
    str,
    typer.Option(
        "--tenant-id", metavar="TENANT", help="Tenant of the identities; else the webhook's."
    ),
]
ForcedOption = Annotated[
    bool,
    typer.Option(
        "--force-namespaced",
        help="aad-pod-identity runs with --forceNamespaced; in a cluster this is seen.",
    ),
]
DefaultOption = Annotated[
    list[str] | None,
    typer.Option(
        "--default",
        metavar="IDENTITY",
        help="AzureIdentity (NAMESPACE/NAME or NAME) or client ID of requests that name none, where"
        " there are several; none: every request names its identity; may be given again: the first"
        " that fits a workload counts.",
    ),
]
RolesOption = Annotated[
    bool,
    typer.Option(
        "--without-roles", help="Do not ask for role bindings that a new service account lacks."
    ),
]
IssuerOption = Annotated[
    str,
    typer.Option(
        "--issuer", metavar="URL", help="Issuer of the cluster; with -f nobody else can tell it."
    ),
]


def seconds(text: str) -> int:
    """A token's lifetime in whole seconds, from text such as ``1h0m0s``; raises BadInput."""
    parts = _PART.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise errors.BadInput(
            f"--service-account-token-expiration {text} is no duration.", "Write it as 1h or 90m."
        )
    found = int(sum(float(number) * _UNITS[unit] for number, unit in parts))
    if not contract.LEAST_EXPIRATION <= found <= contract.MOST_EXPIRATION:
        raise errors.BadInput(
            f"--service-account-token-expiration {text} is not allowed.", "Choose 1h to 24h."
        )
    return found


def tenant(text: str) -> str:
    """A tenant's GUID or domain; empty: the webhook's."""
    from azwi_common.identities import Tenant

    try:
        return str(Tenant.from_text(text)) if text else ""  # plain text, as YAML's writer wants
    except ValueError as error:
        raise errors.BadInput(f"--tenant-id {error}.") from None

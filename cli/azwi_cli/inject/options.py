"""Flags of ``inject`` and ``uninject``, and the webhook's variables that they stand for."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final

import typer

from azwi_cli import errors
from azwi_common import contract

FilesOption = Annotated[
    list[Path],
    typer.Option(
        "--filename",
        "-f",
        metavar="FILE",
        help="File of manifests, a folder of them, or - for standard input; may be repeated.",
    ),
]
OutputOption = Annotated[
    Path | None, typer.Option("--output", "-o", help="Write to this file; else print.")
]
InPlaceOption = Annotated[
    bool, typer.Option("--in-place", "-i", help="Change the files themselves.")
]
NamespaceOption = Annotated[
    str, typer.Option("--namespace", "-n", help="Namespace of objects that do not say theirs.")
]
AccountsOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--service-account-file",
        metavar="FILE",
        help="File with service accounts, beside those in the files; may be repeated.",
    ),
]
TenantOption = Annotated[
    str,
    typer.Option(
        "--tenant-id",
        envvar=contract.TENANT_ID,
        help="Tenant of service accounts that name none.",
    ),
]
AzureEnvOption = Annotated[
    str,
    typer.Option(
        "--azure-env", help="AzurePublicCloud, AzureUSGovernmentCloud or AzureChinaCloud."
    ),
]
ProxyImageOption = Annotated[
    str, typer.Option("--proxy-image", envvar="PROXY_IMAGE", help="Image of azwi-proxy.")
]
InitImageOption = Annotated[
    str,
    typer.Option("--proxy-init-image", envvar="PROXY_INIT_IMAGE", help="Image of azwi-proxy-init."),
]
SetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="NAME=VALUE",
        help="Another variable of the webhook, as in docs/settings.md; may be repeated.",
    ),
]
KubernetesOption = Annotated[
    str,
    typer.Option(
        "--kubernetes-version",
        metavar="1.N",
        help="Of the cluster that the files are for; below 1.32 the sidecar is no native one.",
    ),
]
_SETTING: Final = re.compile(r"([A-Z][A-Z0-9_]*)=(.*)", re.DOTALL)


def variables(
    more: Sequence[str] | None = None,
    *,
    tenant_id: str = "",
    azure_env: str = "",
    proxy_image: str = "",
    init_image: str = "",
) -> dict[str, str]:
    """The webhook's variables; ``more`` as ``NAME=VALUE``, which win."""
    found = {
        contract.TENANT_ID: tenant_id,
        "AZURE_ENVIRONMENT": azure_env,
        "PROXY_IMAGE": proxy_image,
        "PROXY_INIT_IMAGE": init_image,
    }
    for text in more or ():
        setting = _SETTING.fullmatch(text)
        if not setting:
            raise errors.BadInput(
                f"--set wants NAME=VALUE; it is {text[:60]!r}.", "docs/settings.md has the names."
            )
        found[setting[1]] = setting[2]
    return found


def minor(version: str) -> int:
    """34 for 1.34 or v1.34.2; raises BadInput."""
    from azwi_webhook.versions import minor_of

    try:
        return minor_of(version)
    except ValueError as error:
        raise errors.BadInput(f"--kubernetes-version: {error}.") from error

"""How the apps of a migrated workload reach the sidecar, and what its pods must say for it. Pure.

docs/modes.md has what each mode needs and whom it serves, docs/clients.md what each client honours.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final

from azwi_cli.podidentity import objects
from azwi_common import contract

FLAG: Final = "--proxy-mode environment"


class Mode(StrEnum):
    """Unasked, through rules that need NET_ADMIN; or told by variables, which need nothing."""

    REDIRECT = "redirect"
    ENVIRONMENT = "environment"


NOTE: Final = (
    "In environment mode an app must honour the sidecar's variables, as most SDKs do. What has"
    " 169.254.169.254 written into it (scripts with curl, Terraform without ARM_MSI_ENDPOINT,"
    " MSIVmTokenCredentials of @azure/ms-rest-nodeauth, other old libraries) gets the node's"
    " identity or no token: it needs the redirect. docs/clients.md lists the clients."
)
UNREAD: Final = (
    f"You may not read the webhook's Deployment: its {contract.PROXY_MODE} counts as redirect."
    " Where it is another, say it with --proxy-mode."
)


def of_webhook(deployment: Mapping[str, Any]) -> str:
    """What the webhook's Deployment has as its mode; empty: it says nothing, or not plainly."""
    spec = objects.part(deployment, "spec", "template", "spec")
    for container in objects.items(spec, "containers"):
        for entry in objects.items(container, "env"):
            if entry.get("name") == contract.PROXY_MODE:
                return str(entry.get("value") or "")
    return ""


def chosen(flag: Mode | None, annotations: Mapping[str, str], webhooks: str | None) -> Mode:
    """The mode of a workload's pods: the flag's, else its own, else the webhook's, else redirect.

    ``annotations``: those of its template; ``webhooks``: the mode of pods that say nothing.
    """
    for text in (flag, annotations.get(contract.MODE_ANNOTATION, "").strip(), webhooks):
        if text and text in (*Mode,):
            return Mode(text)
    return Mode.REDIRECT


def annotations(flag: Mode | None, mode: Mode, given: Mapping[str, str]) -> dict[str, str | None]:
    """What a template whose annotations are ``given`` must say for ``mode``; None: not any more."""
    idle = (
        contract.INIT_ANNOTATIONS
        if mode is Mode.ENVIRONMENT
        else {contract.MSI_ENDPOINT_ANNOTATION}
    )
    found: dict[str, str | None] = dict.fromkeys(sorted(idle.intersection(given)))
    if mode is Mode.ENVIRONMENT or flag or contract.MODE_ANNOTATION in given:
        found[contract.MODE_ANNOTATION] = mode
    return {name: None if text is None else str(text) for name, text in found.items()}

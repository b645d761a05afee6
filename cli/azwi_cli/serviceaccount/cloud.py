"""Azure's clouds in one table: where to log in, Graph, ARM, and what audience tokens have. Pure.

Source: learn.microsoft.com/graph/deployments, …/azure/azure-government/compare-azure-government-
global-azure, and the answer of ARM's /metadata/endpoints, which also describes custom clouds.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from azwi_cli import errors


@dataclass(frozen=True, slots=True)
class Cloud:
    """One cloud; URLs are without a slash at the end."""

    name: str
    login: str
    graph: str
    arm: str
    audience: str
    """Of service account tokens that are exchanged there."""
    arm_audience: str = ""
    """Of tokens for ARM; empty: its URL."""
    is_custom: bool = False
    """Nobody but its operator knows its login host."""

    @property
    def graph_scope(self) -> str:
        """For a token that Graph takes."""
        return f"{self.graph}/.default"

    @property
    def arm_scope(self) -> str:
        """For a token that ARM takes."""
        return f"{self.arm_audience or self.arm}/.default"


CLOUDS: Final = (
    Cloud(
        "AzurePublicCloud",
        "https://login.microsoftonline.com",
        "https://graph.microsoft.com",
        "https://management.azure.com",
        "api://AzureADTokenExchange",
    ),
    Cloud(
        "AzureUSGovernmentCloud",
        "https://login.microsoftonline.us",
        "https://graph.microsoft.us",
        "https://management.usgovcloudapi.net",
        "api://AzureADTokenExchangeUSGov",
    ),
    Cloud(
        "AzureChinaCloud",
        "https://login.chinacloudapi.cn",
        "https://microsoftgraph.chinacloudapi.cn",
        "https://management.chinacloudapi.cn",
        "api://AzureADTokenExchangeChina",
    ),
)
_ALSO: Final = {
    "azurecloud": "AzurePublicCloud",
    "azureusgovernment": "AzureUSGovernmentCloud",
}
"""Names that the Azure CLI gives them."""


def named(name: str) -> Cloud:
    """The cloud of the table; raises BadInput."""
    wanted = _ALSO.get(name.lower(), name).lower()
    for cloud in CLOUDS:
        if cloud.name.lower() == wanted:
            return cloud
    known = ", ".join(cloud.name for cloud in CLOUDS)
    raise errors.BadInput(
        f"There is no cloud {name!r}.",
        f"Give --azure-env one of {known}, or describe your own with --azure-env-file.",
    )


def custom(content: bytes, file: str, name: str = "") -> Cloud:
    """A cloud described as ARM's /metadata/endpoints does; ``name`` chooses among several."""
    try:
        read = json.loads(content)
        listed = [read] if isinstance(read, dict) else list(read)
        found = [cloud for cloud in listed if name.lower() in ("", str(cloud["name"]).lower())]
        if len(listed) == 1 and not found:
            found = listed
        if len(found) != 1:
            names = ", ".join(str(cloud["name"]) for cloud in listed)
            raise errors.BadInput(
                f"{file} describes several clouds ({names}).", "Name one with --azure-env."
            )
        return _described(found[0])
    except (ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
        raise errors.BadInput(
            f"{file} does not describe a cloud ({error}).",
            "It must be what ARM answers at /metadata/endpoints?api-version=2022-09-01.",
        ) from error


def _described(said: Mapping[str, Any]) -> Cloud:
    login = said["authentication"]
    return Cloud(
        str(said["name"]),
        _url(login["loginEndpoint"]),
        _url(said["microsoftGraphResourceId"]),
        _url(said["resourceManager"]),
        CLOUDS[0].audience,
        str(login["audiences"][-1]).rstrip("/"),
        is_custom=True,
    )


def _url(text: str) -> str:
    if urlsplit(text).scheme != "https":
        raise ValueError(f"{text!r} is no https URL")
    return text.rstrip("/")

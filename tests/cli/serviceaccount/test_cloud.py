"""The table of clouds, and clouds from a file."""

import json
from typing import Any

import pytest

from azwi_cli import errors
from azwi_cli.serviceaccount import cloud
from azwi_webhook import settings


def described(**changes: Any) -> dict[str, Any]:
    return {
        "name": "Mine",
        "authentication": {
            "loginEndpoint": "https://login.mine.example/",
            "audiences": ["https://old.mine.example/", "https://arm.mine.example/"],
        },
        "resourceManager": "https://arm.mine.example/",
        "microsoftGraphResourceId": "https://graph.mine.example/",
        **changes,
    }


@pytest.mark.parametrize("name", settings.CLOUDS)
def test_the_webhook_and_azwi_agree_on_login_hosts_and_audiences(name: str) -> None:
    found = cloud.named(name)
    assert (found.login + "/", found.audience) == settings.CLOUDS[name]


def test_scopes_are_those_of_the_cloud() -> None:
    found = cloud.named("AzureUSGovernmentCloud")
    assert found.graph_scope == "https://graph.microsoft.us/.default"
    assert found.arm_scope == "https://management.usgovcloudapi.net/.default"


@pytest.mark.parametrize("name", ["azurepubliccloud", "AzureCloud"])
def test_other_spellings_are_known(name: str) -> None:
    assert cloud.named(name).name == "AzurePublicCloud"


def test_an_unknown_cloud_is_told_with_those_that_are_known() -> None:
    with pytest.raises(errors.BadInput, match="AzureChinaCloud"):
        cloud.named("AzureGermanCloud")


def test_a_custom_cloud_is_read_from_arms_own_answer() -> None:
    found = cloud.custom(json.dumps([described()]).encode(), "f")
    assert found == cloud.Cloud(
        "Mine",
        "https://login.mine.example",
        "https://graph.mine.example",
        "https://arm.mine.example",
        "api://AzureADTokenExchange",
        "https://arm.mine.example",
        is_custom=True,
    )


def test_several_clouds_in_a_file_are_told_apart_by_name() -> None:
    content = json.dumps([described(), described(name="Other")]).encode()
    assert cloud.custom(content, "f", "other").name == "Other"
    with pytest.raises(errors.BadInput, match="Mine, Other"):
        cloud.custom(content, "f")


@pytest.mark.parametrize(
    "content",
    [
        b"no",
        b"[]",
        b"[1]",
        b"3",
        json.dumps({"name": "x"}).encode(),
        json.dumps(described(resourceManager="http://arm.example")).encode(),
    ],
)
def test_what_describes_no_cloud_is_told(content: bytes) -> None:
    with pytest.raises(errors.BadInput):
        cloud.custom(content, "f")

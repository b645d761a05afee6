"""Subscriptions and resource groups."""

from typing import TYPE_CHECKING, Any

import pytest

from azwi_emulator.api import Problem
from azwi_emulator.ready_made import RESOURCE_GROUP, SUBSCRIPTION_ID, TENANT_ID

if TYPE_CHECKING:
    from tests.emulator.conftest import Desk

GROUPS = f"/subscriptions/{SUBSCRIPTION_ID}/resourceGroups"


def test_the_tenants_subscription_is_listed(desk: "Desk") -> None:
    (found,) = (desk.arm("GET", "/subscriptions").body or {})["value"]
    assert (found["subscriptionId"], found["tenantId"]) == (SUBSCRIPTION_ID, TENANT_ID)
    assert found["state"] == "Enabled"
    assert desk.arm("GET", f"/subscriptions/{SUBSCRIPTION_ID}").body == found
    desk.tenant_id = "fabrikam.example"
    assert (desk.arm("GET", "/subscriptions").body or {})["value"] == []


def test_a_resource_group_is_there_or_not(desk: "Desk") -> None:
    found = desk.arm("GET", f"{GROUPS}/{RESOURCE_GROUP.upper()}").body or {}
    assert found["name"] == RESOURCE_GROUP
    assert found["properties"] == {"provisioningState": "Succeeded"}
    heads = [desk.arm("HEAD", f"{GROUPS}/{name}").status for name in (RESOURCE_GROUP, "none")]
    assert heads == [204, 404]
    with pytest.raises(Problem) as caught:
        desk.arm("GET", f"{GROUPS}/none")
    assert (caught.value.status, caught.value.code) == (404, "ResourceGroupNotFound")


def test_a_resource_group_can_be_made_and_made_again(desk: "Desk") -> None:
    body: dict[str, Any] = {"location": "northeurope", "tags": {"a": "b"}}
    assert desk.arm("PUT", f"{GROUPS}/shop", body).status == 201
    assert desk.arm("PUT", f"{GROUPS}/SHOP", {"location": "northeurope"}).status == 200
    found = desk.arm("GET", f"{GROUPS}/shop").body or {}
    assert (found["name"], found["tags"]) == ("shop", {})


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "LocationRequired"),
        ([], "LocationRequired"),
        ({"location": "x", "tags": {"a": 1}}, "InvalidRequestContent"),
    ],
)
def test_a_resource_group_without_a_location_or_with_wrong_tags_is_refused(
    desk: "Desk", body: Any, code: str
) -> None:
    with pytest.raises(Problem) as caught:
        desk.arm("PUT", f"{GROUPS}/shop", body)
    assert (caught.value.status, caught.value.code) == (400, code)

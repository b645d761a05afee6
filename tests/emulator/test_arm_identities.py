"""User-assigned managed identities."""

from typing import TYPE_CHECKING, Any

import pytest

from azwi_emulator.api import Problem
from azwi_emulator.arm_identities import TYPE
from azwi_emulator.directory import principal_id
from azwi_emulator.ready_made import RESOURCE_GROUP, SUBSCRIPTION_ID, TENANT_ID

if TYPE_CHECKING:
    from tests.emulator.conftest import Desk

GROUP = f"/subscriptions/{SUBSCRIPTION_ID}/resourceGroups/{RESOURCE_GROUP}"
LIST = f"{GROUP}/providers/{TYPE}"
CART = f"{LIST}/cart"
HERE = {"location": "westeurope"}


def _refused(desk: "Desk", method: str, path: str, body: Any = None) -> tuple[int, str]:
    with pytest.raises(Problem) as caught:
        desk.arm(method, path, body)
    return caught.value.status, caught.value.code


def test_a_new_identity_is_201_and_has_its_clients_ids(desk: "Desk") -> None:
    reply = desk.arm("PUT", CART, {**HERE, "tags": {"a": "b"}})
    made = reply.body or {}
    client = made["properties"]["clientId"]
    assert reply.status == 201
    assert reply.headers["Location"] == made["id"]
    assert made == {
        "id": CART.replace("resourceGroups", "resourcegroups"),
        "name": "cart",
        "type": TYPE,
        "location": "westeurope",
        "tags": {"a": "b"},
        "properties": {
            "tenantId": TENANT_ID,
            "principalId": principal_id(TENANT_ID, client),
            "clientId": client,
            "isolationScope": "None",
        },
    }
    assert desk.arm("GET", CART.upper().replace("CART", "Cart")).body == made


def test_written_again_it_is_200_and_the_same_client(desk: "Desk") -> None:
    first = desk.arm("PUT", CART, HERE).body or {}
    again = desk.arm("PUT", CART, {"location": "West Europe"})
    assert again.status == 200
    assert again.body == first


def test_an_identity_cannot_move(desk: "Desk") -> None:
    desk.arm("PUT", CART, HERE)
    found = _refused(desk, "PUT", CART, {"location": "northeurope"})
    assert found == (409, "InvalidResourceLocation")


def test_tags_can_be_added(desk: "Desk") -> None:
    desk.arm("PUT", CART, {**HERE, "tags": {"a": "1"}})
    changed = desk.arm("PATCH", CART, {"tags": {"b": "2"}}).body or {}
    assert changed["tags"] == {"a": "1", "b": "2"}


def test_identities_are_listed_by_group_and_by_subscription(desk: "Desk") -> None:
    other = GROUP.replace(RESOURCE_GROUP, "other")
    desk.arm("PUT", other, HERE)
    desk.arm("PUT", CART, HERE)
    desk.arm("PUT", f"{other}/providers/{TYPE}/till", HERE)
    lists = (LIST, f"/subscriptions/{SUBSCRIPTION_ID}/providers/{TYPE}")
    found = [(desk.arm("GET", path).body or {})["value"] for path in lists]
    assert [[one["name"] for one in page] for page in found] == [["cart"], ["cart", "till"]]


@pytest.mark.parametrize(
    ("path", "body", "found"),
    [
        (CART, {}, (400, "LocationRequired")),
        (f"{LIST}/ab", HERE, (400, "InvalidResourceName")),
        (f"{LIST}/-abc", HERE, (400, "InvalidResourceName")),
        (f"{LIST}/{'x' * 129}", HERE, (400, "InvalidResourceName")),
        (CART.replace(RESOURCE_GROUP, "none"), HERE, (404, "ResourceGroupNotFound")),
        (CART.replace(SUBSCRIPTION_ID, "none"), HERE, (404, "SubscriptionNotFound")),
    ],
)
def test_what_cannot_be_made_is_refused(
    desk: "Desk", path: str, body: Any, found: tuple[int, str]
) -> None:
    assert _refused(desk, "PUT", path, body) == found


def test_an_identity_that_is_not_there_is_404_and_deleted_already(desk: "Desk") -> None:
    assert _refused(desk, "GET", CART) == (404, "ResourceNotFound")
    assert _refused(desk, "PATCH", CART, {}) == (404, "ResourceNotFound")
    assert desk.arm("DELETE", CART).status == 204


def test_a_deleted_identity_takes_its_credentials_along_but_no_role_assignment(
    desk: "Desk",
) -> None:
    made = desk.arm("PUT", CART, HERE).body or {}
    desk.arm(
        "PUT",
        f"{CART}/federatedIdentityCredentials/one",
        {"properties": {"issuer": "https://i/", "subject": "s", "audiences": ["a"]}},
    )
    assignment = f"{GROUP}/providers/Microsoft.Authorization/roleAssignments/{SUBSCRIPTION_ID}"
    reader = (
        "/providers/Microsoft.Authorization/roleDefinitions/acdd72a7-3385-48ef-bd42-f606fba81ae7"
    )
    principal = made["properties"]["principalId"]
    body = {"properties": {"roleDefinitionId": reader, "principalId": principal}}
    desk.arm("PUT", assignment, body)
    assert desk.arm("DELETE", CART).status == 200
    assert _refused(desk, "GET", CART)[0] == 404
    assert list(desk.cloud.credentials.all()) == []
    assert desk.arm("GET", assignment).status == 200


def test_a_reader_sees_a_new_identity_later(desk: "Desk") -> None:
    desk.lag = 5
    desk.arm("PUT", CART, HERE)
    assert _refused(desk, "GET", CART) == (404, "ResourceNotFound")
    desk.now += 5
    assert desk.arm("GET", CART).status == 200

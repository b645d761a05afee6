"""Applications and service principals of Microsoft Graph."""

from typing import TYPE_CHECKING, Any

import pytest

from azwi_emulator.api import Problem
from azwi_emulator.ready_made import RESOURCE_GROUP, SUBSCRIPTION_ID, TENANT_ID

if TYPE_CHECKING:
    from tests.emulator.conftest import Desk


def _made(desk: "Desk", **more: Any) -> dict[str, Any]:
    reply = desk.graph("POST", "/applications", {"displayName": "shop", **more})
    assert reply.status == 201
    return dict(reply.body or {})


def _principal(desk: "Desk", app: dict[str, Any]) -> dict[str, Any]:
    return dict(desk.graph("POST", "/servicePrincipals", {"appId": app["appId"]}).body or {})


def _refused(desk: "Desk", method: str, path: str, body: Any = None) -> tuple[int, str]:
    with pytest.raises(Problem) as caught:
        desk.graph(method, path, body)
    return caught.value.status, caught.value.code


def test_an_application_has_graphs_properties_and_keeps_those_that_were_given(
    desk: "Desk",
) -> None:
    app = _made(desk, tags=["azwi"], appId="mine")
    assert app["@odata.context"] == "https://host/api/v1.0/$metadata#applications/$entity"
    assert (app["displayName"], app["tags"], app["signInAudience"]) == (
        "shop",
        ["azwi"],
        "AzureADMyOrg",
    )
    assert app["createdDateTime"] == "2023-11-14T22:13:20Z"
    assert len({app["id"], app["appId"], "mine"}) == 3


def test_two_applications_may_have_the_same_name(desk: "Desk") -> None:
    assert _made(desk)["id"] != _made(desk)["id"]


def test_an_application_is_found_by_its_id_and_by_its_app_id(desk: "Desk") -> None:
    app = _made(desk)
    by_id = desk.graph("GET", f"/applications/{app['id']}").body
    by_app_id = desk.graph("GET", f"/applications(appId='{app['appId']}')").body
    assert by_id == by_app_id == app


@pytest.mark.parametrize("path", ["/applications/nobody", "/applications(appId='nobody')"])
@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
def test_an_application_that_is_not_there_is_404(desk: "Desk", method: str, path: str) -> None:
    assert _refused(desk, method, path, {}) == (404, "Request_ResourceNotFound")


def test_an_application_can_be_changed(desk: "Desk") -> None:
    app = _made(desk, tags=["a"])
    assert desk.graph("PATCH", f"/applications/{app['id']}", {"tags": ["b"]}).status == 204
    changed = desk.graph("GET", f"/applications/{app['id']}").body or {}
    assert (changed["displayName"], changed["tags"]) == ("shop", ["b"])


def test_quick_changes_do_not_undo_each_other(desk: "Desk") -> None:
    app = _made(desk)
    desk.lag = 5
    desk.graph("PATCH", f"/applications/{app['id']}", {"tags": ["b"]})
    desk.graph("PATCH", f"/applications/{app['id']}", {"displayName": "cart"})
    desk.now += 5
    changed = desk.graph("GET", f"/applications/{app['id']}").body or {}
    assert (changed["displayName"], changed["tags"]) == ("cart", ["b"])


def _upsert(desk: "Desk", **body: Any) -> Any:
    desk.prefer = "create-if-missing"
    return desk.graph("PATCH", "/applications(uniqueName='it''s')", body)


def test_an_upsert_makes_an_application_once_and_changes_it_then(desk: "Desk") -> None:
    made = _upsert(desk, displayName="shop")
    assert (made.status, made.body["uniqueName"]) == (201, "it's")
    assert _upsert(desk, displayName="cart").status == 204
    found = desk.graph("GET", "/applications(uniqueName='it''s')").body or {}
    assert (found["id"], found["displayName"]) == (made.body["id"], "cart")


def test_an_upsert_knows_what_lists_do_not_show_yet(desk: "Desk") -> None:
    desk.lag = 5
    _upsert(desk, displayName="shop")
    assert _upsert(desk, displayName="shop").status == 204
    assert (desk.graph("GET", "/applications").body or {})["value"] == []
    assert _refused(desk, "GET", "/applications(uniqueName='it''s')")[0] == 404


def test_without_the_preference_an_upsert_changes_only(desk: "Desk") -> None:
    path, body = "/applications(uniqueName='x')", {"displayName": "shop"}
    assert _refused(desk, "PATCH", path, body) == (404, "Request_ResourceNotFound")


def test_a_unique_name_belongs_to_one_application_for_good(desk: "Desk") -> None:
    app, other = _made(desk, uniqueName="a"), _made(desk)
    path = f"/applications/{other['id']}"
    assert _refused(desk, "PATCH", path, {"uniqueName": "A"}) == (400, "Request_BadRequest")
    desk.graph("PATCH", path, {"uniqueName": "b"})
    assert _refused(desk, "PATCH", path, {"uniqueName": "c"}) == (400, "Request_BadRequest")
    desk.graph("PATCH", f"/applications/{app['id']}", {"uniqueName": "a", "tags": ["t"]})


def test_a_deleted_application_keeps_its_unique_name_until_it_is_deleted_for_ever(
    desk: "Desk",
) -> None:
    app = _upsert(desk, displayName="shop").body
    desk.graph("DELETE", f"/applications/{app['id']}")
    with pytest.raises(Problem) as caught:
        _upsert(desk, displayName="shop")
    assert (caught.value.status, caught.value.code) == (400, "Request_BadRequest")
    assert "property uniqueName already exists" in caught.value.message
    listed = "/directory/deletedItems/microsoft.graph.application"
    (gone,) = (desk.graph("GET", listed, filter="displayName eq 'shop'").body or {})["value"]
    assert (gone["id"], gone["deletedDateTime"]) == (app["id"], "2023-11-14T22:13:20Z")
    path = f"/directory/deletedItems/{app['id']}"
    assert desk.graph("DELETE", path).status == 204
    assert _refused(desk, "DELETE", path)[0] == 404
    assert _upsert(desk, displayName="shop").status == 201


@pytest.mark.parametrize("name", [None, "", 1, "x" * 257])
def test_a_display_name_is_a_must(desk: "Desk", name: Any) -> None:
    assert _refused(desk, "POST", "/applications", {"displayName": name}) == (
        400,
        "Request_BadRequest",
    )


def test_a_new_application_is_404_while_it_replicates(desk: "Desk") -> None:
    desk.lag = 5
    app = _made(desk)
    assert _refused(desk, "GET", f"/applications/{app['id']}")[0] == 404
    desk.now += 5
    assert desk.graph("GET", f"/applications/{app['id']}").status == 200


def test_a_deleted_application_is_still_seen_for_a_while_but_not_deleted_twice(
    desk: "Desk",
) -> None:
    app = _made(desk)
    desk.lag = 5
    path = f"/applications/{app['id']}"
    assert desk.graph("DELETE", path).status == 204
    assert desk.graph("GET", path).status == 200
    assert _refused(desk, "DELETE", path)[0] == 404
    desk.now += 5
    assert _refused(desk, "GET", path)[0] == 404


def test_a_tenant_sees_only_its_own(desk: "Desk") -> None:
    app = _made(desk)
    principal = _principal(desk, app)
    desk.tenant_id = "fabrikam.example"
    assert _refused(desk, "GET", f"/applications/{app['id']}")[0] == 404
    assert _refused(desk, "GET", f"/servicePrincipals/{principal['id']}")[0] == 404
    assert (desk.graph("GET", "/applications").body or {})["value"] == []
    assert (desk.graph("GET", "/servicePrincipals").body or {})["value"] == []


def test_a_service_principal_stands_for_an_application(desk: "Desk") -> None:
    app = _made(desk)
    principal = _principal(desk, app)
    assert principal["appId"] == app["appId"]
    assert principal["servicePrincipalNames"] == [app["appId"]]
    assert principal["servicePrincipalType"] == "Application"
    assert principal["appOwnerOrganizationId"] == TENANT_ID
    found = desk.graph("GET", f"/servicePrincipals(appId='{app['appId']}')").body
    assert found == principal


def test_a_second_service_principal_is_a_duplicate(desk: "Desk") -> None:
    app = _made(desk)
    _principal(desk, app)
    assert _refused(desk, "POST", "/servicePrincipals", {"appId": app["appId"]}) == (
        409,
        "Request_MultipleObjectsWithSameKeyValue",
    )


def test_a_service_principal_waits_until_its_application_has_replicated(desk: "Desk") -> None:
    desk.lag = 5
    app = _made(desk)
    with pytest.raises(Problem) as caught:
        _principal(desk, app)
    assert (caught.value.status, caught.value.code) == (400, "Request_BadRequest")
    assert (caught.value.details or [])[0]["code"] == "NoBackingApplicationObject"
    desk.now += 5
    assert _principal(desk, app)["appId"] == app["appId"]


def test_an_application_takes_its_service_principal_along(desk: "Desk") -> None:
    app = _made(desk)
    principal = _principal(desk, app)
    desk.graph("DELETE", f"/applications/{app['id']}")
    assert _refused(desk, "GET", f"/servicePrincipals/{principal['id']}")[0] == 404


def test_a_service_principal_can_be_deleted_alone(desk: "Desk") -> None:
    app = _made(desk)
    principal = _principal(desk, app)
    assert desk.graph("DELETE", f"/servicePrincipals/{principal['id']}").status == 204
    assert desk.graph("GET", f"/applications/{app['id']}").status == 200
    assert _principal(desk, app)["appId"] == app["appId"]


def test_a_managed_identity_has_a_service_principal_that_only_arm_deletes(desk: "Desk") -> None:
    group = f"/subscriptions/{SUBSCRIPTION_ID}/resourceGroups/{RESOURCE_GROUP}"
    path = f"{group}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/cart"
    made = desk.arm("PUT", path, {"location": "westeurope"}).body or {}
    app_id = made["properties"]["clientId"]
    found = desk.graph("GET", "/servicePrincipals", filter=f"appId eq '{app_id}'").body or {}
    (principal,) = found["value"]
    assert principal["servicePrincipalType"] == "ManagedIdentity"
    assert principal["id"] == made["properties"]["principalId"]
    assert made["id"] in principal["alternativeNames"]
    assert _refused(desk, "DELETE", f"/servicePrincipals/{principal['id']}")[0] == 403

"""Which paths lead where: those that the kept libraries and the Go tool ask for."""

import contextlib
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from azwi_emulator import api, routes
from azwi_emulator.ready_made import RESOURCE_GROUP, SUBSCRIPTION_ID

if TYPE_CHECKING:
    from tests.emulator.conftest import Desk

GROUP = "/subscriptions/s/resourceGroups/g"
MSI = "/providers/Microsoft.ManagedIdentity/userAssignedIdentities"
ROLES = "/providers/Microsoft.Authorization"


@pytest.mark.parametrize(
    ("method", "path", "handler"),
    [
        ("GET", "/v1.0/applications", "list_applications"),
        ("GET", "/beta/applications", "list_applications"),
        ("GET", "/v1.0/applications/o", "get_application"),
        ("GET", "/v1.0/applications(appId='c')", "get_application"),
        ("GET", "/v1.0/applications(uniqueName='n''s')", "get_application"),
        ("PATCH", "/v1.0/applications(uniqueName='n')", "upsert_application"),
        ("PATCH", "/v1.0/applications(appId='c')", "update_application"),
        (
            "GET",
            "/v1.0/directory/deletedItems/microsoft.graph.application",
            "list_deleted",
        ),
        ("DELETE", "/v1.0/directory/deletedItems/o", "delete_for_ever"),
        ("DELETE", "/v1.0/servicePrincipals(appId='c')", "delete_principal"),
        (
            "POST",
            "/v1.0/applications(appId='c')/federatedIdentityCredentials",
            "create_credential",
        ),
        ("GET", "/v1.0/applications/o/federatedIdentityCredentials/n=", "get_credential"),
    ],
)
def test_graph(method: str, path: str, handler: str) -> None:
    found = api.find(routes.GRAPH, method, path)
    assert found
    assert found[0].handler.__name__ == handler


@pytest.mark.parametrize(
    ("method", "path", "handler"),
    [
        ("GET", "/subscriptions", "list_subscriptions"),
        ("GET", "/subscriptions/s", "get_subscription"),
        ("HEAD", GROUP, "has_group"),
        ("GET", GROUP.lower(), "get_group"),
        ("GET", f"/subscriptions/s{MSI}", "list_identities"),
        ("GET", f"{GROUP}{MSI}", "list_identities"),
        ("PUT", f"{GROUP}{MSI.lower()}/i", "put_identity"),
        ("PUT", f"{GROUP}{MSI}/i/federatedIdentityCredentials/c", "put_credential"),
        ("GET", f"{ROLES}/roleDefinitions", "list_definitions"),
        ("GET", f"/subscriptions/s{ROLES}/roleDefinitions/r", "get_definition"),
        ("GET", f"{GROUP}{MSI}/i{ROLES}/roleAssignments", "list_assignments"),
        ("PUT", f"{GROUP}{ROLES}/roleAssignments/n", "put_assignment"),
        ("DELETE", f"{ROLES}/roleAssignments/n", "delete_assignment"),
    ],
)
def test_arm(method: str, path: str, handler: str) -> None:
    found = api.find(routes.ARM, method, path)
    assert found
    assert found[0].handler.__name__ == handler


@pytest.mark.parametrize("path", ["/v1.0/users", "/applications", "/v1.0/applications/o/owners"])
def test_what_graph_does_not_know_leads_nowhere(path: str) -> None:
    assert api.allowed(routes.GRAPH, path) == ()


def test_an_identity_bears_one_write_of_its_credentials_at_a_time() -> None:
    serial = {
        (r.method, r.handler.__name__) for r in routes.ARM if r.handler in routes.SERIAL_WRITES
    }
    assert serial == {("PUT", "put_credential"), ("DELETE", "delete_credential")}


HERE = f"/subscriptions/{SUBSCRIPTION_ID}/resourceGroups/{RESOURCE_GROUP}"
CART = f"{HERE}{MSI}/cart"
NAME = "0d15ea5e-0000-4000-8000-000000000001"
WRITES = [
    ("graph", "POST", "/applications"),
    ("graph", "PATCH", "/applications/{app}"),
    ("graph", "POST", "/servicePrincipals"),
    ("graph", "POST", "/applications/{app}/federatedIdentityCredentials"),
    ("arm", "PUT", f"{HERE}2"),
    ("arm", "PUT", CART),
    ("arm", "PATCH", CART),
    ("arm", "PUT", f"{CART}/federatedIdentityCredentials/one"),
    ("arm", "PUT", f"{HERE}{ROLES}/roleAssignments/{NAME}"),
]
_KNOWN = st.sampled_from(
    [
        *("displayName", "appId", "name", "issuer", "subject", "audiences", "description"),
        *("location", "tags", "properties", "roleDefinitionId", "principalId", "principalType"),
    ]
)
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.just("https://i/"),
    lambda part: st.lists(part, max_size=3) | st.dictionaries(_KNOWN | st.text(), part, max_size=6),
)


@settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
@given(st.sampled_from(WRITES), st.dictionaries(_KNOWN, _JSON) | _JSON)
def test_any_body_is_granted_or_refused(
    desk: "Desk", write: tuple[str, str, str], body: Any
) -> None:
    app = desk.graph("POST", "/applications", {"displayName": "shop"}).body or {}
    desk.arm("PUT", CART, {"location": "westeurope"})
    name, method, path = write
    ask = desk.graph if name == "graph" else desk.arm
    with contextlib.suppress(api.Problem):
        assert ask(method, path.format(app=app["id"]), body).status in (200, 201, 204)

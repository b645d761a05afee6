"""Role definitions and role assignments."""

import uuid
from typing import TYPE_CHECKING, Any

import pytest

from azwi_emulator.api import Problem
from azwi_emulator.ready_made import RESOURCE_GROUP, SUBSCRIPTION_ID

if TYPE_CHECKING:
    from tests.emulator.conftest import Desk

SUBSCRIPTION = f"/subscriptions/{SUBSCRIPTION_ID}"
GROUP = f"{SUBSCRIPTION}/resourceGroups/{RESOURCE_GROUP}"
VAULT = f"{GROUP}/providers/Microsoft.KeyVault/vaults/v"
DEFINITIONS = "/providers/Microsoft.Authorization/roleDefinitions"
ASSIGNMENTS = "/providers/Microsoft.Authorization/roleAssignments"
READER = f"{SUBSCRIPTION}{DEFINITIONS}/acdd72a7-3385-48ef-bd42-f606fba81ae7"
OWNER = f"{SUBSCRIPTION}{DEFINITIONS}/8e3af657-a8ff-443c-a75c-2fe8c4bcb635"
NAME = "0d15ea5e-0000-4000-8000-000000000001"


@pytest.fixture
def principal(desk: "Desk") -> str:
    path = f"{GROUP}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/cart"
    made = desk.arm("PUT", path, {"location": "westeurope"}).body or {}
    return str(made["properties"]["principalId"])


def _body(principal: str, role: str = READER, **more: Any) -> dict[str, Any]:
    return {"properties": {"roleDefinitionId": role, "principalId": principal, **more}}


def _refused(desk: "Desk", method: str, path: str, body: Any = None, **query: str) -> Problem:
    with pytest.raises(Problem) as caught:
        desk.arm(method, path, body, **query)
    return caught.value


def _roles(desk: "Desk", **query: str) -> list[str]:
    found = desk.arm("GET", f"{SUBSCRIPTION}{DEFINITIONS}", **query).body or {}
    return [role["properties"]["roleName"] for role in found["value"]]


def test_a_role_is_found_by_its_name(desk: "Desk") -> None:
    assert _roles(desk, filter="roleName eq 'key vault secrets user'") == ["Key Vault Secrets User"]
    assert _roles(desk, filter="roleName eq 'x'") == []
    assert "Reader" in _roles(desk, filter="atScope() and type eq 'BuiltInRole'")
    found = desk.arm("GET", READER).body or {}
    assert (found["id"], found["properties"]["roleName"]) == (READER, "Reader")


def test_a_role_that_is_not_there_is_404(desk: "Desk") -> None:
    problem = _refused(desk, "GET", f"{SUBSCRIPTION}{DEFINITIONS}/{NAME}")
    assert (problem.status, problem.code) == (404, "RoleDefinitionDoesNotExist")


def test_a_new_assignment_is_201_and_comes_back(desk: "Desk", principal: str) -> None:
    reply = desk.arm("PUT", f"{VAULT}{ASSIGNMENTS}/{NAME}", _body(principal, description="d"))
    made = reply.body or {}
    assert reply.status == 201
    assert made["id"] == f"{VAULT}{ASSIGNMENTS}/{NAME}"
    properties = made["properties"]
    assert (properties["principalId"], properties["scope"]) == (principal, VAULT)
    assert (properties["principalType"], properties["description"]) == ("ServicePrincipal", "d")
    assert desk.arm("GET", made["id"]).body == made


def test_the_same_again_is_200_and_under_another_name_a_conflict(
    desk: "Desk", principal: str
) -> None:
    path = f"{GROUP}{ASSIGNMENTS}"
    desk.arm("PUT", f"{path}/{NAME}", _body(principal))
    assert desk.arm("PUT", f"{path}/{NAME}", _body(principal)).status == 200
    problem = _refused(desk, "PUT", f"{path}/{uuid.uuid4()}", _body(principal))
    assert (problem.status, problem.code) == (409, "RoleAssignmentExists")
    assert NAME.replace("-", "") in problem.message


def test_an_assignment_cannot_be_changed(desk: "Desk", principal: str) -> None:
    path = f"{GROUP}{ASSIGNMENTS}/{NAME}"
    desk.arm("PUT", path, _body(principal))
    problem = _refused(desk, "PUT", path, _body(principal, OWNER))
    assert (problem.status, problem.code) == (400, "RoleAssignmentUpdateNotPermitted")


def test_a_principal_that_replicates_is_not_found_unless_its_type_is_given(desk: "Desk") -> None:
    desk.lag = 5
    path = f"{GROUP}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/new"
    made = desk.arm("PUT", path, {"location": "westeurope"}).body or {}
    principal = made["properties"]["principalId"]
    first, second = (f"{scope}{ASSIGNMENTS}/{NAME}" for scope in (GROUP, SUBSCRIPTION))
    problem = _refused(desk, "PUT", first, _body(principal))
    assert (problem.status, problem.code) == (400, "PrincipalNotFound")
    assert desk.arm("PUT", first, _body(principal, principalType="ServicePrincipal")).status == 201
    desk.now += 5
    assert desk.arm("PUT", second, _body(principal)).status == 201


@pytest.mark.parametrize(
    ("path", "changes", "found"),
    [
        (f"{GROUP}{ASSIGNMENTS}/x", {}, (400, "InvalidRoleAssignmentId")),
        (f"{GROUP}{ASSIGNMENTS}/{NAME}", {"principalId": None}, (400, "BadRequestFormat")),
        (f"{GROUP}{ASSIGNMENTS}/{NAME}", {"roleDefinitionId": 1}, (400, "BadRequestFormat")),
        (
            f"{GROUP}{ASSIGNMENTS}/{NAME}",
            {"roleDefinitionId": "/x/y"},
            (404, "RoleDefinitionDoesNotExist"),
        ),
        (
            f"{SUBSCRIPTION}/resourceGroups/none{ASSIGNMENTS}/{NAME}",
            {},
            (404, "ResourceGroupNotFound"),
        ),
        (f"/subscriptions/none{ASSIGNMENTS}/{NAME}", {}, (404, "SubscriptionNotFound")),
        (f"/shop{ASSIGNMENTS}/{NAME}", {}, (400, "InvalidScope")),
    ],
)
def test_what_cannot_be_assigned_is_refused(
    desk: "Desk", principal: str, path: str, changes: dict[str, Any], found: tuple[int, str]
) -> None:
    problem = _refused(desk, "PUT", path, _body(principal, **changes))
    assert (problem.status, problem.code) == found


def test_a_deleted_assignment_is_gone(desk: "Desk", principal: str) -> None:
    path = f"{GROUP}{ASSIGNMENTS}/{NAME}"
    made = desk.arm("PUT", path, _body(principal)).body
    reply = desk.arm("DELETE", path)
    assert (reply.status, reply.body) == (200, made)
    assert desk.arm("DELETE", path).status == 204
    problem = _refused(desk, "GET", path)
    assert (problem.status, problem.code) == (404, "RoleAssignmentNotFound")


def _scopes(desk: "Desk", scope: str, **query: str) -> list[str]:
    found = desk.arm("GET", f"{scope}{ASSIGNMENTS}", **query).body or {}
    return [one["properties"]["scope"] for one in found["value"]]


def test_a_scope_lists_what_is_at_above_and_below_it(desk: "Desk", principal: str) -> None:
    other = f"{SUBSCRIPTION}/resourceGroups/{RESOURCE_GROUP}2"
    desk.arm("PUT", other, {"location": "westeurope"})
    for scope in (SUBSCRIPTION, GROUP, VAULT, other):
        desk.arm("PUT", f"{scope}{ASSIGNMENTS}/{uuid.uuid4()}", _body(principal))
    assert _scopes(desk, GROUP) == [SUBSCRIPTION, GROUP, VAULT]
    assert _scopes(desk, GROUP.upper(), filter="atScope()") == [SUBSCRIPTION, GROUP]
    assert _scopes(desk, "") == [SUBSCRIPTION, GROUP, VAULT, other]


def test_assignments_can_be_chosen_by_principal(desk: "Desk", principal: str) -> None:
    desk.arm("PUT", f"{GROUP}{ASSIGNMENTS}/{NAME}", _body(principal))
    for named in (f"principalId eq '{principal.upper()}'", f"assignedTo('{principal}')"):
        assert _scopes(desk, SUBSCRIPTION, filter=named) == [GROUP]
    assert _scopes(desk, GROUP, filter=f"atScope() and principalId eq '{principal}'") == [GROUP]
    assert _scopes(desk, GROUP, filter="principalId eq 'nobody'") == []


@pytest.mark.parametrize("where", [DEFINITIONS, ASSIGNMENTS])
@pytest.mark.parametrize("wrong", ["colour eq 'red'", "roleName", "atScope() or atScope()"])
def test_a_filter_that_is_not_known_is_refused(desk: "Desk", where: str, wrong: str) -> None:
    problem = _refused(desk, "GET", f"{GROUP}{where}", filter=wrong)
    assert (problem.status, problem.code) == (400, "UnsupportedQuery")

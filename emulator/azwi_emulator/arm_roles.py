"""ARM's role definitions and role assignments. Pure.

Sources: learn.microsoft.com/rest/api/authorization and …/azure/role-based-access-control (built-in
roles, troubleshooting), recorded answers and public issue threads.
"""

import re
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from azwi_emulator import arm
from azwi_emulator.api import Call, Problem, Reply
from azwi_emulator.cloud import Cloud, RoleAssignment, assignment_key

BUILT_IN: Final[Mapping[str, str]] = {
    "8e3af657-a8ff-443c-a75c-2fe8c4bcb635": "Owner",
    "b24988ac-6180-42a0-ab88-20f7382dd24c": "Contributor",
    "acdd72a7-3385-48ef-bd42-f606fba81ae7": "Reader",
    "18d7d88d-d35e-4fb5-a5c3-7773c20a72d9": "User Access Administrator",
    "f1a07417-d97a-45cb-824c-7a7467783830": "Managed Identity Operator",
    "e40ec5ca-96e0-45a2-b4ff-59039f2c2b59": "Managed Identity Contributor",
    "2a2b9908-6ea1-4ae2-8e65-a410df84e7d1": "Storage Blob Data Reader",
    "ba92f5b4-2d11-453d-a403-e96b0029c9fe": "Storage Blob Data Contributor",
    "b7e6dc6d-f1e8-4753-8033-0f276bb0955b": "Storage Blob Data Owner",
    "00482a5a-887f-4fb3-b363-3b7fe8e74483": "Key Vault Administrator",
    "21090545-7ca7-4776-b22c-e363652d74d2": "Key Vault Reader",
    "4633458b-17de-408a-b874-0445c86b69e6": "Key Vault Secrets User",
    "b86a8fe4-44ce-4948-aee5-eccb2c155cd7": "Key Vault Secrets Officer",
    "7f951dda-4ed3-4680-a7ca-43fe172d538d": "AcrPull",
    "8311e382-0749-4cb8-b61a-304f252e45ec": "AcrPush",
    "4abbcc35-e782-43d8-92c5-2d3f1bd2253f": "Azure Kubernetes Service Cluster User Role",
}
"""Names of some built-in roles by their id, which is the same in every tenant."""

_DEFINITIONS: Final = "/providers/Microsoft.Authorization/roleDefinitions"
_ASSIGNMENTS: Final = "/providers/Microsoft.Authorization/roleAssignments"
_SUBSCRIPTION: Final = re.compile(r"/subscriptions/([^/]+)(?:/resourceGroups/([^/]+))?.*", re.I)
_FIXED: Final = frozenset({"roleDefinitionId", "principalId", "principalType", "scope"})


# --- Role definitions -----------------------------------------------------------------------------


def list_definitions(cloud: Cloud, call: Call, at: Mapping[str, str]) -> Reply:
    """GET …/roleDefinitions, by ``roleName eq '…'``, ``type eq 'BuiltInRole'`` or ``atScope()``."""
    _check_scope(cloud, call, at["scope"])
    found = [_definition(at["scope"], role_id) for role_id in BUILT_IN]
    for term in arm.terms(call):
        if term.kind == "eq" and term.field in ("roleName", "type"):
            found = [role for role in found if _is(role["properties"][term.field], term.value)]
        elif (term.kind, term.field.lower()) not in (
            ("function", "atscope"),
            ("function", "atscopeandbelow"),
        ):
            raise arm.unsupported(f"Role definitions cannot be filtered by {term.field!r}.")
    return arm.listed(call, found)


def get_definition(cloud: Cloud, call: Call, at: Mapping[str, str]) -> Reply:
    """GET …/roleDefinitions/{id}."""
    _check_scope(cloud, call, at["scope"])
    if at["name"].lower() not in BUILT_IN:
        raise _no_role(at["name"])
    return Reply(200, _definition(at["scope"], at["name"].lower()))


def _definition(scope: str, role_id: str) -> dict[str, Any]:
    subscription = _SUBSCRIPTION.fullmatch(scope)
    home = f"/subscriptions/{subscription[1]}" if subscription else ""
    return {
        "id": f"{home}{_DEFINITIONS}/{role_id}",
        "name": role_id,
        "type": "Microsoft.Authorization/roleDefinitions",
        "properties": {
            "roleName": BUILT_IN[role_id],
            "type": "BuiltInRole",
            "description": f"The built-in role {BUILT_IN[role_id]}.",
            "assignableScopes": ["/"],
            "permissions": [
                {"actions": [], "notActions": [], "dataActions": [], "notDataActions": []}
            ],
        },
    }


def _is(value: str, wanted: str) -> bool:
    return value.casefold() == wanted.casefold()


# --- Role assignments -----------------------------------------------------------------------------


def list_assignments(cloud: Cloud, call: Call, at: Mapping[str, str]) -> Reply:
    """GET …/roleAssignments: at, above and below the scope; ``atScope()``: none below."""
    scope = _check_scope(cloud, call, at["scope"])
    mine = [one for one in cloud.assignments.all_seen(call.now) if one.tenant_id == call.tenant_id]
    mine = [one for one in mine if _within(scope, one.scope) or _within(one.scope, scope)]
    for term in arm.terms(call):
        name = term.field.lower()
        if term.kind == "function" and name == "atscope":
            mine = [one for one in mine if _within(scope, one.scope)]
        elif name in ("principalid", "assignedto"):
            mine = [one for one in mine if _is(one.principal_id, term.value)]
        else:
            raise arm.unsupported(f"Role assignments cannot be filtered by {term.field!r}.")
    return arm.listed(call, [_assignment(one) for one in mine])


def get_assignment(cloud: Cloud, call: Call, at: Mapping[str, str]) -> Reply:
    """GET …/roleAssignments/{name}."""
    scope = _check_scope(cloud, call, at["scope"])
    known = cloud.assignments.seen(assignment_key(scope, at["name"]), call.now)
    if known is None:
        raise arm.not_found(
            f"There is no role assignment {at['name']!r} at {scope}.", "RoleAssignmentNotFound"
        )
    return Reply(200, _assignment(known))


def put_assignment(cloud: Cloud, call: Call, at: Mapping[str, str]) -> Reply:
    """PUT …/roleAssignments/{name}: the same one again is 200, the same under a new name 409."""
    made = _made(call, _check_scope(cloud, call, at["scope"]), at["name"])
    known = cloud.assignments.get(made.key)
    if known and _essence(known) != _essence(made):
        raise arm.bad_request(
            "Principal, role and scope of a role assignment cannot be changed.",
            "RoleAssignmentUpdateNotPermitted",
        )
    if known is None:
        _check_new(cloud, call, made)
    cloud.assignments.put(made.key, made, now=call.now, lag=call.lag)
    return Reply(200 if known else 201, _assignment(made))


def delete_assignment(cloud: Cloud, call: Call, at: Mapping[str, str]) -> Reply:
    """DELETE …/roleAssignments/{name}: 204 where there is none."""
    known = cloud.assignments.get(
        assignment_key(_check_scope(cloud, call, at["scope"]), at["name"])
    )
    if known is None:
        return Reply(204)
    cloud.assignments.remove(known.key, now=call.now, lag=call.lag)
    return Reply(200, _assignment(known))


def _made(call: Call, scope: str, name: str) -> RoleAssignment:
    try:
        uuid.UUID(name)
    except ValueError:
        raise arm.bad_request(
            f"The name {name!r} of a role assignment must be a GUID.", "InvalidRoleAssignmentId"
        ) from None
    properties = call.object("properties")
    role = arm.text(properties, "roleDefinitionId", code="BadRequestFormat")
    if role.rpartition("/")[2].lower() not in BUILT_IN:
        raise _no_role(role)
    return RoleAssignment(
        name=name,
        scope=scope,
        tenant_id=call.tenant_id,
        principal_id=arm.text(properties, "principalId", code="BadRequestFormat").lower(),
        principal_type=str(properties.get("principalType") or ""),
        role_definition_id=role,
        created=datetime.fromtimestamp(call.now, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        more={name: value for name, value in properties.items() if name not in _FIXED},
    )


def _check_new(cloud: Cloud, call: Call, made: RoleAssignment) -> None:
    for other in cloud.assignments.all():
        if _essence(other) == _essence(made):
            raise Problem(
                409,
                "RoleAssignmentExists",
                "The principal has this role at this scope, by the role assignment"
                f" {other.name.replace('-', '')}.",
            )
    # With a principalType, ARM does not look the principal up: the way round replication.
    if not made.principal_type and not cloud.has_principal(
        call.tenant_id, made.principal_id, call.now
    ):
        raise arm.bad_request(
            f"The directory {call.tenant_id} has no principal {made.principal_id} (yet): give its"
            " 'principalType' where it has just been created.",
            "PrincipalNotFound",
        )


def _essence(one: RoleAssignment) -> tuple[str, str, str]:
    return one.scope.lower(), one.principal_id, one.role_definition_id.rpartition("/")[2].lower()


def _assignment(one: RoleAssignment) -> dict[str, Any]:
    home = "" if one.scope == "/" else one.scope
    return {
        "id": f"{home}{_ASSIGNMENTS}/{one.name}",
        "name": one.name,
        "type": "Microsoft.Authorization/roleAssignments",
        "properties": {
            **one.more,
            "roleDefinitionId": one.role_definition_id,
            "principalId": one.principal_id,
            "principalType": one.principal_type or "ServicePrincipal",
            "scope": one.scope,
            "createdOn": one.created,
            "updatedOn": one.created,
        },
    }


# --- Scopes ---------------------------------------------------------------------------------------


def _check_scope(cloud: Cloud, call: Call, scope: str) -> str:
    """The scope, whose subscription and resource group must exist; the root is ``/``."""
    found = _SUBSCRIPTION.fullmatch(scope)
    if found:
        at = {"subscription": found[1], "group": found[2] or ""}
        arm.subscription(cloud, call, at)
        if found[2]:
            arm.group(cloud, call, at)
    elif scope and not scope.lower().startswith("/providers/microsoft.management/"):
        raise arm.bad_request(f"{scope!r} is no scope.", "InvalidScope")
    return scope or "/"


def _within(inner: str, outer: str) -> bool:
    return outer == "/" or f"{inner.lower()}/".startswith(f"{outer.lower()}/")


def _no_role(name: str) -> Problem:
    return arm.not_found(f"There is no role definition {name!r}.", "RoleDefinitionDoesNotExist")

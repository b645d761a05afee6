"""Talks to ARM: managed identities and their credentials, roles and their assignments."""

import re
import uuid
from typing import TYPE_CHECKING, Any, Final

from azwi_cli import errors
from azwi_cli.serviceaccount import azure, refusals
from azwi_cli.serviceaccount.known import Assignment, Credential, Kind, Target

if TYPE_CHECKING:
    from azure.core.exceptions import HttpResponseError

_CONCURRENT: Final = "ConcurrentFederatedIdentityCredentialsWritesForSingleManagedIdentity"
_RESOURCE: Final = re.compile(
    r"/subscriptions/(?P<subscription>[^/]+)/resourcegroups/(?P<group>[^/]+)"
    r"/providers/Microsoft\.ManagedIdentity/userAssignedIdentities/(?P<name>[^/]+)",
    re.IGNORECASE,
)
_OURS: Final = uuid.UUID("5f0c1e0e-6c1f-4b58-9a55-3d2f6f6b7a10")
"""Namespace of the names of role assignments, so that one written twice has one name."""


class Arm:
    """One subscription; every method raises an error of ours with what ARM says."""

    def __init__(self, url: str, credential: Any, scope: str, subscription_id: str) -> None:
        from azure.mgmt.authorization import AuthorizationManagementClient
        from azure.mgmt.msi import ManagedServiceIdentityClient

        given: dict[str, Any] = {
            **azure.options(),
            "base_url": url,
            "credential_scopes": [scope],
        }
        self._peer = refusals.arm(url)
        self._msi = ManagedServiceIdentityClient(credential, subscription_id, **given)
        self._roles = AuthorizationManagementClient(credential, subscription_id, **given)
        self._rest = azure.Rest(url, credential, scope)
        self._subscription_id = subscription_id

    # --- Managed identities -----------------------------------------------------------------------

    def location(self, group: str) -> str:
        """Of a resource group."""
        path = f"/subscriptions/{self._subscription_id}/resourcegroups/{group}"
        with azure.translated(self._peer):
            return str(self._rest.ask("GET", path, query={"api-version": "2022-09-01"})["location"])

    def identity(self, group: str, name: str) -> Target | None:
        """A managed identity; None where there is none, NotFound where its group is not there."""
        from azure.core.exceptions import ResourceNotFoundError

        with azure.translated(self._peer):
            try:
                return _target(self._msi.user_assigned_identities.get(group, name))
            except ResourceNotFoundError as error:
                if azure.code_of(error) != "ResourceNotFound":
                    raise
        return None

    def identities(self) -> list[Target]:
        """All of the subscription that may be read."""
        with azure.translated(self._peer):
            listed = self._msi.user_assigned_identities.list_by_subscription()
            return [_target(one) for one in listed]

    def create(self, group: str, name: str, location: str, tags: dict[str, str]) -> Target:
        """A managed identity, with tags that say for whom it was made."""
        body: Any = {"location": location, "tags": tags}
        with azure.translated(self._peer):
            return _target(self._msi.user_assigned_identities.create_or_update(group, name, body))

    def delete(self, target: Target) -> None:
        """Delete a managed identity; what is gone already is as good."""
        group, name = _place(target.id)
        with azure.translated(self._peer):
            self._msi.user_assigned_identities.delete(group, name)

    # --- Their credentials, written one after the other -------------------------------------------

    def credentials(self, target: Target) -> tuple[Credential, ...]:
        """Of a managed identity, which may be in another subscription only where it is ours."""
        with azure.translated(self._peer):
            listed = self._msi.federated_identity_credentials.list(*_place(target.id))
            return tuple(_credential(one) for one in listed)

    def put_credential(self, target: Target, new: Credential) -> None:
        """Write a credential; waits while another write of the identity goes on."""
        body: Any = {
            "issuer": new.issuer,
            "subject": new.subject,
            "audiences": [new.audience],
        }
        group, name = _place(target.id)
        with azure.translated(self._peer):
            azure.again_while(
                lambda: self._msi.federated_identity_credentials.create_or_update(
                    group, name, new.name, body
                ),
                _heals,
            )

    def delete_credential(self, target: Target, old: Credential) -> None:
        """Remove a credential; waits while another write of the identity goes on."""
        group, name = _place(target.id)
        with azure.translated(self._peer):
            azure.again_while(
                lambda: self._msi.federated_identity_credentials.delete(group, name, old.name),
                lambda error: azure.code_of(error) == _CONCURRENT,
            )

    # --- Roles ------------------------------------------------------------------------------------

    def role(self, name: str, scope: str) -> str:
        """Resource id of a role definition, by its name or GUID; raises NotFound."""
        with azure.translated(self._peer):
            if _is_guid(name.rpartition("/")[2]):
                found = [self._roles.role_definitions.get(scope, name.rpartition("/")[2])]
            else:
                quoted = name.replace("'", "''")
                where = f"roleName eq '{quoted}'"
                found = list(self._roles.role_definitions.list(scope, filter=where))
        if not found:
            raise errors.NotFound(
                f"There is no role {name!r} at {scope}.",
                "az role definition list --query '[].roleName' lists them.",
            )
        return str(found[0].id)

    def assignments(self, principal_id: str, scope: str = "") -> tuple[Assignment, ...]:
        """Of a principal, at a scope and below; the whole subscription where none is given."""
        where = scope or f"/subscriptions/{self._subscription_id}"
        with azure.translated(self._peer):
            listed = self._roles.role_assignments.list_for_scope(
                where, filter=f"principalId eq '{principal_id}'"
            )
            return tuple(
                Assignment(str(one.id), str(one.role_definition_id), str(one.scope))
                for one in listed
            )

    def assign(self, scope: str, role_definition_id: str, principal_id: str) -> None:
        """Give a principal a role; that it has it already is as good."""
        from azure.core.exceptions import HttpResponseError

        # The type keeps ARM from looking up a principal that has not replicated yet.
        body: Any = {
            "role_definition_id": role_definition_id,
            "principal_id": principal_id,
            "principal_type": "ServicePrincipal",
        }
        whole = f"{scope}/{role_definition_id.rpartition('/')[2]}/{principal_id}".lower()
        name = str(uuid.uuid5(_OURS, whole))
        with azure.translated(self._peer):
            try:
                azure.again_while(
                    lambda: self._roles.role_assignments.create(scope, name, body),
                    lambda error: azure.code_of(error) == "PrincipalNotFound",
                )
            except HttpResponseError as error:
                if azure.code_of(error) != "RoleAssignmentExists":
                    raise

    def unassign(self, assignment_id: str) -> None:
        """Remove a role assignment; what is gone already is as good."""
        with azure.translated(self._peer):
            self._roles.role_assignments.delete_by_id(assignment_id)


def _heals(error: "HttpResponseError") -> bool:
    return azure.code_of(error) in (_CONCURRENT, "ParentResourceNotFound")


def _place(resource_id: str) -> tuple[str, str]:
    """Resource group and name of a managed identity."""
    found = _RESOURCE.fullmatch(resource_id)
    if not found:
        raise errors.BadInput(f"{resource_id} is no id of a managed identity.")
    return found["group"], found["name"]


def subscription_of(resource_id: str) -> str:
    """The subscription in a resource id or a scope; empty where it names none."""
    found = re.match(r"/subscriptions/([^/]+)", resource_id, re.IGNORECASE)
    return found[1] if found else ""


def _target(identity: Any) -> Target:
    return Target(
        kind=Kind.IDENTITY,
        id=str(identity.id),
        name=str(identity.name),
        client_id=str(identity.client_id),
        principal_id=str(identity.principal_id),
        tags=dict(identity.tags or {}),
    )


def _credential(one: Any) -> Credential:
    return Credential(
        name=str(one.name),
        issuer=str(one.issuer),
        subject=str(one.subject),
        audience=str((one.audiences or [""])[0]),
    )


def _is_guid(text: str) -> bool:
    try:
        return bool(uuid.UUID(text))
    except ValueError:
        return False

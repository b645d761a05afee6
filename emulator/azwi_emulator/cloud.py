"""What Graph and ARM hold: applications, principals, identities, credentials, assignments. Pure.

One ``Cloud`` beside one ``Directory``: whatever is written here is registered there, so that the
token endpoint honours it. Rules of one API (names, limits, errors) are in that API's modules.
Keys of tables are lower case: ids and names in paths compare without regard to case.
"""

import dataclasses
from dataclasses import dataclass, field
from typing import Any

from azwi_emulator import directory
from azwi_emulator.replica import Table


@dataclass(frozen=True, slots=True, kw_only=True)
class FederatedCredential:
    """A federated identity credential of an application or a user-assigned identity."""

    id: str
    owner: str
    """Key of the application or identity."""
    tenant_id: str
    client_id: str
    name: str
    issuer: str
    subject: str
    audience: str
    description: str | None = None

    @property
    def key(self) -> str:
        """In ``Cloud.credentials``."""
        return credential_key(self.owner, self.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Application:
    """An app registration; ``more`` is what else the caller wrote, given back as it was."""

    id: str
    tenant_id: str
    app_id: str
    display_name: str
    created: str
    more: dict[str, Any] = field(default_factory=dict)
    deleted_on: float = 0.0
    """Unix time, in seconds; 0: it is not deleted."""

    @property
    def unique_name(self) -> str:
        """The key that its maker gave it; empty: none."""
        return str(self.more.get("uniqueName") or "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """A service principal: of an application, or of a managed identity."""

    id: str
    tenant_id: str
    app_id: str
    display_name: str
    kind: str = "Application"
    """Or ``ManagedIdentity``."""
    alternative_names: tuple[str, ...] = ()
    created: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """A resource group."""

    subscription_id: str
    name: str
    location: str
    tags: dict[str, str] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """In ``Cloud.groups``."""
        return group_key(self.subscription_id, self.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """A user-assigned managed identity."""

    tenant_id: str
    subscription_id: str
    group: str
    name: str
    location: str
    client_id: str
    principal_id: str
    tags: dict[str, str] = field(default_factory=dict)

    @property
    def resource_id(self) -> str:
        """As ARM writes it, with the lower-case ``resourcegroups`` of this provider."""
        return (
            f"/subscriptions/{self.subscription_id}/resourcegroups/{self.group}"
            f"/providers/Microsoft.ManagedIdentity/userAssignedIdentities/{self.name}"
        )

    @property
    def key(self) -> str:
        """In ``Cloud.identities``, and as the owner of credentials."""
        return self.resource_id.lower()


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleAssignment:
    """A role given to a principal at a scope."""

    name: str
    scope: str
    tenant_id: str
    principal_id: str
    principal_type: str
    role_definition_id: str
    """Full resource id."""
    created: str
    more: dict[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """In ``Cloud.assignments``."""
        return assignment_key(self.scope, self.name)


@dataclass(frozen=True, slots=True)
class Subscription:
    """A subscription; they are there from the start."""

    id: str
    tenant_id: str
    name: str


@dataclass(frozen=True, slots=True)
class SignIn:
    """The last time that a client got a token."""

    time: float
    """Unix time, in seconds."""
    request_id: str


def group_key(subscription_id: str, name: str) -> str:
    """Of a resource group in ``Cloud.groups``."""
    return f"{subscription_id}/{name}".lower()


def assignment_key(scope: str, name: str) -> str:
    """Of a role assignment in ``Cloud.assignments``."""
    return f"{scope}/{name}".lower()


def credential_key(owner: str, name: str) -> str:
    """Of a federated credential in ``Cloud.credentials``."""
    return f"{owner}/{name}".lower()


class Cloud:
    """Every object by key; writes reach the token endpoint through ``directory``."""

    def __init__(self, registered: directory.Directory) -> None:
        self.directory = registered
        self.subscriptions: dict[str, Subscription] = {}
        """By id, in lower case."""
        self.applications: Table[Application] = Table()
        self.deleted: Table[Application] = Table()
        """Applications that may be restored, and keep their unique names so long."""
        self.principals: Table[Principal] = Table()
        self.groups: Table[Group] = Table()
        self.identities: Table[Identity] = Table()
        self.credentials: Table[FederatedCredential] = Table()
        self.assignments: Table[RoleAssignment] = Table()
        self.sign_ins: dict[tuple[str, str], SignIn] = {}
        """By tenant and client id, in lower case."""
        self._honoured: dict[str, str] = {}
        """Ids in the directory by key in ``credentials``."""

    # --- Clients of the token endpoint ------------------------------------------------------------

    def put_application(self, app: Application, *, now: float, lag: float) -> None:
        """Write an application; a new one is a client without a service principal."""
        if self.applications.get(app.id) is None:
            self._register(app.tenant_id, app.app_id, now=now, lag=lag, principal=False)
        self.applications.put(app.id, app, now=now, lag=lag)

    def remove_application(self, app: Application, *, now: float, lag: float) -> None:
        """Delete an application, its credentials and its service principal."""
        for credential in self.credentials_of(app.id):
            self.remove_credential(credential, now=now, lag=lag)
        self.principals.remove(directory.principal_id(app.tenant_id, app.app_id), now=now, lag=lag)
        self.applications.remove(app.id, now=now, lag=lag)
        gone = dataclasses.replace(app, deleted_on=now)
        self.deleted.put(app.id, gone, now=now, lag=lag)
        self._forget(app.tenant_id, app.app_id)

    def named_uniquely(self, tenant_id: str, unique_name: str) -> Application | None:
        """Whose unique name it is, deleted or not, as it truly is."""
        for app in (*self.applications.all(), *self.deleted.all()):
            if app.tenant_id == tenant_id and app.unique_name.lower() == unique_name.lower():
                return app
        return None

    def put_principal(self, principal: Principal, *, now: float, lag: float) -> None:
        """Write a service principal; its client can get tokens from then on."""
        self.principals.put(principal.id, principal, now=now, lag=lag)
        known = self.directory.registered(principal.tenant_id, principal.app_id)
        if known and known.principal_from is None:
            self.directory.add_client(dataclasses.replace(known, principal_from=_after(now, lag)))

    def remove_principal(self, principal: Principal, *, now: float, lag: float) -> None:
        """Delete a service principal; its client gets no more tokens."""
        self.principals.remove(principal.id, now=now, lag=lag)
        known = self.directory.registered(principal.tenant_id, principal.app_id)
        if known:
            self.directory.add_client(dataclasses.replace(known, principal_from=None))

    def put_identity(self, identity: Identity, *, now: float, lag: float) -> None:
        """Write an identity; a new one is a client with its service principal."""
        if self.identities.get(identity.key) is None:
            self._register(identity.tenant_id, identity.client_id, now=now, lag=lag, principal=True)
            self.principals.put(identity.principal_id, _principal_of(identity), now=now, lag=lag)
        self.identities.put(identity.key, identity, now=now, lag=lag)

    def remove_identity(self, identity: Identity, *, now: float, lag: float) -> None:
        """Delete an identity, its credentials and its service principal."""
        for credential in self.credentials_of(identity.key):
            self.remove_credential(credential, now=now, lag=lag)
        self.principals.remove(identity.principal_id, now=now, lag=lag)
        self.identities.remove(identity.key, now=now, lag=lag)
        self._forget(identity.tenant_id, identity.client_id)

    def sign_in(self, tenant_id: str, client_id: str, last: SignIn) -> None:
        """Remember that a client got a token."""
        self.sign_ins[tenant_id.lower(), client_id.lower()] = last

    # --- Federated credentials --------------------------------------------------------------------

    def credentials_of(self, owner: str) -> list[FederatedCredential]:
        """An owner's credentials as they truly are."""
        return [known for known in self.credentials.all() if known.owner == owner]

    def put_credential(self, credential: FederatedCredential, *, now: float, lag: float) -> None:
        """Write a credential; the token endpoint honours it ``lag`` seconds from now.

        Raises RequestRefused where the client has as many as it may have, so check before.
        """
        self._dishonour(credential)
        self._honoured[credential.key] = self.directory.add_credential(
            directory.Credential(
                credential.tenant_id,
                credential.client_id,
                credential.issuer,
                credential.subject,
                credential.audience,
                _after(now, lag),
            )
        )
        self.credentials.put(credential.key, credential, now=now, lag=lag)

    def remove_credential(self, credential: FederatedCredential, *, now: float, lag: float) -> None:
        """Delete a credential; the token endpoint forgets it at once."""
        self._dishonour(credential)
        self.credentials.remove(credential.key, now=now, lag=lag)

    def resource_id(self, tenant_id: str, client_id: str) -> str:
        """Of the managed identity that a client is; empty where it is an application."""
        principal = self.principals.get(directory.principal_id(tenant_id, client_id))
        return principal.alternative_names[-1] if principal and principal.alternative_names else ""

    # --- Principals -------------------------------------------------------------------------------

    def has_principal(self, tenant_id: str, wanted: str, now: float) -> bool:
        """Whether a principal has replicated so far that a role can be assigned to it."""
        principal = self.principals.seen(wanted.lower(), now)
        if principal is not None:
            return principal.tenant_id.lower() == tenant_id.lower()
        return any(
            directory.principal_id(known.tenant_id, known.client_id) == wanted.lower()
            for known in self.directory.clients()
            if known.tenant_id.lower() == tenant_id.lower() and known.principal_from == 0.0
        )

    def _register(
        self, tenant_id: str, client_id: str, *, now: float, lag: float, principal: bool
    ) -> None:
        seen_from = _after(now, lag)
        self.directory.add_client(
            directory.Client(
                tenant_id,
                client_id,
                visible_from=seen_from,
                principal_from=seen_from if principal else None,
            )
        )

    def _forget(self, tenant_id: str, client_id: str) -> None:
        if self.directory.registered(tenant_id, client_id):  # else steered away already
            self.directory.remove_client(tenant_id, client_id)

    def _dishonour(self, credential: FederatedCredential) -> None:
        known = self._honoured.pop(credential.key, None)
        if known in self.directory.all_credentials():  # else steered away already
            self.directory.remove_credential(known)


def _after(now: float, lag: float) -> float:
    return now + lag if lag > 0 else 0.0


def _principal_of(identity: Identity) -> Principal:
    return Principal(
        id=identity.principal_id,
        tenant_id=identity.tenant_id,
        app_id=identity.client_id,
        display_name=identity.name,
        kind="ManagedIdentity",
        alternative_names=("isExplicit=True", identity.resource_id),
    )

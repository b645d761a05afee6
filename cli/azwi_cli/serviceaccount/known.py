"""What is known of Entra ID, ARM and the cluster, and what is wanted of them. Pure data.

One vocabulary for applications and managed identities: either is a *target*, to which a service
account's federated credential leads.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from azwi_cli.serviceaccount import names
from azwi_common import contract

MADE_BY: Final = "azwi-made-for"
"""Tag of a managed identity that azwi made; its value is ``namespace/account``."""
CREDENTIALS_PER_TARGET: Final = 20
"""Entra ID's limit, of applications and managed identities alike."""


class Phase(StrEnum):
    """What is done together; scripts name them."""

    APPLICATION = "aad-application"
    IDENTITY = "managed-identity"
    ACCOUNT = "service-account"
    CREDENTIAL = "federated-identity"
    ROLE = "role-assignment"


SHORT: Final[Mapping[str, Phase]] = {
    "app": Phase.APPLICATION,
    "mi": Phase.IDENTITY,
    "sa": Phase.ACCOUNT,
    "fi": Phase.CREDENTIAL,
    "ra": Phase.ROLE,
}
"""Other names of phases."""


class Kind(StrEnum):
    """Of a target."""

    APPLICATION = "application"
    IDENTITY = "managed identity"


# --- What is wanted -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Account:
    """A service account, and the issuer of its tokens."""

    namespace: str
    name: str
    issuer: str = ""
    """To the letter and to the slash; empty where no phase needs it."""
    expiration: int | None = None
    """Seconds; None: whatever it has."""

    @property
    def subject(self) -> str:
        """In its tokens."""
        return names.subject(self.namespace, self.name)

    def __str__(self) -> str:
        """As people write it."""
        return f"{self.namespace}/{self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """How the user names the target; empty strings for what is not given."""

    kind: Kind = Kind.APPLICATION
    name: str = ""
    client_id: str = ""
    object_id: str = ""
    group: str = ""
    location: str = ""
    principal_name: str = ""
    principal_id: str = ""


@dataclass(frozen=True, slots=True)
class Role:
    """A role at a scope."""

    name: str
    scope: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A whole command line, checked."""

    phases: tuple[Phase, ...]
    choice: Choice
    account: Account | None = None
    role: Role | None = None
    assignment_id: str = ""
    audience: str = contract.TOKEN_EXCHANGE_AUDIENCE
    tenant_id: str = ""
    alone: bool = False
    """Whether it is ``phase NAME``: its object is then meant, whatever else uses it."""


# --- What there is --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """An application or a managed identity that exists."""

    kind: Kind
    id: str
    """Object id of an application, resource id of an identity."""
    name: str
    client_id: str
    principal_id: str = ""
    """Empty for an application without a service principal."""
    tags: Mapping[str, str] = field(default_factory=dict)
    has_secrets: bool = False
    """Whether an application has a secret or a certificate, by which others log in as it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """A federated identity credential."""

    name: str
    issuer: str
    subject: str
    audience: str
    id: str = ""
    """Of an application's; a managed identity's is known by its name."""


@dataclass(frozen=True, slots=True)
class Existing:
    """A service account in the cluster."""

    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Assignment:
    """A role assignment; all three are resource ids."""

    id: str
    role_definition_id: str
    scope: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Everything that a plan needs to know."""

    target: Target | None = None
    credentials: tuple[Credential, ...] = ()
    account: Existing | None = None
    role_definition_id: str = ""
    assignments: tuple[Assignment, ...] = ()
    principal_id: str = ""
    """Of whom a role is given to; empty where it is still to be made."""

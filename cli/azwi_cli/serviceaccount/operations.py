"""What a plan is made of. Pure data.

A plan is a tuple of operations; each says in a sentence what it does. Ids of things that are yet to
be made are not in it: whoever carries it out knows them by then.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from azwi_cli import errors
from azwi_cli.serviceaccount.known import Account, Credential, Phase, Wanted


class Action(StrEnum):
    """What an operation does; the past tense is shown when it is done."""

    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"
    KEEP = "keep"
    SKIP = "skip"


class What(StrEnum):
    """What an operation is about."""

    APPLICATION = "application"
    PRINCIPAL = "service principal"
    IDENTITY = "managed identity"
    ACCOUNT = "service account"
    CREDENTIAL = "federated credential"
    ROLE = "role assignment"


@dataclass(frozen=True, slots=True)
class Operation:
    """One step; ``credential``, ``resource`` and ``changes`` are for whoever carries it out."""

    phase: Phase
    action: Action
    what: What
    says: str
    credential: Credential | None = None
    resource: str = ""
    """Id of what is deleted."""
    changes: Mapping[str, str | None] = field(default_factory=dict)
    """Of annotations; None removes one."""

    @property
    def is_change(self) -> bool:
        """Whether anything is different afterwards."""
        return self.action not in (Action.KEEP, Action.SKIP)


Plan = tuple[Operation, ...]


def account_of(wanted: Wanted) -> Account:
    if wanted.account is None:  # the command line was checked before
        raise errors.BadInput("The service account is missing.", "Add --service-account-name.")
    return wanted.account

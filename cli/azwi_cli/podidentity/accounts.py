"""Which service account a workload uses after its migration. Pure.

Its own is annotated. A new one is made only where the workload uses ``default``, where workloads
with other identities use the same, or where that one belongs to another identity already.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from azwi_cli.podidentity.facts import Account, Ref, RoleBinding
from azwi_common import contract


@dataclass(frozen=True, slots=True)
class User:
    """A workload, and what its service account must stand for."""

    ref: Ref
    account: str
    clients: frozenset[str]
    default: str
    """Client id of requests that name none; empty where there is none."""


@dataclass(frozen=True, slots=True)
class AccountPlan:
    """A service account as it shall be."""

    namespace: str
    name: str
    is_new: bool
    annotations: Mapping[str, str]
    left: str = ""
    """The one that the workload uses until now, where this one is new."""
    why: str = ""
    pull_secrets: tuple[str, ...] = ()
    automount: bool | None = None
    before: Account | None = None
    """As it is now; None: there is none, or it is not known."""


def choose(
    users: Sequence[User],
    known: Mapping[tuple[str, str], Account],
    expiration: int,
    tenant_id: str,
) -> dict[Ref, AccountPlan]:
    """The service account of each workload."""
    meant: dict[tuple[str, str], set[tuple[frozenset[str], str]]] = defaultdict(set)
    for user in users:
        meant[user.ref.namespace, user.account].add((user.clients, user.default))
    taken = {*known, *((user.ref.namespace, user.account) for user in users)}
    found = {}
    for user in sorted(users, key=lambda user: user.ref):
        annotations = _annotations(user.default, expiration, tenant_id)
        why = _why_new(user, meant[user.ref.namespace, user.account], known)
        name = _free(user.ref, known, taken, annotations) if why else user.account
        taken.add((user.ref.namespace, name))
        old = known.get((user.ref.namespace, user.account), Account("", ""))
        found[user.ref] = (
            AccountPlan(
                *(user.ref.namespace, name, True, annotations, user.account, why),
                old.pull_secrets,
                old.automount,
                known.get((user.ref.namespace, name)),
            )
            if why
            else AccountPlan(
                *(user.ref.namespace, name, False, annotations),
                before=known.get((user.ref.namespace, name)),
            )
        )
    return found


def lost_roles(account: AccountPlan, bindings: Iterable[RoleBinding]) -> tuple[RoleBinding, ...]:
    """What names the service account that is left, and gives the new one nothing."""
    left, new = (account.namespace, account.left), (account.namespace, account.name)
    every = list(bindings)
    given = {
        (item.ref.namespace, item.role_kind, item.role) for item in every if new in item.accounts
    }
    return tuple(
        item
        for item in every
        if left in item.accounts and (item.ref.namespace, item.role_kind, item.role) not in given
    )


def _annotations(default: str, expiration: int, tenant_id: str) -> dict[str, str]:
    found = {contract.CLIENT_ID_ANNOTATION: default} if default else {}
    if tenant_id:
        found[contract.TENANT_ID_ANNOTATION] = tenant_id
    found[contract.EXPIRATION_ANNOTATION] = str(expiration)
    return found


def _why_new(
    user: User,
    meant: set[tuple[frozenset[str], str]],
    known: Mapping[tuple[str, str], Account],
) -> str:
    """Why the workload's own service account cannot be used; empty: it can."""
    if user.account == "default":
        return "every pod of the namespace that names none uses default"
    if len(meant) > 1:
        return "workloads with other identities use the same"
    account = known.get((user.ref.namespace, user.account))
    client = account.annotations.get(contract.CLIENT_ID_ANNOTATION, "") if account else ""
    if client and client.lower() != user.default:
        return f"it has the client ID {client} already"
    return ""


def _free(
    ref: Ref,
    known: Mapping[tuple[str, str], Account],
    taken: set[tuple[str, str]],
    annotations: Mapping[str, str],
) -> str:
    """The owner's name, or one made of it; one that an earlier run made is used again."""
    names = (ref.name, f"{ref.name}-{ref.kind.lower()}", f"{ref.name}-azwi")
    for name in names:
        account = known.get((ref.namespace, name))
        if (ref.namespace, name) not in taken:
            return name
        client = contract.CLIENT_ID_ANNOTATION
        if account and account.annotations.get(client, "") == annotations.get(client) is not None:
            return name
    return f"{ref.name}-{ref.kind.lower()}-azwi"

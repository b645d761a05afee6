"""The plan of ``azwi sa create``, from what there is and what is wanted. Pure."""

from collections.abc import Callable, Iterator, Mapping
from typing import Final

from azwi_cli import discovery, errors
from azwi_cli.serviceaccount import matching, named
from azwi_cli.serviceaccount.known import (
    CREDENTIALS_PER_TARGET,
    Credential,
    Existing,
    Found,
    Phase,
    Wanted,
)
from azwi_cli.serviceaccount.operations import Action, Operation, Plan, What, account_of
from azwi_common import contract

NEAR_LIMIT: Final = 17
"""So many credentials are worth a warning: three more clusters, and no more fit."""
BINDINGS: Final = (
    "AKS identity bindings (az aks identity-binding create) need one credential per managed"
    " identity, however many clusters and service accounts use it."
)


def plan(wanted: Wanted, found: Found) -> Plan:
    """The operations that make everything as it is wanted; raises where no more fits."""
    return tuple(step for phase in wanted.phases for step in _STEPS[phase](wanted, found))


def warnings(wanted: Wanted, found: Found, plan: Plan) -> Iterator[str]:
    """What is worth saying beside a plan for ``create``."""
    new = sum(step.what is What.CREDENTIAL and step.action is Action.CREATE for step in plan)
    count = len(found.credentials) + new
    if found.target and count >= NEAR_LIMIT and Phase.CREDENTIAL in wanted.phases:
        yield (
            f"{found.target.name} then has {count} of {CREDENTIALS_PER_TARGET} federated"
            f" credentials. {BINDINGS}"
        )
    if wanted.account and Phase.CREDENTIAL in wanted.phases:
        if problem := discovery.unfit_for_entra(wanted.account.issuer):
            yield problem
        yield from matching.near(found.credentials, wanted.account)


def _application(wanted: Wanted, found: Found) -> Iterator[Operation]:
    phase, target = Phase.APPLICATION, found.target
    name = target.name if target else wanted.choice.name
    principal = f"service principal of {name}"
    if target is None:
        yield Operation(phase, Action.CREATE, What.APPLICATION, f"application {name}")
        yield Operation(phase, Action.CREATE, What.PRINCIPAL, principal)
        return
    says = f"application {target.name} (client id {target.client_id})"
    yield Operation(phase, Action.KEEP, What.APPLICATION, says)
    if not target.principal_id:
        yield Operation(phase, Action.CREATE, What.PRINCIPAL, principal)


def _identity(wanted: Wanted, found: Found) -> Iterator[Operation]:
    target = found.target
    if target is None:
        says = (
            f"managed identity {wanted.choice.name} in resource group {wanted.choice.group}"
            f" ({wanted.choice.location})"
        )
        yield Operation(Phase.IDENTITY, Action.CREATE, What.IDENTITY, says)
    else:
        says = f"managed identity {target.name} (client id {target.client_id})"
        yield Operation(Phase.IDENTITY, Action.KEEP, What.IDENTITY, says)


def _account(wanted: Wanted, found: Found) -> Iterator[Operation]:
    account = account_of(wanted)
    client_id = found.target.client_id if found.target else wanted.choice.client_id
    goal: dict[str, str | None] = {
        contract.CLIENT_ID_ANNOTATION: client_id,  # empty: of the target that is made before
        contract.TENANT_ID_ANNOTATION: wanted.tenant_id,
    }
    goal |= _identities(client_id, found)
    if account.expiration is not None or found.account is None:
        seconds = account.expiration or contract.DEFAULT_EXPIRATION
        goal[contract.EXPIRATION_ANNOTATION] = str(seconds)
    name = f"service account {account}"
    if found.account is None:
        yield Operation(Phase.ACCOUNT, Action.CREATE, What.ACCOUNT, name, changes=goal)
        return
    changes = _differences(found.account, goal)
    if not changes and found.account.labels.get(contract.USE_LABEL) == "true":
        yield Operation(Phase.ACCOUNT, Action.KEEP, What.ACCOUNT, name)
        return
    told = "; ".join(_told(found.account, key, value) for key, value in changes.items())
    says = f"{name}: {told or 'label use=true'}"
    yield Operation(Phase.ACCOUNT, Action.UPDATE, What.ACCOUNT, says, changes=changes)


def _identities(client_id: str, found: Found) -> dict[str, str | None]:
    """The map with the object id of the account's identity; empty: of the one made before.

    A service account that is there and has no map gets none: it was made without, and works.
    """
    if found.account and contract.IDENTITIES_ANNOTATION not in found.account.annotations:
        return {}
    if found.target is None:
        return {} if client_id else {contract.IDENTITIES_ANNOTATION: ""}
    before = found.account.annotations if found.account else {}
    after = named.completed(before.get(contract.IDENTITIES_ANNOTATION, ""), found.target)
    return {contract.IDENTITIES_ANNOTATION: after} if after else {}


def _differences(existing: Existing, goal: Mapping[str, str | None]) -> dict[str, str | None]:
    return {key: value for key, value in goal.items() if existing.annotations.get(key) != value}


def _told(existing: Existing, key: str, value: str | None) -> str:
    if key == contract.IDENTITIES_ANNOTATION:
        return "identities with the object id"
    old = existing.annotations.get(key)
    change = f"{value or 'the new one'}" + (f", until now {old}" if old else "")
    return f"{key.removeprefix(contract.PREFIX)} {change}"


def _credential(wanted: Wanted, found: Found) -> Iterator[Operation]:
    account, kind = account_of(wanted), wanted.choice.kind
    goal = Credential(
        name=matching.name_for(account, kind),
        issuer=account.issuer,
        subject=account.subject,
        audience=wanted.audience,
    )
    same = matching.of_account(found.credentials, account, kind)
    says = f"federated credential for {account.subject} of {account.issuer}"
    step = Phase.CREDENTIAL, What.CREDENTIAL
    if not same:
        _check_limit(found)
        yield Operation(step[0], Action.CREATE, step[1], says, credential=goal)
        return
    old = same[0]
    differences = matching.differences(old, goal)
    if not differences:
        yield Operation(step[0], Action.KEEP, step[1], says)
        return
    changed = Credential(
        name=old.name, id=old.id, issuer=goal.issuer, subject=goal.subject, audience=goal.audience
    )
    told = f"{says}: {'; '.join(differences)}"
    yield Operation(step[0], Action.UPDATE, step[1], told, credential=changed)


def _check_limit(found: Found) -> None:
    if found.target and len(found.credentials) >= CREDENTIALS_PER_TARGET:
        raise errors.AzwiError(
            f"{found.target.name} has {len(found.credentials)} federated credentials, and Entra ID"
            " allows no more.",
            "Delete one that is not used ('azwi sa list' shows which are), or take another"
            f" identity. {BINDINGS}",
        )


def _role(wanted: Wanted, found: Found) -> Iterator[Operation]:
    role, step = wanted.role, (Phase.ROLE, What.ROLE)
    if role is None:
        says = "role assignment: neither --azure-role nor --azure-scope is given"
        yield Operation(step[0], Action.SKIP, step[1], says)
        return
    says = f"role {role.name} at {role.scope}"
    exists = any(
        matching.is_role(one, role.scope, found.role_definition_id) for one in found.assignments
    )
    action = Action.KEEP if exists else Action.CREATE
    yield Operation(step[0], action, step[1], says, resource=found.role_definition_id)


_STEPS: Final[Mapping[Phase, Callable[[Wanted, Found], Iterator[Operation]]]] = {
    Phase.APPLICATION: _application,
    Phase.IDENTITY: _identity,
    Phase.ACCOUNT: _account,
    Phase.CREDENTIAL: _credential,
    Phase.ROLE: _role,
}

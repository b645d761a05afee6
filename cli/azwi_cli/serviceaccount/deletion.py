"""The plan of ``azwi sa delete``: what ``create`` makes goes, in the opposite order. Pure."""

from collections.abc import Callable, Iterator, Mapping
from typing import Final

from azwi_cli.serviceaccount import matching
from azwi_cli.serviceaccount.known import (
    MADE_BY,
    Account,
    Assignment,
    Existing,
    Found,
    Kind,
    Phase,
    Target,
    Wanted,
)
from azwi_cli.serviceaccount.operations import Action, Operation, Plan, What, account_of
from azwi_common import contract

MANAGED_BY: Final = "app.kubernetes.io/managed-by"
"""Label of Kubernetes' own convention, as Helm sets it."""


def plan(wanted: Wanted, found: Found) -> Plan:
    """The operations that leave nothing of it behind."""
    return tuple(step for phase in reversed(wanted.phases) for step in _STEPS[phase](wanted, found))


def _target(wanted: Wanted, found: Found) -> Iterator[Operation]:
    target, choice = found.target, wanted.choice
    phase = Phase.APPLICATION if choice.kind is Kind.APPLICATION else Phase.IDENTITY
    what = What.APPLICATION if choice.kind is Kind.APPLICATION else What.IDENTITY
    if target is None:
        named = choice.name or choice.client_id or choice.object_id
        yield Operation(phase, Action.SKIP, what, f"{choice.kind} {named}: there is none")
        return
    says = f"{target.kind} {target.name} (client id {target.client_id})"
    if why := _kept(wanted, found, target):
        remedy = f"'azwi sa delete phase {phase}' deletes it nevertheless"
        yield Operation(phase, Action.KEEP, what, f"{says}: {why}; {remedy}")
        return
    if target.kind is Kind.APPLICATION:
        says += "; it can be restored for 30 days"
    yield Operation(phase, Action.DELETE, what, says, resource=target.id)


def _kept(wanted: Wanted, found: Found, target: Target) -> str:
    """Why a target outlives its service account; empty where it does not."""
    if wanted.alone:
        return ""
    if wanted.account:
        mine = matching.of_account(found.credentials, wanted.account, target.kind)
        others = len(found.credentials) - len(mine)
        if others:
            return f"{others} other federated credential{'s' * (others > 1)} lead to it"
    if target.has_secrets:
        return "it has a secret or a certificate, by which others log in as it"
    if target.kind is Kind.IDENTITY and MADE_BY not in target.tags:
        return "azwi did not make it"
    return ""


def _account(wanted: Wanted, found: Found) -> Iterator[Operation]:
    account = account_of(wanted)
    name, step = f"service account {account}", (Phase.ACCOUNT, What.ACCOUNT)
    if found.account is None:
        yield Operation(step[0], Action.SKIP, step[1], f"{name}: there is none")
    elif why := _stays(wanted, account, found.account):
        ours = (key for key in found.account.annotations if key in contract.ACCOUNT_ANNOTATIONS)
        gone: dict[str, str | None] = dict.fromkeys(ours)
        if not gone and contract.USE_LABEL not in found.account.labels:
            yield Operation(step[0], Action.KEEP, step[1], name)
            return
        says = f"{name}: its label and annotations go, since {why}"
        yield Operation(step[0], Action.DELETE, step[1], says, changes=gone)
    else:
        yield Operation(step[0], Action.DELETE, step[1], name, resource=str(account))


def _stays(wanted: Wanted, account: Account, existing: Existing) -> str:
    """Why an account is not azwi's to delete; empty where it is."""
    if account.name == "default":
        return "Kubernetes makes this account itself"
    manager = existing.labels.get(MANAGED_BY)
    return f"{manager} manages the account" if manager and not wanted.alone else ""


def _credential(wanted: Wanted, found: Found) -> Iterator[Operation]:
    account = account_of(wanted)
    mine = matching.of_account(found.credentials, account, wanted.choice.kind)
    step = Phase.CREDENTIAL, What.CREDENTIAL
    says = f"federated credential for {account.subject} of {account.issuer}"
    if not mine:
        yield Operation(step[0], Action.SKIP, step[1], f"{says}: there is none")
    for one in mine:
        yield Operation(step[0], Action.DELETE, step[1], says, credential=one)


def _role(wanted: Wanted, found: Found) -> Iterator[Operation]:
    if wanted.assignment_id:
        says = f"role assignment {wanted.assignment_id}"
        yield Operation(Phase.ROLE, Action.DELETE, What.ROLE, says, resource=wanted.assignment_id)
        return
    going = [one for one in found.assignments if _goes(one, wanted, found)]
    if not going and found.assignments and not wanted.role:
        says = f"role assignments of {wanted.choice.name or 'the identity'}, which stays"
        yield Operation(Phase.ROLE, Action.KEEP, What.ROLE, says)
    elif not going:
        yield Operation(Phase.ROLE, Action.SKIP, What.ROLE, "role assignment: there is none")
    for one in going:
        says = f"role assignment at {one.scope}"
        yield Operation(Phase.ROLE, Action.DELETE, What.ROLE, says, resource=one.id)


def _goes(one: Assignment, wanted: Wanted, found: Found) -> bool:
    """Those that are named go, and all of a principal that goes itself: they would lead nowhere."""
    if wanted.role:
        return matching.is_role(one, wanted.role.scope, found.role_definition_id)
    ends = {Phase.APPLICATION, Phase.IDENTITY} & set(wanted.phases)
    return bool(ends) and found.target is not None and not _kept(wanted, found, found.target)


_STEPS: Final[Mapping[Phase, Callable[[Wanted, Found], Iterator[Operation]]]] = {
    Phase.APPLICATION: _target,
    Phase.IDENTITY: _target,
    Phase.ACCOUNT: _account,
    Phase.CREDENTIAL: _credential,
    Phase.ROLE: _role,
}

"""From flags to what is wanted: which phases, which target, which account. Pure.

Raises errors.BadInput for what does not go together.
"""

import csv
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from azwi_cli import discovery, errors
from azwi_cli.serviceaccount import durations, names
from azwi_cli.serviceaccount.known import SHORT, Account, Choice, Kind, Phase, Role, Wanted

_PART: Final = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_LABEL: Final = re.compile(f"(?=.{{1,63}}$){_PART}")  # RFC 1123, as Kubernetes has it
_SUBDOMAIN: Final = re.compile(rf"(?=.{{1,253}}$){_PART}(\.{_PART})*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """The flags as they were given; empty where one was not."""

    phase: Phase | None = None
    """Of ``phase NAME``; None: all but the skipped."""
    skip: tuple[str, ...] = ()
    namespace: str = "default"
    account: str = ""
    issuer: str = ""
    expiration: str = ""
    application_name: str = ""
    application_client_id: str = ""
    application_object_id: str = ""
    identity_name: str = ""
    identity_group: str = ""
    identity_location: str = ""
    principal_name: str = ""
    principal_id: str = ""
    role: str = ""
    scope: str = ""
    assignment_id: str = ""


def phases(given: Given) -> tuple[Phase, ...]:
    """What is to be done, in the order of ``create``."""
    if given.phase:
        return (given.phase,)
    skipped = _skipped(given.skip)
    first = Phase.IDENTITY if given.identity_name else Phase.APPLICATION
    if {Phase.APPLICATION, Phase.IDENTITY} & skipped:
        skipped |= {first}  # the one that the command line would have
    order = (first, Phase.ACCOUNT, Phase.CREDENTIAL, Phase.ROLE)
    chosen = tuple(phase for phase in order if phase not in skipped)
    if not chosen:
        raise errors.BadInput("Every phase is skipped.", "Leave one out of --skip-phases.")
    return chosen


def needs_issuer(given: Given) -> bool:
    """Whether the issuer must be known: for a credential, or to derive an application's name."""
    chosen = set(phases(given))
    derived = not (
        given.identity_name
        or given.application_name
        or given.application_client_id
        or given.application_object_id
    )
    names_target = chosen & {Phase.APPLICATION, Phase.ACCOUNT}
    needs_principal = Phase.ROLE in chosen and not (given.principal_id or given.principal_name)
    return Phase.CREDENTIAL in chosen or (derived and bool(names_target or needs_principal))


def wanted(given: Given, *, audience: str, deleting: bool = False) -> Wanted:
    """The command line, checked; the tenant is added by whoever knows it."""
    chosen = phases(given)
    _check_target(given)
    account = _account(given, chosen)
    return Wanted(
        phases=chosen,
        choice=_choice(given, chosen, account),
        account=account,
        role=_role(given, chosen, deleting=deleting),
        assignment_id=given.assignment_id,
        audience=audience,
        alone=given.phase is not None,
    )


def _skipped(values: Iterable[str]) -> set[Phase]:
    found = set()
    for name in (part.strip() for row in csv.reader(values) for part in row):
        if name not in (*Phase, *SHORT):
            raise errors.BadInput(
                f"There is no phase {name!r}.", f"--skip-phases takes {', '.join(Phase)}."
            )
        found.add(SHORT.get(name) or Phase(name))
    return found


def _check_target(given: Given) -> None:
    application = (
        given.application_name or given.application_client_id or given.application_object_id
    )
    if given.identity_name and application:
        raise errors.BadInput(
            "A service account has one identity: either an application or a managed identity.",
            "Give either --aad-application-… or --identity-name.",
        )
    if given.identity_name and not given.identity_group:
        raise errors.BadInput(
            "The managed identity's resource group is missing.", "Add --identity-resource-group."
        )
    if (given.identity_group or given.identity_location) and not given.identity_name:
        raise errors.BadInput("The managed identity's name is missing.", "Add --identity-name.")
    if given.phase is Phase.IDENTITY and not given.identity_name:
        raise errors.BadInput("The managed identity's name is missing.", "Add --identity-name.")


def _account(given: Given, chosen: Sequence[Phase]) -> Account | None:
    if not given.account:
        if {Phase.ACCOUNT, Phase.CREDENTIAL} & set(chosen):
            raise errors.BadInput(
                "The service account's name is missing.", "Add --service-account-name."
            )
        return None
    _check_names(given)
    if Phase.CREDENTIAL in chosen and given.issuer and (wrong := discovery.problem(given.issuer)):
        raise errors.BadInput(
            f"Entra ID takes no issuer {given.issuer!r}: {wrong}.",
            "Correct --service-account-issuer-url.",
        )
    expiration = durations.expiration(given.expiration) if given.expiration else None
    return Account(given.namespace, given.account, given.issuer, expiration)


def _check_names(given: Given) -> None:
    """What the API server refuses is told before an application or a credential is made for it."""
    if not _LABEL.fullmatch(given.namespace):
        raise errors.BadInput(
            f"{given.namespace!r} is no name of a namespace.",
            "Correct --service-account-namespace.",
        )
    if not _SUBDOMAIN.fullmatch(given.account):
        raise errors.BadInput(
            f"{given.account!r} is no name of a service account: they have lower-case letters,"
            " digits, hyphens and dots.",
            "Correct --service-account-name.",
        )


def _choice(given: Given, chosen: Sequence[Phase], account: Account | None) -> Choice:
    if given.identity_name:
        return Choice(
            kind=Kind.IDENTITY,
            name=given.identity_name,
            group=given.identity_group,
            location=given.identity_location,
            principal_id=given.principal_id,
        )
    name = given.application_name
    known = name or given.application_client_id or given.application_object_id
    if not known and account and account.issuer:
        name = names.application(account.namespace, account.name, account.issuer)
    if not (known or name) and Phase.APPLICATION in chosen:
        raise errors.BadInput("The application's name is missing.", "Add --aad-application-name.")
    return Choice(
        name=name,
        client_id=given.application_client_id,
        object_id=given.application_object_id,
        principal_name=given.principal_name,
        principal_id=given.principal_id,
    )


def _role(given: Given, chosen: Sequence[Phase], *, deleting: bool) -> Role | None:
    if Phase.ROLE not in chosen:
        return None
    if bool(given.role) != bool(given.scope):
        missing = "--azure-scope" if given.role else "--azure-role"
        raise errors.BadInput("A role is assigned at a scope.", f"Add {missing} too.")
    if given.scope and not given.scope.startswith("/"):
        raise errors.BadInput(
            f"{given.scope!r} is no scope.", "It is a resource id: /subscriptions/ID[/resource…]."
        )
    if given.phase is Phase.ROLE and not given.role and not given.assignment_id:
        also = ", or --role-assignment-id" if deleting else ""
        raise errors.BadInput("The role is missing.", f"Add --azure-role and --azure-scope{also}.")
    return Role(given.role, given.scope) if given.role else None

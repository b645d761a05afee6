"""Everybody who is asked, each made at the first question; and what they know, for a plan."""

import dataclasses
import functools

from azwi_cli import errors, output
from azwi_cli.serviceaccount.accounts import Accounts
from azwi_cli.serviceaccount.arm import Arm, subscription_of
from azwi_cli.serviceaccount.graph import Graph
from azwi_cli.serviceaccount.known import (
    Assignment,
    Credential,
    Found,
    Kind,
    Phase,
    Role,
    Target,
    Wanted,
)
from azwi_cli.serviceaccount.login import Login


class Peers:
    """Graph, ARM and the cluster."""

    def __init__(self, login: Login, accounts: Accounts) -> None:
        self.login, self.accounts = login, accounts
        self._arms: dict[str, Arm] = {}

    @functools.cached_property
    def graph(self) -> Graph:
        """Microsoft Graph of the cloud."""
        cloud = self.login.cloud
        return Graph(cloud.graph, self.login.credential, cloud.graph_scope)

    def arm(self, scope: str = "") -> Arm:
        """ARM, for the subscription of ``scope``, or that of the flags."""
        subscription = subscription_of(scope) or self.login.subscription_id
        if subscription not in self._arms:
            cloud, credential = self.login.cloud, self.login.credential
            self._arms[subscription] = Arm(cloud.arm, credential, cloud.arm_scope, subscription)
        return self._arms[subscription]

    def credentials(self, target: Target) -> tuple[Credential, ...]:
        """Of a target of either kind."""
        if target.kind is Kind.APPLICATION:
            return self.graph.credentials(target)
        return self.arm(target.id).credentials(target)


def completed(wanted: Wanted, found: Found, peers: Peers) -> Wanted:
    """What is wanted, with what only Azure knows: the tenant, a new identity's region."""
    if Phase.ACCOUNT in wanted.phases:
        wanted = dataclasses.replace(wanted, tenant_id=peers.login.tenant_id)
    choice = wanted.choice
    if Phase.IDENTITY in wanted.phases and not found.target and not choice.location:
        location = peers.arm().location(choice.group)
        wanted = dataclasses.replace(wanted, choice=dataclasses.replace(choice, location=location))
    return wanted


def observe(wanted: Wanted, peers: Peers, *, deleting: bool) -> Found:
    """What there is of what the phases touch; nothing else is asked for."""
    phases = set(wanted.phases)
    account = None
    if wanted.account and Phase.ACCOUNT in phases:
        account = peers.accounts.get(wanted.account)
    target = _target(wanted, peers) if _needs_target(wanted, deleting=deleting) else None
    if target is None and not deleting and _needs_target(wanted, deleting=False):
        _check_makes(wanted)
    credentials: tuple[Credential, ...] = ()
    ends = {Phase.APPLICATION, Phase.IDENTITY} & phases if deleting else set()
    if target and (Phase.CREDENTIAL in phases or ends):
        credentials = peers.credentials(target)
    found = Found(target=target, credentials=credentials, account=account)
    if wanted.role:
        return _with_role(found, wanted, wanted.role, peers, deleting=deleting)
    leaves = ends and Phase.ROLE in phases and not wanted.assignment_id
    if leaves and target and target.principal_id:
        return dataclasses.replace(found, assignments=_left_behind(target.principal_id, peers))
    return found


def _with_role(found: Found, wanted: Wanted, role: Role, peers: Peers, *, deleting: bool) -> Found:
    arm = peers.arm(role.scope)
    principal_id = _principal(found.target, wanted, peers, deleting=deleting)
    return dataclasses.replace(
        found,
        principal_id=principal_id,
        role_definition_id=arm.role(role.name, role.scope),
        assignments=arm.assignments(principal_id, role.scope) if principal_id else (),
    )


def _principal(target: Target | None, wanted: Wanted, peers: Peers, *, deleting: bool) -> str:
    """Object id of whom the role is for; empty where it is yet to be made, or gone."""
    choice, own = wanted.choice, target.principal_id if target else ""
    if choice.principal_id or not choice.principal_name:
        return choice.principal_id or own
    if target and own and choice.principal_name.casefold() == target.name.casefold():
        return own
    try:
        return peers.graph.principal_by_name(choice.principal_name)
    except errors.NotFound:
        if deleting or Phase.APPLICATION in wanted.phases:
            return own  # as the Go tool has it: the application's, whatever its name
        raise


def _left_behind(principal_id: str, peers: Peers) -> tuple[Assignment, ...]:
    """What a principal would leave behind; who may not see that may delete it all the same."""
    if not peers.login.has_subscription:
        output.note("Without --subscription-id no role assignments are looked for.")
        return ()
    try:
        return peers.arm().assignments(principal_id)
    except (errors.Denied, errors.NotFound) as error:
        output.note(f"Role assignments cannot be looked for: {error.says}")
        return ()


def _needs_target(wanted: Wanted, *, deleting: bool) -> bool:
    phases, choice = set(wanted.phases), wanted.choice
    if phases & {Phase.APPLICATION, Phase.IDENTITY, Phase.CREDENTIAL}:
        return True
    if Phase.ACCOUNT in phases and not deleting and not choice.client_id:
        return True
    named = choice.principal_id or choice.principal_name
    return Phase.ROLE in phases and wanted.role is not None and not named


def _target(wanted: Wanted, peers: Peers) -> Target | None:
    choice = wanted.choice
    if choice.kind is Kind.IDENTITY:
        return peers.arm().identity(choice.group, choice.name)
    if choice.object_id:
        return _confirmed(peers.graph.by_object_id(choice.object_id), choice.client_id)
    if choice.client_id:
        return peers.graph.by_client_id(choice.client_id)
    return peers.graph.by_name(choice.name) if choice.name else None


def _confirmed(found: Target | None, client_id: str) -> Target | None:
    if found and client_id and found.client_id.lower() != client_id.lower():
        raise errors.BadInput(
            f"The application {found.id} has the client id {found.client_id}, not {client_id}.",
            "Give --aad-application-object-id and --aad-application-client-id of one application.",
        )
    return found


def _check_makes(wanted: Wanted) -> None:
    """Raise NotFound where the target is not there and is not made."""
    choice = wanted.choice
    if choice.object_id or choice.client_id:
        raise errors.NotFound(
            f"There is no application {choice.object_id or choice.client_id} in this tenant.",
            "Check the id, --tenant-id and --azure-env.",
        )
    phase = Phase.IDENTITY if choice.kind is Kind.IDENTITY else Phase.APPLICATION
    if phase not in wanted.phases:
        flag = "" if choice.kind is Kind.IDENTITY else ", or name it with --aad-application-name"
        raise errors.NotFound(
            f"There is no {choice.kind} {choice.name}.".replace(" .", "."),
            f"Make it with azwi sa create phase {phase}{flag}.",
        )

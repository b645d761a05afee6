"""What becomes of each workload: its service account, its patch, and what stands in the way. Pure.

``reasons`` says what stands in the way, ``accounts`` which service account a workload gets.
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from azwi_cli.podidentity import accounts, modes, owners, reasons, selection
from azwi_cli.podidentity.accounts import AccountPlan, User
from azwi_cli.podidentity.facts import Facts, Identity, Ref, RoleBinding, Template
from azwi_cli.podidentity.modes import Mode
from azwi_cli.podidentity.objects import TEMPLATES
from azwi_cli.podidentity.reasons import Reason
from azwi_common import contract
from azwi_common.identities import IdentityMap, Mapped

MOST_CREDENTIALS: Final = 20
"""Federated credentials of one identity; a limit of Entra ID."""
NONE: Final = "none"


class Status(StrEnum):
    """What becomes of a workload, from good to bad."""

    MIGRATED = "migrated"
    """It is already as it should be."""
    MIGRATES = "migrates"
    BY_HAND = "by hand"
    """The changes are known, but a patch alone does not bring them to the pods."""
    ASKS = "asks"
    """Somebody must decide, or do something, first."""
    BLOCKED = "does not migrate"
    NOTHING = "gets nothing"
    """Its label selects no identity: aad-pod-identity gives it no token either."""


_LEFT_ALONE: Final = (Status.BLOCKED, Status.NOTHING, Status.MIGRATED)


@dataclass(frozen=True, slots=True)
class Options:
    """What the user chooses."""

    proxy_port: int = contract.DEFAULT_PROXY_PORT
    proxy_mode: Mode | None = None
    """None: what a workload says itself, else what the webhook has."""
    expiration: int = contract.DEFAULT_EXPIRATION
    """Seconds."""
    tenant_id: str = ""
    force_namespaced: bool = False
    defaults: tuple[str, ...] = ()
    """AzureIdentity names, ``namespace/name`` or client ids; ``none``: apps name theirs."""
    without_roles: bool = False
    """Go on where a new service account lacks role bindings of the old one."""


@dataclass(frozen=True, slots=True)
class Item:
    """One workload of the plan."""

    ref: Ref
    api_version: str
    status: Status
    pods: int
    template: Template
    identities: tuple[Identity, ...]
    default: Identity | None
    account: AccountPlan | None
    """None where nothing changes."""
    annotations: Mapping[str, str | None]
    """For its pods' template; None: not any more."""
    role_bindings: tuple[RoleBinding, ...]
    """Of the service account that it leaves, which the new one has not."""
    reasons: tuple[Reason, ...]
    selector: Mapping[str, str]
    mode: Mode
    """How its apps reach the sidecar."""


@dataclass(frozen=True, slots=True)
class Credential:
    """A federated credential that an identity needs."""

    identity: Identity
    namespace: str
    account: str

    @property
    def subject(self) -> str:
        """As the service account's token has it."""
        return f"system:serviceaccount:{self.namespace}:{self.account}"


@dataclass(frozen=True, slots=True)
class Plan:
    """All that is to be done, in the order of the workloads' names."""

    items: tuple[Item, ...]
    credentials: tuple[Credential, ...]
    crowded: tuple[str, ...]
    """About identities that need more credentials than there may be: sentences."""
    notes: tuple[str, ...]
    """About the whole: sentences."""


def plan(facts: Facts, options: Options) -> Plan:
    """Decide for every workload that carries the label."""
    forced = options.force_namespaced or any(
        item.template and item.template.forces_namespaced for item in facts.workloads
    )
    selector = selection.Selector(facts.identities, facts.bindings, namespaced=forced)
    found = [
        owned
        for owned in owners.tops(facts.workloads, TEMPLATES)
        if facts.namespaces is None or owned.workload.ref.namespace in facts.namespaces
    ]
    begun = [_begun(owned, selector, facts, options) for owned in found]
    chosen = accounts.choose(
        [_user(item) for item in begun if item.status not in _LEFT_ALONE],
        {(account.namespace, account.name): account for account in facts.accounts},
        options.expiration,
        options.tenant_id,
    )
    items = tuple(_finished(item, chosen.get(item.ref), facts, options) for item in begun)
    credentials = _credentials(items)
    notes = [*facts.unread]
    notes += _elsewhere(facts) if not found else ()
    if forced:
        notes.append("aad-pod-identity keeps every identity in its namespace (forceNamespaced).")
    if any(item.mode is Mode.ENVIRONMENT and item.account for item in items):
        notes.append(modes.NOTE)
    if facts.webhook_mode is None and options.proxy_mode is None and found:
        notes.append(modes.UNREAD)
    return Plan(items, credentials, tuple(_crowded(items)), tuple(notes))


def _begun(
    owned: owners.Owned, selector: selection.Selector, facts: Facts, options: Options
) -> Item:
    """A workload with its identities and what stands in the way, without a service account."""
    workload = owned.workload
    template = workload.template or Template()
    got = selector.of(workload.ref.namespace, template.labels)
    default, answered = _default(got.identities, options)
    mode = modes.chosen(options.proxy_mode, template.annotations, facts.webhook_mode)
    exemption = selection.exempt(workload.ref.namespace, template.labels, facts.exemptions)
    against = reasons.against(
        workload,
        got,
        exemption,
        facts.pod_security.get(workload.ref.namespace, ""),
        options.proxy_port,
        mode,
    )
    if len(got.identities) > 1 and not answered:
        against = (*against, reasons.which_default(got.identities))
    now = modes.chosen(None, template.annotations, facts.webhook_mode)
    stays = mode is now or options.proxy_mode is None or not got.identities
    if template.is_migrated and not stays:
        against = (reasons.another_mode(now, mode), *against)
    elif template.takes_part:
        against = (reasons.takes_part(), *against)
    item = Item(
        workload.ref,
        workload.api_version,
        _status(against, got),
        owned.pods,
        template,
        got.identities,
        default,
        None,
        {},
        (),
        against,
        workload.selector,
        mode,
    )
    if template.is_migrated and stays:
        return replace(item, status=Status.MIGRATED, reasons=())
    return replace(item, annotations=_annotations(item, options))


def _status(against: tuple[Reason, ...], got: selection.Selected) -> Status:
    if not got.identities:
        return Status.NOTHING
    weights = {reason.weight for reason in against}
    for weight, status in (
        (reasons.Weight.BLOCKS, Status.BLOCKED),
        (reasons.Weight.ASKS, Status.ASKS),
        (reasons.Weight.BY_HAND, Status.BY_HAND),
    ):
        if weight in weights:
            return status
    return Status.MIGRATES


def _default(identities: tuple[Identity, ...], options: Options) -> tuple[Identity | None, bool]:
    """The identity of requests that name none, and whether there is nothing to ask."""
    if len(identities) == 1:
        return identities[0], True
    for answer in options.defaults:
        meant = [identity for identity in identities if _is_named(identity, answer)]
        if len(meant) == 1:
            return meant[0], True
    return None, NONE in options.defaults


def _is_named(identity: Identity, answer: str) -> bool:
    names = (identity.name, f"{identity.namespace}/{identity.name}")
    return answer in names or answer.lower() == identity.client_id


def _annotations(item: Item, options: Options) -> dict[str, str | None]:
    """For the pods: the sidecar, for it alone, and every identity by its resource id.

    Containers that have their AZURE_* variables already keep them: their SDK may go by these.
    """
    mapped = IdentityMap(
        Mapped(identity.client_id, resource_id=identity.resource_id.lower())
        for identity in item.identities
        if identity.type == 0
    )
    found: dict[str, str | None] = {contract.INJECT_ANNOTATION: "true"}
    if not item.template.takes_part:
        found[contract.PROXY_ONLY_ANNOTATION] = "true"
    if mapped:
        found[contract.IDENTITIES_ANNOTATION] = mapped.text
    if options.proxy_port != contract.DEFAULT_PROXY_PORT:
        found[contract.PORT_ANNOTATION] = str(options.proxy_port)
    return found | modes.annotations(options.proxy_mode, item.mode, item.template.annotations)


def _user(item: Item) -> User:
    clients = frozenset(identity.client_id for identity in item.identities)
    default = item.default.client_id if item.default else ""
    return User(item.ref, item.template.service_account, clients, default)


def _finished(item: Item, account: AccountPlan | None, facts: Facts, options: Options) -> Item:
    if account is None or not account.is_new:
        return replace(item, account=account)
    lost = accounts.lost_roles(account, facts.role_bindings)
    reason = reasons.new_account(account, lost)
    if options.without_roles:
        reason = replace(reason, weight=reasons.Weight.NOTES)
    status = Status.ASKS if reason.weight is reasons.Weight.ASKS else item.status
    return replace(
        item, account=account, role_bindings=lost, reasons=(*item.reasons, reason), status=status
    )


def _credentials(items: tuple[Item, ...]) -> tuple[Credential, ...]:
    found = {
        (identity.client_id, item.ref.namespace, item.account.name): Credential(
            identity, item.ref.namespace, item.account.name
        )
        for item in items
        if item.account
        for identity in item.identities
    }
    return tuple(found[key] for key in sorted(found))


def _elsewhere(facts: Facts) -> list[str]:
    """For those who look into the wrong namespace."""
    there = {item.ref.namespace for item in facts.workloads if owners.asks(item)}
    if not there or facts.namespaces is None:
        return []
    here = ", ".join(sorted(facts.namespaces))
    return [f"In {here} is nothing, in {len(there)} other namespaces there is: -A looks at all."]


def _crowded(items: tuple[Item, ...]) -> list[str]:
    """What has migrated keeps its credential, and counts too."""
    trusted: dict[str, set[tuple[str, str]]] = defaultdict(set)
    named: dict[str, Identity] = {}
    for item in items:
        if not (item.account or item.status is Status.MIGRATED):
            continue
        name = item.account.name if item.account else item.template.service_account
        for identity in item.identities:
            named.setdefault(identity.client_id, identity)
            trusted[identity.client_id].add((item.ref.namespace, name))
    return [
        f"AzureIdentity {named[client].namespace}/{named[client].name} needs {len(users)}"
        f" federated credentials, and Entra ID allows {MOST_CREDENTIALS} of one identity: let"
        " workloads share a service account, or use a second identity, or AKS identity bindings."
        for client, users in trusted.items()
        if len(users) > MOST_CREDENTIALS
    ]

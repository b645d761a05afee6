"""What stands in a workload's way, each with what to do about it. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from azwi_cli.podidentity.accounts import AccountPlan
from azwi_cli.podidentity.facts import LABEL, Identity, RoleBinding, Workload
from azwi_cli.podidentity.modes import FLAG, Mode
from azwi_cli.podidentity.objects import TEMPLATES
from azwi_cli.podidentity.selection import Selected
from azwi_common import contract
from azwi_common.identities import GUID


class Weight(StrEnum):
    """How much a reason weighs, from heavy to light."""

    BLOCKS = "blocks"
    ASKS = "asks"
    BY_HAND = "by hand"
    NOTES = "notes"


@dataclass(frozen=True, slots=True)
class Reason:
    """One of them."""

    code: str
    """A short name that scripts can look for; it never changes."""
    weight: Weight
    says: str
    remedy: str = ""


_FORWARD: Final = contract.PREFIX + "proxy-forward"
_TYPES: Final = {
    1: "a service principal with a password",
    2: "a service principal with a certificate",
}


def against(
    workload: Workload, got: Selected, exemption: str, level: str, port: int, mode: Mode
) -> tuple[Reason, ...]:
    """All that stands in the way of a workload.

    ``exemption``: the AzurePodIdentityException that its pods match; ``level``: what its
    namespace's pod security admission enforces; ``port``: the sidecar's; ``mode``: how apps
    reach it.
    """
    return (
        *_bindings(workload, got),
        *_identities(got),
        *_owner(workload, mode),
        *_exempt(exemption),
        *_pods(workload, port, mode),
        *_pod_security(level, mode),
        *_forward_proxy(workload, mode),
        *_starts(workload),
    )


def _bindings(workload: Workload, got: Selected) -> Iterator[Reason]:
    weight = Weight.NOTES if got.identities else Weight.BLOCKS
    for problem in got.problems:
        yield Reason("binding", weight, problem, "Correct it, or delete the binding.")
    if not got.identities and not got.problems:
        label = workload.template.labels.get(LABEL) if workload.template else ""
        yield Reason(
            "no-binding",
            Weight.BLOCKS,
            f"No AzureIdentityBinding has the selector {label!r}.",
            f"Remove the label {LABEL}, or correct it.",
        )


def _identities(got: Selected) -> Iterator[Reason]:
    for identity in got.identities:
        name = f"AzureIdentity {identity.namespace}/{identity.name}"
        if identity.type != 0:
            what = _TYPES.get(identity.type, f"of the unknown type {identity.type}")
            yield Reason(
                "service-principal",
                Weight.BLOCKS,
                f"{name} is {what}, no managed identity.",
                "Use a managed identity, or add a federated credential to the application and"
                " annotate the service account with its client ID.",
            )
        elif not GUID.fullmatch(identity.client_id):
            yield Reason(
                "client-id",
                Weight.BLOCKS,
                f"{name} has no valid client ID.",
                "Set spec.clientID: az identity show --query clientId says it.",
            )


def _owner(workload: Workload, mode: Mode) -> Iterator[Reason]:
    kind = workload.ref.kind
    if kind not in TEMPLATES and kind != "Pod":
        yield Reason(
            "unknown-owner",
            Weight.BLOCKS,
            f"The pods belong to a {kind} ({workload.api_version or 'unknown version'}), a kind"
            " that azwi does not change.",
            f"Give the pod template in it the label {contract.USE_LABEL}, the annotations"
            f" {contract.INJECT_ANNOTATION} and {contract.PROXY_ONLY_ANNOTATION}, each"
            f' "true",{_told(mode)} and an annotated service account.',
        )
    elif not workload.api_version or workload.owner is not None:
        yield Reason(
            "owner-not-found",
            Weight.BLOCKS,
            f"The pods belong to {workload.ref.text}, which was not found.",
            "Is it being deleted, or are you not allowed to read it?",
        )
    if workload.needs_hand:
        yield Reason("by-hand", Weight.BY_HAND, _sentence(workload.needs_hand))


def _exempt(exemption: str) -> Iterator[Reason]:
    if exemption:
        yield Reason(
            "exception",
            Weight.BLOCKS,
            f"AzurePodIdentityException {exemption} matches the pods: today they get the node's"
            " identities, not those of the bindings.",
            "Find out which identity the app means; remove the exception or the label.",
        )


def _told(mode: Mode) -> str:
    return f" {contract.MODE_ANNOTATION}: environment," if mode is Mode.ENVIRONMENT else ""


def _pods(workload: Workload, port: int, mode: Mode) -> Iterator[Reason]:
    template = workload.template
    if template is None:
        return
    if template.host_network:
        yield Reason(
            "host-network",
            Weight.BLOCKS,
            "The pods use the node's network (hostNetwork), where"
            + (
                " no redirect may be set."
                if mode is Mode.REDIRECT
                else " whatever is in it could ask the sidecar for tokens."
            ),
            "Move the app off hostNetwork, or to an SDK that knows workload identity.",
        )
    if template.windows:
        yield Reason("windows", Weight.BLOCKS, "The pods run on Windows; the sidecar needs Linux.")
    if port in template.ports:
        yield Reason(
            "port",
            Weight.BLOCKS,
            f"A container listens on port {port}, the sidecar's.",
            "Choose another one with --proxy-port.",
        )
    forwards = template.annotations.get(_FORWARD, "").strip() != "none"  # else nobody is exempt
    if template.proxy_user and mode is Mode.REDIRECT and forwards:
        yield Reason(
            "user",
            Weight.BLOCKS,
            f"Container {template.proxy_user} runs as user {contract.DEFAULT_PROXY_UID}, the"
            " sidecar's own, whom no redirect meets.",
            f"Choose another securityContext.runAsUser, or give its pods the annotation {_FORWARD}:"
            " none.",
        )


def _pod_security(level: str, mode: Mode) -> Iterator[Reason]:
    """Where NET_ADMIN is forbidden, by the same rule as the webhook's."""
    if level not in contract.FORBIDS_NET_ADMIN:
        return
    says = f"The namespace enforces the pod security level {level}, which forbids"
    if mode is Mode.REDIRECT:
        yield Reason(
            "pod-security",
            Weight.BLOCKS,
            f"{says} NET_ADMIN.",
            f"Choose {FLAG}, which needs none, where the app's SDK honours its variables"
            " (docs/clients.md); or give the namespace the level privileged, or the app an SDK that"
            " knows workload identity.",
        )
    else:
        yield Reason(
            "environment-mode",
            Weight.NOTES,
            f"{says} the redirect.",
            "What has 169.254.169.254 written into it, such as a script, needs the redirect: change"
            " it (docs/clients.md says how), or give the namespace the level privileged.",
        )


def _forward_proxy(workload: Workload, mode: Mode) -> Iterator[Reason]:
    """What asked 169.254.169.254 by itself, and is now to ask loopback."""
    names = workload.template.unspared if workload.template else ()
    if names and mode is Mode.ENVIRONMENT:
        yield Reason(
            "forward-proxy",
            Weight.NOTES,
            f"A forward proxy (HTTP_PROXY) gets what {', '.join(names)} should ask the sidecar.",
            "Add 127.0.0.1 to NO_PROXY first, or the app may get no token.",
        )


def _starts(workload: Workload) -> Iterator[Reason]:
    inits = workload.template.init_containers if workload.template else ()
    if inits:
        yield Reason(
            "init-containers",
            Weight.NOTES,
            f"Init containers ({', '.join(inits)}) get tokens only where the sidecar is a native"
            " one.",
            "From Kubernetes 1.32 on it is; from 1.29 with AZWI_NATIVE_SIDECAR=true.",
        )
    if workload.ref.kind in ("Job", "CronJob"):
        yield Reason(
            "job",
            Weight.NOTES,
            "A Job completes only where the sidecar is a native one.",
            "From Kubernetes 1.32 on it is; from 1.29 with AZWI_NATIVE_SIDECAR=true.",
        )


def which_default(identities: Sequence[Identity]) -> Reason:
    """Several identities: nobody guesses."""
    names = ", ".join(f"{item.namespace}/{item.name}" for item in identities)
    return Reason(
        "which-default",
        Weight.ASKS,
        f"There are {len(identities)} identities: which one do requests mean that name none?",
        f"Answer with --default and one of {names}, or with --default none if every request"
        " names its identity.",
    )


def another_mode(now: Mode, mode: Mode) -> Reason:
    """It is migrated, and its apps are to reach the sidecar in another way."""
    return Reason("mode", Weight.NOTES, f"It is migrated in {now} mode; this changes it to {mode}.")


def takes_part() -> Reason:
    """It has the label, and not the sidecar."""
    return Reason(
        "takes-part",
        Weight.NOTES,
        "The pods take part in workload identity already: their containers keep the AZURE_*"
        " variables, and an SDK that knows these does not ask the sidecar.",
        f"If no app in it asks the metadata service any more, remove the label {LABEL} instead.",
    )


def new_account(account: AccountPlan, lost: Sequence[RoleBinding]) -> Reason:
    """A new service account, and the rights that it lacks."""
    says = f"A new service account {account.name} takes the place of {account.left}: {account.why}."
    if not lost:
        return Reason("new-account", Weight.NOTES, says)
    names = ", ".join(f"{item.ref.kind} {item.ref.name}" for item in lost)
    return Reason(
        "role-bindings",
        Weight.ASKS,
        f"{says} It lacks what {account.left} may do by {names}.",
        "Copy the bindings that the app needs (the file of role bindings has them), and run this"
        " again; --without-roles goes on without them.",
    )


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."

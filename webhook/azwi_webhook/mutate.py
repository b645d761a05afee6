"""What becomes of a pod: the smallest patch that gives it its tokens, or the reason why not.

Pure. Knows no server and no cluster: it is given the pod, its service account, and what surrounds
them. ``annotations`` reads what is asked for, ``refusals`` says what cannot be had, ``identity``
and ``inject`` write the operations, ``advice`` the warnings. A pod that was admitted once gets an
empty patch, one to which somebody added a container is completed.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from azwi_common import contract
from azwi_webhook import advice, annotations, identity, inject, patch, pods, refusals
from azwi_webhook.annotations import Wishes
from azwi_webhook.errors import Refused
from azwi_webhook.patch import Operation
from azwi_webhook.settings import Settings

__all__ = (
    "Account",
    "Admitted",
    "Operation",
    "Surroundings",
    "account_name",
    "admit",
    "takes_part",
)


MOST_CONTAINERS: Final = 500
"""Each gets a kilobyte or so, and one that sends 3 bytes would get it as well."""
MOST_TOLD: Final = 20  # problems of one pod
LONGEST: Final = 1000  # signs of one; it may quote names that nobody has checked yet


@dataclass(frozen=True, slots=True)
class Account:
    """What is known of a service account: only names under ``azure.workload.identity/``."""

    name: str
    labels: Mapping[str, str]
    annotations: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What else decides."""

    namespace: str
    namespace_labels: Mapping[str, str]
    minor: int
    """Of the API server's version, 1.``minor``."""
    secret: str = field(repr=False)
    """Random, for one pod alone: 16 to 256 visible signs of ASCII that a header can hold."""


@dataclass(frozen=True, slots=True)
class Admitted:
    """A pod that may be created, and how it is changed."""

    patch: list[Operation]
    """Empty: nothing to change. Its values are shared with other pods' patches: copy to change."""
    warnings: tuple[str, ...]
    """For whoever created it, each one sentence."""


def account_name(pod: Any) -> str:
    """The service account of a pod; raises Refused where the pod is nonsense."""
    return pods.text(pods.read(pod).spec, "serviceAccountName") or "default"


def takes_part(pod: Any, account: Account | None, around: Surroundings, settings: Settings) -> bool:
    """Whether the pod is to be changed at all: its own label, or where it lives, says so.

    ``use: "false"`` on the pod wins over its namespace and its service account.
    """
    own = pods.read(pod).labels.get(contract.USE_LABEL)
    if own == "false":
        return False
    if own == "true" and "pod" in settings.opt_in:
        return True
    of_namespace = around.namespace_labels if "namespace" in settings.opt_in else {}
    of_account = account.labels if account and "serviceaccount" in settings.opt_in else {}
    return "true" in (
        of_namespace.get(contract.NAMESPACE_LABEL),
        of_account.get(contract.ACCOUNT_LABEL),
    )


def is_mirror(pod: Any) -> bool:
    """Whether a pod mirrors a static one: the kubelet runs that from a file, whatever is patched.

    Refused, it would run all the same and be invisible.
    """
    return contract.MIRROR_ANNOTATION in pods.read(pod).annotations


def admit_mirror(pod: Any, around: Surroundings, settings: Settings) -> Admitted:
    """Leave a mirror pod as it is; a warning where it takes part by its label or its namespace."""
    meant = takes_part(pod, None, around, settings)
    return Admitted([], (advice.MIRROR,) if meant else ())


def admit(pod: Any, account: Account | None, around: Surroundings, settings: Settings) -> Admitted:
    """What to do with a pod that takes part; raises Refused with every reason at once."""
    parts = pods.read(pod)
    if not parts.containers:
        return Admitted([], ())  # the API server says what is missing
    if len(parts.containers) + len(parts.init_containers) > MOST_CONTAINERS:
        raise Refused(f"The pod has more than {MOST_CONTAINERS} containers: divide it.")
    name = pods.text(parts.spec, "serviceAccountName") or "default"
    of_account = account.annotations if account else {}
    wishes = annotations.read(
        parts.annotations,
        of_account,
        name,
        settings.custom_suffix,
        has_proxy=parts.has(contract.PROXY_CONTAINER),
    )
    known = inject.configured(parts, wishes, settings, around.secret)
    if problems := [*wishes.problems, *_problems(parts, wishes, settings, known, around)]:
        raise Refused(_told(problems))
    native = inject.is_native(settings, around.minor)
    warnings = advice.warnings(
        parts, name, of_account if account else None, wishes, settings, known, native=native
    )
    return Admitted([*_operations(parts, wishes, settings, known, native=native)], warnings)


def _told(problems: Sequence[str]) -> str:
    shown = [one if len(one) <= LONGEST else f"{one[:LONGEST]}…" for one in problems[:MOST_TOLD]]
    if more := len(problems) - len(shown):
        shown.append(f"There are {more} more problems.")
    return pods.printable(" ".join(shown))


def _problems(
    pod: pods.Pod,
    wishes: Wishes,
    settings: Settings,
    known: inject.Configured,
    around: Surroundings,
) -> Iterator[str]:
    yield from refusals.binding(wishes, settings)
    if wishes.inject:
        yield from refusals.sidecar(
            pod,
            wishes,
            settings,
            known,
            namespace=around.namespace,
            namespace_labels=around.namespace_labels,
        )


def _operations(
    pod: pods.Pod,
    wishes: Wishes,
    settings: Settings,
    known: inject.Configured,
    *,
    native: bool,
) -> Iterator[Operation]:
    """Places in the arrays are those of the pod as it came: insertions come last."""
    yield from _annotations(pod, wishes, known)
    completed = [*_completed(pod, wishes, settings, known)]
    yield from completed
    yield from _volumes(pod, wishes, settings, completed)
    if wishes.inject:
        yield from inject.operations(pod, wishes, settings, known, native=native)


def _annotations(pod: pods.Pod, wishes: Wishes, known: inject.Configured) -> Iterator[Operation]:
    """The reference injects its privileged container wherever its annotation stands, so it goes.

    That of environment mode then tells a later pass that the sidecar is meant, or goes as well.
    """
    said, mode = map(pod.annotations.get, (contract.INJECT_ANNOTATION, contract.MODE_ANNOTATION))
    if said is not None and (known.endpoint or wishes.inject is False):
        yield patch.remove(_annotation(contract.INJECT_ANNOTATION))
    if known.endpoint and mode is None:
        yield patch.add(_annotation(contract.MODE_ANNOTATION), "environment")
    if mode is not None and wishes.inject is False:
        yield patch.remove(_annotation(contract.MODE_ANNOTATION))
    name = contract.DEFAULT_CONTAINER_ANNOTATION
    if wishes.inject and name not in pod.annotations:
        apps = [item for item in pod.containers if item.get("name") not in pods.OURS]
        if apps and apps[0].get("name"):
            yield patch.add(_annotation(name), apps[0].get("name"))


def _annotation(name: str) -> str:
    return patch.pointer("metadata", "annotations", name)


def _completed(
    pod: pods.Pod, wishes: Wishes, settings: Settings, known: inject.Configured
) -> Iterator[Operation]:
    """What containers lack that are in the pod already."""
    env = identity.environment(wishes, settings)
    has_proxy = bool(wishes.inject) or pod.has(contract.PROXY_CONTAINER)
    proxy_only = wishes.proxy_only and has_proxy
    for array, containers in (
        ("initContainers", pod.init_containers),
        ("containers", pod.containers),
    ):
        for place, container in enumerate(containers):
            gets = identity.gets_identity(container, wishes, proxy_only)
            told = known.endpoint.lacking(container, wishes) if known.endpoint else []
            path = f"/spec/{array}/{place}"
            both = [*(env if gets else ()), *told]
            yield from identity.complete(path, container, both, token=gets)


def _volumes(
    pod: pods.Pod, wishes: Wishes, settings: Settings, completed: Collection[Operation]
) -> list[Operation]:
    """The volumes that are mounted, now or by the operations of ``completed``, and not there."""
    present = pods.items(pod.spec, "volumes")
    names = [volume.get("name") for volume in present]
    injects = bool(wishes.inject) and not pod.has(contract.PROXY_CONTAINER)
    wanted = settings.proxy_volumes.items if injects else []
    mounts = any("/volumeMounts" in operation["path"] for operation in completed)
    if injects or mounts or any(map(identity.mounts_the_token, pod.all_containers())):
        wanted.append(identity.volume(wishes, settings))
    lacking = [volume for volume in wanted if volume.get("name") not in names]
    return patch.append("/spec/volumes", present, lacking)

"""What the author of a pod is warned about: it is admitted, and may not do what was meant.

Pure. Each warning is one sentence of at most 256 characters: the API server cuts longer ones.
"""

import difflib
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from azwi_common import contract
from azwi_webhook import inject, pods, resources
from azwi_webhook.annotations import Wishes
from azwi_webhook.endpoint import Endpoint
from azwi_webhook.inject import Configured
from azwi_webhook.settings import Settings

LONGEST = 256
MOST = 20  # of one pod; the API server passes on 4,096 characters of them all
_SHOWN = 5  # unknown annotations that get a warning: searching the nearest name is not free
_LABELS = (contract.USE_LABEL, contract.NAMESPACE_LABEL, contract.ACCOUNT_LABEL)
_OF_SIDECAR = contract.POD_ANNOTATIONS - {
    contract.EXPIRATION_ANNOTATION,
    contract.SKIP_CONTAINERS_ANNOTATION,
    contract.INJECT_ANNOTATION,
}


MIRROR = (
    "This is the mirror of a static pod, which runs from a file of its node: it gets no identity."
    " Create it through the API server instead."
)


def warnings(
    pod: pods.Pod,
    account: str,
    of_account: Mapping[str, Any] | None,
    wishes: Wishes,
    settings: Settings,
    known: Configured,
    *,
    native: bool,
) -> tuple[str, ...]:
    """Every warning for a pod that is admitted; ``of_account`` is None where there is none.

    ``native``: whether a sidecar that is injected is a native one.
    """
    suffix = settings.custom_suffix
    custom = contract.CUSTOM_ENDPOINT_ANNOTATION + suffix if suffix else ""
    found = [
        *_account(account, of_account, wishes),
        *wishes.doubts,
        *_unknown("the pod", pod.annotations, contract.POD_ANNOTATIONS, custom),
        *_unknown(f"service account {account}", of_account or {}, contract.ACCOUNT_ANNOTATIONS, ""),
        *_volume(pod),
        *(_taken(pod, settings) if wishes.inject else ()),
        *_sidecar(pod, wishes, settings),
        *(_mode(pod, wishes, known.endpoint) if wishes.inject else ()),
        *_slow(inject.cpu_limit(pod, wishes, settings, known, native=native)),
        *(() if native or not wishes.inject else _ordinary(pod, known.endpoint)),
    ]
    return tuple(_cut(sentence) for sentence in found[:MOST])


def _account(account: str, annotations: Mapping[str, Any] | None, wishes: Wishes) -> Iterator[str]:
    if annotations is None:
        yield (
            f"Service account {account} does not exist: the pod gets no {contract.CLIENT_ID}."
            f" Create it with the annotation {contract.CLIENT_ID_ANNOTATION}."
        )
    elif not (wishes.client_id or wishes.identities):
        yield (
            f"Service account {account} has no annotation {contract.CLIENT_ID_ANNOTATION}:"
            f" the pod gets no {contract.CLIENT_ID}, and every request must name its identity."
        )


def _unknown(
    owner: str, given: Mapping[str, Any], here: Collection[str], custom: str
) -> Iterator[str]:
    strange = sorted(
        name
        for name in given
        if name.startswith(contract.PREFIX) and name not in here and name != custom
    )
    for name in strange[:_SHOWN]:
        yield f"Annotation {name[:90]} of {owner} means nothing{_explained(name, here)}."
    if len(strange) > _SHOWN:
        more = len(strange) - _SHOWN
        yield f"{more} more annotations of {owner} under {contract.PREFIX} mean nothing there."


def _explained(name: str, here: Collection[str]) -> str:
    if name in _LABELS:
        return ": it is a label"
    if name in contract.ALL_ANNOTATIONS:
        other = "the pod" if name in contract.POD_ANNOTATIONS else "the service account"
        return f" there: it belongs on {other}"
    if name.startswith(contract.CUSTOM_ENDPOINT_ANNOTATION):
        return ": the webhook is configured for no such token endpoint"
    near = difflib.get_close_matches(name[:90], here, n=1)
    return f": the nearest known one is {near[0]}" if near else ""


def _volume(pod: pods.Pod) -> Iterator[str]:
    """A volume of our name without our token would leave everybody without one."""
    for volume in pods.items(pod.spec, "volumes"):
        sources = pods.items(pods.mapping(volume, "projected"), "sources")
        if volume.get("name") == contract.TOKEN_VOLUME and not any(
            source.get("serviceAccountToken") for source in sources
        ):
            yield (
                f"Volume {contract.TOKEN_VOLUME} was in the pod already, and projects no service"
                " account token: rename it."
            )


def _taken(pod: pods.Pod, settings: Settings) -> Iterator[str]:
    """Names of the sidecar's own volumes; said once, by the pass that injects it."""
    if pod.has(contract.PROXY_CONTAINER):
        return
    ours = {volume.get("name"): volume for volume in settings.proxy_volumes.items}
    for volume in pods.items(pod.spec, "volumes") if ours else ():
        name = volume.get("name")
        if ours.get(name, volume) != volume:
            yield (
                f"Volume {str(name)[:63]} was in the pod already: {contract.PROXY_CONTAINER} gets"
                " it, and not that of the webhook's configuration. Rename it, unless this is meant."
            )


def _sidecar(pod: pods.Pod, wishes: Wishes, settings: Settings) -> Iterator[str]:
    if wishes.inject:
        yield from _already_there(pod, settings)
        return
    if wishes.inject is False:
        yield (
            f'Annotation {contract.INJECT_ANNOTATION} is "false": no sidecar is injected, and the'
            " annotation is removed, since the Go webhook injects wherever it stands."
        )
    idle = sorted(_OF_SIDECAR.intersection(pod.annotations))
    if idle and not pod.has(contract.PROXY_CONTAINER):
        yield f"Annotation {idle[0]} has no effect on a pod without the sidecar."


def _slow(limit: str) -> Iterator[str]:
    if resources.is_too_slow(limit):
        yield (
            f"azwi-proxy has a CPU limit of {limit[:40]}: below {resources.LEAST_CPU} it may not be"
            " ready in time, and the pod does not start. Raise the limit (annotation"
            " proxy-cpu-limit, or the webhook's AZWI_PROXY_RESOURCES)."
        )


def _mode(pod: pods.Pod, wishes: Wishes, endpoint: Endpoint | None) -> Iterator[str]:
    idle = contract.INIT_ANNOTATIONS if endpoint else {contract.MSI_ENDPOINT_ANNOTATION}
    mode = "environment" if endpoint else "redirect"
    for name in sorted(idle.intersection(pod.annotations)):
        yield f"Annotation {name} has no effect in proxy-mode {mode}."
    if endpoint is None:
        return
    if pod.has(contract.INIT_CONTAINER):
        yield (
            f"Container {contract.INIT_CONTAINER} was in the pod already, and still needs"
            " NET_ADMIN: remove it, since proxy-mode environment does without it."
        )
    for container in pod.app_containers():
        for told, own in endpoint.contradicted(container, wishes):
            yield (
                f"Container {str(container.get('name'))[:63]} sets {own} itself: it gets neither"
                f" {' nor '.join(told)}."
            )


def _already_there(pod: pods.Pod, settings: Settings) -> Iterator[str]:
    ours = (settings.proxy_image, settings.proxy_init_image)
    for container in pod.all_containers():
        image = container.get("image")
        if container.get("name") in pods.OURS and image not in ours:
            yield (
                f"Container {container.get('name')} was in the pod already, with the image"
                f" {str(image)[:120]}: it is left as it is."
            )


def _ordinary(pod: pods.Pod, endpoint: Endpoint | None) -> Iterator[str]:
    """What an ordinary container cannot do; said once, by the pass that injects it."""
    if pod.has(contract.PROXY_CONTAINER):
        return
    upgrade = "native sidecars (AZWI_NATIVE_SIDECAR) are not in use on this cluster"
    if pod.spec.get("restartPolicy") in ("Never", "OnFailure"):
        yield f"The pod does not complete while {contract.PROXY_CONTAINER} runs: {upgrade}."
    if any(item.get("name") not in pods.OURS for item in pod.init_containers):
        place = contract.PROXY_CONTAINER if endpoint else "the metadata address"
        yield f"The pod's init containers get no tokens from {place}: {upgrade}."


def _cut(text: str) -> str:
    sentence = pods.printable(text)
    return sentence if len(sentence) <= LONGEST else sentence[: LONGEST - 1] + "…"

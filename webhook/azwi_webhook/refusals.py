"""Why a pod cannot have the sidecar as it is, each reason one sentence that names the remedy.

Pure. What no rule here sees (an image whose own user is 1501) stands in docs/limits.md.
"""

from collections.abc import Iterator, Mapping

from azwi_common import contract
from azwi_webhook import inject, pods
from azwi_webhook.annotations import Wishes
from azwi_webhook.inject import Configured
from azwi_webhook.settings import Settings

_WITHOUT = (
    f"leave {contract.INJECT_ANNOTATION} out, which is enough for an app whose SDK supports"
    " workload identity"
)
_OS_LABELS = ("kubernetes.io/os", "beta.kubernetes.io/os")


def binding(wishes: Wishes, settings: Settings) -> Iterator[str]:
    """What keeps an AKS identity binding from working."""
    if wishes.binding and not settings.token_proxy:
        yield (
            f"Annotation {contract.CUSTOM_ENDPOINT_ANNOTATION}{settings.custom_suffix} of the pod"
            f" asks for a token proxy that the webhook does not know: set"
            f" {contract.KUBERNETES_TOKEN_PROXY} in the webhook's configuration."
        )


def sidecar(
    pod: pods.Pod,
    wishes: Wishes,
    settings: Settings,
    known: Configured,
    *,
    namespace: str,
    namespace_labels: Mapping[str, str],
) -> Iterator[str]:
    """What keeps a pod that asks for the sidecar from having it."""
    redirects = known.endpoint is None
    yield from _images(pod, settings, known)
    yield from _networks(pod, redirects=redirects)
    if redirects:
        yield from _pod_security(namespace, namespace_labels)
    yield from _ports(pod, wishes.port, known.metrics_port)
    if redirects and known.forward != "none":  # else no user is exempt from the redirect
        yield from _users(pod)


def _images(pod: pods.Pod, settings: Settings, known: Configured) -> Iterator[str]:
    lacks_init, lacks_proxy = inject.lacks(pod, known)
    for lacking, image, name in (
        (lacks_proxy, settings.proxy_image, "PROXY_IMAGE"),
        (lacks_init, settings.proxy_init_image, "PROXY_INIT_IMAGE"),
    ):
        if lacking and not image:
            yield (
                f"The webhook cannot inject the sidecar that {contract.INJECT_ANNOTATION} asks for:"
                f" set {name} in the webhook's configuration."
            )


def _networks(pod: pods.Pod, *, redirects: bool) -> Iterator[str]:
    if pod.spec.get("hostNetwork"):
        harm = (
            "The sidecar would redirect the node's own metadata requests"
            if redirects
            else "Whatever is in the node's network could ask the sidecar for tokens"
        )
        yield f"{harm}, as hostNetwork is true: set hostNetwork to false, or {_WITHOUT}."
    selector = pods.mapping(pod.spec, "nodeSelector")
    systems = [pods.mapping(pod.spec, "os").get("name"), *map(selector.get, _OS_LABELS)]
    if "windows" in systems:
        yield f"The sidecar is for Linux, and this is a Windows pod: {_WITHOUT}."


def _pod_security(namespace: str, labels: Mapping[str, str]) -> Iterator[str]:
    level = labels.get(contract.POD_SECURITY_LABEL)
    if level in contract.FORBIDS_NET_ADMIN:
        yield (
            f"Container {contract.INIT_CONTAINER} needs NET_ADMIN, which namespace {namespace}"
            f" forbids by its label {contract.POD_SECURITY_LABEL}={level}: choose"
            f" environment mode, which needs none, by annotation {contract.MODE_ANNOTATION}:"
            " environment on the pod, set that label to privileged, remove it where the API server"
            f" exempts the namespace from pod security, or {_WITHOUT}."
        )


def _ports(pod: pods.Pod, port: int, metrics_port: int) -> Iterator[str]:
    metrics = f"{contract.PREFIX}proxy-metrics-port"
    if metrics_port == port:
        yield (
            f"Annotations {contract.PORT_ANNOTATION} and {metrics} both mean port {port}:"
            " choose another port for one of them."
        )
    for container in pod.app_containers():
        taken = [
            entry.get("containerPort")
            for entry in pods.items(container, "ports")
            if entry.get("protocol") in (None, "", "TCP")
        ]
        for number, name in ((port, contract.PORT_ANNOTATION), (metrics_port, metrics)):
            if number and number in taken:
                yield (
                    f"Port {number} of the sidecar is container {container.get('name')}'s"
                    f" containerPort: choose another one by annotation {name}."
                )


def _users(pod: pods.Pod) -> Iterator[str]:
    """Whoever runs as the proxy's user passes the redirect, and gets the node's identity."""
    user = contract.DEFAULT_PROXY_UID
    of_pod = pods.mapping(pod.spec, "securityContext").get("runAsUser")
    for container in pod.app_containers():
        own = pods.mapping(container, "securityContext").get("runAsUser")
        if (of_pod if own is None else own) == user:
            yield (
                f"Container {container.get('name')} runs as user {user}, the sidecar's own, which"
                " reaches the node's identity: choose another securityContext.runAsUser, or forward"
                f" nothing by annotation {contract.PREFIX}proxy-forward: none."
            )

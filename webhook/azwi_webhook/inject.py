"""The sidecar's part of a pod: which containers it lacks, where they go, and what they carry.

Pure. Order: azwi-proxy-init, azwi-proxy, then the pod's own, so that from the first of them on
nobody reaches the node's identity. In environment mode there is no azwi-proxy-init.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from azwi_common import contract, sidecar
from azwi_webhook import endpoint, identity, patch, pods, resources
from azwi_webhook.annotations import Wishes, remembered
from azwi_webhook.endpoint import Endpoint
from azwi_webhook.patch import Operation
from azwi_webhook.settings import Settings

_FIRST_DEFAULT = 32  # native sidecars are on since 1.29, and a kubelet may be three versions behind
_FIRST = 29

# Of Kubernetes' own admission of service accounts.
_API_TOKENS = "kube-api-access-"
_API_TOKEN_PATH = "/var/run/secrets/kubernetes.io/serviceaccount"

# Variables of azwi-proxy's that azwi-proxy-init must know in the same way.
_SHARED = (contract.METADATA_IP, contract.METADATA_PORT)


@dataclass(frozen=True, slots=True, eq=False)  # compared by identity: it keys a cache
class Configured:
    """Settings of the sidecar, decided: the pod's wishes before the webhook's configuration."""

    env: Mapping[str, str]
    """Variables of azwi-proxy whose values are known here."""
    endpoint: Endpoint | None
    """What apps are told in environment mode; None where they are redirected."""

    @property
    def forward(self) -> str:
        """AZWI_FORWARD; empty means azwi-proxy's default."""
        return self.env.get(contract.FORWARD, "")

    @property
    def log_level(self) -> str:
        """AZWI_LOG_LEVEL."""
        return self.env.get(contract.LOG_LEVEL, "") or "info"

    @property
    def metrics_port(self) -> int:
        """AZWI_METRICS_PORT; 0 where there is none."""
        text = self.env.get(contract.METRICS_PORT, "")
        return int(text) if text.isascii() and text.isdigit() and len(text) < 6 else 0


def configured(pod: pods.Pod, wishes: Wishes, settings: Settings, secret: str) -> Configured:
    """What azwi-proxy is told by variables, and what apps are told of it.

    ``secret``: random, for a pod that has none yet.
    """
    if wishes.inject and (wishes.mode or settings.proxy_mode) == "environment":
        return Configured(_env(wishes, settings), endpoint.of(pod, wishes, settings, secret))
    return _redirecting(wishes, settings)


@remembered
def _redirecting(wishes: Wishes, settings: Settings) -> Configured:
    return Configured(_env(wishes, settings), None)


def _env(wishes: Wishes, settings: Settings) -> dict[str, str]:
    env = {
        str(entry.get("name")): entry["value"]
        for entry in settings.proxy_env.items
        if isinstance(entry.get("value"), str)
    }
    return {**env, **wishes.settings}


def is_native(settings: Settings, minor: int) -> bool:
    """Whether azwi-proxy is a native sidecar in a cluster of version 1.``minor``."""
    if settings.native_sidecar == "auto":
        return minor >= _FIRST_DEFAULT
    return settings.native_sidecar == "true" and minor >= _FIRST


def lacks(pod: pods.Pod, known: Configured) -> tuple[bool, bool]:
    """Whether azwi-proxy-init and azwi-proxy are still to be injected."""
    lacks_init = known.endpoint is None and not pod.has(contract.INIT_CONTAINER)
    return lacks_init, not pod.has(contract.PROXY_CONTAINER)


def operations(
    pod: pods.Pod, wishes: Wishes, settings: Settings, known: Configured, *, native: bool
) -> Iterator[Operation]:
    """The operations that put the missing containers and their pull secrets into the pod."""
    lacks_init, lacks_proxy = lacks(pod, known)
    if not (lacks_init or lacks_proxy):
        return
    made = _containers(wishes, settings, known, _standing(pod, settings), native)
    of_init, of_proxy = (_with_api_token(container, pod) for container in made)
    first = [of_init] if lacks_init else []
    proxy = [of_proxy] if lacks_proxy else []
    at = 0 if lacks_init else _behind_init(pod)
    among_init = first + proxy if native else first
    yield from patch.insert("/spec/initContainers", pod.init_containers, at, among_init)
    if not native:
        yield from patch.insert("/spec/containers", pod.containers, 0, proxy)
    yield from _pull_secrets(pod, settings)


def _with_api_token(container: sidecar.Object, pod: pods.Pod) -> sidecar.Object:
    """``container`` with the mount that the API server would add to it, as to all of this pod's.

    Were that left to it, it would change what we answered, and so ask us about each pod twice
    (reinvocationPolicy IfNeeded, which completes what other webhooks add).
    """
    volume = _api_token(pod)
    mounts = container.get("volumeMounts", [])
    if not volume or any(mount.get("mountPath") == _API_TOKEN_PATH for mount in mounts):
        return container
    mount = {"name": volume, "readOnly": True, "mountPath": _API_TOKEN_PATH}
    return {**container, "volumeMounts": [*mounts, mount]}


def _api_token(pod: pods.Pod) -> str:
    """The volume that Kubernetes' own admission has mounted in every container; or empty.

    The first of its name is the one that it takes. Where a container lacks it, a service account
    may have said no, and some container mounts one by hand.
    """
    if pod.spec.get("automountServiceAccountToken") is False:
        return ""
    names = (str(volume.get("name")) for volume in pods.items(pod.spec, "volumes"))
    first = next((name for name in names if name.startswith(_API_TOKENS)), "")
    everywhere = all(
        any(
            mount.get("mountPath") == _API_TOKEN_PATH and mount.get("name") == first
            for mount in pods.items(container, "volumeMounts")
        )
        for container in pod.all_containers()
    )
    return first if everywhere else ""


def _behind_init(pod: pods.Pod) -> int:
    names = [container.get("name") for container in pod.init_containers]
    return names.index(contract.INIT_CONTAINER) + 1 if contract.INIT_CONTAINER in names else 0


def cpu_limit(
    pod: pods.Pod, wishes: Wishes, settings: Settings, known: Configured, *, native: bool
) -> str:
    """The CPU limit of the azwi-proxy that the pod gets; empty where it gets none, or no limit."""
    if not wishes.inject or not lacks(pod, known)[1]:
        return ""
    _, proxy = _containers(wishes, settings, known, _standing(pod, settings), native)
    found: str = pods.mapping(pods.mapping(proxy, "resources"), "limits").get("cpu", "")
    return found


def _pull_secrets(pod: pods.Pod, settings: Settings) -> list[Operation]:
    present = pods.items(pod.spec, "imagePullSecrets")
    names = [entry.get("name") for entry in present]
    lacking = [{"name": name} for name in dict.fromkeys(settings.pull_secrets) if name not in names]
    return patch.append("/spec/imagePullSecrets", present, lacking)


class _Standing(NamedTuple):
    """What the resources of the pod's own containers make of it."""

    shared: frozenset[str]
    guaranteed: bool
    cpu_limited: bool


def _standing(pod: pods.Pod, settings: Settings) -> _Standing:
    shared = resources.of_pod(pod.spec)
    # With resources of its own the pod's class does not depend on its containers.
    guaranteed = not shared and resources.is_guaranteed(pod.app_containers())
    cpu_limited = not guaranteed and resources.is_cpu_limited(pod.app_containers())
    # What else a pod calls so is nobody's business, least of all a cache's.
    known = shared and shared.intersection((*resources.COUNTED, *_named(settings)))
    return _Standing(known, guaranteed, cpu_limited)


def _named(settings: Settings) -> Iterator[str]:
    """The resources that the configuration sets."""
    for defaults in (settings.proxy_resources, settings.proxy_init_resources):
        for bound in defaults.value.values():
            yield from bound


@remembered
def _containers(
    wishes: Wishes, settings: Settings, known: Configured, standing: _Standing, native: bool
) -> tuple[sidecar.Object, sidecar.Object]:
    """azwi-proxy-init and azwi-proxy; many pods get the same two objects."""
    of_proxy, of_init = (
        resources.decide(
            defaults.value,
            wished,
            guaranteed=standing.guaranteed,
            cpu_limited=standing.cpu_limited,
            shared=standing.shared,
        )
        for defaults, wished in (
            (settings.proxy_resources, wishes.proxy_resources),
            (settings.proxy_init_resources, wishes.init_resources),
        )
    )
    choices = sidecar.Choices(
        proxy_image=settings.proxy_image,
        init_image=settings.proxy_init_image,
        pull_policy=settings.pull_policy,
        port=wishes.port,
        native=native,
        startup_probe=settings.gate == "startup-probe",
        log_level=known.log_level,
        forward=known.forward,
        iptables_mode=wishes.init_iptables or settings.iptables_mode,
        proxy_env=_proxy_env(wishes, settings, known),
        proxy_env_from=settings.proxy_env_from.items,
        proxy_mounts=settings.proxy_volume_mounts.items,
        init_env=sidecar.variables({name: known.env.get(name, "") for name in _SHARED}),
        proxy_resources=of_proxy,
        init_resources=of_init,
        metrics_port=known.metrics_port,
    )
    return sidecar.init_container(choices), sidecar.proxy_container(choices)


def _proxy_env(wishes: Wishes, settings: Settings, known: Configured) -> list[sidecar.Object]:
    """Identity, then what the pod wishes, then what the webhook's configuration adds.

    Of one name there is one variable: the pod's wish, else the configuration's, else identity's.
    IDENTITY_HEADER, in environment mode, counts as identity's.
    """
    wished = {name: value for name, value in wishes.settings.items() if name != contract.LOG_LEVEL}
    if wishes.identities:
        wished[contract.IDENTITIES] = wishes.identities.text
    extra = [
        entry
        for entry in settings.proxy_env.items
        if entry.get("name") not in wished and entry.get("name") != contract.LOG_LEVEL
    ]
    said = [entry.get("name") for entry in extra]
    own = [*identity.environment(wishes, settings)]
    own += known.endpoint.of_proxy() if known.endpoint else []
    env = [entry for entry in own if entry["name"] not in said] + sidecar.variables(wished)
    if known.metrics_port and contract.POD_IP not in said:
        field = {"fieldRef": {"fieldPath": "status.podIP"}}
        env.append({"name": contract.POD_IP, "valueFrom": field})
    return [*env, *extra]

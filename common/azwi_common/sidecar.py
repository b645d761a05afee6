"""The two containers and the volume that give a pod its tokens, as plain dicts for a manifest.

The webhook injects them and ``azwi`` writes them; ``manifests/examples/by-hand.yaml`` is their
twin by hand, and a test compares. Knows Kubernetes' fields, and not who asks or why.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from azwi_common import contract

Object = dict[str, Any]
"""A Kubernetes object or a part of one, as its JSON reads."""

# What both need is measured; the example by hand says how. No CPU limit: the pod's start waits.
PROXY_RESOURCES: Final[Mapping[str, Mapping[str, str]]] = {
    "requests": {"cpu": "10m", "memory": "48Mi"},
    "limits": {"memory": "96Mi"},
}
INIT_RESOURCES: Final[Mapping[str, Mapping[str, str]]] = {
    "requests": {"cpu": "10m", "memory": "16Mi"},
    "limits": {"memory": "32Mi"},
}
_TOKEN_PATH = contract.TOKEN_FILE.removeprefix(contract.TOKEN_MOUNT + "/")


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """What differs from pod to pod."""

    proxy_image: str
    init_image: str
    pull_policy: str = "IfNotPresent"
    port: int = contract.DEFAULT_PROXY_PORT
    native: bool = True
    """A native sidecar among the init containers; else an ordinary container."""
    startup_probe: bool = False
    """A native sidecar holds the app back by a startup probe, not by a postStart hook."""
    log_level: str = "info"
    forward: str = ""
    """AZWI_FORWARD for both containers; empty leaves it to their default."""
    iptables_mode: str = "auto"
    proxy_env: Sequence[Object] = ()
    """Variables of azwi-proxy: its identities, its settings."""
    proxy_env_from: Sequence[Object] = ()
    proxy_mounts: Sequence[Object] = ()
    """Beside the token's."""
    init_env: Sequence[Object] = ()
    """Variables of azwi-proxy-init beside those that follow from the fields here."""
    proxy_resources: Mapping[str, Mapping[str, str]] = field(
        default_factory=lambda: PROXY_RESOURCES
    )
    init_resources: Mapping[str, Mapping[str, str]] = field(default_factory=lambda: INIT_RESOURCES)
    metrics_port: int = 0
    """AZWI_METRICS_PORT, declared as a port so that monitors find it; 0 declares none."""


def init_container(choices: Choices) -> Object:
    """azwi-proxy-init: root with one capability, two for legacy iptables, whatever the pod says."""
    env = {contract.PROXY_PORT: str(choices.port)}
    if choices.forward != "none":  # else nobody is exempt from the redirect
        env[contract.PROXY_UID] = str(contract.DEFAULT_PROXY_UID)
    if choices.forward:
        env[contract.FORWARD] = choices.forward
    if choices.iptables_mode != "auto":
        env[contract.IPTABLES_MODE] = choices.iptables_mode
    if choices.log_level != "info":
        env[contract.LOG_LEVEL] = choices.log_level
    raw = ["NET_RAW"] if choices.iptables_mode == "legacy" else []  # libiptc opens a raw socket
    return {
        "name": contract.INIT_CONTAINER,
        "image": choices.init_image,
        "imagePullPolicy": choices.pull_policy,
        "env": [*variables(env), *choices.init_env],
        "securityContext": _confined(0, {"drop": ["ALL"], "add": ["NET_ADMIN", *raw]}),
        **_resources(choices.init_resources),
    }


def proxy_container(choices: Choices) -> Object:
    """azwi-proxy: an ordinary user without any capability, and the token's only sure reader."""
    flags = [f"--proxy-port={choices.port}", f"--log-level={choices.log_level}"]
    container = {
        "name": contract.PROXY_CONTAINER,
        "image": choices.proxy_image,
        "imagePullPolicy": choices.pull_policy,
        "args": flags,
        "env": _proxy_env(choices),
        **_gate(choices, ["/proxy", flags[0], "--probe", flags[1]]),
        "securityContext": _confined(contract.DEFAULT_PROXY_UID, {"drop": ["ALL"]}),
        **_resources(choices.proxy_resources),
        "volumeMounts": [token_mount(), *choices.proxy_mounts],
    }
    if choices.native:
        container["restartPolicy"] = "Always"
    if choices.proxy_env_from:
        container["envFrom"] = list(choices.proxy_env_from)
    if choices.metrics_port:
        container["ports"] = [{"name": "azwi-metrics", "containerPort": choices.metrics_port}]
    return container


def identity_env(*, client_id: str, tenant_id: str, authority_host: str) -> list[Object]:
    """The variables by which SDKs and azwi-proxy know their identity; none is ever empty."""
    return variables(
        {
            contract.CLIENT_ID: client_id,
            contract.TENANT_ID: tenant_id,
            contract.FEDERATED_TOKEN_FILE: contract.TOKEN_FILE,
            contract.AUTHORITY_HOST: authority_host,
        }
    )


def variables(values: Mapping[str, str]) -> list[Object]:
    """Entries of a container's ``env``, without those whose value is empty."""
    return [{"name": name, "value": value} for name, value in values.items() if value]


def token_volume(*, audience: str, expiration: int, beside: Sequence[Object] = ()) -> Object:
    """The projected service account token; ``beside``: further sources in the same folder.

    ``expiration``: in seconds, 3600 to 86400.
    """
    token = {"path": _TOKEN_PATH, "audience": audience, "expirationSeconds": expiration}
    sources = [{"serviceAccountToken": token}, *beside]
    return {"name": contract.TOKEN_VOLUME, "projected": {"sources": sources}}


def token_mount() -> Object:
    """Where a container finds the token."""
    return {
        "name": contract.TOKEN_VOLUME,
        "mountPath": contract.TOKEN_MOUNT,
        "readOnly": True,
    }


def _proxy_env(choices: Choices) -> list[Object]:
    env = list(choices.proxy_env)
    if choices.forward and all(entry.get("name") != contract.FORWARD for entry in env):
        env += variables({contract.FORWARD: choices.forward})
    return env


def _gate(choices: Choices, command: list[str]) -> Object:
    """What holds the other containers back until the proxy answers."""
    action = {"exec": {"command": command}}
    if not (choices.native and choices.startup_probe):
        return {"lifecycle": {"postStart": action}}
    # Longer than the probe's own patience: else the kubelet ends it before it has said why.
    probe = {**action, "periodSeconds": 1, "timeoutSeconds": 65, "failureThreshold": 5}
    return {"startupProbe": probe}


def _confined(user: int, capabilities: Object) -> Object:
    return {
        "runAsUser": user,
        "runAsGroup": user,
        "runAsNonRoot": user != 0,
        "privileged": False,
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": capabilities,
        "seccompProfile": {"type": "RuntimeDefault"},
    }


def _resources(given: Mapping[str, Mapping[str, str]]) -> Object:
    found = {bound: dict(values) for bound, values in given.items() if values}
    return {"resources": found} if found else {}

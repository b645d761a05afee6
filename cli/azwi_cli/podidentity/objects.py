"""Reads Kubernetes objects, as their JSON or YAML has them, into ``facts``. Pure.

aad-pod-identity's own fields are read without regard to case: its controller is written in Go,
which does so, and its older versions stored ``clientid`` where newer ones have ``clientID``.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

from azwi_cli import forwarding
from azwi_cli.podidentity.facts import (
    Account,
    Binding,
    Exemption,
    Identity,
    Ref,
    RoleBinding,
    SecretProviderClass,
    Template,
    Workload,
)
from azwi_common import contract

GROUP: Final = "aadpodidentity.k8s.io"
_BEHAVIOUR: Final = f"{GROUP}/Behavior"
_CSI_DRIVER: Final = "secrets-store.csi.k8s.io"
_NAMESPACED_FLAGS: Final = ("forcenamespaced", "force-namespaced")
TEMPLATES: Final[Mapping[str, tuple[str, ...]]] = {
    "CronJob": ("spec", "jobTemplate", "spec", "template"),
    "DaemonSet": ("spec", "template"),
    "Deployment": ("spec", "template"),
    "Job": ("spec", "template"),
    "ReplicaSet": ("spec", "template"),
    "ReplicationController": ("spec", "template"),
    "StatefulSet": ("spec", "template"),
}
"""By kind, where its pods' template is."""
_USUAL: Final = ("spec", "template")
"""Where kinds that are not known have it, such as Rollout."""

Object: TypeAlias = Mapping[str, Any]
Read: TypeAlias = (
    Account | Binding | Exemption | Identity | RoleBinding | SecretProviderClass | Workload
)


def read(thing: Object, namespace: str) -> Read | None:
    """An object of a kind that matters here; ``namespace``: of one that names none itself."""
    kind = str(thing.get("kind", ""))
    metadata = part(thing, "metadata")
    ref = Ref(str(metadata.get("namespace") or namespace), kind, name_of(metadata))
    if kind in TEMPLATES or kind == "Pod":
        return None if _has_ended(thing) else _workload(ref, thing)
    reader = _READERS.get((str(thing.get("apiVersion", "")).split("/")[0], kind))
    if reader:
        return reader(ref, thing)
    makes_pods = bool(items(part(thing, *_USUAL, "spec"), "containers"))
    return _workload(ref, thing) if makes_pods else None


def name_of(metadata: Mapping[str, Any]) -> str:
    """An object's name, or the beginning of the one that it gets when it is made."""
    return str(metadata.get("name") or metadata.get("generateName") or "")


def of_metadata(thing: Object, kind: str, api_version: str) -> Workload:
    """A workload, or a pod with its labels, of which only the metadata was asked for."""
    metadata = part(thing, "metadata")
    labels = {str(k): str(v) for k, v in part(metadata, "labels").items()}
    known = Template(labels) if kind == "Pod" else None
    ref = Ref(str(metadata.get("namespace", "")), kind, str(metadata.get("name", "")))
    owner, version = _owner(ref.namespace, metadata)
    return Workload(ref, api_version, known, owner, version, _needs_hand(kind, {}))


def part(thing: Any, *names: str) -> dict[str, Any]:
    """A mapping inside mappings; empty where it is not there."""
    for name in names:
        thing = thing.get(name) if isinstance(thing, Mapping) else None
    return dict(thing) if isinstance(thing, Mapping) else {}


def items(thing: Any, name: str) -> list[Mapping[str, Any]]:
    """The mappings in a list; empty where it is not there."""
    found = thing.get(name) if isinstance(thing, Mapping) else None
    return [item for item in found or [] if isinstance(item, Mapping)]


def ours(annotations: Mapping[str, Any]) -> dict[str, str]:
    """Those under azure.workload.identity/."""
    return {k: str(v) for k, v in annotations.items() if str(k).startswith(contract.PREFIX)}


def _folded(spec: Mapping[str, Any]) -> dict[str, Any]:
    return {str(name).lower(): value for name, value in spec.items()}


def _identity(ref: Ref, thing: Object) -> Identity:
    spec = _folded(part(thing, "spec"))
    behaviour = str(part(thing, "metadata", "annotations").get(_BEHAVIOUR, ""))
    type_ = spec.get("type")
    return Identity(
        ref.namespace,
        ref.name,
        type_ if isinstance(type_, int) else 0,
        str(spec.get("clientid") or "").strip().lower(),
        str(spec.get("resourceid") or "").strip(),
        behaviour.lower() == "namespaced",
    )


def _binding(ref: Ref, thing: Object) -> Binding:
    spec = _folded(part(thing, "spec"))
    selector, identity = spec.get("selector") or "", spec.get("azureidentity") or ""
    return Binding(ref.namespace, ref.name, str(identity), str(selector))


def _exemption(ref: Ref, thing: Object) -> Exemption:
    labels = _folded(part(thing, "spec")).get("podlabels")
    found = labels if isinstance(labels, Mapping) else {}
    return Exemption(ref.namespace, ref.name, {str(k): str(v) for k, v in found.items()})


def _account(ref: Ref, thing: Object) -> Account:
    automount = thing.get("automountServiceAccountToken")
    return Account(
        ref.namespace,
        ref.name,
        ours(part(thing, "metadata", "annotations")),
        tuple(str(item.get("name", "")) for item in items(thing, "imagePullSecrets")),
        automount if isinstance(automount, bool) else None,
        ours(part(thing, "metadata", "labels")),
    )


def _role_binding(ref: Ref, thing: Object) -> RoleBinding:
    role = part(thing, "roleRef")
    home = "" if ref.kind == "ClusterRoleBinding" else ref.namespace
    accounts = frozenset(
        (str(item.get("namespace") or home), str(item.get("name")))
        for item in items(thing, "subjects")
        if item.get("kind") == "ServiceAccount"
    )
    where = Ref(home, ref.kind, ref.name)
    return RoleBinding(where, str(role.get("kind", "")), str(role.get("name", "")), accounts)


def _class(ref: Ref, thing: Object) -> SecretProviderClass | None:
    spec = part(thing, "spec")
    if spec.get("provider") != "azure":
        return None
    parameters = {str(k): str(v) for k, v in part(spec, "parameters").items()}
    return SecretProviderClass(ref.namespace, ref.name, str(thing.get("apiVersion")), parameters)


_READERS: Final[Mapping[tuple[str, str], Callable[[Ref, Object], Read | None]]] = {
    (GROUP, "AzureIdentity"): _identity,
    (GROUP, "AzureIdentityBinding"): _binding,
    (GROUP, "AzurePodIdentityException"): _exemption,
    ("v1", "ServiceAccount"): _account,
    ("rbac.authorization.k8s.io", "RoleBinding"): _role_binding,
    ("rbac.authorization.k8s.io", "ClusterRoleBinding"): _role_binding,
    ("secrets-store.csi.x-k8s.io", "SecretProviderClass"): _class,
}


def _has_ended(thing: Object) -> bool:
    """A pod or a Job that is over gets no token any more."""
    status = part(thing, "status")
    over = [item for item in items(status, "conditions") if item.get("status") == "True"]
    return status.get("phase") in ("Succeeded", "Failed") or any(
        item.get("type") in ("Complete", "Failed") for item in over
    )


def _workload(ref: Ref, thing: Object) -> Workload:
    path = () if ref.kind == "Pod" else TEMPLATES.get(ref.kind, _USUAL)
    metadata = part(thing, "metadata")
    owner, version = _owner(ref.namespace, metadata)
    return Workload(
        ref,
        str(thing.get("apiVersion", "")),
        template(part(thing, *path)),
        owner,
        version,
        _needs_hand(ref.kind, part(thing, "spec")),
        {str(k): str(v) for k, v in part(thing, "spec", "selector", "matchLabels").items()},
    )


def _owner(namespace: str, metadata: Mapping[str, Any]) -> tuple[Ref | None, str]:
    owners = items(metadata, "ownerReferences")
    for owner in [item for item in owners if item.get("controller")] or owners:
        ref = Ref(namespace, str(owner.get("kind", "")), str(owner.get("name", "")))
        return ref, str(owner.get("apiVersion", ""))
    return None, ""


def template(thing: Object) -> Template:
    """A pod or a pod template."""
    spec = part(thing, "spec")
    containers, inits = items(spec, "containers"), items(spec, "initContainers")
    every = [*inits, *containers]
    labels = part(thing, "metadata", "labels")
    return Template(
        {str(k): str(v) for k, v in labels.items()},
        ours(part(thing, "metadata", "annotations")),
        str(spec.get("serviceAccountName") or spec.get("serviceAccount") or "default"),
        bool(spec.get("hostNetwork")),
        _is_windows(spec),
        tuple(str(item.get("name")) for item in inits if item.get("restartPolicy") != "Always"),
        tuple(str(item.get("name")) for item in every),
        frozenset(_ports(every)),
        _proxy_user(spec, every),
        tuple(str(item.get("name")) for item in every if _is_unspared(item)),
        tuple(_classes(spec)),
        any(map(_forces_namespaced, containers)),
    )


def _is_windows(spec: Object) -> bool:
    selector = part(spec, "nodeSelector")
    return "windows" in (part(spec, "os").get("name"), selector.get("kubernetes.io/os"))


def _ports(containers: list[Mapping[str, Any]]) -> list[int]:
    return [
        port["containerPort"]
        for container in containers
        for port in items(container, "ports")
        if isinstance(port.get("containerPort"), int) and port.get("protocol", "TCP") == "TCP"
    ]


def _proxy_user(spec: Object, containers: list[Mapping[str, Any]]) -> str:
    of_pod = part(spec, "securityContext").get("runAsUser")
    for container in containers:
        user = part(container, "securityContext").get("runAsUser", of_pod)
        if user == contract.DEFAULT_PROXY_UID and container.get("name") != contract.PROXY_CONTAINER:
            return str(container.get("name"))
    return ""


def _is_unspared(container: Mapping[str, Any]) -> bool:
    return forwarding.takes_loopback(
        {
            str(entry.get("name")): entry.get("value", None if "valueFrom" in entry else "")
            for entry in items(container, "env")
        }
    )


def _classes(spec: Object) -> list[str]:
    found = []
    for volume in items(spec, "volumes"):
        csi = part(volume, "csi")
        if csi.get("driver") == _CSI_DRIVER:
            found.append(str(part(csi, "volumeAttributes").get("secretProviderClass", "")))
    return found


def _forces_namespaced(container: Mapping[str, Any]) -> bool:
    """``--forceNamespaced``, in any of the spellings that aad-pod-identity had."""
    for argument in container.get("args") or []:
        name, _, value = str(argument).lstrip("-").partition("=")
        if name.lower() in _NAMESPACED_FLAGS and value in ("", "true"):
            return True
    return any(
        str(entry.get("name")) == "FORCENAMESPACED" and str(entry.get("value")) == "true"
        for entry in items(container, "env")
    )


def _needs_hand(kind: str, spec: Object) -> str:
    strategy = part(spec, "updateStrategy")
    if kind == "Job":
        return "the template of a Job cannot be changed: delete the Job and create it again"
    if kind in ("ReplicaSet", "ReplicationController"):
        return f"a {kind} does not replace its pods: delete them after the change"
    if kind == "Pod":
        return "nobody makes this pod again: delete it and create it with the changes"
    if kind == "Deployment" and spec.get("paused"):
        return "the Deployment is paused: resume it after the change"
    if strategy.get("type") == "OnDelete":
        return f"the {kind} replaces a pod only when it is deleted: delete them after the change"
    if part(strategy, "rollingUpdate").get("partition"):
        return (
            f"the {kind} rolls out partly (rollingUpdate.partition): set it to 0 after the change"
        )
    return ""

"""What ``azwi doctor`` is asked about: a pod, a workload or a namespace, as kubectl names them."""

from dataclasses import dataclass
from typing import Final

from azwi_cli import errors

_KINDS: Final = {
    "pod": ("/api/v1", "pods", ("po",)),
    "deployment": ("/apis/apps/v1", "deployments", ("deploy",)),
    "statefulset": ("/apis/apps/v1", "statefulsets", ("sts",)),
    "daemonset": ("/apis/apps/v1", "daemonsets", ("ds",)),
    "replicaset": ("/apis/apps/v1", "replicasets", ("rs",)),
    "replicationcontroller": ("/api/v1", "replicationcontrollers", ("rc",)),
    "job": ("/apis/batch/v1", "jobs", ()),
    "cronjob": ("/apis/batch/v1", "cronjobs", ("cj",)),
    "namespace": ("/api/v1", "namespaces", ("ns",)),
}
_NAMES: Final = {
    name: kind for kind, (_, plural, short) in _KINDS.items() for name in (kind, plural, *short)
}


@dataclass(frozen=True, slots=True)
class Target:
    """One object."""

    kind: str
    name: str

    def path(self, namespace: str) -> str:
        """Where the API server has it."""
        group, plural, _ = _KINDS[self.kind]
        return f"{group}/namespaces/{namespace}/{plural}/{self.name}"


def is_known(kind: str) -> bool:
    """Whether ``azwi`` knows where the API server has objects of this kind, in lower case."""
    return kind in _KINDS


def read(text: str | None, namespace: str) -> tuple[Target, str]:
    """The target and its namespace; a name alone is a pod's, nothing is the whole namespace."""
    if not text:
        return Target("namespace", namespace), namespace
    written, slash, name = text.rpartition("/")
    kind = _NAMES.get(written.lower().partition(".")[0]) if slash else "pod"
    if kind is None or not name:
        raise errors.BadInput(
            f"azwi knows no {text}.",
            f"Name a pod, or KIND/NAME of {', '.join(_KINDS)}.",
        )
    return Target(kind, name), name if kind == "namespace" else namespace

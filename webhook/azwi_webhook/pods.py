"""Reads a pod's JSON with care: what is missing or null is empty, what is nonsense is refused.

Only what is asked for is looked at; fields that nobody here knows are nobody's business.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypedDict

from azwi_common import contract
from azwi_webhook.errors import Refused

Object = Mapping[str, Any]
"""A JSON object of Kubernetes."""


class Named(TypedDict, total=False):
    """An object of which the name counts, such as a pull secret."""

    name: str | None


class Variable(TypedDict, total=False):
    """A variable of a container. It may be copied, so that its source is kept as it is."""

    name: str | None
    value: str | None
    valueFrom: Any


class Port(TypedDict, total=False):
    """A port of a container."""

    containerPort: int | None
    protocol: str | None


class Resources(TypedDict, total=False):
    """Quantities by name."""

    limits: dict[str, str | int | float | None] | None
    requests: dict[str, str | int | float | None] | None


class User(TypedDict, total=False):
    """The security context of a pod or a container."""

    runAsUser: int | None


class Mount(TypedDict, total=False):
    """A mount of a container."""

    mountPath: str | None
    name: str | None


class Container(TypedDict, total=False):
    """The fields of a container that anybody here reads."""

    name: str | None
    image: str | None
    env: list[Variable] | None
    ports: list[Port] | None
    resources: Resources | None
    securityContext: User | None
    volumeMounts: list[Mount] | None


class Spec(TypedDict, total=False):
    """The fields of a pod's spec that anybody here reads."""

    automountServiceAccountToken: bool | None
    containers: list[Container] | None
    hostNetwork: bool | None
    imagePullSecrets: list[Named] | None
    initContainers: list[Container] | None
    nodeSelector: dict[str, str] | None
    os: Named | None
    resources: Resources | None
    restartPolicy: str | None
    securityContext: User | None
    serviceAccountName: str | None
    volumes: list[dict[str, Any]] | None
    """Whole: they are compared with those of the webhook's configuration."""


class Metadata(TypedDict, total=False):
    """The fields of a pod's metadata that anybody here reads."""

    annotations: dict[str, str] | None
    labels: dict[str, str] | None


class Sent(TypedDict, total=False):
    """A pod as a review brings it: ``review`` makes no Python objects of what is not named here,
    and refuses what is of another type: the API server has made each pod of its own types.

    A field that a module begins to read is written here first; the golden pods are asked both ways.
    """

    metadata: Metadata | None
    spec: Spec | None


_ONLY_OBJECTS = {dict}
OURS = (contract.INIT_CONTAINER, contract.PROXY_CONTAINER)


@dataclass(frozen=True, slots=True)
class Pod:
    """The parts of a pod that decide, as they came; nothing is copied."""

    labels: Object
    annotations: Object
    spec: Object
    init_containers: list[Object]
    containers: list[Object]

    def all_containers(self) -> Iterator[Object]:
        """Init containers, then containers."""
        yield from self.init_containers
        yield from self.containers

    def app_containers(self) -> Iterator[Object]:
        """All but those of our names."""
        return (item for item in self.all_containers() if item.get("name") not in OURS)

    def has(self, name: str) -> bool:
        """Whether a container or init container of this name is there."""
        for containers in (self.init_containers, self.containers):
            for item in containers:  # no generator: this is asked several times of each pod
                if item.get("name") == name:
                    return True
        return False


def read(pod: Any) -> Pod:
    """The parts of ``pod``; raises Refused where one is nothing that Kubernetes would store.

    What has been read is taken as it is: a review asks three questions about one pod.
    """
    if isinstance(pod, Pod):
        return pod
    if not isinstance(pod, dict):
        raise Refused("The pod is not a JSON object: correct it.")
    metadata, spec = mapping(pod, "metadata"), mapping(pod, "spec")
    return Pod(
        mapping(metadata, "labels"),
        mapping(metadata, "annotations"),
        spec,
        items(spec, "initContainers"),
        items(spec, "containers"),
    )


def mapping(owner: Object, name: str) -> Object:
    """The object at ``name``, or an empty one."""
    found = owner.get(name)
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise Refused(f"The pod's field {name} must be an object: correct it.")
    return found


def items(owner: Object, name: str) -> list[Object]:
    """The array of objects at ``name``, or an empty one."""
    found = owner.get(name)
    if found is None:
        return []
    if not isinstance(found, list) or {*map(type, found)} - _ONLY_OBJECTS:
        raise Refused(f"The pod's field {name} must be an array of objects: correct it.")
    return found


def printable(sentence: str) -> str:
    """``sentence`` without signs that a header or a terminal would choke on.

    Names come here before the API server has checked them.
    """
    if sentence.isprintable():
        return sentence
    return "".join(sign if sign.isprintable() else "?" for sign in sentence)


def text(owner: Object, name: str) -> str:
    """The text at ``name``, or an empty one."""
    found = owner.get(name)
    if found is None:
        return ""
    if not isinstance(found, str):
        raise Refused(f"The pod's field {name} must be text: correct it.")
    return found

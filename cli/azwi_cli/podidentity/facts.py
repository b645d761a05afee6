"""What is known of a cluster before a migration: the few fields that decide. Pure data.

``objects`` reads Kubernetes objects into these, ``selection`` and ``plan`` decide on them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from azwi_common import contract

LABEL: Final = "aadpodidbinding"
"""On a pod: the selector of the bindings that it asks for."""


@dataclass(frozen=True, slots=True, order=True)
class Ref:
    """Names one object."""

    namespace: str
    kind: str
    name: str

    @property
    def text(self) -> str:
        """As kubectl spells it: ``deployment/app``."""
        return f"{self.kind.lower()}/{self.name}"


@dataclass(frozen=True, slots=True)
class Identity:
    """An AzureIdentity."""

    namespace: str
    name: str
    type: int
    """0: a managed identity; 1, 2: a service principal with a password, a certificate."""
    client_id: str
    resource_id: str
    namespaced: bool
    """By annotation for pods of its own namespace only."""


@dataclass(frozen=True, slots=True)
class Binding:
    """An AzureIdentityBinding."""

    namespace: str
    name: str
    identity: str
    selector: str


@dataclass(frozen=True, slots=True)
class Exemption:
    """An AzurePodIdentityException: pods whose requests reach the node's metadata service."""

    namespace: str
    name: str
    labels: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Template:
    """Of a pod, or of a workload's pods."""

    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    """Those under azure.workload.identity/."""
    service_account: str = "default"
    host_network: bool = False
    windows: bool = False
    init_containers: tuple[str, ...] = ()
    containers: tuple[str, ...] = ()
    ports: frozenset[int] = frozenset()
    """TCP ports that its containers declare."""
    proxy_user: str = ""
    """A container that runs as the sidecar's own user."""
    unspared: tuple[str, ...] = ()
    """Containers whose forward proxy takes what is meant for loopback too."""
    secret_provider_classes: tuple[str, ...] = ()
    forces_namespaced: bool = False
    """A container has aad-pod-identity's flag that keeps every identity in its namespace."""

    @property
    def takes_part(self) -> bool:
        """Whether its pods carry the webhook's label."""
        return self.labels.get(contract.USE_LABEL) == "true"

    @property
    def is_migrated(self) -> bool:
        """Whether its pods get the sidecar, or have it.

        In environment mode the webhook takes the annotation that asks for it off the pods.
        """
        asks = self.annotations.get(contract.INJECT_ANNOTATION) == "true"
        return self.takes_part and (asks or contract.PROXY_CONTAINER in self.containers)


@dataclass(frozen=True, slots=True)
class Workload:
    """What makes pods, or one pod that nobody made."""

    ref: Ref
    api_version: str
    template: Template | None
    """None: only its metadata was read, or its kind is not known."""
    owner: Ref | None = None
    owner_version: str = ""
    """The owner's apiVersion."""
    needs_hand: str = ""
    """Why a change of its template does not reach its pods by itself; empty: it does."""
    selector: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Account:
    """A ServiceAccount."""

    namespace: str
    name: str
    annotations: Mapping[str, str] = field(default_factory=dict)
    """Those under azure.workload.identity/."""
    pull_secrets: tuple[str, ...] = ()
    automount: bool | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    """Those under azure.workload.identity/."""


@dataclass(frozen=True, slots=True)
class RoleBinding:
    """A RoleBinding, or a ClusterRoleBinding (whose namespace is empty)."""

    ref: Ref
    role_kind: str
    role: str
    accounts: frozenset[tuple[str, str]]
    """Namespace and name of the service accounts that it names."""


@dataclass(frozen=True, slots=True)
class SecretProviderClass:
    """Of the Azure provider of the secrets store CSI driver."""

    namespace: str
    name: str
    api_version: str
    parameters: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Facts:
    """All that was read."""

    source: str = ""
    """Where it comes from, for people."""
    issuer: str = ""
    """Of the cluster's service account tokens; empty where it is not known."""
    namespaces: frozenset[str] | None = None
    """Those whose workloads are looked at; None: all."""
    identities: tuple[Identity, ...] = ()
    bindings: tuple[Binding, ...] = ()
    exemptions: tuple[Exemption, ...] = ()
    workloads: tuple[Workload, ...] = ()
    accounts: tuple[Account, ...] = ()
    role_bindings: tuple[RoleBinding, ...] = ()
    secret_provider_classes: tuple[SecretProviderClass, ...] = ()
    pod_security: Mapping[str, str] = field(default_factory=dict)
    """By namespace, the level that its pod security admission enforces."""
    webhook_mode: str | None = ""
    """The mode of pods that say nothing, as the webhook has it; empty: its default; None: it may
    not be read.
    """
    unread: tuple[str, ...] = ()
    """What could not be read, and what therefore is not known: sentences."""

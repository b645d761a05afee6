"""What is known of a pod and of what surrounds it; ``collect`` fills it in, checks read it. Pure.

Objects of Kubernetes stay the dicts that they are. What could not be read is ``Unread`` with the
reason, and a check says that it does not know rather than that all is well.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from azwi_cli.checks import Check
from azwi_cli.serviceaccount.known import Credential, Target
from azwi_common import contract

Object = Mapping[str, Any]

GO_WEBHOOK: Final = "mutation.azure-workload-identity.io"
"""Name of the Go reference's webhook, and of AKS's add-on, in its configuration."""


@dataclass(frozen=True, slots=True)
class Unread:
    """Nobody knows: the sentence says why."""

    says: str
    remedy: str = ""
    """What to do, where that is not what a check would say."""


T = TypeVar("T")
_EXCHANGE: Final = "token exchange"  # how azwi-proxy logs each


@dataclass(frozen=True, slots=True)
class Refusal:
    """An error of Entra ID."""

    client_id: str
    """In lower case; empty where it is not known which."""
    code: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """An identity of a pod, and what Entra ID knows of it."""

    client_id: str
    found: Target | Unread | None
    """None: there is none of that client id."""
    credentials: tuple[Credential, ...] = ()
    tenant_id: str = ""
    """Where it was looked for."""
    remedy: str = ""
    """What to do where it may not be read."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What is the same for every pod of a namespace."""

    namespace: str
    labels: Mapping[str, str] = field(default_factory=dict)
    unread: str = ""
    """Why the labels could not be read."""
    configurations: Sequence[Object] | Unread = ()
    """MutatingWebhookConfigurations that concern us: ours, the Go reference's, AKS's."""
    deployments: Mapping[str, Object | Unread | None] = field(default_factory=dict)
    """Of the webhooks, by ``namespace/service``; None: there is none."""
    minor: int = 32
    issuer: str | Unread = Unread("it was not asked for")
    published: Sequence[Check] = ()
    """What ``azwi oidc check`` says of the issuer, and whether the cluster's keys are there."""
    now: float = 0.0

    @property
    def mode(self) -> str:
        """The mode of pods that say nothing, as our webhook has it; empty: its default."""
        found = [
            variables(container).get(contract.PROXY_MODE) or ""
            for deployment in self.deployments.values()
            if isinstance(deployment, Mapping)
            for container in part(deployment, "spec", "template", "spec").get("containers") or ()
        ]
        return next(filter(None, found), "")

    @property
    def has_unread_mode(self) -> bool:
        """Whether ``mode`` may be another one, that of a webhook that could not be read."""
        return not self.mode and any(isinstance(item, Unread) for item in self.deployments.values())


@dataclass(frozen=True, slots=True)
class Facts:
    """One pod, or the template of pods that do not exist."""

    name: str
    """For people: ``pod shop/app-1``, ``Deployment shop/app``."""
    pod: Object
    around: Surroundings
    is_live: bool = True
    """Whether it runs in a cluster; a template has no status, and was never admitted."""
    owner: Object | None = None
    """The workload that it belongs to."""
    account: Object | Unread | None = None
    """Its service account; None: there is none of that name."""
    events: Sequence[Object] | Unread = ()
    """Of the pod, and of the owners that make pods."""
    log: str | Unread = ""
    """The end of azwi-proxy's log; empty before it has one."""
    inside: Object | Unread | None = None
    """What ``azwi-proxy --diagnose`` says; None: it was not asked."""
    credentials: Sequence[Object] | None = None
    """Federated credentials of the identity, of a file; None: nobody has said them."""
    entra: Sequence[Asked] = ()
    """The identities, as Entra ID and ARM know them; empty where they were not asked."""

    @property
    def labels(self) -> Mapping[str, Any]:
        """Of the pod."""
        return part(self.pod, "metadata", "labels")

    @property
    def annotations(self) -> Mapping[str, Any]:
        """Of the pod."""
        return part(self.pod, "metadata", "annotations")

    @property
    def spec(self) -> Object:
        """Of the pod."""
        return part(self.pod, "spec")

    @property
    def account_name(self) -> str:
        """Of the pod's service account."""
        return str(self.spec.get("serviceAccountName") or "default")

    @property
    def subject(self) -> str:
        """Of the pod's service account token."""
        return f"system:serviceaccount:{self.around.namespace}:{self.account_name}"

    @property
    def kubectl_name(self) -> str:
        """The pod, as kubectl takes it."""
        return f"-n {self.around.namespace} {part(self.pod, 'metadata').get('name')}"

    def log_command(self, container: str, *, previous: bool = False) -> str:
        """Shows the log of a container, or of the one before its last restart."""
        found = f"kubectl logs {self.kubectl_name} -c {container}"
        return f"{found} --previous" if previous else found

    @property
    def exchanges(self) -> Mapping[tuple[str, str], Object]:
        """The last exchange of each client and scope, in azwi-proxy's log."""
        last: dict[tuple[str, str], Object] = {}
        lines = () if isinstance(self.log, Unread) else self.log.splitlines()
        for entry in map(_exchange, lines):
            if entry:
                last[str(entry.get("client")), str(entry.get("scope"))] = entry
        return last

    def account_annotation(self, name: str) -> str:
        """Of the service account; empty where it is not there or not known."""
        if not isinstance(self.account, Mapping):
            return ""
        return str(part(self.account, "metadata", "annotations").get(name) or "")

    def containers(self) -> Iterator[Object]:
        """Init containers, then containers."""
        for name in ("initContainers", "containers"):
            found = self.spec.get(name)
            if isinstance(found, list):
                yield from (item for item in found if isinstance(item, Mapping))

    def apps(self) -> Iterator[Object]:
        """All but azwi-proxy and azwi-proxy-init."""
        ours = (contract.INIT_CONTAINER, contract.PROXY_CONTAINER)
        return (item for item in self.containers() if item.get("name") not in ours)

    @property
    def skipped(self) -> set[str]:
        """Names of containers that the webhook leaves alone."""
        text = str(self.annotations.get(contract.SKIP_CONTAINERS_ANNOTATION) or "")
        return {name.strip() for name in text.split(";")} - {""}

    def container(self, name: str) -> Object | None:
        """The container of that name."""
        return next((item for item in self.containers() if item.get("name") == name), None)

    @property
    def wants_sidecar(self) -> bool:
        """Whether the pod asks for it."""
        return self.annotations.get(contract.INJECT_ANNOTATION) == "true"

    @property
    def has_sidecar(self) -> bool:
        """Whether azwi-proxy is in it."""
        return self.container(contract.PROXY_CONTAINER) is not None

    @property
    def said_mode(self) -> str:
        """What the pod's own annotation says of how apps reach the sidecar; empty: nothing."""
        return str(self.annotations.get(contract.MODE_ANNOTATION) or "").strip()

    @property
    def is_told(self) -> bool:
        """Whether variables tell apps where azwi-proxy is, as in environment mode.

        Of a pod what it was given decides, of a template what it asks for.
        """
        said = self.said_mode or ("" if self.is_live else self.around.mode)
        if said in ("redirect", "environment") or not self.is_live:
            there = self.has_sidecar or (self.wants_sidecar and not self.is_live)
            return said == "environment" and there
        proxy = self.container(contract.PROXY_CONTAINER) or {}
        has_init = self.container(contract.INIT_CONTAINER) is not None
        return contract.IDENTITY_HEADER in variables(proxy) and not has_init

    @property
    def takes_part(self) -> bool:
        """By its label, or by what it was given."""
        return self.labels.get(contract.USE_LABEL) == "true" or self.has_sidecar or self.was_given

    @property
    def was_given(self) -> bool:
        """Whether some container has the variable with the token's path."""
        return any(contract.FEDERATED_TOKEN_FILE in variables(item) for item in self.containers())


def _exchange(line: str) -> Object:
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return entry if isinstance(entry, dict) and entry.get("msg") == _EXCHANGE else {}


def part(data: Any, *names: str) -> Mapping[str, Any]:
    """The object at ``names``, or an empty one."""
    for name in names:
        data = data.get(name) if isinstance(data, Mapping) else None
    return data if isinstance(data, Mapping) else {}


def entries(container: Object) -> dict[str, Object]:
    """A container's variables as they are written; of two of one name the last, as it counts."""
    found = container.get("env")
    listed = found if isinstance(found, list) else []
    return {str(entry.get("name")): entry for entry in listed if isinstance(entry, Mapping)}


def variables(container: Object) -> dict[str, str | None]:
    """A container's variables; None where the value comes from elsewhere."""
    return {
        name: entry.get("value", None if "valueFrom" in entry else "")
        for name, entry in entries(container).items()
    }

"""Reads a cluster: what a migration must know of it, and no more.

Pods are asked for by aad-pod-identity's label, and they and ReplicaSets for their metadata only; a
pod is read whole where nothing else tells what its owner's template is. Each page is read into
``facts`` and let go. What may not be read is said and not fatal, but for identities, bindings and
pods.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final

from azwi_cli import errors
from azwi_cli.podidentity import modes, objects, owners
from azwi_cli.podidentity.api import WEBHOOK, Api, collection, path
from azwi_cli.podidentity.collected import Collected
from azwi_cli.podidentity.facts import LABEL, Facts

Advance = Callable[[str, int], None]
"""Called with a plural and how many objects of it were read more."""

_GROUP: Final = f"{objects.GROUP}/v1"
_RBAC: Final = "rbac.authorization.k8s.io/v1"
_CLASSES: Final = "secrets-store.csi.x-k8s.io/v1"


@dataclass(frozen=True, slots=True)
class _Collection:
    """What is listed, and what is not known without it."""

    api_version: str
    plural: str
    kind: str
    without: str = ""
    """Empty: it cannot be done without."""
    everywhere: bool = False
    """In every namespace, whichever is looked at."""
    labels: str = ""
    fields: str = ""
    metadata: bool = False


_PODS: Final = _Collection(
    *("v1", "pods", "Pod"),
    labels=LABEL,
    fields="status.phase!=Succeeded,status.phase!=Failed",
    metadata=True,
)
_MOST_SAMPLES: Final = 50
"""Pods that are read one by one; of more, the list is quicker."""
_ALL: Final = (
    _Collection(_GROUP, "azureidentities", "AzureIdentity", everywhere=True),
    _Collection(_GROUP, "azureidentitybindings", "AzureIdentityBinding", everywhere=True),
    _Collection(
        *(_GROUP, "azurepodidentityexceptions", "AzurePodIdentityException"),
        "pods that get the node's identities are not told apart",
    ),
    _PODS,
    *(
        _Collection(version, plural, kind, f"{plural} without pods are not seen")
        for version, plural, kind in (
            ("apps/v1", "deployments", "Deployment"),
            ("apps/v1", "statefulsets", "StatefulSet"),
            ("apps/v1", "daemonsets", "DaemonSet"),
            ("batch/v1", "cronjobs", "CronJob"),
            ("batch/v1", "jobs", "Job"),
            ("v1", "replicationcontrollers", "ReplicationController"),
        )
    ),
    _Collection(
        *("apps/v1", "replicasets", "ReplicaSet", "the owners of ReplicaSets are not known"),
        labels=LABEL,
        metadata=True,
    ),
    _Collection(
        "v1",
        "serviceaccounts",
        "ServiceAccount",
        "the annotations of service accounts are not known",
    ),
    _Collection(
        _RBAC,
        "rolebindings",
        "RoleBinding",
        "what a new service account must be given is not known",
    ),
    _Collection(
        *(_RBAC, "clusterrolebindings", "ClusterRoleBinding"),
        "what a new service account must be given is not known",
        everywhere=True,
    ),
    _Collection(_CLASSES, "secretproviderclasses", "SecretProviderClass", "mounts are not seen"),
)
_OPTIONAL: Final = (_GROUP, _CLASSES)
"""Groups of which a cluster may have some kinds only."""


def read(api: Api, namespace: str | None, advance: Advance) -> Facts:
    """What is known of the cluster; ``namespace`` None: of all its namespaces."""
    return _Reading(api, namespace, advance).facts()


class _Reading:
    def __init__(self, api: Api, namespace: str | None, advance: Advance) -> None:
        self._api, self._namespace, self._advance = api, namespace, advance
        self._collected = Collected(namespace or "default")
        self._unread: list[str] = []

    def facts(self) -> Facts:
        for what in _ALL:
            self._list(what)
        self._climb()
        self._samples()
        self._levels()
        if self._namespace:
            self._controllers()
        return self._collected.facts(
            source=f"the cluster {self._api.server}",
            issuer=self._issuer(),
            namespaces=frozenset((self._namespace,)) if self._namespace else None,
            webhook_mode=self._webhook_mode(),
            unread=tuple(self._unread),
        )

    def _list(self, what: _Collection) -> None:
        try:
            self._read(what, None if what.everywhere else self._namespace)
        except errors.NotFound as error:
            if what.plural == "azureidentities":
                raise errors.NotFound(
                    f"aad-pod-identity is not installed in {self._api.server}: there is no kind"
                    " AzureIdentity.",
                    "Is it the cluster that you mean? --context chooses another; -f reads files.",
                ) from error
            if what.api_version not in _OPTIONAL:
                raise
        except errors.Forbidden as error:
            self._denied(what, error)

    def _denied(self, what: _Collection, error: errors.Forbidden) -> None:
        if what.everywhere and self._namespace and what.api_version == _GROUP:
            self._read(what, self._namespace)
            self._unread.append(
                f"You may not list {what.plural} of other namespaces: those that reach into"
                f" {self._namespace} are not seen."
            )
        elif what.without:
            self._unread.append(f"You may not list {what.plural}: {what.without}.")
        else:
            raise error

    def _read(self, what: _Collection, namespace: str | None) -> None:
        where = collection(what.api_version, what.plural, namespace)
        chosen = {"labels": what.labels, "fields": what.fields}
        for page in self._api.pages(where, metadata=what.metadata, **chosen):
            for thing in page:
                self._take(what, thing)
            self._advance(what.plural, len(page))
        self._advance(what.plural, 0)

    def _take(self, what: _Collection, thing: dict[str, Any]) -> None:
        if what.metadata:
            self._collected.put(objects.of_metadata(thing, what.kind, what.api_version))
        else:
            self._collected.add({**thing, "kind": what.kind, "apiVersion": what.api_version})

    def _climb(self) -> None:
        """ReplicaSets without the label, which own pods that have it."""
        for ref, version in sorted(owners.missing(self._collected.workloads)):
            if ref.kind != "ReplicaSet" or not version.startswith("apps/"):
                continue
            try:
                thing = self._api.metadata(path(version, ref.kind, ref.namespace, ref.name))
            except (errors.NotFound, errors.Forbidden):
                continue  # the report says that the owner was not found
            self._collected.put(objects.of_metadata(thing, ref.kind, version))

    def _samples(self) -> None:
        """Whole pods, where they stand for a template that nothing else tells."""
        wanted = owners.samples(self._collected.workloads, objects.TEMPLATES)
        if len(wanted) > _MOST_SAMPLES:
            self._read(replace(_PODS, metadata=False), self._namespace)
            return
        for pod in wanted:
            try:
                self._take(
                    replace(_PODS, metadata=False),
                    self._api.get(path("v1", "Pod", pod.ref.namespace, pod.ref.name)),
                )
            except errors.NotFound:
                continue  # it has gone since

    def _levels(self) -> None:
        """What pod security admission enforces; not everybody may know."""
        try:
            if self._namespace:
                self._add_namespace(self._api.metadata(f"/api/v1/namespaces/{self._namespace}"))
                return
            for page in self._api.pages("/api/v1/namespaces", metadata=True):
                for thing in page:
                    self._add_namespace(thing)
        except errors.NotFound as error:
            raise errors.NotFound(
                f"There is no namespace {self._namespace}.", "Choose one with --namespace, or -A."
            ) from error
        except errors.Forbidden:
            self._unread.append(
                "You may not read namespaces: whether pod security forbids the sidecar is not"
                " known."
            )

    def _add_namespace(self, thing: dict[str, Any]) -> None:
        self._collected.add({**thing, "kind": "Namespace", "apiVersion": "v1"})

    def _controllers(self) -> None:
        """aad-pod-identity's own programs, for their flag; -A has seen them already."""
        for plural, kind, part in (
            ("deployments", "Deployment", "mic"),
            ("daemonsets", "DaemonSet", "nmi"),
        ):
            for label in ("app.kubernetes.io/component", "component"):
                what = _Collection(
                    *("apps/v1", plural, kind, "x"), everywhere=True, labels=f"{label}={part}"
                )
                try:
                    self._read(what, None)
                except errors.Forbidden:
                    return

    def _webhook_mode(self) -> str | None:
        """The mode of pods that say nothing; the webhook's Deployment has its Service's name."""
        try:
            entries = objects.items(self._api.get(WEBHOOK), "webhooks") or [{}]
            service = objects.part(entries[0], "clientConfig", "service")
            if not service:
                return ""
            where = str(service.get("namespace")), str(service.get("name"))
            return modes.of_webhook(self._api.get(path("apps/v1", "Deployment", *where)))
        except errors.NotFound:
            return ""
        except errors.Forbidden:
            return None

    def _issuer(self) -> str:
        try:
            document = self._api.get("/.well-known/openid-configuration")
        except errors.AzwiError:
            return ""
        return str(document.get("issuer") or "")

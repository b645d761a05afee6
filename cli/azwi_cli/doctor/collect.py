"""Asks the cluster for facts; what it refuses or does not have is a fact too."""

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlencode

from azwi_cli import errors, issuers, kube, output
from azwi_cli.doctor import publication, targets, webhooks
from azwi_cli.doctor.facts import Facts, Object, Surroundings, Unread, part
from azwi_cli.inject import manifests
from azwi_common import contract
from azwi_webhook.versions import minor_of

_LOG_LINES: Final = 200
_LOGS: Final = 20
"""Pods of one run whose log is read."""
_RECENT: Final = 900  # seconds in which an event tells of now


@dataclass
class Collector:
    """One cluster, and what was read of it."""

    cluster: kube.Cluster
    namespace: str
    _accounts: dict[str, Object | Unread | None] = field(default_factory=dict)
    _logs: int = 0

    def surroundings(self) -> Surroundings:
        """What is the same for every pod of the namespace."""
        found = self._try("/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations")
        configurations: Sequence[Object] | Unread = (
            found
            if isinstance(found, Unread)
            else [
                item for item in found["items"] if webhooks.is_ours(item) or webhooks.is_gos(item)
            ]
        )
        labels = self._try(f"/api/v1/namespaces/{self.namespace}")
        issuer = self._issuer()
        return Surroundings(
            namespace=self.namespace,
            labels={} if isinstance(labels, Unread) else part(labels, "metadata", "labels"),
            configurations=configurations,
            deployments=dict(self._deployments(configurations)),
            minor=self._minor(),
            issuer=issuer,
            published=[]
            if isinstance(issuer, Unread)
            else publication.checks(self.cluster, issuer),
            now=time.time(),
        )

    def pods(self, target: targets.Target, around: Surroundings) -> list[Facts]:
        """The pods of a target; its template where it has none."""
        warnings = self._warnings()
        if target.kind == "namespace":
            found = [self._facts(pod, None, around, warnings) for pod in self._opted_in()]
            return [*found, *self._without_pods(around, warnings)]
        owner = self._get(target.path(self.namespace))
        if target.kind == "pod":
            return [self._facts(owner, None, around, warnings)]
        found = [self._facts(pod, owner, around, warnings) for pod in self._of(owner)]
        return found or [self._template(target, owner, around, warnings)]

    # --- pods -------------------------------------------------------------------------------------

    def _opted_in(self) -> Iterator[Object]:
        for pod in self._get(f"/api/v1/namespaces/{self.namespace}/pods")["items"]:
            has_ended = part(pod, "status").get("phase") == "Succeeded"
            is_ending = part(pod, "metadata").get("deletionTimestamp")
            takes_part = Facts("", pod, Surroundings(self.namespace)).takes_part
            if takes_part and not (has_ended or is_ending):
                yield pod

    def _without_pods(self, around: Surroundings, events: Sequence[Object]) -> Iterator[Facts]:
        """What makes pods, by its events cannot, and lacks some still."""
        failed = {
            (str(part(item, "involvedObject").get("kind")).lower(), _about(item))
            for item in events
            if item.get("reason") == "FailedCreate"
        }
        for kind, name in sorted(failed):
            if not targets.is_known(kind) or kind == "pod":
                continue
            target = targets.Target(kind, name)
            try:
                owner = self._get(target.path(self.namespace))
            except errors.NotFound:
                continue
            if _lacks_pods(owner):
                yield self._template(target, owner, around, events)

    def _of(self, owner: Object) -> list[Object]:
        """Pods by the owner's selector; of a CronJob, those of its last job."""
        if owner.get("kind") == "CronJob":
            jobs = self._get(f"/apis/batch/v1/namespaces/{self.namespace}/jobs")["items"]
            name = part(owner, "metadata").get("name")
            mine = [job for job in jobs if name in _owners(job)]
            if not mine:
                return []
            owner = max(mine, key=lambda job: str(part(job, "metadata").get("creationTimestamp")))
        selector = part(owner, "spec", "selector")
        wanted = selector if "matchLabels" in selector else {"matchLabels": selector}
        pods = self._get(f"/api/v1/namespaces/{self.namespace}/pods")["items"]
        found = [
            pod
            for pod in pods
            if selector and webhooks.matches(wanted, part(pod, "metadata", "labels"))
        ]
        alive = [pod for pod in found if not part(pod, "metadata").get("deletionTimestamp")]
        return alive or found

    def _facts(
        self, pod: Object, owner: Object | None, around: Surroundings, events: Sequence[Object]
    ) -> Facts:
        name = str(part(pod, "metadata").get("name"))
        account = str(part(pod, "spec").get("serviceAccountName") or "default")
        mine = [] if _is_ready(pod) else [item for item in events if _about(item) == name]
        return Facts(
            name=f"pod {self.namespace}/{name}",
            pod=pod,
            around=around,
            owner=owner,
            account=self._account(account),
            events=mine,
            log=self._log(pod, name),
        )

    def _template(
        self, target: targets.Target, owner: Object, around: Surroundings, events: Sequence[Object]
    ) -> Facts:
        thing = manifests.Thing(manifests.Document("", 1, "", owner), (), dict(owner))
        found = manifests.template(thing)
        if found is None:
            raise errors.BadInput(f"{target.kind}/{target.name} makes no pods.")
        account = str(part(found.pod, "spec").get("serviceAccountName") or "default")
        return Facts(
            name=f"{target.kind} {self.namespace}/{target.name}, which lacks pods",
            pod=found.pod,
            around=around,
            is_live=False,
            owner=owner,
            account=self._account(account),
            events=[item for item in events if _about(item).startswith(target.name)],
        )

    def _account(self, name: str) -> Object | Unread | None:
        if name not in self._accounts:
            path = f"/api/v1/namespaces/{self.namespace}/serviceaccounts/{name}"
            try:
                self._accounts[name] = self._get(path)
            except errors.NotFound:
                self._accounts[name] = None
            except errors.AzwiError as error:
                self._accounts[name] = Unread(error.says)
        return self._accounts[name]

    def _log(self, pod: Object, name: str) -> str:
        has_proxy = Facts("", pod, Surroundings(self.namespace)).has_sidecar
        if not has_proxy or self._logs >= _LOGS:
            return ""
        self._logs += 1
        query = urlencode({"container": contract.PROXY_CONTAINER, "tailLines": _LOG_LINES})
        try:
            text = self.cluster.get(f"/api/v1/namespaces/{self.namespace}/pods/{name}/log?{query}")
        except errors.AzwiError as error:
            output.debug(f"the log of {name} could not be read: {error}")
            return ""
        return text.decode("utf-8", "replace")

    def _warnings(self) -> list[Object]:
        """Events of the last minutes that warn."""
        path = f"/api/v1/namespaces/{self.namespace}/events?fieldSelector=type%3DWarning&limit=500"
        found = self._try(path)
        if isinstance(found, Unread):
            return []
        return [item for item in found["items"] if time.time() - _seen(item) < _RECENT]

    # --- around them ------------------------------------------------------------------------------

    def _deployments(
        self, configurations: Sequence[Object] | Unread
    ) -> Iterator[tuple[str, Object | Unread | None]]:
        if isinstance(configurations, Unread):
            return
        for configuration in configurations:
            for entry in configuration.get("webhooks") or ():
                service = part(entry, "clientConfig", "service")
                if service:
                    where = str(service.get("namespace")), str(service.get("name"))
                    yield "/".join(where), self._deployment(*where)

    def _deployment(self, namespace: str, service: str) -> Object | Unread | None:
        """The Deployment behind a Service: ours has its name; else by the Service's selector."""
        path = f"/apis/apps/v1/namespaces/{namespace}/deployments"
        found = self._try(path)
        if isinstance(found, Unread):
            return found
        for item in found["items"]:
            if part(item, "metadata").get("name") == service:
                return dict(item)
        selector = self._try(f"/api/v1/namespaces/{namespace}/services/{service}")
        if isinstance(selector, Unread):
            return selector
        wanted = {"matchLabels": part(selector, "spec", "selector")}
        labels = ("spec", "template", "metadata", "labels")
        fitting = [item for item in found["items"] if webhooks.matches(wanted, part(item, *labels))]
        return fitting[0] if fitting else None

    def _minor(self) -> int:
        found = self._try("/version")
        try:
            return 32 if isinstance(found, Unread) else minor_of(str(found.get("gitVersion")))
        except ValueError:
            return 32

    def _issuer(self) -> str | Unread:
        try:
            return str(issuers.document_of_cluster(self.cluster)["issuer"])
        except errors.AzwiError as error:
            return Unread(error.says)

    def _get(self, path: str) -> Any:
        return json.loads(self.cluster.get(path))

    def _try(self, path: str) -> Any:
        """The object at ``path``; Unread where it is refused or not there."""
        try:
            return self._get(path)
        except (errors.Denied, errors.NotFound) as error:
            return Unread(error.says)


def _owners(thing: Object) -> set[Any]:
    return {item.get("name") for item in part(thing, "metadata").get("ownerReferences") or ()}


def _lacks_pods(owner: Object) -> bool:
    """Whether fewer pods are there than should be, by its own count."""
    status = part(owner, "status")
    wanted = part(owner, "spec").get("replicas", status.get("desiredNumberScheduled", 1))
    there = status.get("replicas", status.get("currentNumberScheduled", status.get("active", 0)))
    return int(wanted or 0) > int(there or 0)


def _about(event: Object) -> str:
    return str(part(event, "involvedObject").get("name") or "")


def _seen(event: Object) -> float:
    """When an event was seen last, in Unix time."""
    from datetime import datetime

    series = part(event, "series")
    for text in (
        series.get("lastObservedTime"),
        event.get("lastTimestamp"),
        event.get("eventTime"),
        part(event, "metadata").get("creationTimestamp"),
    ):
        if text:
            try:
                return datetime.fromisoformat(str(text)).timestamp()
            except ValueError:
                continue
    return time.time()


def _is_ready(pod: Mapping[str, Any]) -> bool:
    conditions = part(pod, "status").get("conditions") or ()
    return any(item.get("type") == "Ready" and item.get("status") == "True" for item in conditions)

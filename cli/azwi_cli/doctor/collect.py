"""Asks the cluster for facts; what it refuses or does not have is a fact too."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
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
_PAGE: Final = 500  # objects of a collection in one answer
_LOGS: Final = 20
"""Pods of one run whose log is read."""
_MAKES: Final = {"deployment": "replicaset", "cronjob": "job"}
"""By kind, the kind whose objects it names after itself, a dash and a hash or a number."""
_RECENT: Final = (
    1100  # seconds in which an event tells of now: controllers try every 1000 s at last
)


Events = Sequence[Object] | Unread


@dataclass
class Collector:
    """One cluster, and what was read of it."""

    cluster: kube.Cluster
    namespace: str
    _accounts: dict[str, Object | Unread | None] = field(default_factory=dict)
    _logs: int = 0

    def surroundings(self) -> Surroundings:
        """What is the same for every pod of the namespace."""
        found = self._try_list(
            "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations"
        )
        configurations = (
            found
            if isinstance(found, Unread)
            else [item for item in found if webhooks.is_ours(item) or webhooks.is_gos(item)]
        )
        labels = self._labels()
        issuer = self._issuer()
        return Surroundings(
            namespace=self.namespace,
            labels={} if isinstance(labels, Unread) else labels,
            unread=labels.says if isinstance(labels, Unread) else "",
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
        owner = self._existing(target)
        if target.kind == "pod":
            return [self._facts(owner, None, around, warnings)]
        found = [self._facts(pod, owner, around, warnings) for pod in self._of(owner)]
        if not found or _failures(owner):  # a rollout whose pods are refused leaves the old ones
            found.append(self._template(target, owner, around, warnings))
        return found

    def _existing(self, target: targets.Target) -> Object:
        try:
            found: Object = self._get(target.path(self.namespace))
        except errors.NotFound as error:
            raise errors.NotFound(
                f"There is no {target.kind} {target.name} in the namespace {self.namespace}.",
                f"kubectl get {target.kind} -A lists them all; -n names another namespace.",
            ) from error
        return found

    # --- pods -------------------------------------------------------------------------------------

    def _opted_in(self) -> Iterator[Object]:
        for pod in self._list(f"/api/v1/namespaces/{self.namespace}/pods"):
            has_ended = part(pod, "status").get("phase") == "Succeeded"
            is_ending = part(pod, "metadata").get("deletionTimestamp")
            takes_part = Facts("", pod, Surroundings(self.namespace)).takes_part
            if takes_part and not (has_ended or is_ending):
                yield pod

    def _without_pods(self, around: Surroundings, events: Events) -> Iterator[Facts]:
        """What makes pods, by its events cannot, and lacks some still."""
        failed = {
            (str(part(item, "involvedObject").get("kind")).lower(), _about(item))
            for item in (() if isinstance(events, Unread) else events)
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
            jobs = self._list(f"/apis/batch/v1/namespaces/{self.namespace}/jobs")
            name = part(owner, "metadata").get("name")
            mine = [job for job in jobs if name in _owners(job)]
            if not mine:
                return []
            owner = max(mine, key=lambda job: str(part(job, "metadata").get("creationTimestamp")))
        selector = part(owner, "spec", "selector")
        wanted = selector if "matchLabels" in selector else {"matchLabels": selector}
        found = [
            pod
            for pod in self._list(f"/api/v1/namespaces/{self.namespace}/pods")
            if selector and webhooks.matches(wanted, part(pod, "metadata", "labels"))
        ]
        alive = [pod for pod in found if not part(pod, "metadata").get("deletionTimestamp")]
        return alive or found

    def _facts(
        self, pod: Object, owner: Object | None, around: Surroundings, events: Events
    ) -> Facts:
        name = str(part(pod, "metadata").get("name"))
        account = str(part(pod, "spec").get("serviceAccountName") or "default")
        mine = () if _is_ready(pod) else _those(events, lambda item: _about(item) == name)
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
        self, target: targets.Target, owner: Object, around: Surroundings, events: Events
    ) -> Facts:
        thing = manifests.Thing(manifests.Document("", 1, "", owner), (), dict(owner))
        found = manifests.template(thing)
        if found is None:
            raise errors.BadInput(f"{target.kind}/{target.name} makes no pods.")
        account = str(part(found.pod, "spec").get("serviceAccountName") or "default")
        mine = _those(events, lambda item: _concerns(item, target))
        return Facts(
            name=f"{target.kind} {self.namespace}/{target.name}, which lacks pods",
            pod=found.pod,
            around=around,
            is_live=False,
            owner=owner,
            account=self._account(account),
            events=mine if isinstance(mine, Unread) else [*_failures(owner), *mine],
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

    def _log(self, pod: Object, name: str) -> str | Unread:
        if not Facts("", pod, Surroundings(self.namespace)).has_sidecar:
            return ""
        self._logs += 1
        if self._logs > _LOGS:
            if self._logs == _LOGS + 1:
                output.note(f"Of more pods than {_LOGS} azwi-proxy's log is not read.")
            return ""
        query = urlencode({"container": contract.PROXY_CONTAINER, "tailLines": _LOG_LINES})
        try:
            text = self.cluster.get(f"/api/v1/namespaces/{self.namespace}/pods/{name}/log?{query}")
        except errors.Denied as error:
            return Unread(error.says)
        except errors.AzwiError as error:  # there is none yet, or its node is away
            output.debug(f"the log of {name} could not be read: {error}")
            return ""
        return text.decode("utf-8", "replace")

    def _warnings(self) -> Events:
        """Events of the last minutes that warn."""
        path = f"/api/v1/namespaces/{self.namespace}/events?fieldSelector=type%3DWarning&limit=500"
        return _those(self._try_list(path), lambda item: time.time() - _seen(item) < _RECENT)

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
        found = self._try_list(f"/apis/apps/v1/namespaces/{namespace}/deployments")
        if isinstance(found, Unread):
            return found
        for item in found:
            if part(item, "metadata").get("name") == service:
                return dict(item)
        selector = self._try(f"/api/v1/namespaces/{namespace}/services/{service}")
        if isinstance(selector, Unread):
            return selector
        wanted = {"matchLabels": part(selector, "spec", "selector")}
        labels = ("spec", "template", "metadata", "labels")
        fitting = [item for item in found if webhooks.matches(wanted, part(item, *labels))]
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

    def _labels(self) -> Mapping[str, Any] | Unread:
        try:
            found = self._get(f"/api/v1/namespaces/{self.namespace}")
        except errors.Denied as error:
            return Unread(error.says)
        except errors.NotFound as error:
            raise errors.NotFound(
                f"There is no namespace {self.namespace}.", "kubectl get namespaces lists them."
            ) from error
        return part(found, "metadata", "labels")

    def _get(self, path: str) -> Object:
        return self.cluster.ask("GET", path)

    def _list(self, path: str) -> Iterator[Object]:
        """A collection, some at a time: a namespace may have thousands of pods."""
        query = {"limit": str(_PAGE)}
        while True:
            found = self._get(f"{path}?{urlencode(query)}")
            yield from found.get("items") or ()
            following = part(found, "metadata").get("continue")
            if not following:
                return
            query["continue"] = str(following)

    def _try(self, path: str) -> Object | Unread:
        """The object at ``path``; Unread where it is refused or not there."""
        try:
            return self._get(path)
        except (errors.Denied, errors.NotFound) as error:
            return Unread(error.says)

    def _try_list(self, path: str) -> list[Object] | Unread:
        found = self._try(path)
        return found if isinstance(found, Unread) else [*(found.get("items") or ())]


def _owners(thing: Object) -> set[Any]:
    return {item.get("name") for item in part(thing, "metadata").get("ownerReferences") or ()}


def _lacks_pods(owner: Object) -> bool:
    """Whether fewer pods are there than should be, by its own count."""
    status = part(owner, "status")
    wanted = part(owner, "spec").get("replicas", status.get("desiredNumberScheduled", 1))
    there = status.get("replicas", status.get("currentNumberScheduled", status.get("active", 0)))
    return int(wanted or 0) > int(there or 0)


def _failures(owner: Object) -> list[Object]:
    """Why it could not make pods, by its own conditions: these stay when the events are gone."""
    return [
        {"reason": item.get("reason"), "message": item.get("message")}
        for item in part(owner, "status").get("conditions") or ()
        if item.get("type") == "ReplicaFailure" and item.get("status") == "True"
    ]


def _those(events: Events, fits: Callable[[Object], bool]) -> Events:
    return events if isinstance(events, Unread) else [*filter(fits, events)]


def _concerns(event: Object, target: targets.Target) -> bool:
    """Whether an event is about the target, or about what it makes to make its pods."""
    kind, name = str(part(event, "involvedObject").get("kind")).lower(), _about(event)
    made = _MAKES.get(target.kind)
    if made == kind:
        return name.rpartition("-")[0] == target.name
    return (kind, name) == (target.kind, target.name)


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

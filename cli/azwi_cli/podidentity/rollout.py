"""Whether a workload's change has reached its pods, and whether these get tokens. Pure."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from azwi_cli.podidentity import objects
from azwi_common import contract


def is_complete(kind: str, live: Mapping[str, Any]) -> bool:
    """Whether every pod is of the newest template and available."""
    spec, status = objects.part(live, "spec"), objects.part(live, "status")
    generation = objects.part(live, "metadata").get("generation", 0)
    if kind == "CronJob":
        return True  # its next Job is made from the new template
    if status.get("observedGeneration", 0) < generation:
        return False
    if kind == "DaemonSet":
        wanted = status.get("desiredNumberScheduled", 0)
        names = ("updatedNumberScheduled", "numberAvailable")
        return [status.get(name, 0) for name in names] == [wanted] * 2
    wanted = spec.get("replicas", 1)
    if kind == "StatefulSet" and status.get("currentRevision") != status.get("updateRevision"):
        return False
    ready = "availableReplicas" if kind == "Deployment" else "readyReplicas"
    counts = [status.get(name, 0) for name in ("replicas", "updatedReplicas", ready)]
    return counts == [wanted] * 3 or (kind == "StatefulSet" and counts[2] == wanted)


def selector(live: Mapping[str, Any]) -> str:
    """The label selector of a workload, as a list's query has it; empty: it has none."""
    found = objects.part(live, "spec", "selector")
    terms = [f"{name}={value}" for name, value in objects.part(found, "matchLabels").items()]
    for item in objects.items(found, "matchExpressions"):
        name, values = item.get("key"), ",".join(map(str, item.get("values") or []))
        match item.get("operator"):
            case "In":
                terms.append(f"{name} in ({values})")
            case "NotIn":
                terms.append(f"{name} notin ({values})")
            case "Exists":
                terms.append(str(name))
            case "DoesNotExist":
                terms.append(f"!{name}")
    return ",".join(terms)


def failed(live: Mapping[str, Any]) -> str:
    """Why a Deployment says that it does not go on; empty: it does not say so.

    What stands there before its controller has seen the last change is about an older one.
    """
    status = objects.part(live, "status")
    if status.get("observedGeneration", 0) < objects.part(live, "metadata").get("generation", 0):
        return ""
    for condition in objects.items(status, "conditions"):
        if condition.get("reason") == "ProgressDeadlineExceeded":
            return str(condition.get("message") or condition["reason"])
    return ""


def running(pods: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Pods that take part and are not ending: the newest that runs comes first."""
    found = [
        pod
        for pod in pods
        if objects.part(pod, "metadata", "labels").get(contract.USE_LABEL) == "true"
        and not objects.part(pod, "metadata").get("deletionTimestamp")
        and objects.part(pod, "status").get("phase") not in ("Succeeded", "Failed")
    ]
    return sorted(found, key=_newness, reverse=True)


def _newness(pod: Mapping[str, Any]) -> tuple[bool, str]:
    """A pod that an autoscaler has just added has no log yet, whatever the others say."""
    runs = objects.part(pod, "status").get("phase") == "Running"
    return runs, str(pod["metadata"].get("creationTimestamp"))


def has_sidecar(pod: Mapping[str, Any]) -> bool:
    """Whether the webhook gave it azwi-proxy."""
    spec = objects.part(pod, "spec")
    every = [*objects.items(spec, "containers"), *objects.items(spec, "initContainers")]
    return any(item.get("name") == contract.PROXY_CONTAINER for item in every)


def waiting(pods: Sequence[Mapping[str, Any]]) -> str:
    """Why containers do not run, as the kubelet says it; empty: it says nothing."""
    for pod in pods:
        status = objects.part(pod, "status")
        for name in ("initContainerStatuses", "containerStatuses"):
            for item in objects.items(status, name):
                why = objects.part(item, "state", "waiting")
                if why.get("reason") not in (None, "PodInitializing", "ContainerCreating"):
                    return f"container {item.get('name')}: {why['reason']}"
    return ""


def proof(log: str, resource: str) -> tuple[bool, str] | None:
    """What the sidecar's log says of the token: whether it got one, and why not.

    None: it says nothing yet.
    """
    for line in reversed(log.splitlines()):
        try:
            found = json.loads(line)
        except ValueError:
            continue
        if isinstance(found, dict) and found.get("resource") == resource:
            if found.get("msg") == contract.TOKEN_IN_ADVANCE:
                return True, ""
            if found.get("msg") == contract.NO_TOKEN_IN_ADVANCE:
                return False, str(found.get("description") or found.get("reason") or "no reason")
    return None

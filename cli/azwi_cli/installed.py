"""What of workload identity runs in a cluster: webhooks, and the images of sidecars."""

import json
from collections import Counter
from collections.abc import Iterable
from typing import Any, Final
from urllib.parse import quote

from azwi_cli import errors, kube
from azwi_common import contract

_NAMES: Final = (contract.WEBHOOK_SERVICE, "azure-wi-webhook-controller-manager")
"""Deployments of ours, and of the Go reference and AKS's add-on."""
_OURS: Final = (contract.PROXY_CONTAINER, contract.INIT_CONTAINER)
_PAGE: Final = 500


def read(cluster: kube.Cluster) -> dict[str, Any]:
    """The cluster's version, webhooks, and images of injected containers with their pods."""
    version = json.loads(cluster.get("/version"))
    return {
        "kubernetes": str(version.get("gitVersion")),
        "webhooks": [_webhook(item) for name in _NAMES for item in _deployments(cluster, name)],
        "sidecars": _sidecars(cluster),
    }


def _deployments(cluster: kube.Cluster, name: str) -> list[Any]:
    path = f"/apis/apps/v1/deployments?fieldSelector=metadata.name%3D{name}"
    found: list[Any] = json.loads(cluster.get(path))["items"]
    return found


def _webhook(deployment: Any) -> dict[str, Any]:
    metadata, spec = deployment["metadata"], deployment["spec"]
    return {
        "namespace": metadata["namespace"],
        "name": metadata["name"],
        "image": spec["template"]["spec"]["containers"][0]["image"],
        "replicas": spec.get("replicas", 1),
        "ready": (deployment.get("status") or {}).get("readyReplicas", 0),
    }


def _sidecars(cluster: kube.Cluster) -> list[dict[str, Any]]:
    """Pods that opted in by their own label; who may not list all pods gets none."""
    counted: Counter[str] = Counter()
    label = quote(f"{contract.USE_LABEL}=true", safe="")
    more = ""
    try:
        while True:
            path = f"/api/v1/pods?labelSelector={label}&limit={_PAGE}{more}"
            page = json.loads(cluster.get(path))
            for pod in page["items"]:
                counted.update(set(_images(pod)))
            token = (page.get("metadata") or {}).get("continue")
            if not token:
                break
            more = f"&continue={quote(token, safe='')}"
    except errors.Denied:
        return []
    return [{"image": image, "pods": pods} for image, pods in sorted(counted.items())]


def _images(pod: Any) -> Iterable[str]:
    for field in ("initContainers", "containers"):
        for container in pod["spec"].get(field) or ():
            if container.get("name") in _OURS:
                yield str(container.get("image"))

"""Pods, service accounts and settings for tests of the webhook's decisions."""

import copy
from collections.abc import Mapping
from typing import Any

import jsonpatch

from azwi_common import contract
from azwi_common.settings import load
from azwi_webhook import mutate
from azwi_webhook.settings import Settings

Object = dict[str, Any]

CLIENT = "c11e47c1-1e47-4c11-8e47-c11e47c11e47"
TENANT = "7e4a47e4-a471-4e4a-8471-7e4a47e4a471"
SECRET = "for-this-pod-alone-0123456789abcdef"
PROXY_IMAGE = "registry.example/azwi-proxy:0.1.0"
INIT_IMAGE = "registry.example/azwi-proxy-init:0.1.0"
ENVIRON: Mapping[str, str] = {
    contract.TENANT_ID: TENANT,
    "PROXY_IMAGE": PROXY_IMAGE,
    "PROXY_INIT_IMAGE": INIT_IMAGE,
}


def settings(**environ: str) -> Settings:
    """The webhook's settings, with images and a tenant, and these variables."""
    return load(Settings, {**ENVIRON, **environ})


def account(name: str = "app", labels: Mapping[str, str] | None = None, **more: str) -> Any:
    """A service account with a client id; ``more``: annotations, ``_`` for ``-``, no prefix."""
    given = {"client-id": CLIENT, **{key.replace("_", "-"): text for key, text in more.items()}}
    annotations = {contract.PREFIX + key: text for key, text in given.items() if text}
    return mutate.Account(name, labels or {}, annotations)


def around(
    minor: int = 34,
    namespace: str = "shop",
    labels: Mapping[str, str] | None = None,
    secret: str = SECRET,
) -> mutate.Surroundings:
    """A namespace in a cluster of version 1.``minor``, and what is random."""
    return mutate.Surroundings(namespace, labels or {}, minor, secret)


def pod(annotations: Mapping[str, str] | None = None, **spec: Any) -> Object:
    """A pod of one container that takes part; names of annotations without their prefix."""
    full = {contract.PREFIX + name: text for name, text in (annotations or {}).items()}
    containers = [{"name": "app", "image": "registry.example/app:1"}]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "generateName": "app-",
            "labels": {contract.USE_LABEL: "true"},
            "annotations": full,
        },
        "spec": {"serviceAccountName": "app", "containers": containers, **spec},
    }


def with_sidecar(annotations: Mapping[str, str] | None = None, **spec: Any) -> Object:
    """The same, asking for the sidecar."""
    return pod({"inject-proxy-sidecar": "true", **(annotations or {})}, **spec)


def applied(given: Object, patch: list[mutate.Operation]) -> Object:
    """The pod after the patch, by a library that is not ours; both stay as they were."""
    after: Object = jsonpatch.JsonPatch(copy.deepcopy(patch)).apply(given)
    return after


def admitted(given: Object, whose: Any = None, *, secret: str = SECRET, **environ: str) -> Object:
    """The pod after admission, in a new cluster, by an ordinary service account."""
    surroundings = around(secret=secret)
    decided = mutate.admit(given, whose or account(), surroundings, settings(**environ))
    return applied(given, decided.patch)


def container(given: Object, name: str) -> Object:
    """The container or init container of that name."""
    spec = given["spec"]
    both = [*(spec.get("initContainers") or []), *spec["containers"]]
    found: Object = next(item for item in both if item["name"] == name)
    return found


def values(given: Object) -> dict[str, Any]:
    """A container's variables that have values."""
    return {entry["name"]: entry.get("value") for entry in given.get("env") or []}

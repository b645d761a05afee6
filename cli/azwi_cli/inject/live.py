"""Reads from the cluster what the webhook would know there of the pods of files."""

import dataclasses
import json
from collections.abc import Iterable
from typing import Any

from azwi_cli import errors, kube
from azwi_cli.inject import manifests, offline
from azwi_webhook.errors import Refused
from azwi_webhook.versions import minor_of


def completed(
    known: offline.Known, templates: Iterable[manifests.Template], cluster: kube.Cluster
) -> offline.Known:
    """``known`` with accounts and namespaces of the cluster; what files say wins."""
    accounts, namespaces = dict(known.accounts), dict(known.namespaces)
    for template in templates:
        try:
            key = offline.key_of(template, known.namespace)
        except Refused:
            continue  # it is told when the pod is decided on
        if key not in accounts and (found := _metadata(cluster, *_path(*key))):
            accounts[key] = offline.account(key[1], found)
        if key[0] not in namespaces and (found := _metadata(cluster, "namespaces", key[0])):
            namespaces[key[0]] = found.get("labels") or {}
    return dataclasses.replace(
        known, accounts=accounts, namespaces=namespaces, minor=_minor(cluster)
    )


def _minor(cluster: kube.Cluster) -> int:
    """What decides whether sidecars are native; raises Unavailable where it is no version."""
    try:
        return minor_of(str(json.loads(cluster.get("/version"))["gitVersion"]))
    except (ValueError, LookupError, TypeError) as error:
        raise errors.Unavailable(
            f"The API server's version cannot be read: {error}.",
            "Leave out --from-cluster, and give --kubernetes-version and the service accounts'"
            " files in its place.",
        ) from error


def _path(namespace: str, name: str) -> tuple[str, ...]:
    return "namespaces", namespace, "serviceaccounts", name


def _metadata(cluster: kube.Cluster, *path: str) -> dict[str, Any] | None:
    try:
        found: dict[str, Any] = json.loads(cluster.get("/api/v1/" + "/".join(path)))["metadata"]
    except errors.NotFound:
        return None
    return found

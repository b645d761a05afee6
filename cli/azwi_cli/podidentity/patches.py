"""Spells what changes as Kubernetes objects and patches, and how it is taken back. Pure.

Patches are both merge patches and strategic ones: they hold mappings and texts alone. The label
``aadpodidbinding`` stays: until aad-pod-identity is gone the CSI driver asks it by that label, a
selector may name it, and with it the way back is short.
"""

from collections.abc import Mapping
from typing import Any

from azwi_cli.podidentity.facts import Account, SecretProviderClass
from azwi_cli.podidentity.objects import TEMPLATES
from azwi_cli.podidentity.plan import Item
from azwi_common import contract

Object = dict[str, Any]
Changes = Mapping[str, str | None]
"""By label or annotation, its value; None: there shall be none."""


def account(item: Item) -> Object:
    """The service account of a workload: whole where it is new, else what is added to it."""
    planned = item.account
    assert planned is not None  # callers ask for items that change
    made: Object = {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": {
            "name": planned.name,
            "namespace": planned.namespace,
            "labels": {contract.USE_LABEL: "true"},
            "annotations": dict(planned.annotations),
        },
    }
    if planned.pull_secrets:
        made["imagePullSecrets"] = [{"name": name} for name in planned.pull_secrets]
    if planned.automount is not None:
        made["automountServiceAccountToken"] = planned.automount
    return made


def workload(item: Item) -> Object:
    """The patch of a workload, with the names that kustomize finds it by."""
    labels: Changes = {contract.USE_LABEL: "true"}
    changed = body(item.ref.kind, labels, item.annotations, _new_account(item))
    head = _head(item)
    if "metadata" in changed:  # of a pod that has no template
        head["metadata"] |= changed.pop("metadata")
    return {**head, **changed}


def body(
    kind: str, labels: Changes, annotations: Changes, account_name: Mapping[str, str | None]
) -> Object:
    """A patch of a workload's template, without the names."""
    spec = {"spec": dict(account_name)} if account_name else {}
    made: Object = {
        "metadata": {"labels": dict(labels), "annotations": dict(annotations)},
        **spec,
    }
    for name in reversed(TEMPLATES.get(kind, ())):
        made = {name: made}
    return made


def rollback(item: Item) -> Object:
    """The patch that takes ``workload`` back."""
    before = item.template
    names = [contract.USE_LABEL]
    labels = {name: before.labels.get(name) for name in names}
    annotations = {name: before.annotations.get(name) for name in item.annotations}
    old = before.service_account if _new_account(item) else None
    # The API server keeps a second, older field of the same meaning, which would win over none.
    account_name = {"serviceAccountName": old, "serviceAccount": old} if old else {}
    return body(item.ref.kind, labels, annotations, account_name)


def account_rollback(item: Item) -> Object:
    """The patch that makes a service account that was there before as it was."""
    planned = item.account
    assert planned is not None  # as above
    had = planned.before or Account(planned.namespace, planned.name)
    return {
        "metadata": {
            "labels": {contract.USE_LABEL: had.labels.get(contract.USE_LABEL)},
            "annotations": {name: had.annotations.get(name) for name in planned.annotations},
        }
    }


def role_bindings(item: Item) -> list[Object]:
    """Copies for the new service account of what its predecessor is named by."""
    planned = item.account
    if planned is None:
        return []
    subject = {"kind": "ServiceAccount", "name": planned.name, "namespace": planned.namespace}
    return [
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": binding.ref.kind,
            "metadata": {
                "name": f"{binding.ref.name}-{planned.name}",
                **({"namespace": binding.ref.namespace} if binding.ref.namespace else {}),
            },
            "roleRef": {
                "apiGroup": "rbac.authorization.k8s.io",
                "kind": binding.role_kind,
                "name": binding.role,
            },
            "subjects": [subject],
        }
        for binding in item.role_bindings
    ]


def secret_provider_class(thing: SecretProviderClass, client_id: str) -> Object:
    """The patch by which the CSI driver uses workload identity."""
    parameters = {"clientID": client_id}
    for name in ("usePodIdentity", "useVMManagedIdentity"):
        if name in thing.parameters:
            parameters[name] = "false"
    if "userAssignedIdentityID" in thing.parameters:
        parameters["userAssignedIdentityID"] = ""
    return {
        "apiVersion": thing.api_version,
        "kind": "SecretProviderClass",
        "metadata": {"name": thing.name, "namespace": thing.namespace},
        "spec": {"parameters": parameters},
    }


def uses_node_identity(thing: SecretProviderClass) -> str:
    """The parameter that ties a class to aad-pod-identity or to the node; empty: none does."""
    for name in ("usePodIdentity", "useVMManagedIdentity"):
        if thing.parameters.get(name, "").lower() == "true":
            return name
    return ""


def _head(item: Item) -> Object:
    metadata = {"name": item.ref.name, "namespace": item.ref.namespace}
    return {"apiVersion": item.api_version, "kind": item.ref.kind, "metadata": metadata}


def _new_account(item: Item) -> dict[str, str | None]:
    if item.account is None or not item.account.is_new:
        return {}
    return {"serviceAccountName": item.account.name}

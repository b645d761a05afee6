"""Service accounts of the cluster: read, written, listed, and their tokens asked for."""

import functools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote, urlencode

from azwi_cli import errors, issuers, kube
from azwi_cli.serviceaccount.known import Account, Existing
from azwi_common import contract

_MERGE: Final = "application/merge-patch+json"
_METADATA: Final = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"
_PAGE: Final = "500"


@dataclass(frozen=True, slots=True)
class Listed:
    """A service account in a list."""

    namespace: str
    name: str
    existing: Existing


class Accounts:
    """Of one cluster; it is read from the kubeconfig at the first question."""

    def __init__(self, make: Callable[[], kube.Cluster]) -> None:
        self._make = make

    @functools.cached_property
    def cluster(self) -> kube.Cluster:
        """The cluster that is asked."""
        return self._make()

    def issuer(self) -> str:
        """Of the cluster's tokens, as its API server publishes it."""
        return str(issuers.document_of_cluster(self.cluster)["issuer"])

    def get(self, account: Account) -> Existing | None:
        """What there is; None where there is none. Raises NotFound without the namespace."""
        cluster = self.cluster  # that none is configured is a NotFound of another kind
        try:
            return _existing(cluster.ask("GET", _path(account)))
        except errors.NotFound:
            self._check_namespace(account.namespace)
            return None

    def apply(self, account: Account, annotations: Mapping[str, str | None], *, new: bool) -> None:
        """Set annotations (None removes one) and the label, all else stays."""
        metadata: dict[str, Any] = {
            "labels": {contract.USE_LABEL: "true"},
            "annotations": dict(annotations),
        }
        if not new:
            self.cluster.ask("PATCH", _path(account), {"metadata": metadata}, content_type=_MERGE)
            return
        body = {
            "apiVersion": "v1",
            "kind": "ServiceAccount",
            "metadata": {"name": account.name, "namespace": account.namespace, **metadata},
        }
        path = f"/api/v1/namespaces/{quote(account.namespace)}/serviceaccounts"
        try:
            self.cluster.ask("POST", path, body)
        except errors.Rejected:
            if self.get(account) is None:
                raise
            self.apply(account, annotations, new=False)  # somebody made it meanwhile

    def strip(self, account: Account, annotations: Mapping[str, str | None]) -> None:
        """Remove the label and these annotations."""
        metadata = {"labels": {contract.USE_LABEL: None}, "annotations": dict(annotations)}
        self.cluster.ask("PATCH", _path(account), {"metadata": metadata}, content_type=_MERGE)

    def delete(self, account: Account) -> None:
        """Delete one; what is gone already is as good."""
        try:
            self.cluster.ask("DELETE", _path(account))
        except errors.NotFound:
            return

    def token(self, account: Account, audience: str) -> str:
        """A token of the service account, by the TokenRequest API; needs ``create`` on it."""
        body = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": {"audiences": [audience], "expirationSeconds": 600},
        }
        return str(self.cluster.ask("POST", f"{_path(account)}/token", body)["status"]["token"])

    def may_use(self, account: Account, client_id: str) -> bool:
        """Whether the cluster lets a service account use an identity by an AKS identity binding.

        Needs ``create`` on subjectaccessreviews.
        """
        body = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SubjectAccessReview",
            "spec": {
                "user": account.subject,
                "groups": [
                    "system:serviceaccounts",
                    f"system:serviceaccounts:{account.namespace}",
                    "system:authenticated",
                ],
                "resourceAttributes": {
                    "group": "cid.wi.aks.azure.com",
                    "resource": client_id,
                    "verb": "use-managed-identity",
                },
            },
        }
        path = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
        return bool(self.cluster.ask("POST", path, body)["status"]["allowed"])

    def listed(self, namespace: str = "") -> Iterator[Listed]:
        """Those with the label or an identity, of a namespace or of all; metadata only."""
        where = f"/namespaces/{quote(namespace)}" if namespace else ""
        query = {"limit": _PAGE}
        while True:
            path = f"/api/v1{where}/serviceaccounts?{urlencode(query)}"
            page = self.cluster.ask("GET", path, accept=f"{_METADATA},application/json")
            for item in page.get("items") or ():
                found = _existing(item)
                if _takes_part(found):
                    metadata = item["metadata"]
                    yield Listed(metadata["namespace"], metadata["name"], found)
            query["continue"] = page.get("metadata", {}).get("continue", "")
            if not query["continue"]:
                return

    def _check_namespace(self, name: str) -> None:
        try:
            self.cluster.ask("GET", f"/api/v1/namespaces/{quote(name)}")
        except errors.NotFound as error:
            raise errors.NotFound(
                f"The namespace {name} does not exist.", f"Make it: kubectl create namespace {name}"
            ) from error
        except errors.Denied:
            return  # whoever may write service accounts need not see namespaces


def _path(account: Account) -> str:
    return f"/api/v1/namespaces/{quote(account.namespace)}/serviceaccounts/{quote(account.name)}"


def _existing(item: Mapping[str, Any]) -> Existing:
    metadata = item["metadata"]
    return Existing(metadata.get("labels") or {}, metadata.get("annotations") or {})


def _takes_part(found: Existing) -> bool:
    return (
        found.labels.get(contract.USE_LABEL) == "true"
        or contract.CLIENT_ID_ANNOTATION in found.annotations
    )

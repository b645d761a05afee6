"""Facts of manifests and of a cluster."""

from pathlib import Path

import pytest

from azwi_cli import errors, kube
from azwi_cli.podidentity import reading
from azwi_testing.podidentity import Server, binding, deployment, identity

MANIFESTS = Path(__file__).parent / "manifests"


def test_manifests_of_one_namespace_are_told_from_others() -> None:
    facts = reading.of_files([MANIFESTS], "shop", everywhere=False, issuer="https://i")
    assert facts.namespaces == frozenset({"shop"})
    assert facts.issuer == "https://i"
    assert reading.of_files([MANIFESTS], "x", everywhere=True, issuer="").namespaces is None


def test_manifests_without_identities_are_not_enough(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("kind: Deployment\napiVersion: apps/v1\nmetadata: {name: a}")
    with pytest.raises(errors.BadInput, match="kubectl get azureidentities"):
        reading.of_files([tmp_path], "default", everywhere=True, issuer="")


def test_a_cluster_is_named_as_the_source(server: Server, kubeconfig: Path) -> None:
    server.put(identity("cart"), binding("cart"), deployment("cart"))
    facts = reading.of_cluster(kube.Cluster(kubeconfig), "shop")
    assert facts.source == f"the cluster {server.url}"

"""What runs in a cluster, as ``azwi version --cluster`` says it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from azwi_cli import installed, kube
from azwi_commands import Authority, Reply, Site, azwi, kubeconfig, patients, serve
from azwi_common import __version__, contract

DEPLOYMENTS = "/apis/apps/v1/deployments?fieldSelector=metadata.name%3D"
PODS = "/api/v1/pods?labelSelector=azure.workload.identity%2Fuse%3Dtrue&limit=500"
WEBHOOK = {
    "metadata": {"namespace": "here", "name": contract.WEBHOOK_SERVICE},
    "spec": {"replicas": 2, "template": {"spec": {"containers": [{"image": "r/azwi-webhook:1"}]}}},
    "status": {"readyReplicas": 1},
}


@pytest.fixture
def api(authority: Authority) -> Iterator[Site]:
    """A cluster with our webhook and two pages of pods."""
    with serve(authority.server()) as site:
        site.replies |= {
            "/version": Reply({"gitVersion": "v1.34.1"}),
            DEPLOYMENTS + contract.WEBHOOK_SERVICE: Reply({"items": [WEBHOOK]}),
            DEPLOYMENTS + "azure-wi-webhook-controller-manager": Reply({"items": []}),
            PODS: Reply({"items": [patients.pod()], "metadata": {"continue": "a=b"}}),
            PODS + "&continue=a%3Db": Reply({"items": [patients.pod(), {"spec": {}}]}),
        }
        yield site


def test_webhooks_and_images_of_sidecars_are_told(
    api: Site, authority: Authority, tmp_path: Path
) -> None:
    ran = azwi(
        "version", "--cluster", "--kubeconfig", kubeconfig(tmp_path, api.url, authority.file)
    )
    assert ran.out.splitlines() == [
        f"Version: {__version__}",
        "Kubernetes: v1.34.1",
        "Webhook: here/azwi-sidecar-webhook: r/azwi-webhook:1, 1 of 2 replicas ready",
        "Sidecar: registry.example/azwi-proxy-init:0.1.0 in 2 pods",
        "Sidecar: registry.example/azwi-proxy:0.1.0 in 2 pods",
    ]


def test_who_may_not_list_pods_is_told_the_rest(
    api: Site, authority: Authority, tmp_path: Path
) -> None:
    api.replies[PODS] = Reply(b"", 403)
    found = installed.read(kube.Cluster(kubeconfig(tmp_path, api.url, authority.file)))
    assert found["sidecars"] == []
    assert len(found["webhooks"]) == 1


def test_without_the_flag_no_cluster_is_asked(
    api: Site, authority: Authority, tmp_path: Path
) -> None:
    azwi("version", KUBECONFIG=str(kubeconfig(tmp_path, api.url, authority.file)))
    assert api.asked == []


def test_a_cluster_that_was_asked_for_and_is_not_there_is_a_sentence() -> None:
    assert "No cluster is configured" in azwi("version", "--cluster", code=6).err

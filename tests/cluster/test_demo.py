"""``make cluster-demo``, in the cluster that is up."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from azwi_common import contract
from azwi_testing import cluster, tools

pytestmark = pytest.mark.timeout(1800)  # the first one builds Kubernetes where nobody has yet

DEMO = cluster.ROOT / "tests/cluster/demo.sh"
HERS = ("pod/app", "serviceaccount/app", "configmap/private-ca")


@pytest.fixture
def left_behind(kubernetes: dict[str, Path]) -> Iterator[None]:
    """Takes away what the demo leaves for its reader to play with."""
    yield
    kubeconfig = f"--kubeconfig={cluster.RUNNING}/admin.kubeconfig"
    where = ("--namespace", contract.WEBHOOK_NAMESPACE, kubeconfig)
    helm = tools.tool("helm3")
    cluster.run(cluster.SCRIPT, "ns", helm, "uninstall", "azwi-sidecar", *where, "--wait")
    kubectl = (cluster.SCRIPT, "kubectl", "delete")
    cluster.run(*kubectl, "namespace", contract.WEBHOOK_NAMESPACE, "entra", timeout=180)
    cluster.run(*kubectl, *HERS, "--grace-period=1")


def _demo() -> "subprocess.CompletedProcess[str]":
    return subprocess.run([DEMO], capture_output=True, text=True, timeout=600)


def test_the_demo_ends_with_an_unchanged_apps_token_and_is_not_repeated_over_itself(
    left_behind: None,
) -> None:
    told = _demo()
    assert told.returncode == 0, told.stderr
    for expected in (
        'deployment "entra" successfully rolled out',
        "azwi-proxy-init localhost/azwi-proxy-init:latest",
        '{"access_token":"',
        "appid: c11e47c1-1e47-4c11-8e47-c11e47c11e47",
        "make cluster-down",
    ):
        assert expected in told.stdout
    again = _demo()
    assert again.returncode == 1
    assert again.stderr.strip().endswith('end it first with "make cluster-down".')

"""``azwi doctor`` on real pods: a healthy one is left in peace, faults are found by their check."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from azwi_testing import cluster, plain_environment
from azwi_testing.cluster import CommandFailed, EntraId, Namespace, eventually
from azwi_testing.installed import CURL, URL, Webhook, account, pod, token, workload

pytestmark = pytest.mark.timeout(1800)  # the first one builds Kubernetes where nobody has yet

READY = "condition=Ready"
STRANGER = "0e1d2c3b-4a59-4687-9bac-d0e1f2a3b4c5"


@pytest.fixture(scope="module")
def home(webhook: Webhook, shared_namespace: Namespace, entra: EntraId) -> Namespace:
    """A namespace with the service account ``app`` and a pod of it, running."""
    shared_namespace.apply(account(client_id=entra.announced["clientId"]), pod())
    shared_namespace.wait("pod/app", READY)
    return shared_namespace


def kubectl_folder() -> Path:
    """Where cluster.sh keeps the kubectl that it built last."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "azwi-sidecar"
    built = cache.glob("kubernetes-*/kubectl")
    return max(built, key=lambda path: path.stat().st_mtime).parent


def doctor(home: Namespace, *arguments: str, **variables: str) -> dict[str, Any]:
    """What it says, by object: the names of checks that do not pass; run in the cluster's net."""
    kubeconfig = f"--kubeconfig={cluster.RUNNING}/admin.kubeconfig"
    command = [sys.executable, "-m", "azwi_cli", "doctor", *arguments, "-n", home.name, kubeconfig]
    command += [] if variables else ["--no-entra"]  # whoever runs the tests may be logged in
    known = plain_environment()
    done = subprocess.run(
        [cluster.SCRIPT, "ns", *command, "-o", "json"],
        env={**known, "PATH": f"{kubectl_folder()}:{known['PATH']}", **variables},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.stdout, done.stderr
    return {
        item["name"]: [check["name"] for check in item["checks"] if check["status"] != "pass"]
        for item in json.loads(done.stdout)["objects"]
    }


def test_a_healthy_pod_is_found_healthy_from_outside_and_from_inside(
    home: Namespace,
) -> None:
    token(home, "https://vault.azure.net")
    found = doctor(home, "app", "--in-pod")
    assert found[f"pod {home.name}/app"] == []
    # The issuer of the tests' cluster is a name that nobody publishes at.
    assert found["cluster"] == ["issuer-published"]


def test_a_pod_that_the_webhook_refuses_is_told_of_its_workload(home: Namespace) -> None:
    refused = pod(spec={"hostNetwork": True})
    home.apply(workload("Deployment", refused, replicas=1))
    name = f"deployment {home.name}/app, which lacks pods"
    found = eventually(
        "the event",
        lambda: (
            all_of if "denied" in (all_of := doctor(home, "deploy/app")).get(name, ()) else None
        ),
    )
    assert found[name] == ["webhook-refuses", "denied"]


def test_what_entra_id_refuses_is_read_from_the_proxys_log(home: Namespace) -> None:
    home.apply(account("stranger", client_id=STRANGER))
    home.apply(pod("stranger", spec={"serviceAccountName": "stranger"}))
    home.wait("pod/stranger", READY)
    home.execute("stranger", "app", *CURL, f"{URL}https://vault.azure.net")
    assert doctor(home, "stranger")[f"pod {home.name}/stranger"] == ["entra-says"]


def test_an_identity_that_the_tenant_does_not_have_is_found_by_asking_entra_id(
    home: Namespace, entra: EntraId, tmp_path: Path
) -> None:
    home.apply(account("gone", client_id=STRANGER))
    home.apply(pod("gone", spec={"serviceAccountName": "gone"}))
    variables = entra.of_azwi(tmp_path)
    found = doctor(home, "gone", "--auth-method", "workload_identity", **variables)
    assert "identity" in found[f"pod {home.name}/gone"]


def test_a_pod_that_was_created_without_the_label_is_told_so(home: Namespace) -> None:
    home.apply(pod("late", labelled=False, sidecar=False))
    home.kubectl("label", "pod", "late", "azure.workload.identity/use=true")
    assert doctor(home, "late")[f"pod {home.name}/late"] == ["injected"]


def test_a_pod_that_is_not_there_is_an_error(home: Namespace) -> None:
    with pytest.raises((AssertionError, CommandFailed), match="There is no pod absent"):
        doctor(home, "absent")

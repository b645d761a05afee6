"""``azwi sa`` with a real API server, and a pod that gets its token by what azwi made."""

import json
import subprocess
from pathlib import Path

import pytest

from azwi_cli.errors import Code
from azwi_testing import cluster, plain_environment
from azwi_testing.cluster import EntraId, Namespace
from azwi_testing.installed import Told, Webhook, pod, token

pytestmark = pytest.mark.timeout(1800)  # the first one builds Kubernetes where nobody has yet

IDENTITY = ("--identity-name", "app", "--identity-resource-group", "azwi")


class Azwi:
    """``azwi sa`` for the service account ``app``, as an administrator of cluster and tenant."""

    def __init__(self, entra: EntraId, namespace: Namespace, folder: Path) -> None:
        kubeconfig = f"{cluster.RUNNING}/admin.kubeconfig"
        self._variables = {**entra.of_azwi(folder), "KUBECONFIG": kubeconfig}
        self._account = (
            *("--service-account-namespace", namespace.name),
            *("--service-account-name", "app"),
        )
        self._namespace = namespace.name

    def __call__(self, command: str, *arguments: str, code: int = 0) -> Told:
        about = ("--namespace", self._namespace) if command == "list" else self._account
        python = cluster.ROOT / ".venv/bin/python"
        argv = [python, "-m", "azwi_cli", "sa", command, *about, *arguments]
        done = subprocess.run(
            [cluster.SCRIPT, "ns", *argv, "--auth-method", "workload_identity"],
            capture_output=True,
            text=True,
            timeout=120,
            env={**plain_environment(), **self._variables},
        )
        told = Told(done.returncode, done.stdout, done.stderr)
        assert told.code == code, told
        return told


@pytest.fixture
def azwi(webhook: Webhook, namespace: Namespace, entra: EntraId, tmp_path: Path) -> Azwi:
    """For a namespace in which nobody has a service account but Kubernetes."""
    return Azwi(entra, namespace, tmp_path)


@pytest.mark.parametrize("target", [(), IDENTITY], ids=["application", "identity"])
def test_from_nothing_to_a_pod_with_a_token_and_back(
    azwi: Azwi, namespace: Namespace, entra: EntraId, target: tuple[str, ...]
) -> None:
    made = json.loads(azwi("create", *target, "--wait", "-o", "json").out)
    assert made["changed"]
    assert not json.loads(azwi("create", *target, "-o", "json").out)["changed"]
    (listed,) = json.loads(azwi("list", "-o", "json").out)["serviceAccounts"]
    assert (listed["clientId"], listed["status"]) == (made["clientId"], "ok")
    namespace.apply(pod())
    namespace.wait("pod/app", "condition=Ready")
    assert token(namespace, "https://vault.azure.net")["token_type"] == "Bearer"
    assert entra.exchanges()[-1]["clientId"] == made["clientId"]
    azwi("delete", *target, "--yes")
    assert "access_token" not in token(namespace, "https://storage.azure.com/")
    assert json.loads(azwi("list", "-o", "json").out)["serviceAccounts"] == []
    assert "skipped" in azwi("delete", *target, "--yes").out


def test_a_namespace_that_does_not_exist_is_told_by_a_real_api_server(
    azwi: Azwi, entra: EntraId, tmp_path: Path, namespace: Namespace
) -> None:
    nowhere = Azwi(entra, Namespace("nowhere"), tmp_path)
    told = nowhere("create", code=Code.NOT_FOUND)
    assert "kubectl create namespace nowhere" in told.err

"""From aad-pod-identity to a token and back in a real Kubernetes, as docs/migration.md tells it."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from azwi_commands import Ran
from azwi_testing import cluster, plain_environment
from azwi_testing.cluster import EntraId, Namespace, Object
from azwi_testing.installed import APP_IMAGE, PAUSE, Webhook, names, token
from azwi_testing.podidentity import RESOURCE_ID, binding, identity

pytestmark = pytest.mark.timeout(1800)  # the first one builds Kubernetes where nobody has yet

CRDS = Path(__file__).parent / "pod-identity-crds.yaml"
VAULT = "https://vault.azure.net"


def azwi(*arguments: str | Path, code: int = 0) -> Ran:
    """Run ``azwi podidentity`` inside the cluster's network, as its administrator."""
    kubeconfig = f"--kubeconfig={cluster.RUNNING}/admin.kubeconfig"
    ended = subprocess.run(
        [cluster.SCRIPT, "ns", sys.executable, "-m", "azwi_cli", "pi", *arguments, kubeconfig],
        capture_output=True,
        text=True,
        timeout=150,
        env=plain_environment(),
    )
    ran = Ran(ended.returncode, ended.stdout, ended.stderr)
    assert ran.code == code, ran
    return ran


@pytest.fixture(scope="module")
def crds(kubernetes: dict[str, Path]) -> Iterator[None]:
    """aad-pod-identity's kinds."""
    cluster.run(cluster.SCRIPT, "kubectl", "apply", "-f", CRDS)
    established = "--for=condition=Established"
    cluster.run(cluster.SCRIPT, "kubectl", "wait", established, "-f", CRDS, "--timeout=60s")
    yield
    cluster.run(cluster.SCRIPT, "kubectl", "delete", "-f", CRDS, timeout=180)


def app(name: str) -> Object:
    """A Deployment as aad-pod-identity's users have it."""
    container = {
        "name": "app",
        "image": APP_IMAGE,
        "imagePullPolicy": "IfNotPresent",
        "command": PAUSE,
    }
    spec = {"terminationGracePeriodSeconds": 1, "containers": [container]}
    template = {"metadata": {"labels": {"app": name, "aadpodidbinding": "app"}}, "spec": spec}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {"selector": {"matchLabels": {"app": name}}, "template": template},
    }


@pytest.fixture
def home(crds: None, webhook: Webhook, namespace: Namespace, entra: EntraId) -> Namespace:
    """A namespace with an app of aad-pod-identity; its service account to be may get tokens."""
    given = identity("app", namespace.name, entra.announced["clientId"])
    namespace.apply(given, binding("app", namespace.name), app("app"))
    namespace.kubectl("rollout", "status", "deployment/app", "--timeout=60s")
    return namespace


def running(namespace: Namespace) -> Object:
    """The only pod of the app that is not ending."""
    said = namespace.kubectl("get", "pods", "-l", "app=app", "-o", "json")
    (pod,) = (x for x in json.loads(said)["items"] if "deletionTimestamp" not in x["metadata"])
    found: Object = pod
    return found


def template(namespace: Namespace) -> Object:
    found: Object = namespace.get("deployment", "app")["spec"]["template"]
    return found


def kustomized(namespace: Namespace, folder: Path, base: Path) -> str:
    """What kustomize makes of the app and the component that was written."""
    base.mkdir()
    thing = app("app")
    thing["metadata"]["namespace"] = namespace.name
    (base / "app.json").write_text(json.dumps(thing))
    made = {"resources": ["app.json"], "components": ["../" + folder.name]}
    (base / "kustomization.yaml").write_text(json.dumps(made))
    return cluster.run(cluster.SCRIPT, "kubectl", "kustomize", base)


def test_an_app_is_found_migrated_gets_its_token_and_is_taken_back(
    home: Namespace, tmp_path: Path
) -> None:
    before = template(home)
    folder = tmp_path / "migration"
    where = ("-n", home.name, "-o", folder)
    found = azwi("detect", *where, "--format=json").data
    assert [item["result"] for item in found["workloads"]] == ["migrates"]
    assert found["workloads"][0]["pods"] == 1
    assert found["issuer"] == "https://issuer.example"
    assert "serviceAccountName: app" in kustomized(home, folder, tmp_path / "base")

    told = azwi("migrate", *where, "--apply", "--yes", "--format=json").data
    assert [item["phase"] for item in told["workloads"]] == ["done"]
    assert "got its token" in told["workloads"][0]["says"]
    pod = running(home)
    assert names(pod["spec"]["initContainers"]) == ["azwi-proxy-init", "azwi-proxy"]
    name = pod["metadata"]["name"]
    assert token(home, VAULT, name)["resource"] == VAULT
    by_resource_id = token(home, VAULT, name, f"&msi_res_id={RESOURCE_ID}app")
    assert by_resource_id["resource"] == VAULT

    azwi("migrate", *where, "--rollback", "--yes")
    after = template(home)
    after["metadata"].pop("annotations", None)
    assert after == before
    assert "initContainers" not in running(home)["spec"]
    assert "app" not in home.kubectl("get", "serviceaccounts", "-o", "name").split("/")


def test_an_app_whose_identity_does_not_trust_it_is_taken_back(
    home: Namespace, tmp_path: Path
) -> None:
    home.apply(app("other"))
    home.kubectl("delete", "deployment/app")
    before = home.get("deployment", "other")["spec"]
    where = ("-n", home.name, "-o", tmp_path / "migration")
    ran = azwi("migrate", *where, "--apply", "--yes", code=1)
    assert "AADSTS" in ran.err
    assert "federated-credentials.sh" in ran.err
    after = home.get("deployment", "other")["spec"]
    after["template"]["metadata"].pop("annotations", None)
    assert after == before

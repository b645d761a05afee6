"""``azwi inject`` beside a real webhook: what the API server would store is the same."""

import json
import sys
from collections.abc import Iterable
from typing import Any

import pytest

from azwi_testing import cluster
from azwi_testing.cluster import EntraId, Namespace
from azwi_testing.installed import DEPLOYMENT, Webhook, account, pod

pytestmark = pytest.mark.timeout(1800)  # the first one builds Kubernetes where nobody has yet


@pytest.fixture(scope="module")
def home(webhook: Webhook, shared_namespace: Namespace, entra: EntraId) -> Namespace:
    """A namespace with its service account ``app``, annotated."""
    shared_namespace.apply(account(client_id=entra.announced["clientId"]))
    return shared_namespace


def azwi(text: str, *arguments: str) -> str:
    """Run azwi in the cluster's network; its standard output."""
    command = [sys.executable, "-m", "azwi_cli", *arguments]
    return cluster.run(cluster.SCRIPT, "ns", *command, text=text)


def configuration(webhook: Webhook) -> list[str]:
    """The running webhook's variables, as flags."""
    kind, _, name = DEPLOYMENT.partition("/")
    (container,) = webhook.namespace.get(kind, name)["spec"]["template"]["spec"]["containers"]
    return [
        f"--set={entry['name']}={entry['value']}"
        for entry in container["env"]
        if entry.get("value")
    ]


def stored(home: Namespace, text: str) -> Any:
    """The pod as the API server would store it, without what its own plugin adds in its place.

    The plugin for service accounts runs before webhooks, so its volume stands elsewhere.
    """
    found = json.loads(
        home.kubectl("create", "--dry-run=server", "-o", "json", "-f", "-", text=text)
    )
    spec = found["spec"]
    spec["volumes"] = others(spec["volumes"])
    for container in [*spec.get("initContainers", ()), *spec["containers"]]:
        container["volumeMounts"] = others(container.get("volumeMounts", ()))
    return found


def others(items: Iterable[Any]) -> list[Any]:
    """All but the API server's own token."""
    return [item for item in items if not item["name"].startswith("kube-api-access-")]


@pytest.mark.parametrize(
    "given",
    [
        pod(),
        pod(sidecar=False),
        pod(proxy_only="true", proxy_metrics_port="9464", skip_containers="app"),
        pod(spec={"initContainers": [{"name": "first", "image": "localhost/app:latest"}]}),
    ],
    ids=["sidecar", "no sidecar", "wishes", "init container"],
)
def test_what_azwi_injects_is_what_the_webhook_injects(
    given: dict[str, Any], home: Namespace, webhook: Webhook
) -> None:
    text = json.dumps(given)
    where = ["-n", home.name, "--from-cluster", f"--kubeconfig={cluster.RUNNING}/admin.kubeconfig"]
    injected = azwi(text, "inject", "-f", "-", *where, *configuration(webhook))
    by_azwi, by_webhook = stored(home, injected), stored(home, text)
    assert len(injected) > len(text) + 500
    assert by_azwi["spec"] == by_webhook["spec"]
    assert by_azwi["metadata"].get("annotations") == by_webhook["metadata"].get("annotations")

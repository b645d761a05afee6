"""One Kubernetes for all tests of this folder; by-hand.yaml as a user would fill it in."""

import itertools
import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from azwi_testing import cluster, installed, tools
from azwi_testing.cluster import EntraId, Example, Namespace, Object
from azwi_testing.installed import Webhook

EXAMPLE = cluster.ROOT / "manifests/examples/by-hand.yaml"
ISSUER = "https://issuer.example"  # of cluster.sh
IMAGES = {
    "azwi-proxy:latest": "localhost/azwi-proxy:latest",
    "azwi-proxy-init:latest": "localhost/azwi-proxy-init:latest",
    "curlimages/curl:latest": "localhost/app:latest",
}


def pytest_configure(config: pytest.Config) -> None:
    """Declare the marker; end on SIGTERM as on Ctrl-C, so that no cluster is left behind."""
    config.addinivalue_line("markers", "cluster: needs root and Go, for a Kubernetes of its own")
    signal.signal(signal.SIGTERM, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Every test of this folder has the marker."""
    here = Path(__file__).parent
    for item in items:
        if item.path.is_relative_to(here):
            item.add_marker(pytest.mark.cluster)


@pytest.fixture(scope="session")
def kubernetes() -> Iterator[dict[str, Path]]:
    """The cluster, with the images in it; their archives."""
    if why := cluster.missing():
        cluster.do_without(why, os.environ)
    with cluster.cluster_up():
        yield cluster.import_images("base", "azwi-proxy", "azwi-proxy-init", "app")


@pytest.fixture(scope="session")
def entra(
    kubernetes: dict[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[EntraId]:
    """Entra ID, which trusts the issuer of the cluster's service account tokens."""
    with cluster.entra_id(tmp_path_factory.mktemp("entra")) as running:
        keys = json.loads(cluster.run(cluster.SCRIPT, "kubectl", "get", "--raw", "/openid/v1/jwks"))
        running.trust(ISSUER, keys)
        yield running


@pytest.fixture(scope="module")
def webhook(entra: EntraId) -> Iterator[Webhook]:
    """The webhook, installed by Helm 3 for the tests of a module."""
    cluster.import_images("azwi-webhook")
    with installed.installed(tools.tool("helm3"), entra) as running:
        yield running


_numbers = itertools.count()


@pytest.fixture(scope="module")
def shared_namespace(entra: EntraId) -> Iterator[Namespace]:
    """A namespace for the tests of a module; its service account ``app`` may get tokens."""
    yield from _namespace(entra)


@pytest.fixture
def namespace(entra: EntraId) -> Iterator[Namespace]:
    """A namespace for one test; its service account ``app`` may get tokens."""
    yield from _namespace(entra)


def _namespace(entra: EntraId) -> Iterator[Namespace]:
    made = Namespace(f"test-{os.getpid()}-{next(_numbers)}")
    cluster.run(cluster.SCRIPT, "kubectl", "create", "namespace", made.name)
    made.apply(
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "private-ca"},
            "data": {"ca.pem": entra.ca},
        }
    )
    with entra.registered(ISSUER, made.name, "app"):
        yield made
    cluster.run(cluster.SCRIPT, "kubectl", "delete", "namespace", made.name, "--wait=false")


@pytest.fixture(scope="session")
def example(entra: EntraId) -> Example:
    """by-hand.yaml for a namespace, with what a user changes: images, ids, authority, its CA."""
    given = {
        "AZURE_CLIENT_ID": entra.announced["clientId"],
        "AZURE_TENANT_ID": entra.announced["tenantId"],
        "AZURE_AUTHORITY_HOST": entra.announced["authorityHost"],
    }

    def fill_in(namespace: Namespace) -> list[Object]:
        objects: list[Object] = list(yaml.safe_load_all(EXAMPLE.read_text()))
        for item in objects:
            item["metadata"]["namespace"] = namespace.name
        spec = objects[1]["spec"]
        for container in (*spec["initContainers"], *spec["containers"]):
            container["image"] = IMAGES[container["image"]]
            container["imagePullPolicy"] = "IfNotPresent"
        proxy = spec["initContainers"][1]
        for variable in proxy["env"]:
            variable["value"] = given.get(variable["name"], variable["value"])
        proxy["env"].append({"name": "SSL_CERT_FILE", "value": "/ca/ca.pem"})
        proxy["volumeMounts"].append({"name": "ca", "mountPath": "/ca", "readOnly": True})
        spec["volumes"].append({"name": "ca", "configMap": {"name": "private-ca"}})
        return objects

    return fill_in


@pytest.fixture(scope="module")
def app(shared_namespace: Namespace, example: Example) -> Namespace:
    """The example as it is, running, for the tests of a module."""
    shared_namespace.apply(*example(shared_namespace))
    shared_namespace.wait("pod/app", "condition=Ready")
    return shared_namespace

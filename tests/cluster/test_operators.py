"""What is written for other operators, judged by a real API server against their own schemas.

Strictly: a field that a CustomResourceDefinition does not know is an error, not dropped.
"""

import json
import os
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from azwi_testing import chart, cluster, tools
from azwi_testing.cluster import Object

pytestmark = pytest.mark.timeout(1800)  # the first one builds Kubernetes where nobody has yet

MODULES = {
    "github.com/prometheus-operator/prometheus-operator@v0.85.0": (
        "example/prometheus-operator-crd/monitoring.coreos.com_podmonitors.yaml",
        "example/prometheus-operator-crd/monitoring.coreos.com_servicemonitors.yaml",
        "example/prometheus-operator-crd/monitoring.coreos.com_prometheusrules.yaml",
    ),
    "github.com/cert-manager/cert-manager@v1.19.1": (
        "deploy/crds/cert-manager.io_certificates.yaml",
        "deploy/crds/cert-manager.io_issuers.yaml",
    ),
}
OF_OTHERS = ("monitoring.coreos.com/v1", "cert-manager.io/v1")
MONITORING = cluster.ROOT / "manifests/monitoring"


@pytest.fixture(scope="module")
def definitions(
    kubernetes: dict[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[None]:
    """Both operators' CustomResourceDefinitions, in the cluster."""
    folder = tmp_path_factory.mktemp("module")
    files = [path for module, names in MODULES.items() for path in _fetch(folder, module, names)]
    flags = [f"--filename={path}" for path in files]
    # Server-side: they are too large for the annotation that kubectl would otherwise keep.
    _kubectl("apply", "--server-side", *flags)
    _kubectl("wait", "--for=condition=Established", "--timeout=60s", *flags)
    yield
    _kubectl("delete", *flags)


def _fetch(folder: Path, module: str, names: tuple[str, ...]) -> list[Path]:
    """Files of a Go module, which go keeps in its own cache."""
    environment = {**os.environ, "GOFLAGS": "-mod=mod"}
    command = ("go", "mod", "download", "-json", module)
    try:
        told = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300
        )
    except FileNotFoundError:
        cluster.do_without("needs Go, to fetch the operators' schemas", os.environ)
    found = json.loads(told.stdout)
    assert "Error" not in found, found
    return [Path(found["Dir"]) / name for name in names]


def _kubectl(*arguments: str, text: str = "") -> str:
    return cluster.run(cluster.SCRIPT, "kubectl", *arguments, text=text)


def _judged(objects: list[Object]) -> list[str]:
    """The objects as the API server would create them, by kind and name."""
    strictly = ("--dry-run=server", "--validate=strict", "--namespace=default", "-o", "name")
    text = json.dumps({"apiVersion": "v1", "kind": "List", "items": objects})
    return _kubectl("create", *strictly, "-f", "-", text=text).split()


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"podMonitor": {"enabled": True}}, {"PodMonitor"}),
        ({"serviceMonitor": {"enabled": True, "labels": {"a": "b"}}}, {"ServiceMonitor"}),
        (chart.CERT_MANAGER, {"Certificate", "Issuer"}),
        (chart.OWN_ISSUER, {"Certificate"}),
    ],
    ids=["PodMonitor", "ServiceMonitor", "cert-manager", "an issuer of one's own"],
)
def test_the_charts_objects_for_other_operators_are_what_these_accept(
    definitions: None, values: Mapping[str, Any], expected: set[str]
) -> None:
    rendered = yaml.safe_load_all(chart.template(tools.tool("helm3"), values).stdout)
    theirs = [item for item in rendered if item and item["apiVersion"] in OF_OTHERS]
    assert {item["kind"] for item in theirs} == expected
    for item in theirs:
        item["metadata"].pop("namespace")
    assert len(_judged(theirs)) == len(theirs)


@pytest.mark.parametrize("name", sorted(path.name for path in MONITORING.glob("*.yaml")))
def test_the_monitoring_manifests_are_what_the_prometheus_operator_accepts(
    definitions: None, name: str
) -> None:
    objects = [*yaml.safe_load_all((MONITORING / name).read_text())]
    for item in objects:
        item["metadata"].pop("namespace", None)
    assert len(_judged(objects)) == len(objects) > 0


def test_a_field_that_they_do_not_know_would_be_found(definitions: None) -> None:
    monitor = {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PodMonitor",
        "metadata": {"name": "wrong"},
        "spec": {"selector": {}, "podMetricsEndpoint": []},
    }
    with pytest.raises(cluster.CommandFailed, match="podMetricsEndpoint"):
        _judged([monitor])

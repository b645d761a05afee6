"""What the chart makes of its values, by Helm 3 and Helm 4 themselves."""

import json
import re
import tomllib
from pathlib import Path

import pytest
import yaml

from azwi_common import __version__
from azwi_testing import chart, tools

pytestmark = pytest.mark.helm

GOLDEN = Path(__file__).parent / "golden"
# By the names that azure-workload-identity's chart has: its users' values files go on working.
OF_THE_REFERENCE = [
    "replicaCount",
    "image.repository",
    "image.pullPolicy",
    "image.release",
    "imagePullSecrets",
    "nodeSelector",
    "resources",
    "tolerations",
    "affinity",
    "topologySpreadConstraints",
    "service.type",
    "service.port",
    "service.targetPort",
    "azureEnvironment",
    "azureTenantID",
    "logLevel",
    "metricsAddr",
    "metricsBackend",
    "priorityClassName",
    "mutatingWebhookAnnotations",
    "mutatingWebhookNamespaceSelector",
    "podLabels",
    "podAnnotations",
    "podDisruptionBudget",
    "customTokenEndpoint",
    "extraEnv",
    "extraVolumes",
    "extraVolumeMounts",
    "revisionHistoryLimit",
]


@pytest.mark.parametrize("name", chart.VALUES)
def test_the_chart_passes_helms_lint(helm: Path, name: str, tmp_path: Path) -> None:
    file = tmp_path / "values.yaml"
    file.write_text(yaml.safe_dump(chart.merged(chart.LEAST, chart.VALUES[name])))
    done = chart.helm(helm, "lint", "--strict", str(chart.CHART), "--values", str(file))
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", chart.VALUES)
def test_both_helms_make_the_same_of_it(name: str) -> None:
    three, four = (
        chart.rendered(tools.tool(helm), chart.VALUES[name]) for helm in ("helm3", "helm4")
    )
    key = str
    assert sorted(three, key=key) == sorted(four, key=key)


@pytest.mark.parametrize("version", [tools.OLDEST, tools.newest()])
@pytest.mark.parametrize("name", chart.VALUES)
def test_what_it_renders_is_valid_in_the_oldest_and_the_newest_kubernetes(
    helm4: Path, name: str, version: str
) -> None:
    objects = chart.rendered(helm4, chart.VALUES[name], f"--kube-version={version}")
    assert tools.problems(objects, version) == []


def test_a_kubernetes_older_than_the_oldest_is_refused(helm: Path) -> None:
    done = chart.template(helm, {}, "--kube-version=1.25.16")
    assert done.returncode != 0
    assert ">=1.26.0-0" in done.stderr


@pytest.mark.parametrize(
    "version",
    ["v1.31.2-gke.1", "v1.29.8-eks-a1b2c3d", "v1.30.4+k3s1", "v1.27.6+f67aeb3", "v1.26.0"],
)
def test_a_vendors_version_is_understood(helm: Path, version: str) -> None:
    assert chart.template(helm, {}, f"--kube-version={version}").returncode == 0


@pytest.mark.parametrize("name", ["least", "full"])
def test_what_it_renders_is_as_it_was_looked_over(helm4: Path, name: str) -> None:
    done = chart.template(helm4, chart.VALUES[name])
    text = re.sub(r"\n{2,}", "\n", done.stdout)
    assert text == (GOLDEN / f"{name}.yaml").read_text(), (
        f"if this is meant, write it to tests/manifests/golden/{name}.yaml"
    )


def test_the_chart_has_the_programs_version() -> None:
    written = yaml.safe_load((chart.CHART / "Chart.yaml").read_text())
    assert written["version"] == written["appVersion"] == __version__
    project = tomllib.loads((chart.CHART.parents[1] / "pyproject.toml").read_text())["project"]
    assert written["name"] == project["name"]


def test_every_value_of_the_references_chart_has_its_name_here(helm4: Path) -> None:
    schema = yaml.safe_load((chart.CHART / "values.schema.json").read_text())["properties"]
    for name in OF_THE_REFERENCE:
        top, _, inner = name.partition(".")
        assert top in schema
        assert not inner or inner in schema[top]["properties"]
    of_the_reference = {
        "image": {"tag": None, "release": "v1.6.0"},
        "resources": {"limits": {"cpu": "100m", "memory": "30Mi"}, "requests": {"cpu": "100m"}},
        "logLevel": "trace",
        "podDisruptionBudget": {"minAvailable": 1, "maxUnavailable": None},
        "topologySpreadConstraints": [],
        "affinity": {},
        "revisionHistoryLimit": 10,
    }
    objects = chart.rendered(helm4, of_the_reference)
    assert chart.pod_of(objects)["containers"][0]["image"] == "registry.example/azwi-webhook:v1.6.0"
    assert chart.variables(objects)["AZWI_LOG_LEVEL"] == "debug"


def test_every_value_is_in_the_schema_and_every_default_is_written_down() -> None:
    values = yaml.safe_load((chart.CHART / "values.yaml").read_text())
    schema = yaml.safe_load((chart.CHART / "values.schema.json").read_text())["properties"]
    assert set(schema) - set(values) == {"azureTenantID", "enabled", "global"}
    assert set(values) <= set(schema)


@pytest.mark.parametrize(("namespace", "warned"), [("default", True), (chart.NAMESPACE, False)])
def test_whoever_forgets_the_namespace_is_told(helm4: Path, namespace: str, warned: bool) -> None:
    """The entries exclude the webhook's own: nothing else would say why pods get nothing."""
    command = ["install", "azwi-sidecar", str(chart.CHART), "--namespace", namespace]
    text = json.dumps(chart.LEAST)
    done = chart.helm(helm4, *command, "--dry-run=client", "--values", "-", text=text)
    assert done.returncode == 0, done.stderr
    notes = done.stdout.partition("NOTES:")[2]
    assert "rollout status deployment/azwi-sidecar-webhook" in notes
    assert ("no pod in it will get an" in notes) == warned

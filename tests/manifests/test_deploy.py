"""The plain YAML is the chart's, valid, and asks for nothing but what its header names."""

import re
import runpy
from pathlib import Path
from typing import Any

import pytest
import yaml

from azwi_common import contract
from azwi_common.settings import load
from azwi_testing import tools
from azwi_testing.chart import one
from azwi_testing.cluster import Object
from azwi_webhook.settings import Settings

SCRIPT = runpy.run_path(str(Path(__file__).parents[2] / "scripts/manifests.py"))
PLAIN: Path = SCRIPT["PLAIN"]
CONFIGURATION: Path = SCRIPT["CONFIGURATION"]
TEXT = PLAIN.read_text() + CONFIGURATION.read_text()
FILLED_IN = {
    "AZURE_TENANT_ID": "72f988bf-0000-4000-8000-2d7cd011db47",
    "AZWI_IMAGES": "registry.example/azwi",
    "AZWI_TAG": "0.1.0",
}


@pytest.fixture(scope="module")
def objects() -> list[Object]:
    """What kubectl gets, after envsubst."""
    text = re.sub(r"\$\{(\w+)\}", lambda found: FILLED_IN[found[1]], TEXT)
    return list(yaml.safe_load_all(text))


def variables(objects: list[Object]) -> dict[str, Any]:
    container = one(objects, "Deployment")["spec"]["template"]["spec"]["containers"][0]
    return {item["name"]: item.get("value", "") for item in container["env"]}


@pytest.mark.helm
@pytest.mark.parametrize("helm", ["helm3", "helm4"])
def test_it_is_what_the_chart_renders(helm: str) -> None:
    for file, text in SCRIPT["rendered"](tools.tool(helm)).items():
        written = list(yaml.safe_load_all(file.read_text()))
        assert list(yaml.safe_load_all(text)) == written, "make manifests"


@pytest.mark.helm
def test_it_is_written_as_it_stands() -> None:
    for file, text in SCRIPT["rendered"](tools.tool("helm3")).items():
        assert text == file.read_text(), "make manifests"


def test_whoever_applies_it_names_a_tenant_the_images_and_a_tag() -> None:
    text = PLAIN.read_text()
    assert set(re.findall(r"\$\{(\w+)\}", text)) == set(FILLED_IN)
    assert "${" not in CONFIGURATION.read_text()
    for name in FILLED_IN:
        assert f"${name} " in text or f"${name}'" in text  # in the header's command


@pytest.mark.parametrize("version", [tools.OLDEST, tools.newest()])
def test_it_is_valid_in_the_oldest_and_the_newest_kubernetes(
    objects: list[Object], version: str
) -> None:
    assert tools.problems(objects, version) == []


def test_it_makes_a_namespace_that_is_held_to_the_restricted_level(objects: list[Object]) -> None:
    metadata = one(objects, "Namespace")["metadata"]
    assert metadata["name"] == contract.WEBHOOK_NAMESPACE
    assert metadata["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    for item in objects:
        assert item["metadata"].get("namespace", metadata["name"]) == metadata["name"]


def test_the_webhook_configuration_is_a_file_of_its_own() -> None:
    """It is applied last and deleted first: without its replicas it would refuse pods."""
    (only,) = yaml.safe_load_all(CONFIGURATION.read_text())
    assert only["kind"] == "MutatingWebhookConfiguration"
    others = [item["kind"] for item in yaml.safe_load_all(PLAIN.read_text())]
    assert "Deployment" in others
    assert "MutatingWebhookConfiguration" not in others


def test_nothing_of_helm_is_left_in_it() -> None:
    assert "helm.sh" not in TEXT
    assert "# Source" not in TEXT


def test_the_program_loads_what_it_sets(objects: list[Object]) -> None:
    settings = load(Settings, variables(objects))
    assert settings.tenant_id == FILLED_IN["AZURE_TENANT_ID"]
    assert settings.proxy_image == "registry.example/azwi/azwi-proxy:0.1.0"
    assert settings.proxy_init_image == "registry.example/azwi/azwi-proxy-init:0.1.0"
    assert settings.service == one(objects, "Service")["metadata"]["name"]
    assert settings.secret == one(objects, "Secret")["metadata"]["name"]

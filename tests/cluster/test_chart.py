"""The chart in a real cluster, by Helm 3 and Helm 4: installed, upgraded and removed under load."""

import contextlib
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from azwi_common import contract
from azwi_testing import chart, cluster, tools
from azwi_testing.cluster import Object, eventually
from azwi_testing.installed import pods_being_created

pytestmark = pytest.mark.timeout(1800)  # the first one builds Kubernetes where nobody has yet

PLAIN = cluster.ROOT / "manifests/deploy/azwi-webhook.yaml"
CONFIGURATION = cluster.ROOT / "manifests/deploy/azwi-webhook-configuration.yaml"
VALUES: dict[str, Any] = {
    "azureTenantID": "72f988bf-0000-4000-8000-2d7cd011db47",
    "image": {"repository": "localhost/azwi-webhook", "tag": "latest"},
}


def kubectl(*arguments: str, text: str = "") -> str:
    return cluster.run(cluster.SCRIPT, "kubectl", *arguments, text=text)


def configuration() -> Object:
    name = contract.WEBHOOK_CONFIGURATION
    found: Object = json.loads(kubectl("get", "mutatingwebhookconfiguration", name, "-o", "json"))
    return found


class Release:
    """The chart in its namespace, by one of the Helms."""

    def __init__(self, program: Path) -> None:
        self._program = program

    def __call__(self, verb: str, *arguments: str, **values: Any) -> str:
        """Run ``helm verb``; for install and upgrade with values over the least ones."""
        environment = f"KUBECONFIG={cluster.RUNNING / 'admin.kubeconfig'}"
        inside = [str(cluster.SCRIPT), "ns", "env", environment]
        command = [*inside, str(self._program), verb, "azwi-sidecar"]
        options = ["--namespace", chart.NAMESPACE, "--wait", "--timeout", "120s"]
        text = ""
        if verb != "uninstall":
            command.append(str(chart.CHART))
            options += ["--values", "-"]
            text = json.dumps(chart.merged(VALUES, values))
        return cluster.run(*command, *options, *arguments, text=text, timeout=180)


@pytest.fixture(params=["helm3", "helm4"])
def release(request: pytest.FixtureRequest, kubernetes: dict[str, Path]) -> Iterator[Release]:
    """The chart, installed in a namespace that is held to the restricted level."""
    program = tools.tool(request.param)
    cluster.import_images("azwi-webhook")
    kubectl("create", "namespace", chart.NAMESPACE)
    level = "pod-security.kubernetes.io/enforce=restricted"
    kubectl("label", "namespace", chart.NAMESPACE, level)
    helm = Release(program)
    try:
        helm("install")
        yield helm
    finally:
        with contextlib.suppress(cluster.CommandFailed):  # where a test has uninstalled it
            helm("uninstall")
        kubectl("delete", "namespace", chart.NAMESPACE, "--timeout=60s")


def test_a_restricted_namespace_admits_it_and_pods_get_their_identity(release: Release) -> None:
    with pods_being_created() as counts:
        time.sleep(1)
    assert counts["mutated"] > 0
    assert (counts["plain"], counts["refused"]) == (0, 0), counts


def test_rolling_upgrades_refuse_no_pod_and_keep_the_ca_bundle(release: Release) -> None:
    bundle = configuration()["webhooks"][0]["clientConfig"]["caBundle"]
    with pods_being_created() as counts:
        release("upgrade", podAnnotations={"example.com/round": "one"})
        release("upgrade", podAnnotations={"example.com/round": "two"})
    assert (counts["plain"], counts["refused"]) == (0, 0), counts
    assert configuration()["webhooks"][0]["clientConfig"]["caBundle"] == bundle


def test_after_a_rotation_upgrades_conflict_with_nothing(release: Release) -> None:
    before = configuration()["webhooks"][0]["clientConfig"]["caBundle"]
    empty = '[{"op": "remove", "path": "/data"}]'
    secret = ("secret", contract.WEBHOOK_SECRET)
    kubectl("-n", chart.NAMESPACE, "patch", *secret, "--type=json", "-p", empty)
    after = eventually(
        "another CA",
        lambda: {configuration()["webhooks"][0]["clientConfig"]["caBundle"]} - {before},
    )
    annotations = {"example.com/owner": "platform"}
    for ways in (["pod", "namespace"], ["pod", "namespace", "serviceaccount"]):
        release("upgrade", optIn=ways, mutatingWebhookAnnotations=annotations)
    found = configuration()
    assert found["metadata"]["annotations"].items() >= annotations.items()
    assert len(found["webhooks"]) == 3
    eventually(
        "the CA in every entry",
        lambda: (
            {item["clientConfig"].get("caBundle") for item in configuration()["webhooks"]} == after
        ),
    )


def test_an_uninstall_refuses_no_pod_and_leaves_nothing(release: Release) -> None:
    with pods_being_created() as counts:
        release("uninstall")
    assert counts["plain"] > 0  # some were asked for afterwards
    assert counts["refused"] == 0, counts
    kinds = "mutatingwebhookconfiguration,clusterrole,clusterrolebinding"
    assert "azwi" not in kubectl("get", kinds, "-o", "name")


def test_the_plain_manifest_is_applied_and_deleted_under_load(
    kubernetes: dict[str, Path],
) -> None:
    cluster.import_images("azwi-webhook")
    text = PLAIN.read_text()
    for name, value in (
        ("AZURE_TENANT_ID", "72f988bf-0000-4000-8000-2d7cd011db47"),
        ("AZWI_IMAGES", "localhost"),
        ("AZWI_TAG", "latest"),
    ):
        text = text.replace(f"${{{name}}}", value)
    configuration_file = str(CONFIGURATION)
    try:
        kubectl("apply", "-f", "-", text=text)
        rollout = ("rollout", "status", "deployment/azwi-sidecar-webhook", "--timeout=60s")
        kubectl("-n", chart.NAMESPACE, *rollout)
        kubectl("apply", "-f", configuration_file)
        eventually("its CA", lambda: configuration()["webhooks"][0]["clientConfig"].get("caBundle"))
        with pods_being_created() as counts:
            kubectl("apply", "-f", "-", text=text)
            kubectl("apply", "-f", configuration_file)
            kubectl("delete", "-f", configuration_file, "--timeout=60s")
            kubectl("delete", "-f", "-", "--timeout=60s", text=text)
        assert counts["mutated"] > 0
        assert counts["refused"] == 0, counts
    finally:
        gone = ("--ignore-not-found", "--timeout=60s")
        kubectl("delete", "-f", configuration_file, *gone)
        kubectl("delete", "-f", "-", *gone, text=text)


def test_a_namespace_that_is_deleted_takes_the_configuration_along(
    kubernetes: dict[str, Path],
) -> None:
    cluster.import_images("azwi-webhook")
    text = PLAIN.read_text().replace("${AZURE_TENANT_ID}", VALUES["azureTenantID"])
    text = text.replace("${AZWI_IMAGES}", "localhost").replace("${AZWI_TAG}", "latest")
    try:
        kubectl("apply", "-f", "-", text=text)
        rollout = ("rollout", "status", "deployment/azwi-sidecar-webhook", "--timeout=60s")
        kubectl("-n", chart.NAMESPACE, *rollout)
        kubectl("apply", "-f", str(CONFIGURATION))
        eventually("an owner", lambda: configuration()["metadata"].get("ownerReferences"))
        kubectl("delete", "namespace", chart.NAMESPACE, "--timeout=60s")
        names = ("get", "mutatingwebhookconfiguration", "-o", "name")
        eventually("no configuration", lambda: "azwi" not in kubectl(*names))
    finally:
        gone = ("--ignore-not-found", "--timeout=60s")
        kubectl("delete", "-f", str(CONFIGURATION), *gone)
        kubectl("delete", "-f", "-", *gone, text=text)

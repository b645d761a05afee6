"""What the webhook's pods are and may do."""

from pathlib import Path
from typing import Any

import pytest

from azwi_common import contract
from azwi_common.settings import load
from azwi_testing import chart
from azwi_webhook.settings import Settings

pytestmark = pytest.mark.helm


def test_it_may_do_what_it_needs_and_nothing_else(helm4: Path) -> None:
    objects = chart.rendered(helm4, {})
    assert chart.one(objects, "ClusterRole")["rules"] == [
        {
            "apiGroups": [""],
            "resources": ["serviceaccounts", "namespaces"],
            "verbs": ["get", "list", "watch"],
        },
        {
            "apiGroups": ["admissionregistration.k8s.io"],
            "resources": ["mutatingwebhookconfigurations"],
            "resourceNames": [contract.WEBHOOK_CONFIGURATION],
            "verbs": ["get", "list", "watch", "patch"],
        },
    ]
    role = chart.one(objects, "Role")
    assert role["metadata"]["namespace"] == chart.NAMESPACE
    assert role["rules"] == [
        {
            "apiGroups": [""],
            "resources": ["secrets"],
            "resourceNames": [contract.WEBHOOK_SECRET],
            "verbs": ["get", "list", "watch", "update"],
        }
    ]
    for kind in ("ClusterRoleBinding", "RoleBinding"):
        (subject,) = chart.one(objects, kind)["subjects"]
        assert subject["name"] == chart.pod_of(objects)["serviceAccountName"]


@pytest.mark.parametrize("name", chart.VALUES)
def test_its_pods_keep_the_restricted_level(helm4: Path, name: str) -> None:
    spec = chart.pod_of(chart.rendered(helm4, chart.VALUES[name]))
    assert spec["securityContext"] == {
        "runAsNonRoot": True,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    (container,) = spec["containers"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "privileged": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert not {"hostNetwork", "hostPID", "hostIPC"} & spec.keys()
    for volume in spec.get("volumes", ()):
        assert set(volume) - {"name"} <= {"secret", "configMap", "emptyDir", "projected"}


def test_replicas_are_two_spread_and_replaced_one_by_one(helm4: Path) -> None:
    objects = chart.rendered(helm4, {})
    deployment = chart.one(objects, "Deployment")["spec"]
    assert deployment["replicas"] == 2
    assert deployment["strategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}
    labels = deployment["selector"]["matchLabels"]
    constraints = deployment["template"]["spec"]["topologySpreadConstraints"]
    assert [item["topologyKey"] for item in constraints] == [
        "kubernetes.io/hostname",
        "topology.kubernetes.io/zone",
    ]
    for constraint in constraints:
        assert constraint["labelSelector"] == {"matchLabels": labels}
    budget = chart.one(objects, "PodDisruptionBudget")["spec"]
    assert budget == {
        "minAvailable": 1,
        # Replicas that are not ready serve nobody: they must not block the drain of a node.
        "unhealthyPodEvictionPolicy": "AlwaysAllow",
        "selector": {"matchLabels": labels},
    }
    assert chart.one(objects, "Service")["spec"]["selector"] == labels
    assert labels.items() <= deployment["template"]["metadata"]["labels"].items()


def test_a_constraint_keeps_the_selector_that_it_has(helm4: Path) -> None:
    constraint = {
        "topologyKey": "rack",
        "maxSkew": 1,
        "whenUnsatisfiable": "ScheduleAnyway",
        "labelSelector": {"matchLabels": {"of": "others"}},
    }
    found = chart.pod_of(chart.rendered(helm4, {"topologySpreadConstraints": [constraint]}))
    assert found["topologySpreadConstraints"] == [constraint]


def test_a_budget_is_what_was_asked_for_and_never_blocks_every_drain(helm4: Path) -> None:
    asked = chart.rendered(helm4, {"podDisruptionBudget": {"maxUnavailable": 0}})
    spec = chart.one(asked, "PodDisruptionBudget")["spec"]
    assert spec["maxUnavailable"] == 0
    assert "minAvailable" not in spec
    without: list[dict[str, Any]] = [
        {"replicaCount": 1},
        {"podDisruptionBudget": None},
        {"podDisruptionBudget": {"minAvailable": None}},
    ]
    for values in without:
        kinds = [item["kind"] for item in chart.rendered(helm4, values)]
        assert "PodDisruptionBudget" not in kinds


def test_it_has_a_request_for_everything_and_no_cpu_limit(helm4: Path) -> None:
    (container,) = chart.pod_of(chart.rendered(helm4, {}))["containers"]
    assert container["resources"] == {
        "requests": {"cpu": "100m", "memory": "64Mi"},
        "limits": {"memory": "256Mi"},
    }


def test_probes_ask_the_port_that_the_program_listens_on(helm4: Path) -> None:
    objects = chart.rendered(helm4, chart.FULL)
    settings = load(Settings, chart.variables(objects))
    (container,) = chart.pod_of(objects)["containers"]
    ports = {item["name"]: item["containerPort"] for item in container["ports"]}
    assert ports == {
        "webhook": settings.webhook_address[1],
        "health": settings.health_address[1],
        "metrics": settings.metrics_address[1],
    }
    for probe, path in (
        ("startupProbe", "/healthz"),
        ("livenessProbe", "/healthz"),
        ("readinessProbe", "/readyz"),
    ):
        assert container[probe]["httpGet"] == {"path": path, "port": "health"}


def test_monitors_and_the_network_policy_are_there_when_asked_for(helm4: Path) -> None:
    kinds = {item["kind"] for item in chart.rendered(helm4, {})}
    assert not kinds & {"PodMonitor", "ServiceMonitor", "NetworkPolicy", "Namespace"}
    objects = chart.rendered(helm4, chart.FULL)
    assert chart.one(objects, "PodMonitor")["metadata"]["labels"]["release"] == "prometheus"
    (endpoint,) = chart.one(objects, "ServiceMonitor")["spec"]["endpoints"]
    ports = [item["name"] for item in chart.one(objects, "Service")["spec"]["ports"]]
    assert endpoint["port"] in ports
    policy = chart.one(objects, "NetworkPolicy")["spec"]
    assert policy["policyTypes"] == ["Ingress", "Egress"]
    open_to_all, metrics = policy["ingress"]
    assert [item["port"] for item in open_to_all["ports"]] == ["webhook", "health"]
    assert "from" not in open_to_all
    assert metrics["from"] == chart.FULL["networkPolicy"]["metricsFrom"]


def test_a_variable_of_the_users_replaces_the_charts(helm4: Path) -> None:
    """Two of one name are refused by a server-side apply, and are anybody's guess elsewhere."""
    extra = [{"name": "AZWI_LOG_LEVEL", "value": "debug"}, {"name": "POD_NAMESPACE", "value": "a"}]
    (container,) = chart.pod_of(chart.rendered(helm4, {"extraEnv": extra}))["containers"]
    for entry in extra:
        assert [item for item in container["env"] if item["name"] == entry["name"]] == [entry]

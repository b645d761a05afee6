"""When the API server asks the webhook, and what an uninstall begins with."""

import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from azwi_common import contract
from azwi_testing import chart
from azwi_testing.cluster import Object

pytestmark = pytest.mark.helm


def selects(selector: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    """A label selector as Kubernetes reads it."""
    for key, value in selector.get("matchLabels", {}).items():
        if labels.get(key) != value:
            return False
    for rule in selector.get("matchExpressions", ()):
        there = labels.get(rule["key"])
        asked = rule.get("values", ())
        holds = {
            "In": there in asked,
            "NotIn": there not in asked,
            "Exists": there is not None,
            "DoesNotExist": there is None,
        }
        if not holds[rule["operator"]]:
            return False
    return True


def senders(entry: dict[str, Object], use: str, space: str, space_label: str) -> list[str]:
    pod = {contract.USE_LABEL: use} if use else {}
    labels = {"kubernetes.io/metadata.name": space}
    labels |= {contract.NAMESPACE_LABEL: space_label} if space_label else {}
    return [
        name
        for name, item in entry.items()
        if selects(item["objectSelector"], pod) and selects(item["namespaceSelector"], labels)
    ]


WAYS = [
    list(chosen)
    for size in (1, 2, 3)
    for chosen in itertools.combinations(("pod", "namespace", "serviceaccount"), size)
]


@pytest.mark.parametrize("ways", WAYS, ids="+".join)
def test_a_pod_is_sent_once_and_only_where_it_may_have_opted_in(
    helm4: Path, ways: list[str]
) -> None:
    found = chart.entries(chart.rendered(helm4, {"optIn": ways}))
    assert list(found) == ways
    for use, label in itertools.product(("", "true", "false"), ("", "true", "false")):
        expected = []
        if use == "true" and "pod" in ways:
            expected = ["pod"]
        elif use != "false" and label == "true" and "namespace" in ways:
            expected = ["namespace"]
        elif use != "false" and "serviceaccount" in ways:
            expected = ["serviceaccount"]
        assert senders(found, use, "default", label) == expected


@pytest.mark.parametrize("space", [chart.NAMESPACE, "kube-system"])
def test_its_own_pods_and_the_systems_are_never_sent(helm4: Path, space: str) -> None:
    found = chart.entries(chart.rendered(helm4, {"optIn": ["pod", "namespace", "serviceaccount"]}))
    for use, label in itertools.product(("", "true"), ("", "true")):
        assert senders(found, use, space, label) == []


@pytest.mark.parametrize("space", ["kube-public", "kube-node-lease"])
def test_opt_in_by_service_account_looks_into_no_kube_namespace(helm4: Path, space: str) -> None:
    found = chart.entries(chart.rendered(helm4, {"optIn": ["serviceaccount"]}))
    assert senders(found, "", space, "") == []


def test_only_the_entry_that_sees_every_pod_lets_them_pass_when_nobody_answers(
    helm4: Path,
) -> None:
    found = chart.entries(chart.rendered(helm4, {"optIn": ["pod", "namespace", "serviceaccount"]}))
    policies = {name: item["failurePolicy"] for name, item in found.items()}
    assert policies == {"pod": "Fail", "namespace": "Fail", "serviceaccount": "Ignore"}


def test_every_entry_asks_for_new_pods_by_the_names_that_the_program_has(helm4: Path) -> None:
    objects = chart.rendered(helm4, {"optIn": ["pod", "namespace", "serviceaccount"]})
    configuration = chart.one(objects, "MutatingWebhookConfiguration")
    assert configuration["metadata"]["name"] == contract.WEBHOOK_CONFIGURATION
    for entry in configuration["webhooks"]:
        assert entry["rules"] == [
            {
                "apiGroups": [""],
                "apiVersions": ["v1"],
                "operations": ["CREATE"],
                "resources": ["pods"],
                "scope": "Namespaced",
            }
        ]
        assert entry["clientConfig"] == {
            "service": {
                "name": contract.WEBHOOK_SERVICE,
                "namespace": contract.WEBHOOK_NAMESPACE,
                "path": contract.MUTATE_PATH,
                "port": 443,
            }
        }
        assert entry["reinvocationPolicy"] == "IfNeeded"
        assert entry["matchPolicy"] == "Equivalent"
        assert entry["sideEffects"] == "None"
        assert entry["admissionReviewVersions"] == ["v1", "v1beta1"]
        assert entry["timeoutSeconds"] == 10
        assert len(entry["name"].split(".")) >= 3  # Kubernetes insists


def test_aks_leaves_the_selectors_as_they_are_applied(helm4: Path) -> None:
    """Else its admissions enforcer owns them, and the next server-side apply is a conflict."""
    enforcer = "admissions.enforcer/disabled"
    for given, expected in (({}, {enforcer: "true"}), ({enforcer: None}, {})):
        objects = chart.rendered(helm4, {"mutatingWebhookAnnotations": given})
        metadata = chart.one(objects, "MutatingWebhookConfiguration")["metadata"]
        assert metadata.get("annotations", {}) == expected


def test_policy_timeout_and_selectors_are_values(helm4: Path) -> None:
    found = chart.entries(chart.rendered(helm4, chart.FULL))
    assert found["pod"]["failurePolicy"] == found["namespace"]["failurePolicy"] == "Ignore"
    for entry in found.values():
        assert entry["timeoutSeconds"] == 5
        assert entry["namespaceSelector"]["matchLabels"]["team"] == "a"
        assert {"key": "sandbox", "operator": "DoesNotExist"} in entry["namespaceSelector"][
            "matchExpressions"
        ]
        assert {"key": "skip", "operator": "NotIn", "values": ["yes"]} in entry["objectSelector"][
            "matchExpressions"
        ]
        assert not selects(
            entry["namespaceSelector"], {"kubernetes.io/metadata.name": chart.NAMESPACE}
        )


def test_an_uninstall_begins_with_the_webhook_configuration(helm: Path) -> None:
    done = chart.template(helm, {"removeFirst": True})
    hooks = [
        item
        for item in yaml.safe_load_all(done.stdout)
        if "helm.sh/hook" in item["metadata"].get("annotations", {})
    ]
    (hook,) = hooks
    assert (hook["kind"], hook["metadata"]["name"]) == (
        "MutatingWebhookConfiguration",
        contract.WEBHOOK_CONFIGURATION,
    )
    assert hook["webhooks"] == []
    annotations = hook["metadata"]["annotations"]
    assert annotations["helm.sh/hook"] == "pre-delete"
    assert annotations["helm.sh/hook-delete-policy"] == "before-hook-creation,hook-succeeded"


@pytest.mark.parametrize("value", ["auto", "false", False])
def test_what_others_apply_has_one_configuration_only(helm: Path, value: object) -> None:
    objects = chart.rendered(helm, {"removeFirst": value})
    assert len(chart.one(objects, "MutatingWebhookConfiguration")["webhooks"]) == 1

"""Webhook configurations: whose they are, whom they see, until when they are trusted."""

import time
from typing import Any

import pytest

from azwi_cli.doctor import webhooks
from azwi_commands import patients


def test_ours_and_the_go_references_are_told_apart() -> None:
    ours, gos = patients.configuration(), patients.gos_configuration()
    assert (webhooks.is_ours(ours), webhooks.is_gos(ours)) == (True, False)
    assert (webhooks.is_ours(gos), webhooks.is_gos(gos)) == (False, True)
    assert not webhooks.is_ours({"webhooks": [{"name": "other"}]})


@pytest.mark.parametrize(
    ("selector", "matches"),
    [
        ({}, True),
        ({"matchLabels": {"a": "1"}}, True),
        ({"matchLabels": {"a": "2"}}, False),
        ({"matchExpressions": [{"key": "a", "operator": "In", "values": ["1"]}]}, True),
        ({"matchExpressions": [{"key": "b", "operator": "In", "values": ["1"]}]}, False),
        ({"matchExpressions": [{"key": "a", "operator": "NotIn", "values": ["1"]}]}, False),
        ({"matchExpressions": [{"key": "b", "operator": "NotIn", "values": ["1"]}]}, True),
        ({"matchExpressions": [{"key": "a", "operator": "Exists"}]}, True),
        ({"matchExpressions": [{"key": "b", "operator": "Exists"}]}, False),
        ({"matchExpressions": [{"key": "b", "operator": "DoesNotExist"}]}, True),
        ({"matchExpressions": [{"key": "a", "operator": "DoesNotExist"}]}, False),
    ],
)
def test_a_selector_matches_as_kubernetes_matches(selector: Any, matches: bool) -> None:
    assert webhooks.matches(selector, {"a": "1"}) is matches


def test_a_bundle_ends_with_its_last_certificate() -> None:
    ends = webhooks.certificates_end(patients.bundle(10))
    assert ends
    assert abs(ends - time.time() - 10 * 86400) < 60
    assert webhooks.certificates_end("bm8=") is None
    assert webhooks.certificates_end("?") is None


def test_an_entry_that_sees_every_pod_may_be_ignored_and_a_webhook_is_told_of_once() -> None:
    found = patients.configuration()
    (entry,) = found["webhooks"]
    name = "serviceaccount.azwi-sidecar.webhook"
    found["webhooks"].append({**entry, "name": name, "failurePolicy": "Ignore"})
    told = [*webhooks.checks(patients.around(configurations=(found,)))]
    assert [item.name for item in told] == ["webhook", "webhook-ready"]


def test_a_remedy_names_the_deployment_behind_the_service() -> None:
    found = patients.deployment(ready=0)
    found["metadata"]["name"] = "azure-wi-webhook-controller-manager"
    around = patients.around(deployments={patients.GO_SERVICE: found})
    *_, told = webhooks.checks(around)
    place = "azure-workload-identity-system deployment/azure-wi-webhook-controller-manager"
    assert told.remedy == f"kubectl logs -n {place} says why."

"""Requests and limits of the injected containers."""

from decimal import Decimal
from typing import Any

import pytest

from azwi_common import sidecar
from azwi_common.settings import load
from azwi_webhook import resources
from azwi_webhook.settings import Settings

DEFAULTS = sidecar.PROXY_RESOURCES


@pytest.mark.parametrize(
    ("quantity", "amount"),
    [
        ("100m", "0.1"),
        ("0.1", "0.1"),
        (".5", "0.5"),
        ("1", "1"),
        (2, "2"),
        ("1e3", "1000"),
        ("1E", "1000000000000000000"),
        ("1k", "1000"),
        ("1Ki", "1024"),
        ("1.5Gi", "1610612736"),
        ("5u", "0.000005"),
        ("0", "0"),
    ],
)
def test_a_quantity_is_a_number(quantity: Any, amount: str) -> None:
    assert resources.amount(quantity) == Decimal(amount)


def test_suffixes_are_powers_of_1000_or_1024() -> None:
    for power, suffix in enumerate("num", -3):
        assert resources.amount(f"1{suffix}") == Decimal(1000) ** power
    for power, suffix in enumerate("kMGTPE", 1):
        assert resources.amount(f"1{suffix}") == Decimal(1000) ** power
        assert resources.amount(f"1{suffix.upper()}i") == Decimal(1024) ** power


@pytest.mark.parametrize("text", ["", "-1", "1 Gi", "1mi", "half", "1e999", "9" * 40, None, "١"])
def test_what_is_no_quantity_is_none(text: Any) -> None:
    assert resources.amount(text) is None


def test_a_quantity_keeps_its_spelling() -> None:
    assert resources.Quantity.from_text("0.10") == "0.10"
    with pytest.raises(ValueError, match="must be a quantity such as 100m or 48Mi; it is 'lots'"):
        resources.Quantity.from_text("lots")


def container(requests: Any = None, limits: Any = None) -> dict[str, Any]:
    return {"resources": {"requests": requests, "limits": limits}}


@pytest.mark.parametrize(
    ("containers", "guaranteed"),
    [
        ([container({"cpu": "1", "memory": "1Gi"}, {"cpu": "1000m", "memory": "1024Mi"})], True),
        ([container(None, {"cpu": "1", "memory": "1Gi"})], True),
        ([container({"cpu": "1"}, {"cpu": "1"})], False),
        ([container({"cpu": "1", "memory": "1Gi"}, {"cpu": "2", "memory": "1Gi"})], False),
        ([container({"cpu": "1", "memory": "1Gi"})], False),
        ([container(None, {"cpu": "0", "memory": "0"})], False),
        ([container(None, {"cpu": "1", "memory": "1Gi"}), {}], False),
        ([{"resources": None}], False),
        ([], False),
    ],
)
def test_a_pod_is_guaranteed_when_each_containers_requests_are_its_limits(
    containers: list[Any], guaranteed: bool
) -> None:
    assert resources.is_guaranteed(containers) is guaranteed


def decided(wishes: dict[tuple[str, str], str], **more: Any) -> dict[str, dict[str, str]]:
    return resources.decide(DEFAULTS, wishes, **{"guaranteed": False, **more})


def test_without_wishes_the_defaults_are_taken() -> None:
    assert decided({}) == DEFAULTS


def test_a_wish_replaces_its_default_alone() -> None:
    assert decided({("cpu", "limits"): "1"}) == {
        "requests": {"cpu": "10m", "memory": "48Mi"},
        "limits": {"cpu": "1", "memory": "96Mi"},
    }


@pytest.mark.parametrize(
    ("bound", "quantity"), [("requests", "1Gi"), ("limits", "32Mi"), ("limits", "0.03Gi")]
)
def test_a_wish_moves_the_default_that_contradicts_it(bound: str, quantity: str) -> None:
    found = decided({("memory", bound): quantity})
    assert found["requests"]["memory"] == found["limits"]["memory"] == quantity


@pytest.mark.parametrize(
    ("wishes", "cpu", "memory"),
    [
        ({}, "100m", "96Mi"),
        ({("cpu", "requests"): "50m"}, "50m", "96Mi"),
        ({("cpu", "limits"): "1", ("cpu", "requests"): "50m"}, "1", "96Mi"),
        ({("memory", "limits"): "64Mi"}, "100m", "64Mi"),
    ],
)
def test_in_a_guaranteed_pod_requests_are_limits(wishes: Any, cpu: str, memory: str) -> None:
    found = decided(wishes, guaranteed=True)
    assert found["requests"] == found["limits"] == {"cpu": cpu, "memory": memory}
    assert resources.is_guaranteed([{"resources": found}])


def test_a_pod_stays_guaranteed_where_settings_say_little() -> None:
    found = resources.decide({}, {}, guaranteed=True)
    assert resources.is_guaranteed([{"resources": found}])


def test_what_the_pod_has_as_a_whole_is_shared() -> None:
    shared = resources.of_pod({"resources": {"limits": {"memory": "1Gi"}}})
    assert decided({}, shared=shared) == {"requests": {"cpu": "10m"}, "limits": {}}
    assert decided({("memory", "limits"): "1Gi"}, shared=shared)["limits"] == {"memory": "1Gi"}


def test_other_resources_of_the_settings_are_kept() -> None:
    storage = {"requests": {"ephemeral-storage": "1Mi"}, "limits": {"ephemeral-storage": "2Mi"}}
    found = resources.decide({**storage}, {}, guaranteed=False)
    assert found == storage


def test_the_settings_defaults_are_those_of_the_manifest() -> None:
    settings = load(Settings, {"AZURE_TENANT_ID": "contoso.com"})
    assert settings.proxy_resources.value == sidecar.PROXY_RESOURCES
    assert settings.proxy_init_resources.value == sidecar.INIT_RESOURCES


def test_more_requested_than_allowed_is_a_contradiction_of_the_pods_own() -> None:
    wishes = {("memory", "requests"): "1Gi", ("memory", "limits"): "512Mi"}
    assert resources.contradicts(wishes, "memory")
    assert not resources.contradicts({("memory", "requests"): "1Gi"}, "memory")


@pytest.mark.parametrize(
    ("containers", "limited"),
    [
        ([container(None, {"cpu": "1"}), container(None, {"cpu": "200m", "memory": "1Gi"})], True),
        ([container(None, {"cpu": "1"}), container({"cpu": "1"}, {"memory": "1Gi"})], False),
        ([container(None, {"cpu": "0"})], False),
        ([], False),
    ],
)
def test_a_pod_is_cpu_limited_where_each_container_is(
    containers: list[dict[str, Any]], limited: bool
) -> None:
    assert resources.is_cpu_limited(containers) is limited


@pytest.mark.parametrize(
    ("wishes", "limit"),
    [
        ({}, "500m"),
        ({("cpu", "limits"): "1"}, "1"),
        ({("cpu", "requests"): "2"}, "2"),
    ],
)
def test_in_a_cpu_limited_pod_the_sidecar_has_a_cpu_limit(
    wishes: resources.Wishes, limit: str
) -> None:
    found = resources.decide(DEFAULTS, wishes, guaranteed=False, cpu_limited=True)
    assert found["limits"] == {"memory": "96Mi", "cpu": limit}

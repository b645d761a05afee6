"""What is read of a pod, however little of it is there."""

import dataclasses

import pytest

from azwi_cli.doctor import facts
from azwi_commands import patients
from azwi_common import contract


def test_a_healthy_pod_takes_part_by_its_label_and_by_what_it_has() -> None:
    healthy = patients.facts()
    assert healthy.takes_part
    assert healthy.wants_sidecar
    assert healthy.has_sidecar
    assert healthy.was_given
    assert healthy.subject == "system:serviceaccount:shop:app"
    unlabelled = patients.pod()
    unlabelled["metadata"]["labels"] = {}
    assert dataclasses.replace(healthy, pod=unlabelled).takes_part


def test_a_pod_with_nothing_in_it_is_no_crash() -> None:
    for pod in ({}, {"metadata": None, "spec": None}, {"spec": {"containers": None}}):
        bare = patients.facts(pod=pod)
        assert not bare.takes_part
        assert list(bare.containers()) == []
        assert bare.account_name == "default"


def test_variables_from_elsewhere_have_no_value() -> None:
    container = {"env": [{"name": "A", "value": "1"}, {"name": "B", "valueFrom": {}}, "nonsense"]}
    assert facts.variables(container) == {"A": "1", "B": None}


def test_a_variable_without_a_value_is_empty_and_of_two_the_last_counts() -> None:
    container = {"env": [{"name": "A"}, {"name": "B", "value": "1"}, {"name": "B", "value": "2"}]}
    assert facts.variables(container) == {"A": "", "B": "2"}


@pytest.mark.parametrize(
    ("mode", "of_webhook", "told"),
    [
        (None, "", False),
        (None, "environment", True),
        ("redirect", "environment", False),
        ("environment", "", True),
        (" environment ", "redirect", True),
        ("nonsense", "environment", False),
    ],
)
def test_a_template_has_the_mode_that_it_or_the_webhook_says(
    mode: str | None, of_webhook: str, told: bool
) -> None:
    pod = patients.raw_pod({"proxy-mode": mode} if mode else {})
    deployments = {patients.SERVICE: patients.deployment(mode=of_webhook)}
    around = patients.around(deployments=deployments)
    assert patients.facts(pod=pod, is_live=False, around=around).is_told is told


def test_a_pod_keeps_the_mode_that_it_was_made_with() -> None:
    other = {patients.SERVICE: patients.deployment(mode="environment")}
    assert not patients.facts(around=patients.around(deployments=other)).is_told
    told = patients.told_pod()
    assert patients.facts(pod=told).is_told
    del told["metadata"]["annotations"][contract.MODE_ANNOTATION]
    assert patients.facts(pod=told).is_told


def test_a_part_that_is_no_object_is_an_empty_one() -> None:
    assert facts.part({"a": {"b": [1]}}, "a", "b") == {}
    assert facts.part(None, "a") == {}


def test_the_last_exchange_of_each_client_and_scope_is_kept() -> None:
    lines = [
        '{"msg": "token exchange", "client": "a", "scope": "s", "reason": "timeout"}',
        '{"msg": "token exchange", "client": "a", "scope": "s", "reason": "ok"}',
        '{"msg": "token exchange", "client": "b", "scope": "s", "reason": "timeout"}',
        '{"msg": "listening"}',
        "no JSON",
    ]
    found = patients.facts(log="\n".join(lines)).exchanges
    assert {key: entry["reason"] for key, entry in found.items()} == {
        ("a", "s"): "ok",
        ("b", "s"): "timeout",
    }

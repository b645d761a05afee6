"""What is read of a pod, however little of it is there."""

import dataclasses

from azwi_cli.doctor import facts
from azwi_commands import patients


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


def test_a_part_that_is_no_object_is_an_empty_one() -> None:
    assert facts.part({"a": {"b": [1]}}, "a", "b") == {}
    assert facts.part(None, "a") == {}

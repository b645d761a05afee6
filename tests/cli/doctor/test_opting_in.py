"""The label: what is wrong with it is named."""

from typing import Any

import pytest

from azwi_cli.doctor import opting_in
from azwi_commands import patients
from azwi_common import contract


def said(labels: dict[str, Any]) -> str:
    pod = patients.raw_pod()
    pod["metadata"]["labels"] = labels
    return next(opting_in.checks(patients.facts(pod=pod))).says


@pytest.mark.parametrize(
    ("labels", "says"),
    [
        ({}, "The pod has no label azure.workload.identity/use."),
        ({contract.USE_LABEL: "yes"}, "'yes', not \"true\""),
        ({contract.USE_LABEL: True}, "is true without quotes: Kubernetes refuses it."),
        (
            {"azure.workload.identity/Use": "true"},
            "The pod has the label azure.workload.identity/Use",
        ),
        ({"app": "shop"}, "The pod has no label"),
    ],
)
def test_a_wrong_label_is_named(labels: dict[str, Any], says: str) -> None:
    assert says in said(labels)


def test_a_pod_that_its_namespace_opts_in_needs_no_label() -> None:
    pod = patients.pod()
    pod["metadata"]["labels"] = {}
    (check,) = opting_in.checks(patients.facts(pod=pod))
    assert (check.status, "opts in" in check.says) == ("pass", True)

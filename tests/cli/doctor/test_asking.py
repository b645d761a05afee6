"""The webhook's own decision is asked, for running pods and for templates."""

import pytest

from azwi_cli.doctor import asking
from azwi_cli.doctor.facts import Unread
from azwi_commands import patients
from azwi_common import contract


def statuses(**given: object) -> list[str]:
    return [f"{item.status} {item.says}" for item in asking.checks(patients.facts(**given))]


def test_a_template_that_would_be_refused_is_told_in_the_webhooks_words() -> None:
    pod = patients.raw_pod(hostNetwork=True)
    (line,) = statuses(pod=pod, is_live=False)
    assert line.startswith("fail The sidecar would redirect the node's own metadata requests")


def test_the_labels_of_the_namespace_count() -> None:
    around = patients.around(labels={contract.POD_SECURITY_LABEL: "restricted"})
    (line,) = statuses(pod=patients.raw_pod(), is_live=False, around=around)
    assert "forbids" in line


def test_settings_that_only_the_webhook_knows_are_taken_for_good() -> None:
    assert statuses(pod=patients.raw_pod()) == ["pass The webhook has nothing against the pod."]
    assert statuses() == ["pass The webhook has nothing against the pod."]


def test_an_image_that_the_pod_has_is_nobody_elses() -> None:
    pod = patients.pod()
    pod["spec"]["initContainers"][1]["image"] = "other.example/azwi-proxy:9"
    assert statuses(pod=pod) == ["pass The webhook has nothing against the pod."]


def test_a_pod_without_the_label_is_not_asked_about() -> None:
    pod = patients.pod()
    pod["metadata"]["labels"] = {}
    assert statuses(pod=pod) == []


@pytest.mark.parametrize("says", [{}, {"proxy-mode": "redirect"}])
def test_where_the_webhooks_mode_is_not_known_a_redirect_is_refused_for_sure_if_it_is_asked_for(
    says: dict[str, str],
) -> None:
    labels = {contract.POD_SECURITY_LABEL: "restricted"}
    unread = {patients.SERVICE: Unread("no right.")}
    around = patients.around(labels=labels, deployments=unread)
    (line,) = statuses(pod=patients.raw_pod(says), is_live=False, around=around)
    assert line.startswith("fail" if says else "warn")

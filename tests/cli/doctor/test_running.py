"""Status and events, in their own words where they help."""

from typing import Any

import pytest

from azwi_cli.checks import Check
from azwi_cli.doctor import running
from azwi_cli.doctor.facts import Unread
from azwi_commands import patients

INITIALIZING = {"state": {"waiting": {"reason": "PodInitializing"}}}


def of(phase: str, init: dict[str, Any], proxy: dict[str, Any], **status: Any) -> list[Check]:
    """What is said of a pod whose two containers of ours are so."""
    pod = patients.pod()
    pod["status"] = {
        "phase": phase,
        "initContainerStatuses": [
            {"name": "azwi-proxy-init", **init},
            {"name": "azwi-proxy", **proxy},
        ],
        **status,
    }
    return list(running.checks(patients.facts(pod=pod)))


def test_a_denial_is_told_with_the_webhooks_own_sentence() -> None:
    message = (
        'Error creating: admission webhook "pod.azwi-sidecar.webhook" denied the request: Port 8000'
        " is taken: choose another."
    )
    (found,) = running.checks(
        patients.facts(is_live=False, events=({"message": message, "reason": "FailedCreate"},))
    )
    assert found.remedy == "Port 8000 is taken: choose another."


def test_the_same_event_is_told_once() -> None:
    event = {"message": 'failed calling webhook "w": timeout', "reason": "FailedCreate"}
    found = running.checks(patients.facts(is_live=False, events=(event, dict(event))))
    assert len(list(found)) == 1


def test_events_of_others_are_none_of_our_business() -> None:
    events = ({"reason": "BackOff", "message": "Back-off restarting failed container app"},)
    assert list(running.checks(patients.facts(is_live=False, events=events))) == []


def test_a_pod_without_a_status_waits() -> None:
    pod = patients.pod()
    del pod["status"]
    (found,) = running.checks(patients.facts(pod=pod))
    assert (found.name, found.status) == ("sidecar-running", "warn")


def test_the_message_of_the_init_container_is_shown_on_one_line() -> None:
    pod = patients.pod()
    pod["status"]["initContainerStatuses"][0]["state"] = {
        "terminated": {"exitCode": 3, "message": "nft: no\npermission.\n"}
    }
    found = next(iter(running.checks(patients.facts(pod=pod))))
    assert found.says == "azwi-proxy-init failed with exit code 3: nft: no permission."


def test_a_pod_that_ended_since_the_redirect_failed_says_why() -> None:
    failed = {"state": {"terminated": {"exitCode": 1, "message": "nft: no permission"}}}
    (found,) = of("Failed", failed, INITIALIZING)
    assert found.says == "azwi-proxy-init failed with exit code 1: nft: no permission."
    assert found.remedy.startswith("kubectl logs -n shop app-1 -c azwi-proxy-init has the reason")


@pytest.mark.parametrize("phase", ["Succeeded", "Failed"])
def test_a_pod_that_ended_with_its_sidecar_is_none_to_mend(phase: str) -> None:
    well = {"state": {"terminated": {"exitCode": 0}}}
    stopped = {"state": {"terminated": {"exitCode": 137, "reason": "Error"}}}
    (found,) = of(phase, well, stopped)
    assert (found.status, found.says) == (
        "pass",
        f"The pod has ended ({phase}), and its sidecar with it.",
    )


def test_a_pod_that_was_evicted_is_none_to_mend() -> None:
    (found,) = of("Failed", {}, {}, initContainerStatuses=None, reason="Evicted")
    assert found.status == "pass"


def test_a_pod_without_a_node_says_what_it_waits_for() -> None:
    placed = {"type": "PodScheduled", "status": "False", "message": "0/3 nodes: memory"}
    (found,) = of("Pending", {}, {}, initContainerStatuses=None, conditions=[placed])
    assert (found.name, found.status) == ("scheduled", "warn")
    assert found.says == "The pod has no node yet: 0/3 nodes: memory."
    assert "kubectl describe pod -n shop app-1" in found.remedy


@pytest.mark.parametrize("name", ["azwi-proxy-init", "azwi-proxy"])
def test_a_container_that_cannot_be_created_is_not_waited_for(name: str) -> None:
    message = 'configmap "x" not found'
    stuck = {"state": {"waiting": {"reason": "CreateContainerConfigError", "message": message}}}
    well = {"ready": True, "state": {"terminated": {"exitCode": 0}}}
    (found,) = of("Pending", *((stuck, INITIALIZING) if name.endswith("init") else (well, stuck)))
    assert (found.status, found.says) == ("fail", f"{name} does not start: {message}.")


def test_a_proxy_that_was_killed_and_runs_again_is_a_warning() -> None:
    well = {"ready": True, "state": {"terminated": {"exitCode": 0}}}
    killed = {"exitCode": 137, "reason": "OOMKilled"}
    again = {"ready": True, "state": {"running": {}}, "lastState": {"terminated": killed}}
    (found,) = of("Running", well, again)
    assert (found.name, found.status) == ("memory", "warn")
    assert found.remedy.endswith("azure.workload.identity/proxy-memory-limit.")


@pytest.mark.parametrize("restarted", [True, False])
def test_the_log_of_the_container_that_ended_is_the_one_to_read(restarted: bool) -> None:
    well = {"ready": True, "state": {"terminated": {"exitCode": 0}}}
    ended = {"terminated": {"exitCode": 2}}
    waits = {"waiting": {"reason": "CrashLoopBackOff"}}
    crash = {"state": waits, "lastState": ended} if restarted else {"state": ended}
    (found,) = of("Pending", well, crash)
    previous = " --previous" if restarted else ""
    log = f"kubectl logs -n shop app-1 -c azwi-proxy{previous} has the reason."
    assert (found.name, found.remedy) == ("proxy-running", log)


def test_events_that_may_not_be_read_are_a_warning() -> None:
    (*_, found) = running.checks(patients.facts(events=Unread("no right.")))
    assert (found.name, found.status) == ("events", "warn")

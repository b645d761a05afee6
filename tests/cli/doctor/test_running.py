"""Status and events, in their own words where they help."""

from azwi_cli.doctor import running
from azwi_commands import patients


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
    found = list(running.checks(patients.facts(pod=pod)))
    assert [(item.name, item.status) for item in found] == [("sidecar-running", "warn")] * 2


def test_the_message_of_the_init_container_is_shown_on_one_line() -> None:
    pod = patients.pod()
    pod["status"]["initContainerStatuses"][0]["state"] = {
        "terminated": {"exitCode": 3, "message": "nft: no\npermission.\n"}
    }
    found = next(iter(running.checks(patients.facts(pod=pod))))
    assert found.says == "azwi-proxy-init failed with exit code 3: nft: no permission."

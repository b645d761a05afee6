"""Whether a change has reached the pods, and whether these get tokens."""

import json

import pytest

from azwi_cli.podidentity import rollout
from azwi_testing.podidentity import Object, deployment, pod

RESOURCE = "https://management.azure.com/"


def live(wanted: int | None = 2, generation: int = 2, **status: object) -> Object:
    spec = {} if wanted is None else {"replicas": wanted}
    return {"metadata": {"generation": generation}, "spec": spec, "status": status}


def counts(replicas: int, updated: int, available: int, observed: int = 2) -> Object:
    return {
        "observedGeneration": observed,
        "replicas": replicas,
        "updatedReplicas": updated,
        "availableReplicas": available,
        "readyReplicas": available,
    }


@pytest.mark.parametrize(
    ("kind", "thing", "done"),
    [
        ("Deployment", live(**counts(2, 2, 2)), True),
        ("Deployment", live(**counts(2, 2, 2, observed=1)), False),
        ("Deployment", live(**counts(3, 2, 2)), False),
        ("Deployment", live(**counts(2, 1, 2)), False),
        ("Deployment", live(**counts(2, 2, 1)), False),
        ("Deployment", live(0, observedGeneration=2), True),
        ("Deployment", live(None, **counts(1, 1, 1)), True),
        (
            "StatefulSet",
            live(**counts(2, 2, 2), currentRevision="a", updateRevision="b"),
            False,
        ),
        ("StatefulSet", live(**counts(2, 2, 2), currentRevision="b", updateRevision="b"), True),
        ("StatefulSet", live(**counts(2, 0, 1), currentRevision="b", updateRevision="b"), False),
        ("DaemonSet", live(observedGeneration=2, desiredNumberScheduled=0), True),
        (
            "DaemonSet",
            live(observedGeneration=2, desiredNumberScheduled=2, updatedNumberScheduled=2,
                 numberAvailable=1),
            False,
        ),
        ("CronJob", {}, True),
    ],
)  # fmt: skip
def test_a_rollout_ends_when_every_pod_is_new_and_available(
    kind: str, thing: Object, done: bool
) -> None:
    assert rollout.is_complete(kind, thing) is done


def test_a_selector_is_spelled_for_a_query() -> None:
    expressions = [
        {"key": "a", "operator": "In", "values": ["x", "y"]},
        {"key": "b", "operator": "NotIn", "values": ["z"]},
        {"key": "c", "operator": "Exists"},
        {"key": "d", "operator": "DoesNotExist"},
    ]
    chosen = {"matchLabels": {"app": "cart"}, "matchExpressions": expressions}
    spelled = "app=cart,a in (x,y),b notin (z),c,!d"
    assert rollout.selector({"spec": {"selector": chosen}}) == spelled
    assert rollout.selector({"spec": {}}) == ""


def test_a_deployment_that_gave_up_says_why() -> None:
    condition = {"reason": "ProgressDeadlineExceeded", "message": "it timed out"}
    assert rollout.failed({"status": {"conditions": [condition]}}) == "it timed out"
    assert rollout.failed(deployment("x")) == ""


def test_that_it_gave_up_before_the_change_says_nothing_of_the_change() -> None:
    stale = {"conditions": [{"reason": "ProgressDeadlineExceeded"}], "observedGeneration": 1}
    assert rollout.failed({"metadata": {"generation": 2}, "status": stale}) == ""


def newer(name: str, created: str, **metadata: object) -> Object:
    made = pod(name)
    made["metadata"] |= {"creationTimestamp": created, **metadata}
    made["metadata"]["labels"]["azure.workload.identity/use"] = "true"
    return made


def test_only_pods_that_take_part_and_stay_are_looked_at_the_newest_first() -> None:
    pods = [
        newer("old", "2026-01-01T00:00:00Z"),
        newer("new", "2026-01-02T00:00:00Z"),
        newer("going", "2026-01-03T00:00:00Z", deletionTimestamp="2026-01-03T00:00:01Z"),
        {**newer("over", "2026-01-03T00:00:00Z"), "status": {"phase": "Succeeded"}},
        pod("plain"),
    ]
    assert [item["metadata"]["name"] for item in rollout.running(pods)] == ["new", "old"]


def test_a_pod_that_runs_comes_before_a_newer_one_that_is_being_started() -> None:
    starts = {**newer("starts", "2026-01-02T00:00:00Z"), "status": {"phase": "Pending"}}
    pods = [starts, newer("runs", "2026-01-01T00:00:00Z")]
    assert [item["metadata"]["name"] for item in rollout.running(pods)] == ["runs", "starts"]


def test_the_sidecar_is_found_in_both_lists() -> None:
    for name in ("containers", "initContainers"):
        assert rollout.has_sidecar({"spec": {name: [{"name": "azwi-proxy"}]}})
    assert not rollout.has_sidecar(pod("x"))


def test_why_containers_wait_is_told_where_it_says_something() -> None:
    def waits(reason: str) -> Object:
        waiting = {"name": "app", "state": {"waiting": {"reason": reason}}}
        return {"status": {"containerStatuses": [waiting]}}

    assert rollout.waiting([waits("ImagePullBackOff")]) == "container app: ImagePullBackOff"
    assert rollout.waiting([waits("ContainerCreating"), pod("x")]) == ""


def log(*lines: Object | str) -> str:
    return "\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines)


GOT = {"msg": "token in advance", "resource": RESOURCE}
GOT_NONE = {"msg": "no token in advance", "resource": RESOURCE, "description": "AADSTS700213"}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (log("no JSON", "3", GOT), (True, "")),
        (log(GOT_NONE), (False, "AADSTS700213")),
        (log(GOT_NONE, GOT), (True, "")),
        (log({**GOT, "resource": "https://other"}), None),
        ("", None),
    ],
)
def test_the_sidecars_log_proves_the_token(text: str, found: object) -> None:
    assert rollout.proof(text, RESOURCE) == found

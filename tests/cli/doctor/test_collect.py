"""``azwi doctor`` against what stands in for an API server: what is asked, and what is refused."""

import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from azwi_cli import errors, kube
from azwi_cli.doctor import collect, examine, targets
from azwi_cli.doctor.facts import Facts, Unread
from azwi_commands import Authority, Reply, Site, azwi, jwks_of, kubeconfig, patients, serve
from azwi_common import contract
from azwi_testing import plain_environment

WEBHOOKS = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations"
EVENTS = "/api/v1/namespaces/shop/events?fieldSelector=type%3DWarning&limit=500"
PODS = "/api/v1/namespaces/shop/pods?limit=500"
POD = "/api/v1/namespaces/shop/pods/app-1"
LOG = f"{POD}/log?container=azwi-proxy&tailLines=200"
SELECTOR = {"matchLabels": {contract.USE_LABEL: "true"}}
DEPLOYMENT: dict[str, Any] = {
    "kind": "Deployment",
    "metadata": {"name": "app"},
    "spec": {"selector": SELECTOR, "template": patients.raw_pod()},
}


def listed(*items: Any) -> Reply:
    return Reply({"items": list(items)})


@pytest.fixture
def api(authority: Authority, signing_key: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """An API server with one healthy pod and our webhook; it is its own issuer, on loopback."""
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))  # as if it were a public authority
    with serve(authority.server()) as site:
        site.publish(jwks_of(signing_key))
        home = f"/apis/apps/v1/namespaces/{contract.WEBHOOK_NAMESPACE}/deployments"
        site.replies |= {
            WEBHOOKS: listed(patients.configuration(), {"webhooks": [{"name": "other"}]}),
            home: listed({"metadata": {"name": "x"}}, patients.deployment()),
            "/version": Reply({"gitVersion": "v1.34.1"}),
            "/api/v1/namespaces/shop": Reply({"metadata": {"labels": {"a": "b"}}}),
            "/api/v1/namespaces/shop/serviceaccounts/app": Reply(patients.account()),
            PODS: listed(patients.pod(), {"spec": {"containers": []}}),
            "/apis/apps/v1/namespaces/shop/deployments/app": Reply(DEPLOYMENT),
            POD: Reply(patients.pod()),
            LOG: Reply(b'{"status":200}\n'),
            EVENTS: listed(),
        }
        yield site


@pytest.fixture
def collector(api: Site, authority: Authority, tmp_path: Path) -> collect.Collector:
    """Of that server."""
    return collect.Collector(kube.Cluster(kubeconfig(tmp_path, api.url, authority.file)), "shop")


def found(collector: collect.Collector, target: str | None) -> list[Facts]:
    named, _ = targets.read(target, "shop")
    return collector.pods(named, collector.surroundings())


@pytest.mark.parametrize("target", ["app-1", "deploy/app", None])
def test_a_healthy_pod_is_found_healthy_whatever_it_is_asked_by(
    collector: collect.Collector, target: str | None
) -> None:
    around = collector.surroundings()
    (facts,) = found(collector, target)
    wrong = [item.name for item in examine.cluster(around).checks if item.status != "pass"]
    assert wrong == ["reachable"]  # loopback is not the internet
    assert examine.pod(facts).status == "pass"
    assert facts.name == "pod shop/app-1"


@pytest.mark.parametrize("target", ["deploy/app", None])
def test_a_namespace_of_many_pods_is_read_in_pages(
    collector: collect.Collector, api: Site, target: str | None
) -> None:
    stranger = {"metadata": {"name": "other"}, "spec": {"containers": []}}
    first = {"items": [stranger] * 500, "metadata": {"continue": "a/b=="}}
    api.replies[PODS] = Reply(first)
    api.replies[f"{PODS}&continue=a%2Fb%3D%3D"] = listed(stranger, patients.pod())
    (facts,) = found(collector, target)
    assert facts.name == "pod shop/app-1"


def test_what_may_not_be_read_is_said_and_the_rest_is_checked(
    collector: collect.Collector, api: Site
) -> None:
    for path in (WEBHOOKS, EVENTS, LOG, "/api/v1/namespaces/shop/serviceaccounts/app"):
        api.replies[path] = Reply(b"", 403)
    around = collector.surroundings()
    assert isinstance(around.configurations, Unread)
    (facts,) = found(collector, "app-1")
    assert isinstance(facts.account, Unread)
    wrong = [item.name for item in examine.pod(facts).checks if item.status != "pass"]
    assert wrong == ["service-account", "log"]  # of a pod that is ready, events tell nothing


def test_events_that_may_not_be_read_matter_where_a_pod_is_not_ready(
    collector: collect.Collector, api: Site
) -> None:
    pod = patients.pod()
    pod["status"]["conditions"] = []
    api.replies |= {POD: Reply(pod), EVENTS: Reply(b"", 403)}
    (facts,) = found(collector, "app-1")
    wrong = [item.name for item in examine.pod(facts).checks if item.status != "pass"]
    assert wrong == ["events"]


def test_a_pod_that_is_not_there_is_an_error(collector: collect.Collector) -> None:
    with pytest.raises(errors.NotFound, match="There is no pod absent in the namespace shop"):
        found(collector, "absent")


def test_a_namespace_that_is_not_there_is_an_error(collector: collect.Collector, api: Site) -> None:
    del api.replies["/api/v1/namespaces/shop"]
    with pytest.raises(errors.NotFound, match="There is no namespace shop"):
        collector.surroundings()


@pytest.mark.parametrize("body", [b"<html>Log in</html>", b"[]"])
def test_what_is_no_api_server_is_told_so(
    collector: collect.Collector, api: Site, body: bytes
) -> None:
    api.replies |= dict.fromkeys(api.replies, Reply(body))
    with pytest.raises(errors.Unavailable, match="is no API server of Kubernetes"):
        collector.surroundings()


def test_a_rollout_whose_new_pods_are_refused_is_found_beside_the_old_ones(
    collector: collect.Collector, api: Site
) -> None:
    message = 'pods is forbidden: admission webhook "w" denied the request: Set it.'
    failure = {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate"}
    stuck = {**DEPLOYMENT, "status": {"conditions": [{**failure, "message": message}]}}
    api.replies["/apis/apps/v1/namespaces/shop/deployments/app"] = Reply(stuck)
    old, refused = found(collector, "deploy/app")
    assert examine.pod(old).status == "pass"
    assert [item.name for item in examine.pod(refused).checks if item.status != "pass"] == [
        "denied"
    ]


def test_a_workload_without_pods_is_judged_by_its_template_and_its_events(
    collector: collect.Collector, api: Site
) -> None:
    api.replies[PODS] = listed()
    now = datetime.now(UTC)
    denied = 'admission webhook "w" denied the request: Set it.'
    made = {"kind": "ReplicaSet", "name": "app-5d9"}
    about = {"involvedObject": made, "reason": "FailedCreate"}
    api.replies[EVENTS] = listed(
        {**about, "message": denied, "lastTimestamp": now.isoformat()},
        {
            **about,
            "message": "exceeded quota",
            "lastTimestamp": (now - timedelta(hours=1)).isoformat(),
        },
        *(
            {"involvedObject": one, "message": f"{denied} And more.", "eventTime": now.isoformat()}
            for one in (
                {**made, "name": "other-1"},
                {**made, "name": "app-next-5d9"},  # of the Deployment app-next
                {"kind": "StatefulSet", "name": "app-db"},
            )
        ),
    )
    (facts,) = found(collector, "deploy/app")
    assert not facts.is_live
    assert [item.name for item in examine.pod(facts).checks if item.status != "pass"] == ["denied"]


@pytest.mark.parametrize(("mode", "status"), [("redirect", "fail"), ("environment", "pass")])
def test_a_template_is_judged_by_the_mode_that_the_webhook_of_the_cluster_has(
    mode: str, status: str, collector: collect.Collector, api: Site
) -> None:
    home = f"/apis/apps/v1/namespaces/{contract.WEBHOOK_NAMESPACE}/deployments"
    api.replies[home] = listed(patients.deployment(mode=mode))
    labels = {"metadata": {"labels": patients.RESTRICTED}}
    api.replies["/api/v1/namespaces/shop"] = Reply(labels)
    api.replies[PODS] = listed()
    (facts,) = found(collector, "deploy/app")
    assert examine.pod(facts).status == status


def test_a_pod_in_environment_mode_is_found_healthy(
    collector: collect.Collector, api: Site
) -> None:
    api.replies[POD] = Reply(patients.told_pod())
    api.replies["/api/v1/namespaces/shop"] = Reply({"metadata": {"labels": patients.RESTRICTED}})
    (facts,) = found(collector, "app-1")
    assert examine.pod(facts).status == "pass"
    assert "told" in [item.name for item in examine.pod(facts).checks]


def test_a_namespace_tells_of_workloads_whose_pods_are_refused(
    collector: collect.Collector, api: Site
) -> None:
    ended = patients.pod()
    ended["status"]["phase"] = "Succeeded"
    going = patients.pod()
    going["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    api.replies[PODS] = listed(ended, going)
    event = {
        "reason": "FailedCreate",
        "message": 'admission webhook "w" denied the request: Set it.',
        "lastTimestamp": datetime.now(UTC).isoformat(),
    }
    about = [
        {"kind": kind, "name": name}
        for kind, name in (
            ("ReplicaSet", "app-5d9"),
            ("ReplicaSet", "full"),
            ("Job", "gone"),
            ("X", "x"),
        )
    ]
    api.replies[EVENTS] = listed(*({**event, "involvedObject": item} for item in about))
    sets = "/apis/apps/v1/namespaces/shop/replicasets/"
    spec = {**DEPLOYMENT["spec"], "replicas": 2}
    api.replies[sets + "app-5d9"] = Reply({"spec": spec, "status": {"replicas": 1}})
    api.replies[sets + "full"] = Reply({"spec": spec, "status": {"replicas": 2}})
    (facts,) = found(collector, None)
    assert facts.name == "replicaset shop/app-5d9, which lacks pods"
    assert [item.name for item in examine.pod(facts).checks if item.status != "pass"] == ["denied"]


def test_a_cronjob_is_its_last_jobs_pods(collector: collect.Collector, api: Site) -> None:
    owner = {"ownerReferences": [{"name": "nightly"}]}
    old = {
        "metadata": {"creationTimestamp": "2026-01-01T00:00:00Z", **owner},
        "spec": {"selector": {"matchLabels": {"x": "y"}}},
    }
    new = {
        "metadata": {"creationTimestamp": "2026-01-02T00:00:00Z", **owner},
        "spec": {"selector": SELECTOR},
    }
    api.replies["/apis/batch/v1/namespaces/shop/cronjobs/nightly"] = Reply(
        {"kind": "CronJob", "metadata": {"name": "nightly"}}
    )
    api.replies["/apis/batch/v1/namespaces/shop/jobs?limit=500"] = listed(new, old)
    (facts,) = found(collector, "cj/nightly")
    assert facts.name == "pod shop/app-1"


def test_the_webhooks_deployment_is_found_by_its_services_selector_too(
    collector: collect.Collector, api: Site
) -> None:
    namespace, _, service = patients.GO_SERVICE.partition("/")
    api.replies[WEBHOOKS] = listed(patients.gos_configuration())
    behind = patients.deployment()
    behind["metadata"]["name"] = "azure-wi-webhook-controller-manager"
    behind["spec"]["template"] = {"metadata": {"labels": {"app": "w"}}}
    api.replies[f"/apis/apps/v1/namespaces/{namespace}/deployments"] = listed(behind)
    api.replies[f"/api/v1/namespaces/{namespace}/services/{service}"] = Reply(
        {"spec": {"selector": {"app": "w"}}}
    )
    assert collector.surroundings().deployments == {patients.GO_SERVICE: behind}


# --- As a process ---------------------------------------------------------------------------------


def test_the_command_prints_every_line_and_ends_by_the_worst(
    api: Site, authority: Authority, tmp_path: Path
) -> None:
    config = kubeconfig(tmp_path, api.url, authority.file)
    trust = {"SSL_CERT_FILE": str(authority.file)}
    ran = azwi("doctor", "app-1", "-n", "shop", "--kubeconfig", config, code=3, **trust)
    assert ran.out.startswith("cluster\npass  A webhook is installed (00-azwi-sidecar).\n")
    assert "\n\npod shop/app-1\npass  The pod has the label" in ran.out
    assert "s3cret" not in ran.out + ran.err
    api.replies["/api/v1/namespaces/shop/serviceaccounts/app"] = Reply(b"", 404)
    ran = azwi("doctor", "-n", "shop", "--kubeconfig", config, "-o", "json", code=1, **trust)
    assert ran.data["status"] == "fail"
    assert [item["name"] for item in ran.data["objects"]] == ["cluster", "pod shop/app-1"]


def test_credentials_of_a_file_are_compared(
    api: Site, authority: Authority, tmp_path: Path
) -> None:
    config = kubeconfig(tmp_path, api.url, authority.file)
    listed_by_az = tmp_path / "credentials"
    listed_by_az.write_text(json.dumps([patients.credential(issuer=api.url)]))
    flags = ("-n", "shop", "--kubeconfig", config, "--federated-credentials", listed_by_az)
    ran = azwi("doctor", "app-1", *flags, code=1, SSL_CERT_FILE=str(authority.file))
    assert "the slash differs" in ran.out


def test_an_error_is_explained_from_standard_input_and_by_argument() -> None:
    explained = azwi("doctor", "explain", "70021").out
    ran = subprocess.run(
        [sys.executable, "-m", "azwi_cli", "doctor", "explain"],
        input="…: AADSTS70021: no.\n\tat line 3\n",
        env=plain_environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    assert ran.stdout == explained
    assert explained.startswith("AADSTS70021: ")
    assert azwi("doctor", "explain", "AADSTS12345", code=3).out
    assert "no error in this" in azwi("doctor", "explain", "fine", code=6).err


def test_files_and_pods_are_not_checked_at_once() -> None:
    assert "-f checks files alone" in azwi("doctor", "app-1", "-f", "x.yaml", code=2).err


def test_without_a_namespace_it_is_the_contexts(
    api: Site, authority: Authority, tmp_path: Path
) -> None:
    config = kubeconfig(tmp_path, api.url, authority.file)
    document = json.loads(config.read_text())
    document["contexts"][0]["context"]["namespace"] = "shop"
    config.write_text(json.dumps(document))
    flags = ("--kubeconfig", config, "-o", "json")
    ran = azwi("doctor", "app-1", *flags, code=3, SSL_CERT_FILE=str(authority.file))
    assert ran.data["objects"][1]["name"] == "pod shop/app-1"


def test_without_a_cluster_it_is_a_sentence() -> None:
    assert "No cluster is configured" in azwi("doctor", "app-1", code=6).err

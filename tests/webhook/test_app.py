"""Calls of a running webhook, over TLS, and the answers to them."""

import asyncio
import base64
import contextlib
import json
import re
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from typing import Any

import jsonpatch
import pytest
from aiohttp import ClientSession
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from azwi_common.settings import load
from azwi_testing.apiserver import ApiServer, Fault, soon, until
from azwi_testing.webhooks import (
    CONFIGURATION,
    CONFIGURATIONS,
    NAMESPACE,
    SECRET,
    TENANT,
    Shared,
    StartWebhook,
    pod,
    review,
)
from azwi_webhook import app as module
from azwi_webhook import mutate
from azwi_webhook.app import App
from azwi_webhook.cluster import Cluster
from azwi_webhook.kube import Kube
from azwi_webhook.metrics import Metrics
from azwi_webhook.server import Site
from azwi_webhook.settings import Settings

CLIENT = "11111111-0000-4000-8000-000000000001"


def patched(thing: dict[str, Any], response: Mapping[str, Any]) -> Any:
    return jsonpatch.apply_patch(thing, json.loads(base64.b64decode(response["patch"])))


def test_a_pod_that_takes_part_gets_its_identity(shared: Shared) -> None:
    response = shared.decide(review())
    assert response["allowed"] is True
    container = patched(pod(), response)["spec"]["containers"][0]
    variables = {one["name"]: one["value"] for one in container["env"]}
    assert variables["AZURE_CLIENT_ID"] == CLIENT
    assert variables["AZURE_TENANT_ID"] == TENANT


def test_v1beta1_is_answered_in_kind(shared: Shared) -> None:
    answer = shared.call(review(version="v1beta1"))
    assert answer.json["apiVersion"] == "admission.k8s.io/v1beta1"
    assert answer.json["response"]["patchType"] == "JSONPatch"
    assert answer.headers["Content-Type"].startswith("application/json")


def test_a_refused_pod_is_forbidden_with_a_sentence(shared: Shared) -> None:
    thing = pod(hostNetwork=True)
    thing["metadata"]["annotations"] = {"azure.workload.identity/inject-proxy-sidecar": "true"}
    response = shared.decide(review(thing))
    assert response["allowed"] is False
    assert response["status"]["code"] == 403
    assert "hostNetwork" in response["status"]["message"]
    assert "patch" not in response


def test_in_environment_mode_each_pod_has_a_value_of_its_own_and_no_log_has_it(
    shared: Shared,
) -> None:
    thing = pod()
    thing["metadata"]["annotations"] = {
        "azure.workload.identity/inject-proxy-sidecar": "true",
        "azure.workload.identity/proxy-mode": "environment",
    }
    found: list[str] = []
    for _ in range(2):
        response = shared.decide(review(thing))
        assert response["allowed"] is True, response  # in a namespace that forbids NET_ADMIN
        spec = patched(thing, response)["spec"]
        both = [*(spec.get("initContainers") or []), *spec["containers"]]
        values = {
            entry["value"]
            for container in both
            for entry in container["env"]
            if entry["name"] == "IDENTITY_HEADER"
        }
        assert len(both) == 2
        found += values
    first, second = found
    assert first != second
    assert all(re.fullmatch(r"[\w-]{43}", value, re.ASCII) for value in found)
    assert not any(value in shared.webhook.log for value in found)


def test_a_warning_stands_beside_the_patch(shared: Shared) -> None:
    shared.api.account("shop", "plain")
    response = shared.decide(review(pod(serviceAccountName="plain")))
    assert any("client-id" in warning for warning in response["warnings"])


@pytest.mark.parametrize(
    "request_",
    [
        {"operation": "UPDATE"},
        {"operation": "DELETE", "object": None, "oldObject": pod()},
        {"operation": "CONNECT", "subResource": "exec"},
        {"kind": {"group": "apps", "version": "v1", "kind": "Deployment"}},
        {"object": {**pod(), "metadata": {"name": "no-label"}}},
    ],
)
def test_whatever_is_not_meant_passes_unchanged(shared: Shared, request_: dict[str, Any]) -> None:
    asked = review(**request_)
    assert shared.decide(asked) == {"uid": asked["request"]["uid"], "allowed": True}


def mirror(**labels: str) -> dict[str, Any]:
    """As the kubelet makes it of a static pod, which has no service account."""
    thing = pod(hostNetwork=True)
    del thing["spec"]["serviceAccountName"]
    thing["metadata"] = {
        "name": "static-node-1",
        "labels": labels,
        "annotations": {
            "kubernetes.io/config.mirror": "8fcd",
            "azure.workload.identity/inject-proxy-sidecar": "true",
        },
    }
    return thing


def test_the_mirror_of_a_static_pod_is_left_as_it_is_with_a_warning(shared: Shared) -> None:
    response = shared.decide(review(mirror(**{"azure.workload.identity/use": "true"})))
    assert response["allowed"] is True
    assert "patch" not in response
    assert ["static pod" in warning for warning in response["warnings"]] == [True]


def test_the_mirror_of_a_static_pod_that_takes_no_part_has_no_warning(shared: Shared) -> None:
    response = shared.decide(review(mirror(app="x")))
    assert (response["allowed"], "warnings" in response) == (True, False)


def test_a_dry_run_is_answered_like_any_other(shared: Shared) -> None:
    assert shared.decide(review(dryRun=True)) == shared.decide(review())


def test_a_service_account_made_a_moment_ago_is_known(shared: Shared) -> None:
    before = _live_reads(shared)
    for number in range(50):
        name = f"new-{number}"
        shared.api.account("shop", name, client_id=f"client-{number}")
        response = shared.decide(review(pod(serviceAccountName=name)))
        assert f"client-{number}" in json.dumps(patched(pod(serviceAccountName=name), response))
    assert _live_reads(shared) - before <= 50


def _live_reads(shared: Shared) -> int:
    one = "GET /api/v1/namespaces/shop/serviceaccounts/"
    return sum(count for path, count in shared.api.asked.items() if path.startswith(one))


JSON = {"Content-Type": "application/json"}


@pytest.mark.parametrize(
    ("status", "given"),
    [
        (405, {"method": "GET"}),
        (405, {"method": "PUT"}),
        (404, {"target": "/"}),
        (404, {"target": "/mutate-v1-pod/"}),
        (404, {"target": "/metrics"}),
        (415, {"headers": {"Content-Type": "text/plain"}}),
        (415, {"headers": {}}),
        (415, {"headers": {**JSON, "Content-Encoding": "gzip"}}),
        (400, {"body": b""}),
        (400, {"body": b"{"}),
        (400, {"body": b"[]"}),
        (400, {"body": b"\0" * 1000}),
        (400, {"body": json.dumps({**review(), "apiVersion": "admission.k8s.io/v2"}).encode()}),
        (413, {"body": b" " * 10_000_000}),
        (400, {"body": b" " * (module.MAX_BODY - 10)}),
    ],
)
def test_a_wrong_call_gets_a_4xx_with_a_sentence(
    shared: Shared, status: int, given: dict[str, Any]
) -> None:
    body = given.pop("body", json.dumps(review()).encode())
    answer = shared.call(body, **given)
    assert answer.status == status
    assert answer.body.decode().strip().endswith(".")
    assert answer.headers["Content-Type"].startswith("text/plain")
    assert answer.headers.get("Allow") == ("POST" if status == 405 else None)


def test_a_body_too_large_that_comes_in_chunks_is_refused_too(shared: Shared) -> None:
    chunk = b" " * 65536
    stream = (chunk for _ in range(200))
    answer = shared.call(b"", chunks=stream)
    assert answer.status == 413


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


def _places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place in a JSON value."""
    found: list[tuple[Any, ...]] = []
    for key, part in value.items() if isinstance(value, dict) else enumerate(value):
        found.append((*path, key))
        if isinstance(part, dict | list):
            found += _places(part, (*path, key))
    return found


PLACES = _places(review())


@settings(
    max_examples=150,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(st.binary(max_size=2000) | st.tuples(st.sampled_from(PLACES), _json))
def test_any_body_is_a_4xx_or_a_review(
    shared: Shared, sent: bytes | tuple[tuple[Any, ...], Any]
) -> None:
    if isinstance(sent, bytes):
        body = sent
    else:
        asked: Any = review()
        (*way, last), value = sent
        part = asked
        for key in way:
            part = part[key]
        part[last] = value
        body = json.dumps(asked).encode()
    answer = shared.call(body)
    assert answer.status == 200 or 400 <= answer.status < 500
    if answer.status == 200:
        assert answer.json["response"]["allowed"] in (True, False)


def test_a_read_that_fails_denies_a_pod_that_takes_part(
    api: ApiServer, start_webhook: StartWebhook
) -> None:
    webhook = start_webhook(AZWI_OPT_IN="pod serviceaccount")
    trust = api.secret(NAMESPACE, SECRET)["ca.crt"]
    api.faults.append(Fault("serviceaccounts/", 500))
    answer = webhook.call(review(), trust=trust)
    assert answer.status == 200
    status = answer.json["response"]["status"]
    assert answer.json["response"]["allowed"] is False
    assert (status["code"], status["reason"]) == (503, "ServiceUnavailable")
    assert "serviceaccounts/app" in status["message"]
    assert "a review could not be answered" in webhook.log

    # One that may not want anything fails the call: its entry's failurePolicy decides.
    answer = webhook.call(review({**pod(), "metadata": {"name": "p"}}), trust=trust)
    assert answer.status == 503
    assert b"serviceaccounts/app" in answer.body

    api.faults.clear()
    api.account("shop", "app", client_id="x")
    assert webhook.call(review(), trust=trust).json["response"]["allowed"] is True


def test_while_the_api_servers_watch_is_away_no_pod_is_refused(
    api: ApiServer, start_webhook: StartWebhook
) -> None:
    webhook = start_webhook()
    trust = api.secret(NAMESPACE, SECRET)["ca.crt"]
    api.faults.append(Fault("watch=true", 500))
    api.cut(b'{"type":')
    until = time.monotonic() + 2
    number = 0
    while time.monotonic() < until or number <= 20:
        number += 1
        api.account("shop", f"a{number}", client_id=f"client-{number}")
        thing = pod(serviceAccountName=f"a{number}")
        response = webhook.call(review(thing), trust=trust).json["response"]
        assert f"client-{number}" in json.dumps(patched(thing, response))
    assert (
        b'azwi_webhook_cache_watching{collection="serviceaccounts"} 0.0'
        in webhook.ask("/metrics").body
    )


async def test_a_bug_of_ours_denies_with_a_sentence_and_logs_the_place_but_not_the_pod(
    api: ApiServer, kube: Kube, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("S3CRET of the pod")

    monkeypatch.setattr(mutate, "admit", broken)
    async with _in_process(kube) as url, ClientSession() as session:
        async with session.post(url, json=review()) as answer:
            assert answer.status == 200
            response = (await answer.json())["response"]
        async with session.post(url, json={**review(), "apiVersion": "x"}) as answer:
            assert answer.status == 400  # the others go on
    assert response["allowed"] is False
    assert response["status"]["code"] == 500
    assert "its log says where" in response["status"]["message"]
    [record] = [one for one in caplog.records if one.message == "a review broke"]
    fields = vars(record)["fields"]
    assert fields["type"] == "RuntimeError"
    assert any("broken" in place for place in fields["where"])
    assert "S3CRET" not in json.dumps(fields)


async def test_refusals_in_a_loop_are_counted_in_the_log_and_not_repeated(
    kube: Kube, caplog: pytest.LogCaptureFixture
) -> None:
    """One pod in a loop could push out of a rotated log what somebody needs to read."""
    caplog.set_level("INFO", "azwi_webhook")
    thing = pod(hostNetwork=True)
    thing["metadata"]["annotations"] = {"azure.workload.identity/inject-proxy-sidecar": "true"}
    async with _in_process(kube) as url, ClientSession() as session:
        for asked in (review(thing), {**review(), "apiVersion": "x"}):
            for _ in range(50):
                async with session.post(url, json=asked) as answer:
                    await answer.read()
    told = Counter(record.message for record in caplog.records)
    assert (told["review"], told["bad call"]) == (10, 10)


async def test_a_body_that_never_ends_is_given_up(
    kube: Kube, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BODY_TIME", 0.2)
    async with _in_process(kube) as url:
        port = int(url.split(":")[2].partition("/")[0])
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        head = "POST /mutate-v1-pod HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\n"
        writer.write(f"{head}Content-Length: 100\r\n\r\n{{".encode())
        assert (await reader.readline()).startswith(b"HTTP/1.1 408 ")
        writer.close()


@contextlib.asynccontextmanager
async def _in_process(kube: Kube) -> AsyncIterator[str]:
    """The app on the test's own loop, in plain HTTP; its URL."""
    cluster = Cluster(kube)
    following = asyncio.create_task(cluster.run())
    await soon(lambda: not cluster.problem())
    app = App(load(Settings, {"AZURE_TENANT_ID": TENANT}), cluster, Metrics())
    site = Site(app.handle)
    await site.start("127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{site.port}/mutate-v1-pod"
    finally:
        await site.stop(1)
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
        await cluster.close()


def test_the_health_site_has_two_answers_and_nothing_else(shared: Shared) -> None:
    assert shared.webhook.ask("/healthz").body == b"ok\n"
    assert shared.webhook.ask("/readyz").status == 200
    for path in ("/", "/metrics?x", "/mutate-v1-pod", "/healthz/"):
        assert shared.webhook.ask(path).status == 404


def test_a_scrape_shows_the_reviews(shared: Shared) -> None:
    shared.decide(review())
    scraped = shared.webhook.ask("/metrics")
    assert scraped.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    text = scraped.body.decode()
    assert 'azwi_mutation_request_bucket{le="0.001",namespace="shop"}' in text
    assert 'azwi_webhook_reviews_total{result="mutated"}' in text
    assert 'azwi_webhook_cache_watching{collection="serviceaccounts"} 1.0' in text
    assert "_created" not in text


def test_a_namespace_that_does_not_exist_makes_no_series(shared: Shared) -> None:
    shared.decide(review(namespace="made-up"))
    assert b"made-up" not in shared.webhook.ask("/metrics").body


def test_a_namespace_that_is_deleted_takes_its_series_along(shared: Shared) -> None:
    def counted() -> bool:
        return b'namespace="preview"' in shared.webhook.ask("/metrics").body

    shared.api.put("namespaces", "", "preview")
    until(lambda: shared.decide(review(namespace="preview")) and counted())
    shared.api.delete("namespaces", "", "preview")
    until(lambda: not counted())


def test_every_entry_of_the_configuration_trusts_what_is_served(shared: Shared) -> None:
    webhooks = shared.api.get(CONFIGURATIONS, "", CONFIGURATION)["webhooks"]
    assert {one["clientConfig"]["caBundle"] for one in webhooks} == {
        base64.b64encode(shared.trust).decode()
    }

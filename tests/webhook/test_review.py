"""The wire format of admission."""

import base64
import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from azwi_common.identities import Guid
from azwi_common.settings import Port
from azwi_testing.webhooks import pod, review
from azwi_webhook import errors
from azwi_webhook.review import UNAVAILABLE, Call, allow, deny, parse


def _body(value: object) -> bytes:
    return json.dumps(value).encode()


def test_a_pods_creation_is_read() -> None:
    call = parse(_body(review()))
    assert call.creates_pod
    assert (call.namespace, call.operation) == ("shop", "CREATE")
    assert call.object["spec"]["serviceAccountName"] == "app"


EMPTY: dict[str, Any] = {}
EMPTY_CONTAINER = {
    "env": [EMPTY],
    "ports": [EMPTY],
    "resources": EMPTY,
    "securityContext": EMPTY,
    "volumeMounts": [EMPTY],
}


@pytest.mark.parametrize(
    "spec",
    [
        {},
        {"containers": [{}], "initContainers": [{}]},
        {"containers": [EMPTY_CONTAINER], "initContainers": [EMPTY_CONTAINER]},
        {"imagePullSecrets": [{}], "os": {}, "resources": {}, "securityContext": {}},
        {"nodeSelector": {}, "volumes": [{}]},
    ],
)
def test_whatever_a_pod_leaves_out_is_left_out(spec: dict[str, Any]) -> None:
    for sent in ({"spec": spec}, {"metadata": {}, "spec": spec}):
        assert parse(_body(review(sent))).object == sent


@pytest.mark.parametrize("version", ["v1", "v1beta1"])
def test_the_answer_is_of_the_version_of_the_question(version: str) -> None:
    asked = review(version=version)
    answered = json.loads(allow(parse(_body(asked))))
    assert answered == {
        "apiVersion": f"admission.k8s.io/{version}",
        "kind": "AdmissionReview",
        "response": {"uid": asked["request"]["uid"], "allowed": True},
    }


def test_a_patch_is_json_patch_in_base64_and_warnings_stand_beside_it() -> None:
    patch = [{"op": "add", "path": "/metadata/labels/ü~1", "value": "ß"}]
    response = json.loads(allow(parse(_body(review())), patch, ("Mind this.",)))["response"]
    assert response["patchType"] == "JSONPatch"
    assert json.loads(base64.b64decode(response["patch"])) == patch
    assert response["warnings"] == ["Mind this."]


def test_a_denial_is_forbidden_with_its_sentence() -> None:
    response = json.loads(deny(parse(_body(review())), "Change spec.hostNetwork."))["response"]
    assert response["allowed"] is False
    assert response["status"] == {
        "status": "Failure",
        "code": 403,
        "reason": "Forbidden",
        "message": "Change spec.hostNetwork.",
    }
    later = json.loads(deny(parse(_body(review())), "Later.", UNAVAILABLE))["response"]
    assert (later["status"]["code"], later["status"]["reason"]) == (503, "ServiceUnavailable")


@pytest.mark.parametrize(
    "request_",
    [
        {"operation": "UPDATE"},
        {"operation": "DELETE", "object": None},
        {"operation": "CONNECT"},
        {"subResource": "ephemeralcontainers"},
        {"kind": {"group": "apps", "version": "v1", "kind": "Deployment"}},
    ],
)
def test_what_creates_no_pod_is_told_apart(request_: dict[str, Any]) -> None:
    assert not parse(_body(review(**request_))).creates_pod


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b"", "not a JSON object"),
        (b"[]", "no AdmissionReview of a pod: Expected `object`, got `array`"),
        (b"\xff\xfe", "not a JSON object"),
        (b'{"kind":NaN}', "not a JSON object"),
        (b'{"a":' * 100_000, "not a JSON object"),
        (_body({"kind": "Pod", "apiVersion": "v1"}), "must be an AdmissionReview"),
        (_body({**review(), "apiVersion": "admission.k8s.io/v2"}), "admission.k8s.io/v2"),
        (_body({**review(), "apiVersion": 1}), r"got `int` - at `\$.apiVersion`"),
        (_body({**review(), "request": None}), "no request.uid"),
        (_body({**review(), "request": []}), r"got `array` - at `\$.request`"),
        (_body(review(uid="")), "no request.uid"),
        (_body(review(uid=7)), r"got `int` - at `\$.request.uid`"),
        (_body(review(uid="x" * 129)), "no request.uid as an API server sends it"),
        (_body(review(uid="x\ny")), "no request.uid as an API server sends it"),
        (_body(review(namespace="")), "namespace is no name"),
        (_body(review(namespace="x" * 64)), "namespace is no name"),
        (_body(review(namespace="shop\n")), "namespace is no name"),
        (_body(review(namespace="a/../b")), "namespace is no name"),
        (_body(review(namespace="ſhop")), "namespace is no name"),
        (_body(review(object="x")), r"got `str` - at `\$.request.object`"),
        (_body(review(object=None)), "no spec"),
        (_body(review({**pod(), "spec": []})), r"got `array` - at `\$.request.object.spec`"),
        (_body(review(pod(containers=[[]]))), "got `array`"),
        (_body(review(pod(containers=[{"name": []}]))), "got `array`"),
        (_body(review(pod(containers=[{"env": [{"name": 1}]}]))), "got `int`"),
        (_body(review(pod(serviceAccountName=["app"]))), "got `array`"),
        (_body(review(pod(nodeSelector={"a": ["b"]}))), "got `array`"),
        (_body(review({**pod(), "metadata": {"annotations": {"a": {}}}})), "got `object`"),
        (_body(review({**pod(), "metadata": "x"})), "metadata"),
    ],
)
def test_a_wrong_call_is_told_what_is_wrong(body: bytes, sentence: str) -> None:
    with pytest.raises(errors.BadCall, match=sentence) as raised:
        parse(body)
    assert raised.value.status == 400


@pytest.mark.parametrize("shape", [b"[],", b"{},", b'"",', b'{"name":""},'])
def test_a_body_of_too_many_values_is_refused_before_it_is_read(shape: bytes) -> None:
    """4 MB of empty lists were 198 MB, and 4 seconds in which nobody else was answered."""
    body = _body(review()).replace(
        b'"oldObject": null', b'"oldObject": [' + shape * 400_000 + b"0]"
    )
    started = time.process_time()
    with pytest.raises(errors.BadCall, match="more than 100000 values") as raised:
        parse(body)
    assert raised.value.status == 413
    assert time.process_time() - started < 0.2


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@given(st.binary() | _json.map(_body))
def test_any_bytes_are_a_call_or_a_bad_one(body: bytes) -> None:
    status = 400
    try:
        assert isinstance(parse(body), Call)
    except errors.BadCall as error:
        status = error.status
    assert 400 <= status < 500


@given(st.sampled_from(sorted(review()["request"])), _json)
def test_any_part_of_a_review_may_be_anything(field: str, value: object) -> None:
    asked = review()
    asked["request"][field] = value
    try:
        call = parse(_body(asked))
    except errors.BadCall:
        return
    assert json.loads(allow(call))["response"]["uid"] == call.uid


def test_checked_values_are_written_as_what_they_are() -> None:
    value = {"name": Guid.from_text("11111111-0000-4000-8000-000000000001"), "value": Port(8000)}
    call = parse(_body(review()))
    operation = {"op": "add", "path": "/x", "value": value}
    response = json.loads(allow(call, [operation]))["response"]
    assert json.loads(base64.b64decode(response["patch"])) == [operation]

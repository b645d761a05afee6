"""A pod's JSON, read with care."""

from typing import Any

import pytest

from azwi_webhook import pods
from azwi_webhook.errors import Refused


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"metadata": None, "spec": None},
        {"metadata": {"labels": None, "annotations": None}, "spec": {"containers": None}},
        {"metadata": {"labels": {}, "annotations": {}}, "spec": {"containers": []}},
    ],
)
def test_what_is_missing_or_null_is_empty(given: dict[str, Any]) -> None:
    pod = pods.read(given)
    assert (pod.labels, pod.annotations, pod.containers, pod.init_containers) == ({}, {}, [], [])


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ([], "JSON object"),
        (None, "JSON object"),
        ({"spec": []}, "field spec must be an object"),
        ({"metadata": "x"}, "field metadata must be an object"),
        ({"metadata": {"labels": []}}, "field labels must be an object"),
        ({"spec": {"containers": {}}}, "field containers must be an array"),
        ({"spec": {"initContainers": ["x"]}}, "field initContainers must be an array of objects"),
    ],
)
def test_nonsense_is_refused_with_the_name_of_the_field(given: Any, field: str) -> None:
    with pytest.raises(Refused, match=field):
        pods.read(given)


def test_signs_that_nobody_can_print_are_left_out_of_sentences() -> None:
    assert pods.printable("Container ü: “fine”.") == "Container ü: “fine”."
    assert pods.printable("a\nb\x1b[0m\ud800") == "a?b?[0m?"


def test_text_is_text() -> None:
    assert pods.text({}, "name") == pods.text({"name": None}, "name") == ""
    with pytest.raises(Refused, match="field name must be text"):
        pods.text({"name": 1}, "name")


def test_our_containers_are_told_from_the_apps() -> None:
    names = ("azwi-proxy-init", "azwi-proxy", "app")
    given = [{"name": name} for name in names]
    pod = pods.read({"spec": {"initContainers": given[:1], "containers": given[1:]}})
    assert [item["name"] for item in pod.all_containers()] == list(names)
    assert [item["name"] for item in pod.app_containers()] == ["app"]
    assert pod.has("azwi-proxy")
    assert not any(map(pod.has, ("", "a", "azwi", "other")))
    assert pod.has("".join(("a", "pp"))), "by its value, whoever made the text"

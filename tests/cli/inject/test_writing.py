"""A changed document as text: edited, written anew, or as JSON."""

import json
import runpy
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from azwi_cli import errors
from azwi_cli.inject import edits, manifests, offline, pointers, removal, trees, writing
from azwi_testing import admission

PODS = runpy.run_path(str(Path(__file__).parents[2] / "webhook/test_mutate_properties.py"))

ADD = (("b",), {"op": "add", "path": "/-", "value": 2})


def document(text: str) -> manifests.Document:
    return manifests.read(text, "f.yaml")[0]


def test_nothing_to_change_is_the_text_as_it_was() -> None:
    assert writing.changed(document("a:   1 #\n\n"), []) == "a:   1 #\n\n"


def test_text_is_edited_where_that_can_be() -> None:
    assert writing.changed(document("a:   1 #\nb: [1]\n"), [ADD]) == "a:   1 #\nb: [1, 2]\n"


def test_aliases_are_written_anew() -> None:
    after = writing.changed(document("a: &x [1]  # kept\nb: *x\n"), [ADD])
    assert manifests.parsed(after) == {"a": [1], "b": [1, 2]}
    assert "# kept" in after


PLACES = [
    "a: # none\nb: 1\n",
    "a: []\nb: [{c: 1}]",
    "a: &x {c: 1}\nb: *x\n",
    "# head\n---\na: &x\n  c: 1\nb: *x\n",
    '{\n  "a": []\n}\n',
]


@pytest.mark.parametrize("text", PLACES)
def test_line_ends_stay_those_of_the_file(text: str) -> None:
    operation = {"op": "add", "path": "/a", "value": [{"name": "x", "value": "1\n2\n"}]}
    after = writing.changed(document(text.replace("\n", "\r\n")), [((), operation)])
    assert after.count("\n") == after.count("\r\n") > text.count("\n")


def test_a_comment_above_what_is_shared_does_not_break_its_copies() -> None:
    text = "a: &x # one\n  # two\n  - 1 # three\nb: *x\nc: 1 # four\n"
    after = writing.changed(document(text), [ADD])
    assert manifests.parsed(after) == {"a": [1], "b": [1, 2], "c": 1}
    assert all(f"# {word}" in after for word in ("one", "two", "three", "four"))


def test_json_stays_json() -> None:
    assert writing.changed(document('{"b": [1]}'), [ADD]) == '{"b": [1, 2]}'


@pytest.mark.parametrize("wrong", ["b: [1]\n", "b: [\n"])
def test_an_edit_that_came_out_wrong_is_written_anew(
    wrong: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(edits, "edited", lambda *_: wrong)  # a mistake that nobody made yet
    assert writing.changed(document("b: [1] # kept\n"), [ADD]) == "b: [1, 2] # kept\n"


@pytest.mark.parametrize("wrong", ["b: [1]\n", "b: [\n"])
def test_text_that_came_out_wrong_is_never_written(
    wrong: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(edits, "edited", lambda *_: wrong)
    monkeypatch.setattr(trees, "rewritten", lambda *_: wrong)
    with pytest.raises(errors.AzwiError, match=r"f\.yaml, document 1"):
        writing.changed(document("b: [1]\n"), [ADD])


def as_text(pod: Any, style: str) -> str:
    """The pod as people write it: in blocks, in brackets, mixed, as JSON."""
    plain = json.loads(json.dumps(pod))  # no object is in two places
    if style == "json":
        return json.dumps(plain, indent=2)
    flow = {"block": False, "flow": True, "mixed": None}[style]
    return yaml.safe_dump(plain, default_flow_style=flow, sort_keys=False, allow_unicode=True)


@given(PODS["POD"], st.sampled_from(["block", "flow", "mixed", "json"]))
@settings(max_examples=250)
def test_whatever_pod_in_whatever_style_is_injected_and_uninjected(pod: Any, style: str) -> None:
    pod = {"kind": "Pod", **pod}
    pod["metadata"]["labels"] = {"azure.workload.identity/use": "true"}
    known = offline.Known(
        {("shop", pod["spec"].get("serviceAccountName") or "default"): admission.account()},
        {},
        admission.settings(),
        34,
        "shop",
    )
    (before,) = manifests.read(as_text(pod, style), "f")
    templates = offline.templates([before])
    assume(templates)
    outcome = offline.injected(templates[0], known, "0123456789abcdef")
    assume(not outcome.refused)
    (after,) = manifests.read(writing.changed(before, outcome.changes), "f")
    patch = [operation for _, operation in outcome.changes]
    assert after.data == pointers.applied(before.data, patch)
    back = removal.operations(after.data)
    text = writing.changed(after, [((), operation) for operation in back])
    assert manifests.parsed(text) == pointers.applied(after.data, back)

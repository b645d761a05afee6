"""Documents of a file, the objects in them, and the pods of those."""

import json

import pytest
import yaml

from azwi_cli import errors
from azwi_cli.inject import manifests

TWO = "# head\nkind: A\n---\n# none\n---  # second\nkind: B\n...\n---\n"
POD = {"metadata": {"labels": {}}, "spec": {"containers": [{"name": "a"}]}}


def read(text: str) -> list[manifests.Document]:
    return manifests.read(text, "f.yaml")


def templates(data: object) -> list[manifests.Template | None]:
    (document,) = read(json.dumps(data))
    return [manifests.template(thing) for thing in manifests.things(document)]


@pytest.mark.parametrize(
    "text", [TWO, "", "---\n", "a: 1", "\n\n--- {a: 1}\n--- x\n", "%YAML 1.1\n---\na: 1\n"]
)
def test_the_documents_of_a_file_are_all_of_it(text: str) -> None:
    assert "".join(document.text for document in read(text)) == text


def test_documents_are_what_yaml_says_they_are() -> None:
    said = [document.data for document in read(TWO) if document.data is not None]
    assert said == [data for data in yaml.safe_load_all(TWO) if data is not None]


def test_a_marker_within_a_text_block_is_text() -> None:
    text = "a: |\n  ---\n  b\nc: 1\n"
    (document,) = read(text)
    assert document.data == {"a": "---\nb\n", "c": 1}


def test_a_date_stays_text_and_on_is_true_as_the_api_server_reads_it() -> None:
    assert read("a: 2020-01-01\nb: on\nc: 0644\n")[0].data == {
        "a": "2020-01-01",
        "b": True,
        "c": 420,
    }


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a: 1\n---\nb: {\n", "f.yaml, document 2, line 4: this is not YAML"),
        ("a: 1\n---\nb: 1\nc: 2\nb: 3\n", "document 2, line 5: this is not YAML ('b' stands"),
        ("a: {{ .Values.x }}\n", "a template must be rendered first"),
        ("[" * 4000, "f.yaml, document 1"),
    ],
)  # fmt: skip
def test_what_is_no_yaml_is_said_with_its_line(text: str, says: str) -> None:
    with pytest.raises(errors.BadInput) as caught:
        read(text)
    assert says in str(caught.value)


def test_the_items_of_a_list_are_objects() -> None:
    pods = {
        "kind": "List",
        "items": [{"kind": "Pod", **POD}, {"kind": "PodList", "items": [{"kind": "Pod", **POD}]}],
    }
    found = templates(pods)
    assert [item.path for item in found if item] == [("items", 0), ("items", 1, "items", 0)]


@pytest.mark.parametrize(
    ("kind", "path"),
    [
        ("Pod", ()),
        ("Deployment", ("spec", "template")),
        ("StatefulSet", ("spec", "template")),
        ("DaemonSet", ("spec", "template")),
        ("ReplicaSet", ("spec", "template")),
        ("ReplicationController", ("spec", "template")),
        ("Job", ("spec", "template")),
        ("CronJob", ("spec", "jobTemplate", "spec", "template")),
        ("PodTemplate", ("template",)),
        ("Rollout", ("spec", "template")),
    ],
)
def test_the_pod_of_every_kind_is_found(kind: str, path: tuple[str, ...]) -> None:
    data: dict[str, object] = POD
    for name in reversed(path):
        data = {name: data}
    (found,) = templates({"kind": kind, **data})
    assert found
    assert (found.path, found.pod["spec"]) == (path, POD["spec"])


@pytest.mark.parametrize(
    "data",
    [
        {"kind": "Service", "spec": {"ports": []}},
        {"kind": "Deployment", "spec": None},
        {"kind": "ApplicationSet", "spec": {"template": {"spec": {"project": "x"}}}},
        {"kind": "Pod", "spec": {"containers": "many"}},
    ],
)
def test_what_makes_no_pods_is_left_alone(data: object) -> None:
    assert templates(data) == [None]


def test_brackets_may_be_yaml_and_json_may_have_what_yaml_has_not() -> None:
    (flow,) = read("{a: 1, b: [x]}\n")
    assert (flow.is_json, flow.data) == (False, {"a": 1, "b": ["x"]})
    (plain,) = read('{"a": "\\ud83d\\ude00"}')
    assert (plain.is_json, plain.data) == (True, {"a": "😀"})
    with pytest.raises(errors.BadInput, match="twice"):
        read('{"a": 1, "a": 2}')


def test_a_thing_says_where_it_stands() -> None:
    (document,) = read('{"kind": "Deployment", "metadata": {"name": "shop"}}')
    (thing,) = manifests.things(document)
    assert thing.place == "f.yaml, document 1 (Deployment shop)"
    assert thing.namespace("here") == "here"


@pytest.mark.parametrize("indent", [None, 1, 2, 4, "\t"])
def test_json_is_written_as_it_was(indent: int | str | None) -> None:
    text = json.dumps({"a": [1, {"b": "ü"}]}, indent=indent, ensure_ascii=False) + "\n"
    assert manifests.json_text(json.loads(text), text) == text
    tight = '{"a":[1,2]}'
    assert manifests.json_text(json.loads(tight), tight) == tight

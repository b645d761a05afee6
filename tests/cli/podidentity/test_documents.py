"""Manifests: files, folders, standard input; what is wrong is named with its line."""

import io
import sys
from pathlib import Path

import pytest

from azwi_cli import errors
from azwi_cli.podidentity import documents

TWO = "kind: A\n---\n# nothing\n---\nkind: B\n"


def kinds(*paths: Path) -> list[str]:
    return [document["kind"] for document in documents.read(paths)]


def test_a_file_has_any_number_of_documents(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(TWO)
    assert kinds(tmp_path / "a.yaml") == ["A", "B"]


def test_a_folder_is_read_with_its_folders_and_only_manifests_of_it(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "b.yml").write_text("kind: B")
    (tmp_path / "sub" / "c.json").write_text('{"kind": "C"}')
    (tmp_path / "values.yaml").write_text("replicas: 1")
    (tmp_path / "README.md").write_text("kind: D")
    assert kinds(tmp_path) == ["B", "C"]


def test_lists_are_taken_apart_and_their_items_know_what_they_are(tmp_path: Path) -> None:
    file = tmp_path / "list.yaml"
    file.write_text("kind: PodList\napiVersion: v1\nitems: [{metadata: {name: x}}, {kind: Other}]")
    first, second = documents.read([file])
    assert first == {"kind": "Pod", "apiVersion": "v1", "metadata": {"name": "x"}}
    assert second["kind"] == "Other"


def test_standard_input_is_a_file_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(TWO.encode())))
    assert kinds(Path("-")) == ["A", "B"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("kind: A\nb: [\n", r"a\.yaml, line 3: this is not YAML"),
        ("kind: A\n---\n\tb: 1", r"a\.yaml, line 3: this is not YAML"),
        ("a: \x00", r"a\.yaml: this is not YAML"),
        ("a: 1", "a document has no kind"),
        ("- kind: A", "a document has no kind"),
    ],
)
def test_what_is_wrong_is_named_with_file_and_line(text: str, told: str, tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_text(text)
    with pytest.raises(errors.BadInput, match=told):
        kinds(file)


def test_values_are_read_as_kubectl_reads_them(tmp_path: Path) -> None:
    """``=`` stands in the definitions of Prometheus' operator."""
    (tmp_path / "a.yaml").write_text("kind: A\nenum: ['!=', =]\ndate: 2024-13-45")
    assert [*documents.read([tmp_path])] == [
        {"kind": "A", "enum": ["!=", "="], "date": "2024-13-45"}
    ]


def test_what_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(errors.NotFound, match="does not exist"):
        kinds(tmp_path / "absent.yaml")
    with pytest.raises(errors.NotFound, match="has no files"):
        kinds(tmp_path)


def test_a_file_that_is_too_large_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(documents, "LARGEST", 10)
    (tmp_path / "a.yaml").write_text("kind: A # and more")
    with pytest.raises(errors.BadInput, match="larger than"):
        kinds(tmp_path / "a.yaml")

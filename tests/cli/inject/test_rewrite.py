"""Files are read, and written whole or not at all."""

from pathlib import Path

import pytest

from azwi_cli import errors
from azwi_cli.inject import manifests, offline, rewrite
from azwi_commands import azwi

POD = "kind: Pod\nmetadata: {name: a}\nspec:\n  containers: [{name: a}]  # kept\n"
AFTER = POD + "  x: 1\n"


def change(template: manifests.Template) -> offline.Outcome:
    operation = {"op": "add", "path": "/spec/x", "value": 1}
    return offline.Outcome(template, [(template.path, operation)], ("beware.",))


def refuse(template: manifests.Template) -> offline.Outcome:
    return offline.Outcome(template, refused="No.")


def target(
    output: Path | None = None, *, in_place: bool = False, force: bool = False, dry: bool = False
) -> rewrite.Target:
    return rewrite.Target(output, in_place, force, dry)


def run(files: list[Path], where: rewrite.Target) -> None:
    found = rewrite.read(files)
    rewrite.write(found, rewrite.decided(found, change), where)


@pytest.fixture
def pod(tmp_path: Path) -> Path:
    """A file with a pod."""
    file = tmp_path / "pod.yaml"
    file.write_text(POD)
    return file


def test_the_result_is_printed_and_warnings_are_beside_it(
    pod: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run([pod], target())
    out, err = capsys.readouterr()
    assert out == AFTER
    assert err == f"Warning: {pod}, document 1 (Pod a): beware.\n"


def test_what_is_printed_is_utf_8_whatever_the_terminal_is(pod: Path) -> None:
    pod.write_text("# \u2014\n" + POD, encoding="utf-8")
    ran = azwi("uninject", "-f", pod, PYTHONIOENCODING="ascii")
    assert ran.out == "# \u2014\n" + POD


def test_in_place_is_only_by_its_flag(pod: Path) -> None:
    run([pod], target())
    assert pod.read_text() == POD
    run([pod], target(in_place=True, dry=True))
    assert pod.read_text() == POD
    run([pod], target(in_place=True))
    assert pod.read_text() == AFTER


def test_several_files_become_documents_of_one(pod: Path, tmp_path: Path) -> None:
    (tmp_path / "b.yml").write_text("kind: Other")
    (tmp_path / "readme.txt").write_text("{{")
    run([tmp_path], target(tmp_path / "all"))
    assert (tmp_path / "all").read_text() == f"kind: Other\n---\n{AFTER}"


def test_a_file_that_is_there_is_overwritten_by_force_alone(pod: Path, tmp_path: Path) -> None:
    there = tmp_path / "there"
    there.write_text("mine")
    with pytest.raises(errors.FileExists):
        run([pod], target(there))
    assert there.read_text() == "mine"
    run([pod], target(there, force=True))
    assert there.read_text() == AFTER


def test_every_refusal_is_said_and_nothing_is_written(pod: Path, tmp_path: Path) -> None:
    (tmp_path / "b.yaml").write_text(POD + "---\n" + POD)
    found = rewrite.read([pod, tmp_path / "b.yaml"])
    with pytest.raises(errors.BadInput) as caught:
        rewrite.decided(found, refuse)
    lines = str(caught.value).splitlines()
    assert [line.split(",")[0] for line in lines] == [
        str(pod),
        str(tmp_path / "b.yaml"),
        str(tmp_path / "b.yaml"),
    ]
    assert lines[2].endswith("document 2 (Pod a): No. Nothing was written.")


def test_what_refuses_many_is_not_said_of_each(tmp_path: Path) -> None:
    """A flag that was forgotten refuses every pod of a chart."""
    (tmp_path / "a.yaml").write_text("---\n".join([POD] * 40))
    with pytest.raises(errors.BadInput) as caught:
        rewrite.decided(rewrite.read([tmp_path]), refuse)
    *_, third, more = str(caught.value).splitlines()
    assert third.endswith("document 3 (Pod a): No.")
    assert more == "37 more: No. Nothing was written."


@pytest.mark.parametrize(
    ("files", "where", "says"),
    [
        ([Path("-")], target(in_place=True), "Standard input"),
        ([Path("f")], target(Path("g"), in_place=True), "either"),
    ],
)
def test_flags_that_contradict_each_other_are_refused(
    files: list[Path], where: rewrite.Target, says: str
) -> None:
    with pytest.raises(errors.BadInput, match=says):
        where.check(files)


def test_what_cannot_be_read_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(errors.NotFound, match="has no files of manifests"):
        rewrite.read([tmp_path])
    (tmp_path / "f").write_bytes(b"\xff\xfe")
    with pytest.raises(errors.BadInput, match="UTF-8"):
        rewrite.read([tmp_path / "f"])

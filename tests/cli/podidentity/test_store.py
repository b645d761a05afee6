"""The file of a migration's state."""

import json
from pathlib import Path

import pytest

from azwi_cli import errors
from azwi_cli.podidentity import store
from azwi_cli.podidentity.state import Entry, Phase, State, key


def entry(name: str, phase: Phase = Phase.PLANNED) -> Entry:
    account = {"metadata": {"name": name}}
    return Entry("shop", "Deployment", name, "apps/v1", {}, account, True, phase=phase)


FOUND = State("https://api", {key(item.ref): item for item in (entry("a"), entry("b"))})


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "folder"
    store.Store(folder, FOUND).write()
    assert store.load(folder) == FOUND


def test_without_a_file_there_is_no_state(tmp_path: Path) -> None:
    assert store.load(tmp_path) is None


def test_another_file_of_that_name_is_named(tmp_path: Path) -> None:
    (tmp_path / "state.json").write_text("{}")
    with pytest.raises(errors.BadInput, match=r"state\.json is no state"):
        store.load(tmp_path)


def test_saving_replaces_one_workload(tmp_path: Path) -> None:
    kept = store.Store(tmp_path, FOUND)
    kept.save(entry("a", Phase.ROLLOUT))
    found = store.load(tmp_path)
    assert found
    assert found == kept.state
    assert [item.phase for item in found.entries.values()] == [Phase.ROLLOUT, Phase.PLANNED]


def test_a_folder_is_for_one_at_a_time(tmp_path: Path) -> None:
    folder = tmp_path / "new"
    another = pytest.raises(errors.BadInput, match=r"Another azwi is at work.*Wait")
    with store.held(folder), another:
        store.held(folder).__enter__()
    with store.held(folder):
        pass


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(errors.BadInput, match="Choose another folder"):
        store.held(tmp_path / "file" / "x").__enter__()


def test_the_file_says_its_version(tmp_path: Path) -> None:
    store.Store(tmp_path, FOUND).write()
    assert json.loads((tmp_path / "state.json").read_text())["version"] == 1

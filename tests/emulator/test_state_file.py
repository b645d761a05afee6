"""The file that keeps what Graph and ARM made."""

import json
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from azwi_emulator import errors
from azwi_emulator.cloud import Cloud
from azwi_emulator.directory import Directory
from azwi_emulator.state_file import StateFile

if TYPE_CHECKING:
    from tests.emulator.conftest import Desk


def test_what_is_kept_is_there_at_the_next_start(desk: "Desk", tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    desk.graph("POST", "/applications", {"displayName": "shop"})
    StateFile(str(path)).keep(desk.cloud)
    again = Cloud(Directory())
    StateFile(str(path)).furnish(again)
    assert [app.display_name for app in again.applications.all()] == ["shop"]


def test_a_file_that_is_not_there_is_an_empty_state(tmp_path: Path) -> None:
    cloud = Cloud(Directory())
    StateFile(str(tmp_path / "state.json")).furnish(cloud)
    assert list(cloud.groups.all()) == []


def test_it_is_for_the_owner_alone_and_leaves_nothing_beside_it(
    desk: "Desk", tmp_path: Path
) -> None:
    path = tmp_path / "state.json"
    StateFile(str(path)).keep(desk.cloud)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [entry.name for entry in tmp_path.iterdir()] == ["state.json"]


@pytest.mark.parametrize("content", ["{", "[]", '{"version":9}', '{"version":1}', "\x00"])
def test_a_broken_file_is_a_sentence_and_stays_as_it_is(tmp_path: Path, content: str) -> None:
    path = tmp_path / "state.json"
    path.write_text(content)
    with pytest.raises(errors.StartFailed, match="Move the file away to start anew") as caught:
        StateFile(str(path)).furnish(Cloud(Directory()))
    assert str(path) in str(caught.value)
    assert path.read_text() == content


def test_a_file_that_cannot_be_read_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(errors.StartFailed, match=r"cannot be used\. Is a directory"):
        StateFile(str(tmp_path))


def test_a_write_that_fails_leaves_the_old_state(desk: "Desk", tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    file = StateFile(str(path))
    file.keep(desk.cloud)
    before = json.loads(path.read_text())
    desk.graph("POST", "/applications", {"displayName": "shop"})
    (tmp_path / f".state.json.{os.getpid()}").mkdir()  # where the new file is prepared
    with pytest.raises(errors.StartFailed, match="choose another file by --state"):
        file.keep(desk.cloud)
    assert json.loads(path.read_text()) == before

"""Files: whole or not at all, and nobody's file is overwritten unasked."""

import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from azwi_cli import errors, files
from azwi_testing import plain_environment


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_new_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    assert files.write(tmp_path / "new", b"content") is True
    assert (tmp_path / "new").read_bytes() == b"content"
    assert mode(tmp_path / "new") == 0o600


def test_a_file_with_other_content_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "mine"
    file.write_bytes(b"old")
    with pytest.raises(errors.FileExists, match="--force"):
        files.write(file, b"new")
    assert file.read_bytes() == b"old"


def test_force_overwrites_it_and_keeps_its_mode(tmp_path: Path) -> None:
    file = tmp_path / "mine"
    file.write_bytes(b"old")
    file.chmod(0o640)
    assert files.write(file, b"new", force=True) is True
    assert (file.read_bytes(), mode(file)) == (b"new", 0o640)


def test_the_same_content_again_changes_nothing(tmp_path: Path) -> None:
    file = tmp_path / "mine"
    file.write_bytes(b"same")
    before = file.stat()
    assert files.write(file, b"same") is False
    assert file.stat().st_ino == before.st_ino


def test_what_is_replaceable_needs_no_force(tmp_path: Path) -> None:
    file = tmp_path / "mine"
    file.write_bytes(b"generated: old")
    files.write(file, b"generated: new", replaceable=lambda old: old.startswith(b"generated"))
    assert file.read_bytes() == b"generated: new"


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "target")
    files.write(tmp_path / "link", b"content")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "target").read_bytes() == b"content"


def test_a_device_is_written_to_and_not_replaced() -> None:
    assert files.write(Path("/dev/null"), b"content") is True
    assert stat.S_ISCHR(Path("/dev/null").stat().st_mode)


def test_a_folder_that_is_missing_is_told(tmp_path: Path) -> None:
    with pytest.raises(errors.BadInput, match="folder that exists"):
        files.write(tmp_path / "absent" / "file", b"")


def test_a_process_killed_while_it_writes_leaves_the_old_file(tmp_path: Path) -> None:
    file = tmp_path / "mine"
    file.write_bytes(b"old")
    script = (
        "import os, signal, sys; from pathlib import Path; from azwi_cli import files\n"
        "os.fsync = lambda _: os.kill(os.getpid(), signal.SIGKILL)\n"
        "files.write(Path(sys.argv[1]), b'new' * 100000, force=True)"
    )
    ended = subprocess.run([sys.executable, "-c", script, str(file)], env=plain_environment())
    assert ended.returncode == -signal.SIGKILL
    assert file.read_bytes() == b"old"


def test_a_write_that_fails_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(errors.BadInput, match="No space left"):
        files.write(tmp_path / "new", b"content")
    assert list(tmp_path.iterdir()) == []


def test_of_several_files_none_is_written_where_one_is_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / "b/two").write_bytes(b"mine")
    content = {"a/one": b"1", "b/two": b"2"}
    with pytest.raises(errors.FileExists, match="two"):
        files.write_tree(tmp_path, content)
    assert not (tmp_path / "a").exists()
    assert files.write_tree(tmp_path, content, force=True) == [
        tmp_path / "a/one",
        tmp_path / "b/two",
    ]
    assert files.write_tree(tmp_path, content) == []
    assert mode(tmp_path / "a/one") == 0o644


def test_a_tree_below_a_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(errors.BadInput, match="cannot be used: Not a directory"):
        files.write_tree(tmp_path / "file", {"a/one": b"1"})


def test_a_tree_that_cannot_even_be_looked_at_is_told(tmp_path: Path) -> None:
    with pytest.raises(errors.BadInput, match="cannot be used: File name too long"):
        files.write_tree(tmp_path / ("x" * 300), {"one": b"1"})


def test_reading_says_what_is_expected(tmp_path: Path) -> None:
    with pytest.raises(errors.NotFound, match="absent does not exist; a key is expected there"):
        files.read(tmp_path / "absent", "a key")
    with pytest.raises(errors.BadInput, match="cannot be read as a key: Is a directory"):
        files.read(tmp_path, "a key")


def test_what_is_too_large_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "large").open("wb") as file:
        file.truncate(1 << 30)
    with pytest.raises(errors.BadInput, match="larger than 1 MiB"):
        files.read(tmp_path / "large", "a key")

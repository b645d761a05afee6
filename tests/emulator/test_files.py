"""The files that a running emulator offers."""

import os
from pathlib import Path

import pytest

from azwi_emulator import errors, files


def test_a_directory_of_its_own_is_open_to_read_and_gone_at_the_end() -> None:
    with files.directory(None) as path:
        assert path.stat().st_mode & 0o777 == 0o755
        files.write(path / files.CA, "x")
    assert not path.exists()


def test_a_given_directory_is_made_and_stays(tmp_path: Path) -> None:
    with files.directory(str(tmp_path / "a" / "b")) as path:
        files.write(path / files.TOKEN, "x")
    assert (tmp_path / "a" / "b" / files.TOKEN).read_text() == "x"


def test_every_user_may_read_a_file_but_not_a_secret(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        files.write(tmp_path / "open", "x")
        files.write(tmp_path / "secret", b"x", secret=True)
    finally:
        os.umask(before)
    modes = [(tmp_path / name).stat().st_mode & 0o777 for name in ("open", "secret")]
    assert modes == [0o644, 0o600]


def test_a_file_is_replaced_in_one_step(tmp_path: Path) -> None:
    files.write(tmp_path / "f", "old")
    with (tmp_path / "f").open() as reader:
        files.write(tmp_path / "f", "new")
        assert reader.read() == "old"
    assert (tmp_path / "f").read_text() == "new"
    assert [path.name for path in tmp_path.iterdir()] == ["f"]


def test_a_directory_that_cannot_be_made_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with (
        pytest.raises(errors.StartFailed, match="--data-dir"),
        files.directory(str(tmp_path / "file" / "below")),
    ):
        pass


def test_a_file_that_cannot_be_written_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(errors.StartFailed, match="writable"):
        files.write(tmp_path / "missing" / "f", "x")

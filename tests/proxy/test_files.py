"""Files that somebody else mounts: read at once, or refused at once."""

import os
import socket
from pathlib import Path

import pytest

from azwi_proxy import files


def test_a_regular_file_is_read_also_through_links(tmp_path: Path) -> None:
    """A projected volume is links to links."""
    file = tmp_path / "token"
    file.write_bytes(b"text")
    (tmp_path / "link").symlink_to(file)
    with files.regular(str(tmp_path / "link")) as opened:
        assert opened.read() == b"text"


def test_whatever_else_stands_there_is_refused_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "socket"))
        for path in (tmp_path / "pipe", tmp_path / "socket", tmp_path, "/dev/zero"):
            with pytest.raises(OSError, match=r"directory|not a regular file|No such device"):
                files.regular(str(path))

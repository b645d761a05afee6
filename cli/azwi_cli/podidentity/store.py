"""Keeps a migration's state in one file of its folder, which is always whole."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from azwi_cli import errors, files
from azwi_cli.podidentity import state
from azwi_cli.podidentity.state import Entry, State

FILE: Final = "state.json"
_LOCK: Final = ".lock"


def load(folder: Path) -> State | None:
    """The state in a folder; None where there is none yet."""
    path = folder / FILE
    if not path.exists():
        return None
    return state.parsed(files.read(path, "a migration's state"), str(path))


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Keep a folder for oneself; raises BadInput where another azwi changes a cluster from it.

    The lock ends with the process, however that ends.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = (folder / _LOCK).open("w")
    except OSError as error:
        raise errors.BadInput(
            f"{folder} cannot be written to: {error.strerror}.", "Choose another folder."
        ) from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise errors.BadInput(
                f"Another azwi is at work in {folder}.", "Wait until it has ended."
            ) from error
        yield


class Store:
    """Keeps a state in its file, which is always whole."""

    def __init__(self, folder: Path, found: State) -> None:
        self._folder, self.state = folder, found

    def save(self, entry: Entry) -> Entry:
        """Remember how far a workload is."""
        self.state = self.state.with_entry(entry)
        self.write()
        return entry

    def write(self) -> None:
        """Write all of it."""
        files.write_tree(self._folder, {FILE: state.text(self.state)}, force=True)

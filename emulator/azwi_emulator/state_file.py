"""The file of ``--state``: read at the start, replaced as a whole after each write."""

import contextlib
import json
import os
from pathlib import Path
from typing import Any

from azwi_emulator import errors, snapshot
from azwi_emulator.cloud import Cloud

_OWNER = 0o600


class StateFile:
    """What stood in the file at the start, and the way to replace it.

    Raises StartFailed with a sentence: at once for a file that cannot be read, from ``furnish`` for
    one that holds something else, from ``keep`` where it cannot be written.
    """

    def __init__(self, path: str) -> None:
        self._path = Path(path).absolute()
        self._at_start = self._read()

    def furnish(self, cloud: Cloud) -> None:
        """Put what stood in the file into ``cloud``; nothing where there was no file."""
        if self._at_start is None:
            return
        try:
            snapshot.load(cloud, self._at_start)
        except (errors.BadMessage, errors.RequestRefused) as error:
            raise self._unusable(str(error)) from error

    def keep(self, cloud: Cloud) -> None:
        """Replace the file: whatever happens, it holds the old state or the new one."""
        new = self._path.with_name(f".{self._path.name}.{os.getpid()}")
        try:
            descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, _OWNER)
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                json.dump(snapshot.dump(cloud), file, indent=2)
                file.flush()
                os.fsync(file.fileno())
            new.replace(self._path)
        except OSError as error:
            with contextlib.suppress(OSError):
                new.unlink(missing_ok=True)
            raise errors.StartFailed(
                f"The state cannot be written to {self._path}: {error.strerror}."
                " Make the directory writable, or choose another file by --state."
            ) from error

    def _read(self) -> Any:
        try:
            return json.loads(self._path.read_bytes())
        except FileNotFoundError:
            return None
        except OSError as error:
            raise self._unusable(f"{error.strerror}.") from error
        except ValueError as error:
            raise self._unusable(f"It is not JSON: {error}.") from error

    def _unusable(self, reason: str) -> errors.StartFailed:
        return errors.StartFailed(
            f"The state in {self._path} cannot be used. {reason} Move the file away to start anew."
        )

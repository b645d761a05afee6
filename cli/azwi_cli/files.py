"""Talks to the file system: a file is read with a bound, and written whole or not at all.

Every error of the operating system becomes a sentence here.
"""

import os
import stat
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from azwi_cli import errors, output

LARGEST: Final = 1 << 20  # bytes: nothing that is read here has more than a few KB
_OWNER: Final = 0o600
EVERYBODY: Final = 0o644


def read(path: Path, what: str, largest: int = LARGEST) -> bytes:
    """The content of a file, ``largest`` bytes at most; ``what`` it is stands in the errors."""
    try:
        with path.open("rb") as file:
            data = file.read(largest + 1)
    except FileNotFoundError as error:
        raise errors.NotFound(f"{path} does not exist; {what} is expected there.") from error
    except OSError as error:
        raise errors.BadInput(f"{path} cannot be read as {what}: {error.strerror}.") from error
    if len(data) > largest:
        raise errors.BadInput(
            f"{path} is larger than {largest >> 20} MiB; {what} is not. Is it another file?"
        )
    return data


def write(
    path: Path,
    data: bytes,
    *,
    force: bool = False,
    mode: int = _OWNER,
    replaceable: Callable[[bytes], bool] = lambda old: False,
) -> bool:
    """Write a file in one step; False where it has that content already.

    An existing file is overwritten where ``force`` is set or its content is ``replaceable``, and
    keeps its mode. What is no plain file (``/dev/stdout``, a pipe) is written to as it is.
    """
    target = Path(os.path.realpath(path))  # a link stays one: what it points to is written
    try:
        if path.exists() and not path.is_file():
            path.write_bytes(data)
            return True
        if target.exists():
            if _same_or_free(target, data, force, replaceable):
                return False
            mode = stat.S_IMODE(target.stat().st_mode)
        _replace(target, data, mode)
        output.debug(f"wrote {target}")
    except OSError as error:
        raise errors.BadInput(
            f"{path} cannot be written: {error.strerror}. Choose a folder that exists and that"
            " you may write to."
        ) from error
    return True


def write_tree(folder: Path, content: Mapping[str, bytes], *, force: bool = False) -> list[Path]:
    """Write several files below ``folder``, which is made; nothing where one is in the way.

    Everybody may read them, since they are meant to be published. Answers those that changed.
    """
    paths = {folder / name: data for name, data in content.items()}
    try:
        for path, data in paths.items():
            if path.is_file() and not force and path.read_bytes() != data:
                raise _in_the_way(path)
        for path in paths:
            path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise errors.BadInput(
            f"The folder {folder} cannot be used: {error.strerror}. Choose another one."
        ) from error
    return [path for path, data in paths.items() if write(path, data, force=force, mode=EVERYBODY)]


def _same_or_free(
    target: Path, data: bytes, force: bool, replaceable: Callable[[bytes], bool]
) -> bool:
    """Whether the file has this content already; raises where it may not be overwritten."""
    old = target.read_bytes()
    if old == data:
        return True
    if not force and not replaceable(old):
        raise _in_the_way(target)
    return False


def _replace(target: Path, data: bytes, mode: int) -> None:
    descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    new = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fchmod(file.fileno(), mode)
            os.fsync(file.fileno())  # before the rename, so that a crash leaves no empty file
        new.replace(target)
    except BaseException:
        new.unlink(missing_ok=True)
        raise


def _in_the_way(path: Path) -> errors.FileExists:
    return errors.FileExists(
        f"{path} exists with other content. Choose another name, or overwrite it with --force."
    )

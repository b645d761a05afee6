"""Lets an ordinary user in the pod read the checkout and the interpreter; changes no permission.

Root's home is mode 700, and so are many checkouts. In the pod's mount namespace a closed folder is
covered by an empty, readable one, in which what is needed appears again at its old path: bound from
the original, or copied where its own files are closed too. Nobody outside sees any of it.

Runs inside the pod as root: ``python -m azwi_demo.readable PATH...``
"""

import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

_LEFT_OUT = shutil.ignore_patterns(".git", "__pycache__", ".mypy_cache", ".ruff_cache", "test")


def open_up(needed: Sequence[Path]) -> list[str]:
    """Make every path of ``needed`` readable to others; returns what was done, as sentences."""
    done: list[str] = []
    for closed in sorted({first for path in needed if (first := _first_closed(path))}):
        below = [path for path in needed if path == closed or closed in path.parents]
        done.append(_cover(closed, below))
    return done


def _first_closed(path: Path) -> Path | None:
    """The topmost folder on the way to ``path`` that others may not pass, or ``path`` itself."""
    for folder in [*reversed(path.parents), path]:
        if folder.stat().st_mode & 0o005 != 0o005 and folder != Path("/"):
            if folder.stat().st_mode & stat.S_IXOTH and folder != path:
                continue  # may be passed, though not listed
            return folder
    return None if _is_open(path) else path


def _is_open(path: Path) -> bool:
    """Whether the files inside are readable too (a umask of 077 closes every one)."""
    sample = [entry for entry in sorted(path.iterdir())[:50] if not entry.name.startswith(".git")]
    return all(entry.is_symlink() or entry.stat().st_mode & stat.S_IROTH for entry in sample)


def _cover(closed: Path, below: Sequence[Path]) -> str:
    """Put a readable folder over ``closed``, with the paths ``below`` it as they were."""
    with tempfile.TemporaryDirectory(prefix="azwi-demo-") as stage:
        _mount("--bind", str(closed), stage)
        _mount("-t", "tmpfs", "-o", "mode=0755", "azwi-demo", str(closed))
        for path in sorted(below):
            original = Path(stage) / path.relative_to(closed)
            if original.stat().st_mode & 0o005 == 0o005 and _is_open(original):
                path.mkdir(parents=True, exist_ok=True)
                _mount("--bind", str(original), str(path))
            else:
                _copy(original, path)
        # The stage goes away with its mount; what was bound from it stays.
        subprocess.run(["umount", "--lazy", stage], check=True)
    return f"{closed} is closed to others: {', '.join(map(str, below))} shown readable in the pod"


def _copy(original: Path, path: Path) -> None:
    shutil.copytree(original, path, symlinks=True, dirs_exist_ok=True, ignore=_LEFT_OUT)
    for entry in (path, *path.rglob("*")):
        if not entry.is_symlink():
            entry.chmod(entry.stat().st_mode | (0o055 if entry.is_dir() else 0o044))
        if entry.is_file() and entry.stat().st_mode & stat.S_IXUSR:
            entry.chmod(entry.stat().st_mode | 0o011)


def _mount(*arguments: str) -> None:
    subprocess.run(["mount", *arguments], check=True, capture_output=True)


if __name__ == "__main__":
    for sentence in open_up([Path(argument) for argument in sys.argv[1:]]):
        print(sentence)

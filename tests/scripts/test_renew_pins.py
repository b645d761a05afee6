"""``make renew-pins`` with stand-ins of git and skopeo: nothing here may ask a network."""

import os
import re
import runpy
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "scripts/renew_pins.py"
OLD, NEW, PEELED = "a" * 40, "b" * 40, "c" * 40
DIGEST = "sha256:" + "d" * 64
TAGS = (
    (OLD, "v4.2.2"), (NEW, "v4.10.0"), (PEELED, "v4.10.0^{}"), (OLD, "v4.11.0-beta"), (OLD, "v4")
)  # fmt: skip
LISTED = "".join(f"{commit}\\trefs/tags/{tag}\\n" for commit, tag in TAGS)
GIT = f"#!/bin/sh\nprintf '{LISTED}'\n"
SKOPEO = f"#!/bin/sh\necho {DIGEST}\n"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of what pins, with the script."""
    for path in runpy.run_path(str(SCRIPT))["files"]():
        copy = tmp_path / path.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, copy)
    (tmp_path / "scripts").mkdir()
    shutil.copy(SCRIPT, tmp_path / "scripts")
    return tmp_path


def run(tree: Path, **programs: str) -> subprocess.CompletedProcess[str]:
    commands = tree / "bin"
    commands.mkdir()
    (commands / "sh").symlink_to("/bin/sh")
    for name, text in programs.items():
        (commands / name).write_text(text)
        (commands / name).chmod(0o755)
    python = shutil.which("python3", path=os.defpath) or "python3"
    return subprocess.run(
        [python, tree / "scripts/renew_pins.py"],
        env={"PATH": str(commands)},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def contents(tree: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in sorted(tree.rglob("*")) if path.is_file()}


def test_actions_and_the_base_image_get_their_newest_pins(tree: Path) -> None:
    done = run(tree, git=GIT, skopeo=SKOPEO)
    assert done.returncode == 0, done.stderr
    workflow = (tree / ".github/workflows/check.yaml").read_text()
    assert f"uses: actions/checkout@{PEELED} # v4.10.0" in workflow
    assert not re.search(rf"@{OLD}|@{NEW}", workflow)
    assert f"ARG BASE_IMAGE=python:3.13-slim@{DIGEST}\n" in (tree / "Dockerfile.init").read_text()


@pytest.mark.parametrize(
    ("programs", "told"),
    [
        ({}, "git is not installed"),
        ({"git": GIT}, "needs skopeo or docker"),
        ({"git": "#!/bin/sh\necho 'no route' >&2; exit 128\n"}, "failed: no route"),
        ({"git": "#!/bin/sh\n"}, "has no release of version"),
        ({"git": GIT, "skopeo": "#!/bin/sh\necho what\n"}, "names no digest"),
    ],
)
def test_what_cannot_be_renewed_is_a_sentence_and_changes_nothing(
    tree: Path, programs: dict[str, str], told: str
) -> None:
    before = contents(tree)
    done = run(tree, **programs)
    assert done.returncode == 1
    assert told in done.stderr
    assert "Nothing was changed." in done.stderr
    assert before.items() <= contents(tree).items()


@pytest.mark.parametrize(
    "path",
    [path for path in runpy.run_path(str(SCRIPT))["files"]() if "Dockerfile" in path.name],
    ids=lambda path: path.name,
)
def test_every_dockerfile_pins_its_base_image_by_digest(path: Path) -> None:
    assert re.search(r"^ARG BASE_IMAGE=\S+@sha256:[0-9a-f]{64}$", path.read_text(), re.MULTILINE)

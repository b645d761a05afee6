"""The workflows are sound, do what .ci/run does, and name no registry."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from azwi_testing import tools

ROOT = Path(__file__).parents[2]
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yaml"))


def jobs(name: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ROOT / ".github/workflows" / name).read_text())["jobs"]
    return found


@pytest.mark.helm
def test_actionlint_finds_nothing() -> None:
    done = subprocess.run(
        [tools.tool("actionlint"), "-no-color", *WORKFLOWS],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_every_action_is_pinned_by_a_commit_and_names_its_version(path: Path) -> None:
    used = re.findall(r"uses: (.+)", path.read_text())
    assert used
    for action in used:
        assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", action)


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_no_registry_is_named_but_by_a_variable(path: Path) -> None:
    text = path.read_text()
    assert not re.search(r"\b[\w-]+\.(io|com|net|dev|cr)\b", text)


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_may_read_and_a_job_says_what_more_it_may(path: Path) -> None:
    assert yaml.safe_load(path.read_text())["permissions"] == {"contents": "read"}


def test_checks_run_on_every_python_that_is_supported() -> None:
    job = jobs("check.yaml")["python"]
    assert job["strategy"]["matrix"]["python"] == ["3.11", "3.12", "3.13"]
    assert job["steps"][-1]["run"] == "make check test"
    classifiers = (ROOT / "pyproject.toml").read_text()
    for version in job["strategy"]["matrix"]["python"]:
        assert f"Python :: {version}" in classifiers


def test_a_release_builds_what_make_images_builds() -> None:
    job = jobs("release.yaml")["image"]
    released = {item["name"]: item["file"] for item in job["strategy"]["matrix"]["include"]}
    script = (ROOT / "scripts/images.sh").read_text()
    assert released == dict(re.findall(r"^  (azwi-[\w-]+)=(\S+)$", script, re.MULTILINE))


def test_a_released_image_is_for_both_architectures_with_sbom_and_provenance() -> None:
    steps = jobs("release.yaml")["image"]["steps"]
    (build,) = (item for item in steps if "build-push-action" in item.get("uses", ""))
    assert build["with"]["platforms"] == "linux/amd64,linux/arm64"
    assert build["with"]["sbom"] is True
    assert build["with"]["provenance"] == "mode=max"
    assert any("attest-build-provenance" in item.get("uses", "") for item in steps)

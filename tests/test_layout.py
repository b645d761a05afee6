"""The tree is what CONTRIBUTING says: every module has its tests, every promise its test."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = (
    "common/azwi_common",
    "proxy/azwi_proxy",
    "init/azwi_init",
    "webhook/azwi_webhook",
    "cli/azwi_cli",
    "emulator/azwi_emulator",
)
REQUIRED = (
    "pyproject.toml", "proxy", "init", "images", "manifests", "tests", "Dockerfile.proxy",
    "Dockerfile.init", "common", "cli", "emulator", "bench", "docs",
)  # fmt: skip
# Pure data or declarations, held by the tests of the modules that use them.
WITHOUT_TESTS = {"__init__", "errors"}


def modules() -> list[tuple[str, Path]]:
    """Each module with the folder of tests that mirrors its own."""
    return [
        (str(package.split("/")[0] / path.parent.relative_to(ROOT / package)), path)
        for package in PACKAGES
        for path in sorted((ROOT / package).rglob("*.py"))
        if path.stem not in WITHOUT_TESTS
    ]


@pytest.mark.parametrize("name", REQUIRED)
def test_what_is_required_at_the_top_level_is_there(name: str) -> None:
    assert (ROOT / name).exists()


@pytest.mark.parametrize(("folder", "path"), modules(), ids=lambda value: str(value)[-40:])
def test_every_module_has_its_test_file(folder: str, path: Path) -> None:
    name = path.stem.strip("_")
    assert (ROOT / "tests" / folder / f"test_{name}.py").is_file()


def test_every_promise_names_a_test_that_exists() -> None:
    named = re.findall(r"`(tests/[\w/.]+\.py)::(\w+)`", (ROOT / "docs/behaviour.md").read_text())
    assert len(named) > 100
    missing = [
        f"{file}::{test}"
        for file, test in named
        if not re.search(rf"def {test}\(", (ROOT / file).read_text())
    ]
    assert missing == []


def test_every_link_of_the_documentation_leads_somewhere() -> None:
    pages = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("bench/*.md")]
    dead = [
        f"{page.name}: {link}"
        for page in pages
        for link in re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text())
        if not (page.parent / link).exists()
    ]
    assert dead == []

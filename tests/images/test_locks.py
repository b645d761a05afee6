"""What images install is pinned by hash, and is what pyproject.toml asks for."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LOCKS = sorted((ROOT / "images/locks").glob("*.txt"))


def pinned(path: Path) -> dict[str, str]:
    return dict(re.findall(r"^([\w.-]+)==([\w.+]+)", path.read_text(), re.MULTILINE))


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.name)
def test_every_package_of_a_lock_has_an_exact_version_and_hashes(lock: Path) -> None:
    entries = re.split(r"\n(?=\S)", lock.read_text().strip())
    assert entries
    for entry in entries:
        assert re.match(r"[\w.-]+==\S+", entry), entry
        assert "--hash=sha256:" in entry, entry


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.name)
def test_a_lock_holds_names_versions_and_hashes_only(lock: Path) -> None:
    assert "://" not in lock.read_text()
    assert "index" not in lock.read_text()


@pytest.mark.parametrize("extra", ["proxy", "init", "webhook", "emulator"])
def test_a_lock_has_what_its_program_asks_for(extra: str) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    asked = {
        re.split(r"[^\w-]", line)[0].lower() for line in project["optional-dependencies"][extra]
    }
    assert asked <= set(pinned(ROOT / f"images/locks/{extra}.txt"))


def test_the_development_environment_has_the_versions_that_images_have() -> None:
    dev = pinned(ROOT / "images/locks/dev.txt")
    for extra in ("proxy", "init", "webhook", "emulator"):
        lock = pinned(ROOT / f"images/locks/{extra}.txt")
        assert {name: dev[name] for name in lock} == lock


def test_the_init_image_has_no_more_than_python_iptables() -> None:
    assert list(pinned(ROOT / "images/locks/init.txt")) == ["python-iptables"]

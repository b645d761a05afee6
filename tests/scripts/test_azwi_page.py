"""docs/azwi.md says what the commands say."""

import runpy
from pathlib import Path
from typing import Any

import pytest

from azwi_cli import commands

SCRIPT = Path(__file__).parents[2] / "scripts" / "azwi_page.py"


@pytest.fixture(scope="module")
def script() -> dict[str, Any]:
    """The script's names."""
    return runpy.run_path(str(SCRIPT))


def test_the_page_of_commands_is_up_to_date(script: dict[str, Any]) -> None:
    assert script["PAGE"].read_text() == script["page"](), "stale: run make docs"


def test_the_page_names_every_command(script: dict[str, Any]) -> None:
    text = script["page"]()
    for entry in commands.TABLE:
        assert f"## azwi {entry.name}" in text


def test_the_page_names_flags_and_exit_codes(script: dict[str, Any]) -> None:
    text = script["page"]()
    for name in ("`--public-keys`", "`--output-file`", "`--format`, `-o`", "| 130 |"):
        assert name in text

"""docs/settings.md says what the settings classes say."""

import runpy
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "settings_page.py"


@pytest.fixture(scope="module")
def script() -> dict[str, Any]:
    """The script's names."""
    return runpy.run_path(str(SCRIPT))


def test_the_page_of_settings_is_up_to_date(script: dict[str, Any]) -> None:
    assert script["PAGE"].read_text() == script["page"](), "stale: run make docs"


def test_the_page_names_every_setting_of_every_program(script: dict[str, Any]) -> None:
    text = script["page"]()
    for name in ("AZURE_FEDERATED_TOKEN_FILE", "AZWI_IPTABLES_MODE", "AZWI_EMULATOR_PORT"):
        assert f"`{name}`" in text

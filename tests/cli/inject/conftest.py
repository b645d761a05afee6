"""The webhook's golden pods, for the tests of ``azwi inject``."""

import runpy
from pathlib import Path
from typing import Any

import pytest

WEBHOOK = Path(__file__).parents[2] / "webhook"


@pytest.fixture(scope="session")
def golden() -> dict[str, Any]:
    """The names of the webhook's golden tests."""
    return runpy.run_path(str(WEBHOOK / "test_golden.py"))

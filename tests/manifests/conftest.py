"""The two Helms that are in use."""

from pathlib import Path

import pytest

from azwi_testing import tools


@pytest.fixture(scope="session", params=["helm3", "helm4"])
def helm(request: pytest.FixtureRequest) -> Path:
    """Each of the two."""
    return tools.tool(request.param)


@pytest.fixture(scope="session")
def helm4() -> Path:
    """One of them, where they cannot differ: a test compares what they make."""
    return tools.tool("helm4")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whichever test comes first builds the programs: minutes, once."""
    for item in items:
        if item.get_closest_marker("helm"):
            item.add_marker(pytest.mark.timeout(1800))

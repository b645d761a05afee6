"""``azwi version``."""

import platform

from azwi_commands import azwi
from azwi_common import __version__


def test_it_prints_the_version() -> None:
    assert azwi("version").out == f"Version: {__version__}\n"


def test_programs_read_it_as_json_and_as_yaml() -> None:
    python = platform.python_version()
    found = {"client": {"version": __version__, "python": python}}
    assert azwi("version", "-o", "json").data == found
    assert azwi("version", "--format", "yaml").out == (
        f"client:\n  version: {__version__}\n  python: {python}\n"
    )

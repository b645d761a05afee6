"""docs/migration.md says what happens: its commands are run, and print what it shows.

``AZWI_GOLDEN=write pytest tests/cli/podidentity/test_journey.py`` writes their output into the page
anew: read the difference before you commit it.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import yaml

from azwi_testing import plain_environment
from azwi_testing.podidentity import Server

HERE = Path(__file__).parent
PAGE = HERE.parents[2] / "docs" / "migration.md"
BLOCK = re.compile(r"(?<=```console\n).*?(?=```)", re.DOTALL)


def ran(command: str, folder: Path, kubeconfig: Path) -> str:
    """What a person sees of a command: its output, its notes, an exit code that is not 0."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    ended = subprocess.run(
        ["sh", "-c", f'{command}; code=$?; [ $code = 0 ] || echo "(exit code $code)"'],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        cwd=folder,
        env={
            **plain_environment(),
            "PATH": path,
            "HOME": "/nonexistent",
            "KUBECONFIG": str(kubeconfig),
            "PYTHONUNBUFFERED": "1",
        },
        text=True,
        timeout=60,
    )
    return "".join(f"{line.rstrip()}\n" for line in ended.stdout.splitlines())


def test_the_page_shows_what_its_commands_print(
    server: Server, kubeconfig: Path, tmp_path: Path
) -> None:
    server.put(*yaml.safe_load_all((HERE / "journey" / "shop.yaml").read_text()))
    folder = tmp_path / "work"
    folder.mkdir()
    text = PAGE.read_text()

    def again(block: re.Match[str]) -> str:
        commands = [line[2:] for line in block[0].splitlines() if line.startswith("$ ")]
        assert commands
        return "".join(f"$ {command}\n{ran(command, folder, kubeconfig)}" for command in commands)

    found = BLOCK.sub(again, text)
    if os.environ.get("AZWI_GOLDEN") == "write":
        PAGE.write_text(found)
    assert PAGE.read_text() == found
    assert len(BLOCK.findall(found)) > 4

"""The table of commands: every entry can be called, and nothing is imported before it is."""

import re
import resource
import shlex
import subprocess
import sys
from itertools import takewhile
from pathlib import Path
from typing import Any

import pytest

from azwi_cli import __main__, commands, errors
from azwi_commands import azwi
from azwi_testing import plain_environment

ROUNDS = 15
ALLOWED = 1.5
ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def every_command() -> list[tuple[str, Any]]:
    """Path and command, groups and leaves, without the root."""
    found: list[tuple[str, Any]] = []

    def visit(path: str, command: Any) -> None:
        found.append((path, command))
        for name, child in getattr(command, "commands", {}).items():
            visit(f"{path} {name}", child)

    for entry in commands.TABLE:
        visit(entry.name, commands.load(entry))
    return found


@pytest.mark.parametrize(("path", "command"), every_command(), ids=lambda value: str(value)[:30])
def test_every_command_has_debug_and_help(path: str, command: Any) -> None:
    assert [option for option in command.params if "--debug" in option.opts]
    ran = azwi(*path.split(), "-h")
    assert "--debug" in ran.out
    assert ran.out.startswith(f"Usage: azwi {path}")
    assert command.help


@pytest.mark.parametrize(("path", "command"), every_command(), ids=lambda value: str(value)[:30])
def test_every_flag_and_argument_says_what_it_is_for(path: str, command: Any) -> None:
    assert all(parameter.help for parameter in command.params)


def test_the_help_of_azwi_names_every_command_with_its_line() -> None:
    out = " ".join(azwi("--help").out.split())
    for entry in commands.TABLE:
        assert f"{entry.name} {entry.help}" in out


def shown(page: Path) -> list[list[str]]:
    """The arguments of every azwi in the page's blocks of commands."""
    blocks = "".join(re.findall(r"^```(?:sh|console)\n(.*?)^```", page.read_text(), re.M | re.S))
    lines = re.findall(r"^\s*(?:\$ )?azwi (.*)", blocks.replace("\\\n", " "), re.M)
    split = (shlex.split(line, comments=True) for line in lines)
    return [list(takewhile(lambda word: word not in ("|", "&&"), words)) for words in split]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_of_a_page_exists_with_its_flags(
    page: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for words in shown(page):
        assert __main__.main([*words, "--help"]) == errors.Code.DONE, capsys.readouterr().err


def test_pages_show_commands() -> None:
    assert len(shown(ROOT / "docs/self-managed.md")) == 6


def test_nothing_given_is_the_help_and_exit_code_2() -> None:
    assert azwi(code=2).out == azwi("--help").out


def test_a_mistyped_command_is_suggested() -> None:
    assert "Did you mean 'jwks'?" in azwi("jkws", code=2).err


def test_help_imports_no_more_than_typer() -> None:
    script = (
        "import sys; sys.argv = ['azwi', '--help']\n"
        "from azwi_cli.__main__ import main\n"
        "main(); print(sorted(m for m in sys.modules if '.' not in m))"
    )
    ended = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, env=plain_environment()
    )
    heavy = {"rich", "httpx2", "lightkube", "cryptography", "jwt", "yaml", "msgspec"}
    loaded = set(ended.stdout.splitlines()[-1].strip("[]").replace("'", "").split(", "))
    assert "typer" in loaded
    assert not loaded & heavy


def test_help_takes_little_more_than_importing_typer() -> None:
    def seconds(*arguments: str) -> float:
        """Of CPU time: by the clock a busy machine makes one of them late."""
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, *arguments], capture_output=True, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    helps, imports = [], []
    for _ in range(ROUNDS):  # in turns, so that both meet the same load; the least counts
        helps.append(seconds("-m", "azwi_cli", "--help"))
        imports.append(seconds("-c", "import typer"))
    assert min(helps) <= ALLOWED * min(imports)

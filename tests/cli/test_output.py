"""Results: tables for people, JSON and YAML for programs, colour on a terminal only."""

import json
import os
import pty
import subprocess
import sys
from typing import Any

import pytest
import yaml

from azwi_cli import errors, output
from azwi_testing import plain_environment

DATA = {"name": "Zürich", "items": [{"status": errors.Code.DONE}, {"kind": output.Format.JSON}]}
PLAIN = {"name": "Zürich", "items": [{"status": 0}, {"kind": "json"}]}


def test_json_and_yaml_hold_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    output.show(DATA, output.Format.JSON, str)
    as_json = capsys.readouterr().out
    output.show(DATA, output.Format.YAML, str)
    as_yaml = capsys.readouterr().out
    assert json.loads(as_json) == yaml.safe_load(as_yaml) == PLAIN
    assert "Zürich" in as_json
    assert "Zürich" in as_yaml


@pytest.mark.parametrize("form", output.Format)
@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_an_output_that_takes_few_letters_gets_the_others_spelled(
    form: output.Format, encoding: str
) -> None:
    script = (
        f"from azwi_cli import output; output.show({{'a': 'ü☃'}}, output.Format('{form}'),"
        " lambda _: 'ü☃')"
    )
    environment = {**plain_environment(), "PYTHONIOENCODING": encoding}
    ran = subprocess.run(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, env=environment, check=True
    )
    text = ran.stdout.decode(encoding)
    if form is output.Format.TABLE:
        spelled = {"ascii": "\\xfc\\u2603", "latin-1": "ü\\u2603", "utf-8": "ü☃"}
        assert text.strip() == spelled[encoding]
    else:
        assert yaml.safe_load(text) == {"a": "ü☃"}  # JSON is YAML too


def rows(*cells: str) -> Any:
    return output.table(("NAME", "TEXT"), [("a", cell) for cell in cells])


def test_a_table_in_a_pipe_is_plain_and_never_cut(capsys: pytest.CaptureFixture[str]) -> None:
    output.show(None, output.Format.TABLE, lambda _: rows("x" * 300, "[red]no markup[/red]"))
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines == [["NAME", "TEXT"], ["a", "x" * 300], ["a", "[red]no", "markup[/red]"]]


def test_text_of_others_does_not_steer_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    output.show(None, output.Format.TABLE, lambda _: rows("\x1b[31mred\x07"))
    output.show(None, output.Format.TABLE, lambda _: "\x1b[31mred")
    output.note("\x1b[31mred")
    captured = capsys.readouterr()
    assert "\x1b" not in captured.out + captured.err
    assert captured.out.count("\\x1b[31mred") == 2


def test_notes_go_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    output.note("Beside the result.")
    assert capsys.readouterr() == ("", "Beside the result.\n")


SCRIPT = "from azwi_cli import output; output.console().print('word', style='bold red')"


def on_a_terminal(**variables: str) -> bytes:
    leader, follower = pty.openpty()
    environment = {**plain_environment(), "TERM": "xterm-256color", **variables}
    subprocess.run([sys.executable, "-c", SCRIPT], stdout=follower, env=environment, check=True)
    os.close(follower)
    written = os.read(leader, 1000)
    os.close(leader)
    return written


def test_there_is_colour_on_a_terminal_only_and_not_where_no_color_is_set() -> None:
    assert b"31m" in on_a_terminal()
    assert b"31m" not in on_a_terminal(NO_COLOR="1")
    piped = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, env=plain_environment(), check=True
    )
    assert piped.stdout == b"word\n"

"""Asking before something is done."""

import io
import sys

import pytest

from azwi_cli import ask, errors


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("answer", ["y\n", "YES\n", " y \n"])
def test_a_yes_at_the_terminal_confirms(answer: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", _Terminal(answer))
    ask.confirmed("Delete it?", yes=False)


@pytest.mark.parametrize("answer", ["\n", "n\n", "yeah\n", ""])
def test_anything_else_changes_nothing(
    answer: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", _Terminal(answer))
    with pytest.raises(errors.Declined, match="Nothing was changed"):
        ask.confirmed("Delete it?", yes=False)
    seen = capsys.readouterr()
    assert (seen.out, seen.err) == ("", "Delete it? [y/N] ")


def test_without_a_terminal_the_flag_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n"))
    with pytest.raises(errors.BadInput, match="--yes"):
        ask.confirmed("Delete it?", yes=False)


def test_the_flag_asks_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(""))
    ask.confirmed("Delete it?", yes=True)

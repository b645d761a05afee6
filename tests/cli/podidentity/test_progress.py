"""A progress bar where somebody sees it, and nowhere else."""

import io
import os
import pty
import subprocess
import sys

import pytest

from azwi_cli.podidentity import progress
from azwi_testing import plain_environment

SCRIPT = (
    "from azwi_cli.podidentity import progress\n"
    "with progress.shown() as advance:\n"
    "    advance('pods', 500); advance('pods', 500); advance('pods', 0); advance('jobs', 1)\n"
)


def test_without_a_terminal_nothing_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    written = io.StringIO()
    monkeypatch.setattr(sys, "stderr", written)
    with progress.shown() as advance:
        advance("pods", 500)
    assert written.getvalue() == ""


def test_on_a_terminal_it_says_what_is_read() -> None:
    ours, theirs = pty.openpty()
    with os.fdopen(ours, "rb", buffering=0) as screen:
        ended = subprocess.run(
            [sys.executable, "-c", SCRIPT],
            stderr=theirs,
            stdout=subprocess.PIPE,
            env={**plain_environment(), "TERM": "xterm"},
            timeout=30,
        )
        shown = screen.read(65536)
        os.close(theirs)
    assert (ended.returncode, ended.stdout) == (0, b"")
    assert b"Reading jobs" in shown

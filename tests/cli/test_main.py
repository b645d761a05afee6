"""The process: exit codes, one sentence per error, no traceback unless it is asked for."""

import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from azwi_cli import __main__ as program
from azwi_cli import commands, errors
from azwi_commands import Authority, Reply, Site, azwi, serve
from azwi_common import __version__
from azwi_testing import plain_environment


def test_it_runs_as_a_script_as_a_module_and_as_a_plugin_of_kubectl(tmp_path: Path) -> None:
    scripts = Path(sys.executable).parent
    for command in ([scripts / "azwi"], [scripts / "kubectl-azwi"]):
        ended = subprocess.run([*command, "version"], capture_output=True, text=True, check=True)
        assert ended.stdout == f"Version: {__version__}\n"
    for spelled in ("version", "--version"):
        assert azwi(spelled).out == f"Version: {__version__}\n"


def test_kubectl_finds_the_plugin_and_help_speaks_its_name() -> None:
    plugin = Path(sys.executable).parent / "kubectl-azwi"
    ended = subprocess.run([plugin, "version", "-h"], capture_output=True, text=True, check=True)
    assert ended.stdout.startswith("Usage: kubectl azwi version")


@pytest.mark.parametrize("arguments", [("--debug", "version"), ("version", "--debug")])
def test_debug_is_taken_before_and_after_the_command(arguments: tuple[str, ...]) -> None:
    assert azwi(*arguments).out == f"Version: {__version__}\n"


def test_an_error_is_one_sentence_and_its_exit_code() -> None:
    ran = azwi("jwks", "--public-keys", "absent.pub", code=errors.Code.NOT_FOUND)
    assert ran.err == "azwi: absent.pub does not exist; a key in PEM form is expected there.\n"
    assert ran.out == ""


def test_debug_shows_where_an_error_comes_from() -> None:
    command = [sys.executable, "-m", "azwi_cli", "jwks", "--public-keys", "absent", "--debug"]
    ended = subprocess.run(
        command, capture_output=True, text=True, check=False, env=plain_environment()
    )
    assert ended.returncode == errors.Code.NOT_FOUND
    assert "Traceback" in ended.stderr


def test_debug_shows_what_is_asked_and_no_header(site: Site, authority: Authority) -> None:
    ran = azwi("oidc", "check", site.issuer, "--ca-file", authority.file, "--debug", code=3)
    asked = [line for line in ran.err.splitlines() if line.startswith("debug: GET ")]
    assert len(asked) == 2
    assert "user-agent" not in ran.err.lower()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("version", "extra"), "azwi version: Got unexpected extra argument"),
        (("version", "--nonsense"), "azwi version: No such option: --nonsense"),
        (("version", "-o", "xml"), "azwi version: Invalid value for"),
        (("completion",), "azwi completion: Missing argument"),
        (("oidc", "check"), "azwi oidc check: Missing argument"),
    ],
)
def test_a_mistake_on_the_command_line_is_one_line_that_names_the_help(
    arguments: tuple[str, ...], told: str
) -> None:
    ran = azwi(*arguments, code=2)
    assert ran.err.startswith(told)
    assert ran.err.endswith("--help' shows how.\n")
    assert ran.err.count("\n") == 1


def test_what_nobody_foresaw_is_a_sentence_too(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken() -> commands.Commands:
        raise RuntimeError("gone wrong")

    monkeypatch.setattr(commands, "root", broken)
    assert program.main(["version"]) == errors.Code.FAILED
    assert capsys.readouterr().err.startswith("azwi: RuntimeError: gone wrong. This is a mistake")


def test_a_reader_that_leaves_is_no_error_to_speak_of() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    ended = subprocess.run(
        [sys.executable, "-m", "azwi_cli", "completion", "bash"],
        stdout=writing,
        stderr=subprocess.PIPE,
        check=False,
        env=plain_environment(),
    )
    os.close(writing)
    assert ended.stderr == b""
    assert ended.returncode == errors.Code.FAILED


def closed(redirect: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = shlex.join([sys.executable, "-m", "azwi_cli", *arguments])
    return subprocess.run(
        ["sh", "-c", f"{command} {redirect}"],
        capture_output=True,
        text=True,
        check=False,
        env=plain_environment(),
    )


@pytest.mark.parametrize("arguments", [("version",), ("--help",), ("jwks", "--help")])
def test_an_output_that_is_closed_is_a_sentence(arguments: tuple[str, ...]) -> None:
    ended = closed(">&-", *arguments)
    assert ended.stderr == "azwi: Standard output is closed. Give it a file, or /dev/null.\n"
    assert ended.returncode == errors.Code.FAILED


def test_nothing_is_done_where_the_output_is_closed(signing_key: Path, tmp_path: Path) -> None:
    file = tmp_path / "jwks.json"
    arguments = ("jwks", "--public-keys", str(signing_key), "--output-file", str(file))
    assert closed(">&-", *arguments).returncode == errors.Code.FAILED
    assert not file.exists()
    assert closed("", *arguments).returncode == 0
    assert file.exists()


def test_an_error_does_not_go_to_the_output_where_there_is_nowhere_to_tell_it() -> None:
    ended = closed("2>&-", "jwks", "--public-keys", "absent.pub")
    assert (ended.stdout, ended.returncode) == ("", errors.Code.NOT_FOUND)


def test_a_closed_input_is_nobody_at_a_terminal() -> None:
    ended = closed("<&-", "version")
    assert (ended.stdout, ended.stderr) == (f"Version: {__version__}\n", "")


def test_a_disk_that_is_full_is_a_sentence() -> None:
    with Path("/dev/full").open("wb") as full:
        ended = subprocess.run(
            [sys.executable, "-m", "azwi_cli", "version"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            env=plain_environment(),
        )
    assert ended.stderr == "azwi: The output cannot be written: No space left on device.\n"
    assert ended.returncode == errors.Code.FAILED


def test_ctrl_c_ends_it_with_130_and_says_so(authority: Authority) -> None:
    with serve(authority.server()) as site:
        site.replies["/.well-known/openid-configuration"] = Reply(b"{}", pause=5)
        command = [sys.executable, "-m", "azwi_cli", "oidc", "check", site.url]
        process = subprocess.Popen(
            [*command, "--ca-file", str(authority.file)],
            stderr=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            env=plain_environment(),
            # A job of a shell without job control starts with it ignored, and hands that down.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
        until = time.monotonic() + 15
        while not site.asked and time.monotonic() < until:
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=15)
    assert (process.returncode, said) == (errors.Code.INTERRUPTED, b"azwi: Interrupted.\n")


def test_the_text_of_others_does_not_steer_the_terminal() -> None:
    ran = azwi("jwks", "--public-keys", "\x1b]0;title\x07", code=errors.Code.NOT_FOUND)
    assert "\x1b" not in ran.err
    assert "\\x1b]0;title" in ran.err

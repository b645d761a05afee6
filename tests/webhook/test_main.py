"""The command line."""

import subprocess
import sys

import pytest

from azwi_common import __version__
from azwi_testing import plain_environment
from azwi_webhook import __main__ as module


def run(*argv: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "azwi_webhook", *argv],
        env={**plain_environment(), **environment},
        capture_output=True,
        text=True,
        timeout=30,
    )


def test_the_version_is_printed() -> None:
    done = run("--version")
    assert (done.returncode, done.stdout) == (0, f"azwi-webhook {__version__}\n")


def test_wrong_settings_are_all_told_at_once_with_exit_2() -> None:
    done = run("--tls-min-version=1.1", "--health-addr=nonsense")
    assert done.returncode == 2
    assert "--tls-min-version must be one of 1.2, 1.3" in done.stderr
    assert "--health-addr must be [host]:port" in done.stderr
    assert "AZURE_TENANT_ID is not set" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_unknown_flag_is_exit_2() -> None:
    done = run("--nonsense")
    assert done.returncode == 2
    assert "--nonsense" in done.stderr


def test_the_references_flags_are_taken() -> None:
    argv = [
        "--audience=api://other",
        "--webhook-cert-dir=/somewhere",
        "--disable-cert-rotation",
        "--tls-min-version=1.2",
        "--health-addr=:9440",
        "--metrics-addr",
        ":8095",
        "--metrics-backend=prometheus",
        "--log-level=debug",
        "--custom-token-endpoint-annotation-suffix=x",
        "--custom-token-endpoint-audience=api://y",
    ]
    flags = module._flags(argv)
    assert flags["--disable-cert-rotation"] == "true"
    assert flags["--metrics-addr"] == ":8095"
    assert len(flags) == len(argv) - 1


@pytest.mark.parametrize("value", ["true", "false"])
def test_a_switch_may_have_its_value(value: str) -> None:
    flags = module._flags([f"--disable-cert-rotation={value}"])
    assert flags == {"--disable-cert-rotation": value}


def test_help_names_every_flag_with_its_meaning() -> None:
    done = run("--help")
    assert done.returncode == 0
    for flag in ("--webhook-addr", "--audience", "--disable-cert-rotation"):
        assert flag in done.stdout

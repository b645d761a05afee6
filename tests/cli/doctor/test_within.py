"""azwi-proxy is asked by kubectl; a script stands in for it."""

import json
import stat
from pathlib import Path

import pytest

from azwi_cli.doctor import within
from azwi_cli.doctor.facts import Unread
from azwi_commands import patients


@pytest.fixture
def kubectl(tmp_path: Path) -> Path:
    """A program that prints its arguments as the report."""
    program = tmp_path / "kubectl"
    program.write_text('#!/bin/sh\nprintf \'{"arguments": "%s"}\' "$*"\n')
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return program


def test_it_is_asked_in_the_pod_with_the_port_of_the_one_that_runs(kubectl: Path) -> None:
    flags = within.flags_of(patients.facts())
    found = within.asked("shop", "app-1", Path("/k"), "main", flags=flags, kubectl=str(kubectl))
    assert found == {
        "arguments": "--kubeconfig /k --context main exec -n shop app-1 -c azwi-proxy -- /proxy"
        " --proxy-port=8000 --diagnose"
    }


def test_without_kubectl_nobody_knows(tmp_path: Path) -> None:
    found = within.asked("shop", "app-1", None, None, kubectl=str(tmp_path / "absent"))
    assert found == Unread("kubectl is not installed.")


@pytest.mark.parametrize(
    ("out", "err", "says"),
    [
        ("", "error: unable to upgrade connection\n", "error: unable to upgrade connection."),
        ("", "azwi-proxy: error: unrecognized arguments: --diagnose\n", "older than --diagnose"),
        ("[1]", "", "it said nothing."),
    ],
)
def test_what_went_wrong_is_kubectls_last_line(out: str, err: str, says: str) -> None:
    found = within.read(out, err)
    assert isinstance(found, Unread)
    assert says in found.says


def test_a_report_is_json() -> None:
    report = json.loads(json.dumps(patients.inside()))
    assert within.read(json.dumps(report), "Defaulted container") == report

"""Fixtures of ``azwi sa``: the emulator as a custom cloud, and a cluster with service accounts."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from azwi_cli import output
from azwi_cli.serviceaccount import azure, exchange
from azwi_commands.world import World, furnished
from azwi_testing import Emulator
from azwi_testing.accounts import AccountsServer


@pytest.fixture(scope="session")
def _cluster(emulator_process: Emulator) -> Iterator[AccountsServer]:
    issuer = emulator_process.announced["issuer"]
    with AccountsServer(issuer, emulator_process.control) as server:
        yield server


@pytest.fixture
def world(
    emulator: Emulator,
    _cluster: AccountsServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> World:
    """Everything as it is before anybody ran azwi."""
    made = furnished(emulator, _cluster, tmp_path, lambda: _pair(capsys))
    for name, value in made.variables.items():
        monkeypatch.setenv(name, value)
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "AZURE_ENVIRONMENT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(output, "_debugging", False)
    monkeypatch.setattr(azure, "BACKOFF", 0.001)
    monkeypatch.setattr(azure, "FIRST_PAUSE", 0.02)
    monkeypatch.setattr(exchange, "FIRST_PAUSE", 0.05)
    return made


def _pair(capsys: pytest.CaptureFixture[str]) -> tuple[str, str]:
    out, err = capsys.readouterr()
    return out, err

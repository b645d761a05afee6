"""Fixtures that several components' tests share: the emulator and the proxy, as real processes."""

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from azwi_emulator.client import Control
from azwi_testing import (
    START,
    Emulator,
    Proxy,
    StartProxy,
    launch,
    plain_environment,
    wait_for_port,
)

# The same examples in every run; `make fuzz` looks for others. One that takes 0.2 s would fail by
# default, and on a busy machine some do.
settings.register_profile(
    "deterministic",
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("deterministic")


@pytest.fixture(scope="session")
def emulator_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    """One azwi-emulator for the whole run; use ``emulator``, which resets it for each test."""
    folder = tmp_path_factory.mktemp("emulator")
    folder.chmod(0o755)
    ports = ["--port=0", "--control-port=0", "--token-proxy-port=0"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "azwi_emulator", "--json", *ports],
            stdout=subprocess.PIPE,
            stderr=log,
            env=plain_environment(),
        )
    assert process.stdout is not None
    with process, process.stdout:
        line = process.stdout.readline()
        assert line, (folder / "log").read_text()
        announced = json.loads(line)
        yield Emulator(announced, Control(announced["controlUrl"]))
        process.terminate()
        process.wait(START)


@pytest.fixture
def emulator(emulator_process: Emulator) -> Iterator[Emulator]:
    """The emulator as it was at its start: no faults, no exchanges seen.

    Nor does a fault outlive its test: fixtures of whole modules use ``emulator_process``.
    """
    emulator_process.control.reset()
    yield emulator_process
    emulator_process.control.reset()


@pytest.fixture
def start_proxy(tmp_path: Path) -> Iterator[StartProxy]:
    """A function that starts an azwi-proxy with exactly these variables; ends them afterwards."""
    started: list[Proxy] = []

    def start(
        environment: Mapping[str, str], *arguments: str, ready: bool = True, **more: str
    ) -> Proxy:
        proxy = launch(tmp_path, {**environment, **more}, *arguments)
        started.append(proxy)
        if ready:
            wait_for_port(proxy)
        return proxy

    yield start
    for proxy in started:
        if proxy.process.poll() is None:
            proxy.process.kill()
        proxy.process.wait(START)


@pytest.fixture
def proxy(emulator: Emulator, start_proxy: StartProxy) -> Proxy:
    """An azwi-proxy that gets its tokens from the emulator."""
    return start_proxy(emulator.environment, "--log-level=debug")

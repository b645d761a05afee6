"""``--probe``: what the kubelet runs, many times, with little CPU."""

import contextlib
import functools
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from azwi_common.proxy_settings import Settings
from azwi_common.settings import load
from azwi_proxy import probe
from azwi_proxy.__main__ import main
from azwi_testing import Emulator, Proxy, StartProxy, free_port, lasting, plain_environment
from azwi_testing.peers import Listener


def _probe(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "azwi_proxy", "--probe", *arguments],
        env={**plain_environment(), **environment},
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )


def test_a_ready_proxy_is_exit_0_without_a_word(shared: Proxy) -> None:
    ended = _probe(f"--proxy-port={shared.port}")
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")


def test_a_port_that_is_none_is_exit_2() -> None:
    for port in ("0", "x", "65536", "99999999999999999999"):
        ended = _probe(f"--proxy-port={port}")
        assert ended.returncode == 2
        assert "must be a port number" in ended.stderr
    assert _probe(PROXY_PORT="x").returncode == 2


def test_it_waits_for_a_proxy_that_starts(emulator: Emulator, start_proxy: StartProxy) -> None:
    proxy = start_proxy(emulator.environment, ready=False)
    assert probe.wait_until_ready(proxy.port) == ""


def test_nobody_there_is_exit_1_after_its_patience(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("AZWI_PROBE_SECONDS", "1")
    port = free_port()
    ask = functools.partial(main, ["--probe", f"--proxy-port={port}"])
    assert lasting(ask, least=0.8, most=1.5) == 1
    told = capsys.readouterr().err.splitlines()
    assert set(told) == {f"azwi-proxy does not answer on 127.0.0.1:{port}: Connection refused"}


@pytest.fixture
def one_try(monkeypatch: pytest.MonkeyPatch) -> None:
    """For what does not change; that one try has the time that it has in a pod."""
    monkeypatch.setattr(probe, "PAUSE", probe.PATIENCE)


@pytest.mark.usefixtures("one_try")
def test_a_proxy_without_its_token_file_is_not_ready_and_says_which(
    emulator: Emulator, start_proxy: StartProxy, tmp_path: Path
) -> None:
    file = tmp_path / "token"
    proxy = start_proxy({**emulator.environment, "AZURE_FEDERATED_TOKEN_FILE": str(file)})
    assert str(file) in probe.wait_until_ready(proxy.port)
    file.write_text(Path(emulator.announced["tokenFile"]).read_text())
    assert probe.wait_until_ready(proxy.port) == ""


class _Speaker(Listener):
    """Says the same to everybody, a piece at a time."""

    def __init__(self, *pieces: bytes, pause: float = 0) -> None:
        super().__init__()
        self._pieces = pieces
        self._pause = pause

    def serve(self, connection: socket.socket) -> None:
        """Ignores what is asked."""
        connection.recv(1000)
        for piece in self._pieces:
            connection.sendall(piece)
            time.sleep(self._pause)


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nServer: something else\r\nContent-Length: 2\r\n\r\nok",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"",
    ],
    ids=["another server", "no HTTP", "nothing"],
)
@pytest.mark.usefixtures("one_try")
def test_another_program_on_the_port_is_not_taken_for_the_proxy(answer: bytes) -> None:
    with _Speaker(answer) as speaker:
        problem = probe.wait_until_ready(speaker.port)
    assert problem == f"what listens on {speaker.port} is not azwi-proxy"


def test_its_patience_is_longer_than_a_start_at_the_least_cpu_limit_takes() -> None:
    """Measured: 15 s at 20m, and twice that on a slow node."""
    assert probe.PATIENCE >= 60
    assert (
        load(
            Settings, {"AZURE_FEDERATED_TOKEN_FILE": "/t", "AZURE_TENANT_ID": "a.example"}
        ).probe_seconds
        == probe.PATIENCE
    )


def test_it_gives_up_on_time_whatever_trickles_in() -> None:
    with _Speaker(*[b"x"] * 100, pause=0.1) as speaker:
        assert lasting(lambda: probe.wait_until_ready(speaker.port, patience=0.5), most=1.5)


@contextlib.contextmanager
def _silent() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening.getsockname()[1]


def test_it_gives_up_on_time_where_nobody_answers() -> None:
    with _silent() as port:
        problem = lasting(lambda: probe.wait_until_ready(port, patience=0.4), most=1)
        assert f"127.0.0.1:{port}" in problem


def test_it_imports_next_to_nothing(shared: Proxy) -> None:
    code = (
        "import sys; from azwi_proxy.__main__ import main;"
        f"assert main(['--probe', '--proxy-port={shared.port}']) == 0;"
        "print(*sys.modules)"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    imported = set(ended.stdout.split())
    heavy = {"aiohttp", "asyncio", "msal", "ssl", "http.client", "logging", "json", "uvloop"}
    heavy |= {"argparse", "socket"}
    assert not imported & {
        *heavy,
        "urllib.request",
        "prometheus_client",
        "azwi_common.proxy_settings",
    }


def test_many_probes_leave_no_trace_in_the_log(shared: Proxy) -> None:
    before = shared.log
    threads = [
        threading.Thread(target=probe.wait_until_ready, args=(shared.port,)) for _ in range(20)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert shared.log == before

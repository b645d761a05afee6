"""The command line: flags, wrong settings, exit codes."""

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from azwi_common import __version__
from azwi_testing import Emulator, StartProxy, free_port, launch, plain_environment


def _run(
    *arguments: str, environment: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "azwi_proxy", *arguments],
        env={**plain_environment(), **(environment or {})},
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )


def test_version_and_help_need_no_settings() -> None:
    version = _run("--version")
    assert (version.returncode, version.stdout) == (0, f"azwi-proxy {__version__}\n")
    told = _run("--help").stdout
    for flag in ("--proxy-port", "--log-level", "--probe", "--version"):
        assert flag in told


def test_an_unknown_flag_is_exit_2() -> None:
    assert _run("--port=1").returncode == 2


def test_wrong_settings_are_all_named_at_once_and_nothing_listens(tmp_path: Path) -> None:
    port = free_port()
    wrong = {
        "AZURE_CLIENT_ID": "not-a-guid",
        "AZURE_TENANT_ID": "no tenant",
        "AZURE_AUTHORITY_HOST": "http://login.example/",
        "AZWI_IDENTITIES": "[{}]",
        "AZWI_STRICT_IDENTITIES": "maybe",
        "AZWI_FORWARD": "some",
        "AZWI_DRAIN_SECONDS": "-1",
        "AZWI_METRICS_PORT": "0",
        "METADATA_IP": "localhost",
        "METADATA_PORT": "http",
        "HTTPS_PROXY": "socks5://user:hunter2@proxy:1080",
        "AZURE_KUBERNETES_TOKEN_PROXY": "https://u@x/?q",
    }
    ended = _run(f"--proxy-port={port}", "--log-level=loud", environment=wrong)
    assert ended.returncode == 2
    lines = ended.stderr.splitlines()
    names = [*wrong, "--log-level", "AZURE_FEDERATED_TOKEN_FILE"]
    for name in names:
        assert any(line.startswith(f"azwi-proxy: {name} ") for line in lines), name
    assert len(lines) == len(names)
    assert "hunter2" not in ended.stderr
    assert "Traceback" not in ended.stderr
    with socket.socket() as free:
        free.bind(("127.0.0.1", port))


@pytest.mark.parametrize(
    ("variable", "content", "told"),
    [
        ("SSL_CERT_FILE", None, "no such file"),
        ("REQUESTS_CA_BUNDLE", "", "no valid PEM certificate"),
        ("SSL_CERT_FILE", "-----BEGIN CERTIFICATE-----\nAAAA\n", "no valid PEM certificate"),
    ],
)
def test_a_ca_file_that_cannot_be_used_is_exit_2_and_named(
    emulator: Emulator, tmp_path: Path, variable: str, content: str | None, told: str
) -> None:
    file = tmp_path / "ca.pem"
    if content is not None:
        file.write_text(content)
    ended = _run(
        f"--proxy-port={free_port()}", environment={**emulator.environment, variable: str(file)}
    )
    assert ended.returncode == 2, ended.stderr
    assert str(file) in ended.stderr
    assert told in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_taken_port_is_a_sentence_and_exit_1(emulator: Emulator, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        proxy = launch(tmp_path, emulator.environment, port=port)
        assert proxy.process.wait(10) == 1
    assert f"cannot listen on 127.0.0.1:{port}: address already in use" in proxy.log
    assert "Traceback" not in proxy.log


def test_the_flags_win_over_the_variables(emulator: Emulator, start_proxy: StartProxy) -> None:
    proxy = start_proxy(
        emulator.environment, "--log-level=warn", PROXY_PORT="1", AZWI_LOG_LEVEL="debug"
    )
    assert proxy.ask("/healthz").status == 200
    assert proxy.log == ""


def test_the_variables_are_enough(emulator: Emulator, tmp_path: Path) -> None:
    port = free_port()
    environment = {**plain_environment(), **emulator.environment, "PROXY_PORT": str(port)}
    with subprocess.Popen(
        [sys.executable, "-m", "azwi_proxy"], env=environment, stderr=subprocess.PIPE, text=True
    ) as process:
        probe = _run("--probe", environment={"PROXY_PORT": str(port)})
        process.terminate()
        assert (probe.returncode, probe.stdout, probe.stderr) == (0, "", "")


def test_the_development_mode_of_python_finds_nothing_wrong(
    emulator: Emulator, start_proxy: StartProxy
) -> None:
    environment = {**emulator.environment, "PYTHONDEVMODE": "1", "PYTHONWARNINGS": "error"}
    proxy = start_proxy(environment)
    assert proxy.token("https://dev.example").status == 200
    assert proxy.token("https://dev.example").status == 200
    assert proxy.ask("/metadata/instance").status == 504
    assert proxy.ask("/metadata/identity/x").status == 404
    assert proxy.ask("/metrics").status == 200
    assert proxy.stop() == 0
    for complaint in ("Warning", "Traceback", "never", "Unclosed", "unclosed"):
        assert complaint not in proxy.log, proxy.log


def test_sigterm_during_the_start_ends_it_at_once(emulator: Emulator) -> None:
    """As a container's first process it has no default action: unhandled, the signal is lost."""
    script = """
import os, signal, sys
from azwi_proxy import __main__, lean

def signalled():
    os.kill(os.getpid(), signal.SIGTERM)
    sys.exit("went on")

lean.import_libraries = signalled
sys.exit(__main__.main([]))
"""
    ended = subprocess.run(
        [sys.executable, "-c", script],
        env={**plain_environment(), **emulator.environment},
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert (ended.returncode, ended.stderr) == (0, "")

"""The command: what it prints, and with which code it ends."""

import contextlib
import http.client
import json
import os
import shlex
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from azwi_emulator.__main__ import main
from azwi_testing import plain_environment, settle

START = 15.0


class Run:
    """A running ``azwi-emulator`` and its log."""

    def __init__(self, log: Path, *arguments: str) -> None:
        self._log = log
        with log.open("wb") as stream:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "azwi_emulator", *arguments],
                stdout=subprocess.PIPE,
                stderr=stream,
                env=plain_environment(),
                text=True,
            )
        assert self.process.stdout
        self.output = self.process.stdout

    def lines_until(self, start: str) -> list[str]:
        """What it prints, up to the line that starts so."""
        lines = []
        for line in self.output:
            lines.append(line.rstrip("\n"))
            if line.startswith(start):
                return lines
        raise AssertionError(self.log)

    @property
    def log(self) -> str:
        """Everything on standard error so far."""
        settle(self.process)
        return self._log.read_text()

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Signal it, wait for it."""
        self.process.send_signal(number)
        return self.process.wait(START)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "log"


@pytest.fixture
def run(log: Path) -> Iterator[Run]:
    started = Run(log, "--json")
    yield started
    if started.process.poll() is None:
        started.process.kill()
    started.process.wait(START)
    started.output.close()


def test_one_line_of_json_says_where_everything_is(run: Run) -> None:
    announced = json.loads(run.output.readline())
    assert {"authorityHost", "controlUrl", "tenantId", "clientId", "caFile", "tokenFile"} <= set(
        announced
    )
    assert announced["graphUrl"] == f"{announced['authorityHost']}graph"
    assert announced["armUrl"] == f"{announced['authorityHost']}arm"
    assert {"subscriptionId", "resourceGroup"} <= set(announced)
    assert announced["pid"] == run.process.pid
    assert run.stop() == 0
    assert run.output.read() == ""
    assert not Path(announced["dataDir"]).exists()


def test_control_c_is_a_clean_end(run: Run) -> None:
    run.output.readline()
    assert run.stop(signal.SIGINT) == 0
    assert run.log == ""


def test_what_it_prints_can_be_tried_in_a_shell_and_no_token_is_logged(log: Path) -> None:
    started = Run(log)
    try:
        lines = started.lines_until("curl")
        token = _shell(lines[-1])["access_token"]
        variables = dict(shlex.split(line)[1].split("=", 1) for line in lines if "export" in line)
        assertion = Path(variables["AZURE_FEDERATED_TOKEN_FILE"]).read_text()
        assert _whoami(variables, token)["azp"] == variables["AZURE_CLIENT_ID"]
        assert "token request" in started.log
        for secret in (token, assertion):
            assert not any(part in started.log for part in secret.split("."))
    finally:
        started.stop()
        started.output.close()


def _shell(command: str) -> Any:
    done = subprocess.run(["sh", "-c", command], capture_output=True, timeout=START, check=True)
    return json.loads(done.stdout)


def _whoami(variables: dict[str, str], token: str) -> Any:
    url = variables["AZURE_AUTHORITY_HOST"] + "whoami"
    return _shell(
        f"curl -sS --cacert {variables['SSL_CERT_FILE']} -H 'Authorization: Bearer {token}' {url}"
    )


def test_it_starts_quickly(log: Path) -> None:
    start = time.monotonic()
    started = Run(log, "--json", "--control-port=off")
    try:
        assert started.output.readline()
        assert time.monotonic() - start < 5  # about 0.6 s; five on a busy machine
    finally:
        started.stop()
        started.output.close()


def test_wrong_settings_are_all_told_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--port=x", "--control-port=y"], {}) == 2
    problems = capsys.readouterr().err.splitlines()
    assert [problem.split()[1] for problem in problems] == ["--port", "--control-port"]


def test_an_unknown_flag_is_a_wrong_setting(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--nonsense"], {})
    assert caught.value.code == 2
    assert "--nonsense" in capsys.readouterr().err


def test_the_version_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--version"], {})
    assert caught.value.code == 0
    assert capsys.readouterr().out.startswith("azwi-emulator ")


@pytest.mark.parametrize("flag", ["--port", "--control-port", "--token-proxy-port"])
def test_a_port_in_use_is_a_sentence(flag: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = _finished(f"{flag}={port}")
    assert done.returncode == 1
    assert f"Port {port} of 127.0.0.1" in done.stderr
    assert "Choose another port" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ('{"issuers":[{"issuer":"https://i/","jwks":{}}]}', "'jwks' cannot be used"),
        (
            '{"clients":[{"tenantId":"a.example","clientId":"c","certificate":"x"}]}',
            "'certificate' must be a certificate in PEM form",
        ),
    ],
    ids=["keys", "certificate"],
)
def test_registrations_that_cannot_be_used_are_a_sentence(
    tmp_path: Path, content: str, told: str
) -> None:
    file = tmp_path / "registrations.json"
    file.write_text(content)
    done = _finished(f"--registrations={file}")
    assert (done.returncode, done.stdout) == (1, "")
    assert told in done.stderr


def test_a_log_that_nobody_reads_stops_neither_answers_nor_the_end(log: Path) -> None:
    os.mkfifo(log)
    reader = os.open(log, os.O_RDWR)  # reads nothing: the pipe is full after 64 KiB
    run = Run(log, "--json", "--port=0", "--control-port=0")
    try:
        announced = json.loads(run.output.readline())
        where = urlsplit(announced["authorityHost"])
        context = ssl.create_default_context(cafile=announced["caFile"])
        connection = http.client.HTTPSConnection(
            where.hostname or "", where.port, timeout=10, context=context
        )
        with contextlib.closing(connection):
            for _ in range(3000):  # each has a line of some 170 bytes
                connection.request("POST", f"/{announced['tenantId']}/oauth2/v2.0/token", b"")
                answer = connection.getresponse()
                answer.read()
                assert answer.status == 400
        assert run.stop() == 0
    finally:
        run.process.kill()
        run.process.wait()
        run.output.close()
        os.close(reader)


def test_a_directory_that_cannot_be_made_is_a_sentence() -> None:
    done = _finished("--data-dir=/dev/null/below")
    assert done.returncode == 1
    assert "--data-dir" in done.stderr


def _finished(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "azwi_emulator", *arguments],
        capture_output=True,
        env=plain_environment(),
        text=True,
        timeout=START,
        check=False,
    )


def _graph(announced: dict[str, str], method: str, path: str, body: str = "") -> Any:
    token = _shell(
        f"curl -sS --cacert {announced['caFile']} -d grant_type=client_credentials"
        f" -d client_id={announced['clientId']} -d scope=https://graph.microsoft.com/.default"
        " -d client_assertion_type=urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
        f" --data-urlencode client_assertion@{announced['tokenFile']}"
        f" {announced['authorityHost']}{announced['tenantId']}/oauth2/v2.0/token"
    )["access_token"]
    data = f"-d '{body}'" if body else ""
    return _shell(
        f"curl -sS --cacert {announced['caFile']} -X {method} -H 'Authorization: Bearer {token}'"
        f" -H 'Content-Type: application/json' {data}"
        f" '{announced['graphUrl']}/v1.0{path}'"
    )


def test_what_was_made_is_there_after_a_kill_where_it_is_kept(log: Path, tmp_path: Path) -> None:
    names = []
    for number in range(3):
        started = Run(log, "--json", f"--state={tmp_path / 'state.json'}")
        try:
            announced = json.loads(started.output.readline())
            _graph(announced, "POST", "/applications", f'{{"displayName":"app {number}"}}')
            listed = _graph(announced, "GET", "/applications")["value"]
            names.append([app["displayName"] for app in listed])
        finally:
            started.process.kill()  # no chance to write anything at the end
            started.process.wait(START)
            started.output.close()
    assert names[-1] == ["app 0", "app 1", "app 2"]


def test_without_a_state_file_nothing_is_kept(log: Path) -> None:
    for _ in range(2):
        started = Run(log, "--json")
        try:
            announced = json.loads(started.output.readline())
            assert _graph(announced, "GET", "/applications")["value"] == []
            _graph(announced, "POST", "/applications", '{"displayName":"app"}')
        finally:
            started.stop()
            started.output.close()


def test_a_state_that_cannot_be_used_is_a_sentence(tmp_path: Path) -> None:
    file = tmp_path / "state.json"
    file.write_text('{"version":1,"groups":')
    done = _finished(f"--state={file}")
    assert (done.returncode, done.stdout) == (1, "")
    assert f"The state in {file} cannot be used. It is not JSON" in done.stderr
    assert file.read_text() == '{"version":1,"groups":'


def test_a_state_that_cannot_be_written_is_a_sentence_at_the_start(tmp_path: Path) -> None:
    done = _finished(f"--state={tmp_path / 'none' / 'state.json'}")
    assert done.returncode == 1
    assert "Make the directory writable, or choose another file by --state." in done.stderr

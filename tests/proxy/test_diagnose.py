"""``--diagnose``: what it sees beside a running proxy, and what it never says."""

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from azwi_common import contract
from azwi_common.proxy_values import HttpProxy
from azwi_proxy import diagnose
from azwi_testing import Emulator, Proxy, free_port, plain_environment
from azwi_testing.peers import ForwardProxy

SECRET = "a-secret-of-16-and-more"


@pytest.fixture
def environ(emulator: Emulator, shared: Proxy) -> dict[str, str]:
    """The variables of the running proxy; its own port stands in for the metadata address."""
    return {
        **emulator.environment,
        contract.PROXY_PORT: str(shared.port),
        contract.METADATA_IP: "127.0.0.1",
        contract.METADATA_PORT: str(shared.port),
    }


def seen(environ: Mapping[str, str], **changed: str) -> dict[str, Any]:
    return diagnose.report({**environ, **changed}, {})


def test_a_healthy_pod_has_no_problem_anywhere(environ: dict[str, str], emulator: Emulator) -> None:
    found = seen(environ)
    assert found["settings"]["problems"] == []
    assert found["token"]["claims"]["iss"] == emulator.announced["issuer"]
    assert found["token"]["claims"]["aud"] == ["api://AzureADTokenExchange"]
    assert found["login"]["tls"] == "TLSv1.3"
    assert abs(found["login"]["skew"]) < 5
    assert found["redirect"]["reaches"] == "azwi-proxy"
    assert found["ready"] == {"port": int(environ[contract.PROXY_PORT])}
    assert "problem" not in json.dumps({**found, "settings": {}})


def test_where_apps_are_told_where_to_ask_no_redirect_is_expected(environ: dict[str, str]) -> None:
    assert seen(environ)["redirect"]["expected"] is True
    told = seen(environ, **{contract.IDENTITY_HEADER: SECRET, contract.METADATA_PORT: "1"})
    assert told["redirect"]["expected"] is False
    assert told["redirect"]["reaches"] == "nobody"
    assert told["ready"] == {"port": int(environ[contract.PROXY_PORT])}


def test_exchanges_are_counted_by_their_result(environ: dict[str, str], shared: Proxy) -> None:
    before = seen(environ)["exchanges"]
    shared.token("https://count.example")
    shared.token("https://count.example", client_id="11111111-1111-4111-8111-111111111111")
    after = seen(environ)["exchanges"]
    assert after["ok"] == before.get("ok", 0) + 1
    assert after["AADSTS700016"] == before.get("AADSTS700016", 0) + 1


def test_it_is_one_line_of_json_without_anything_secret(environ: dict[str, str]) -> None:
    given = {
        **environ,
        contract.HTTPS_PROXY: "http://user:hunter2@127.0.0.1:1",
        contract.NO_PROXY: "127.0.0.1",
        contract.IDENTITY_HEADER: SECRET,
    }
    ran = subprocess.run(
        [sys.executable, "-m", "azwi_proxy", "--diagnose"],
        env={**plain_environment(), **given},
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert ran.stdout.count("\n") == 1
    values = json.loads(ran.stdout)["settings"]["values"]
    assert values[contract.IDENTITY_HEADER] == values[contract.HTTPS_PROXY] == "(set)"
    token = Path(environ[contract.FEDERATED_TOKEN_FILE]).read_text().split(".")
    for secret in (SECRET, "hunter2", *token):
        assert secret not in ran.stdout + ran.stderr


def test_it_imports_no_library(environ: dict[str, str]) -> None:
    """It runs within the memory limit of the proxy that it stands beside."""
    script = (
        "import sys; from azwi_proxy.__main__ import main; main(['--diagnose'])\n"
        "print([m for m in ('aiohttp', 'msal', 'uvloop', 'prometheus_client') if m in sys.modules])"
    )
    ran = subprocess.run(
        [sys.executable, "-c", script],
        env={**plain_environment(), **environ},
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert ran.stdout.splitlines()[-1] == "[]"


def test_serving_imports_nothing_of_it() -> None:
    script = "import azwi_proxy.serve, sys; print('azwi_proxy.diagnose' in sys.modules)"
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ran.stdout == "False\n"


def test_wrong_settings_are_all_told_and_the_rest_is_looked_at(
    environ: dict[str, str],
) -> None:
    found = seen(environ, **{contract.CLIENT_ID: "me", contract.FORWARD: "some"})
    assert len(found["settings"]["problems"]) == 2
    assert "claims" in found["token"]
    assert (found["login"], found["redirect"]) == ({}, {})


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (None, "cannot be read (no such file or directory)"),
        ("", "is empty"),
        ("not a token", "holds no service account token"),
        ("a.W10.c", "holds no service account token"),
        ("a.?.c", "holds no service account token"),
    ],
)
def test_what_is_wrong_with_the_token_file(
    content: str | None, problem: str, environ: dict[str, str], tmp_path: Path
) -> None:
    file = tmp_path / "token"
    if content is not None:
        file.write_text(content)
    found = seen(environ, **{contract.FEDERATED_TOKEN_FILE: str(file)})["token"]
    assert found["problem"] == problem


def test_a_pipe_in_place_of_the_token_file_holds_nothing_up(
    environ: dict[str, str], tmp_path: Path
) -> None:
    pipe = tmp_path / "token"
    os.mkfifo(pipe)
    found = seen(environ, **{contract.FEDERATED_TOKEN_FILE: str(pipe)})["token"]
    assert found == {"file": str(pipe), "problem": "cannot be read (is not a regular file)"}


def test_a_file_that_may_not_be_read_is_told_so(environ: dict[str, str], tmp_path: Path) -> None:
    found = seen(environ, **{contract.FEDERATED_TOKEN_FILE: str(tmp_path)})["token"]
    assert found["problem"] == "cannot be read (is a directory)"


@pytest.mark.parametrize(
    ("host", "stage", "problem"),
    [
        ("https://login.invalid", "resolve", ""),
        ("https://login..example", "resolve", "it is not a valid host name"),
        (f"https://127.0.0.1:{free_port()}", "connect", "connection refused"),
    ],
    ids=["a name that nobody has", "a name that cannot be", "a port where nobody listens"],
)
def test_what_is_wrong_on_the_way_to_the_login_host(
    host: str, stage: str, problem: str, environ: dict[str, str]
) -> None:
    found = seen(environ, **{contract.AUTHORITY_HOST: host})["login"]
    assert found["stage"] == stage
    assert problem in found["problem"]


def test_a_certificate_that_is_not_trusted_is_told(environ: dict[str, str]) -> None:
    del environ[contract.SSL_CERT_FILE]
    found = seen(environ)["login"]
    assert found["stage"] == "tls"
    assert found["problem"].startswith("its certificate is not trusted")


def test_a_ca_file_that_is_missing_is_told(environ: dict[str, str]) -> None:
    found = seen(environ, **{contract.SSL_CERT_FILE: "/nonexistent"})["login"]
    assert found["stage"] == "ca"
    assert "/nonexistent" in found["problem"]


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """A listener on loopback that nobody accepts at."""
    with socket.create_server(("127.0.0.1", 0)) as made:
        yield made


def test_another_at_the_metadata_address_is_told(
    environ: dict[str, str], listener: socket.socket
) -> None:
    def answer() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(4096)
            connection.sendall(b"HTTP/1.1 404 Not Found\r\nServer: IMDS/150\r\n\r\n")

    thread = threading.Thread(target=answer)
    thread.start()
    port = str(listener.getsockname()[1])
    assert seen(environ, **{contract.METADATA_PORT: port})["redirect"]["reaches"] == "somebody else"
    thread.join()
    nobody = str(free_port())
    assert seen(environ, **{contract.METADATA_PORT: nobody})["redirect"]["reaches"] == "nobody"


def test_a_proxy_that_does_not_answer_is_not_ready(environ: dict[str, str]) -> None:
    found = seen(environ, **{contract.PROXY_PORT: str(free_port())})["ready"]
    assert "does not answer" in found["problem"]


def test_a_forward_proxy_is_used_and_its_refusal_told(
    environ: dict[str, str], listener: socket.socket
) -> None:
    asked: list[bytes] = []

    def answer() -> None:
        connection, _ = listener.accept()
        with connection:
            asked.append(connection.recv(4096))
            connection.sendall(b"HTTP/1.1 403 Forbidden\r\n\r\n")

    thread = threading.Thread(target=answer)
    thread.start()
    port = listener.getsockname()[1]
    found = seen(environ, **{contract.HTTPS_PROXY: f"http://127.0.0.1:{port}"})["login"]
    thread.join()
    host = environ[contract.AUTHORITY_HOST].removeprefix("https://").rstrip("/")
    assert asked[0].startswith(f"CONNECT {host} HTTP/1.1\r\n".encode())
    assert "answers 403" in found["problem"]


@pytest.mark.parametrize(
    ("proxy", "stage", "problem"),
    [
        ("http://proxy.invalid:3128", "resolve", "the forward proxy proxy.invalid: "),
        (f"http://127.0.0.1:{free_port()}", "connect", "the forward proxy 127.0.0.1: connection"),
    ],
    ids=["no name", "no listener"],
)
def test_a_forward_proxy_that_cannot_be_reached_is_named_in_place_of_the_login_host(
    environ: dict[str, str], proxy: str, stage: str, problem: str
) -> None:
    found = seen(environ, **{contract.HTTPS_PROXY: proxy})["login"]
    assert found["stage"] == stage
    assert found["problem"].startswith(problem)


def test_a_forward_proxy_gets_the_very_credentials_that_the_proxy_sends(
    environ: dict[str, str],
) -> None:
    with ForwardProxy(1, refuse="407 Proxy Authentication Required") as refusing:
        address = f"http://j%C3%BCrgen:p%E2%82%AC@127.0.0.1:{refusing.port}"
        seen(environ, **{contract.HTTPS_PROXY: address})
        assert refusing.tunnels[0].authorization == HttpProxy(address).authorization
        refusing.garbage = b"SSH-2.0-OpenSSH_9.2\r\n\r\n"
        found = seen(environ, **{contract.HTTPS_PROXY: address})["login"]
    assert found["problem"] == "the forward proxy 127.0.0.1 sent an answer that is not http"


def test_it_says_whether_its_user_is_exempt_from_the_redirect(
    environ: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert seen(environ)["redirect"]["exempt"] is False
    monkeypatch.setattr(os, "getuid", lambda: 1501)
    assert seen(environ)["redirect"]["exempt"] is True
    assert seen(environ, **{contract.FORWARD: "none"})["redirect"]["exempt"] is False

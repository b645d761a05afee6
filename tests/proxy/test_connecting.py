"""Connections to Entra ID: what ends them. What is made of failures is tested in test_entra."""

import asyncio
import json
import socket
import subprocess
import sys
import threading
from pathlib import Path

import aiohttp
import pytest

import azwi_testing
from azwi_proxy import connecting
from azwi_testing import Emulator, plain_environment
from azwi_testing.peers import MetadataService, answer, self_signed


def test_a_socket_notices_within_seconds_that_nobody_confirms_what_is_sent() -> None:
    address = socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", ("127.0.0.1", 1)
    with connecting._socket(address) as made:
        patience = made.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)
    assert 3000 < patience < 7000  # ms: more than a connection takes, less than a second try leaves


async def test_kept_connections_are_forgotten_at_once() -> None:
    with MetadataService() as service:
        url = f"http://127.0.0.1:{service.port}/"
        connector = connecting.Connector()
        async with aiohttp.ClientSession(connector=connector) as session:
            for forget, connections in ((False, 1), (False, 1), (True, 2)):
                if forget:
                    connector.forget_idle()
                async with session.get(url) as answer:
                    await answer.read()
                assert service.connections == connections


async def test_a_request_waits_for_no_other() -> None:
    together = threading.Barrier(2)

    def script(_: object, connection: socket.socket) -> None:
        together.wait(10)
        connection.sendall(answer(b"ok"))

    async def ask(session: aiohttp.ClientSession, port: int) -> bytes:
        async with session.get(f"http://127.0.0.1:{port}/") as answered:
            return await answered.read()

    with MetadataService() as service:
        service.script = script
        async with aiohttp.ClientSession(connector=connecting.Connector()) as session:
            both = await asyncio.gather(*(ask(session, service.port) for _ in range(2)))
    assert both == [b"ok", b"ok"]


async def test_a_name_that_takes_too_long_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    async def never(*_: object, **__: object) -> list[object]:
        await asyncio.sleep(30)
        return []

    monkeypatch.setattr(connecting, "RESOLVE", 0.05)
    monkeypatch.setattr(aiohttp.ThreadedResolver, "resolve", never)
    with pytest.raises(OSError, match="no answer from DNS"):
        await connecting.Resolver().resolve("login.example", 443)


INSIDE = """
import json, os, ssl, subprocess, sys, time
from http.client import HTTPConnection
from azwi_testing.peers import MetadataService, answer

context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[1])
ports = []

def script(seen, connection):
    ports.append(connection.getpeername()[1])
    connection.sendall(answer(b'{"access_token":"t","expires_in":3600}'))

def token(resource):
    started = time.monotonic()
    connection = HTTPConnection("127.0.0.1", 8000)
    target = "/metadata/identity/oauth2/token?resource=https://" + resource
    connection.request("GET", target, headers={"Metadata": "true"})
    response = connection.getresponse()
    response.read()
    return response.status, time.monotonic() - started

with MetadataService(context) as authority:
    authority.script = script
    environment = {**os.environ, "AZURE_AUTHORITY_HOST": f"https://127.0.0.1:{authority.port}"}
    process = subprocess.Popen([sys.executable, "-m", "azwi_proxy"], env=environment)
    subprocess.run([sys.executable, "-m", "azwi_proxy", "--probe"], check=True)
    told = [token("one")]
    # The firewall forgets the connection: nothing of it passes, and nobody is told.
    rules = "add table ip f; add chain ip f o { type filter hook output priority 0; };"
    rules += f"add rule ip f o tcp sport {ports[0]} drop; add rule ip f o tcp dport {ports[0]} drop"
    subprocess.run(["nft", rules], check=True)
    told.append(token("two"))
    process.terminate()
    process.wait(10)
    print(json.dumps({"told": told, "connections": authority.connections}))
"""


@pytest.mark.netns
def test_a_connection_that_a_firewall_forgot_silently_costs_seconds_and_no_request(
    emulator: Emulator, tmp_path: Path
) -> None:
    _, ca_file = self_signed(tmp_path)
    environment = {**plain_environment(), **emulator.environment, "SSL_CERT_FILE": ca_file}
    lines = 'ip link set lo up && exec "$@"'
    inside = ["unshare", "-n", "sh", "-c", lines, "sh", sys.executable, "-c", INSIDE, ca_file]
    environment["PYTHONPATH"] = str(Path(azwi_testing.__file__).parent.parent)
    ended = subprocess.run(
        inside, env=environment, capture_output=True, text=True, check=False, timeout=60
    )
    assert ended.returncode == 0, ended.stderr
    found = json.loads(ended.stdout)
    (first, _), (second, seconds) = found["told"]
    assert (first, second, found["connections"]) == (200, 200, 2)
    assert connecting.UNHEARD - 1 < seconds < 9

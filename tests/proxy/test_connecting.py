"""Connections to Entra ID: what ends them. What is made of failures is tested in test_entra."""

import asyncio
import socket

import aiohttp
import pytest

from azwi_proxy import connecting
from azwi_testing.peers import MetadataService


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


async def test_a_name_that_takes_too_long_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    async def never(*_: object, **__: object) -> list[object]:
        await asyncio.sleep(30)
        return []

    monkeypatch.setattr(connecting, "RESOLVE", 0.05)
    monkeypatch.setattr(aiohttp.ThreadedResolver, "resolve", never)
    with pytest.raises(OSError, match="no answer from DNS"):
        await connecting.Resolver().resolve("login.example", 443)

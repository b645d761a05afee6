"""A port that is bound, served, closed and opened again."""

import asyncio
import socket
from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from azwi_emulator import errors
from azwi_emulator.listener import Listener


def _app() -> web.Application:
    async def hello(_: web.Request) -> web.Response:
        return web.Response(text="hello")

    app = web.Application()
    app.router.add_get("/", hello)
    return app


@pytest.fixture
async def listener() -> AsyncIterator[Listener]:
    async with Listener("127.0.0.1", 0, purpose="a test") as listener:
        await listener.serve(_app())
        yield listener


async def _ask(port: int) -> bytes:
    async with asyncio.timeout(5):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        answer = await reader.read()
        writer.close()
        await writer.wait_closed()
        return answer


async def test_a_port_is_known_before_it_is_served() -> None:
    async with Listener("127.0.0.1", 0, purpose="a test") as listener:
        assert listener.port > 0
        with pytest.raises(ConnectionRefusedError):
            await _ask(listener.port)


async def test_a_port_can_be_closed_and_opened_again(listener: Listener) -> None:
    assert (await _ask(listener.port)).endswith(b"hello")
    for _ in range(2):
        await listener.refuse()
        with pytest.raises(ConnectionRefusedError):
            await _ask(listener.port)
        await listener.accept()
        assert (await _ask(listener.port)).endswith(b"hello")


async def test_to_close_or_open_twice_is_harmless(listener: Listener) -> None:
    await listener.accept()
    await listener.refuse()
    await listener.refuse()
    await listener.accept()
    assert (await _ask(listener.port)).endswith(b"hello")


async def test_open_connections_end_when_the_port_is_closed(listener: Listener) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
    writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    await reader.readuntil(b"hello")
    await listener.refuse()
    async with asyncio.timeout(5):
        assert await reader.read() == b""
    writer.close()
    await writer.wait_closed()


async def test_a_port_that_is_taken_is_a_sentence() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(errors.StartFailed, match=rf"Port {port} of 127.0.0.1, for a test"):
            Listener("127.0.0.1", port, purpose="a test")


async def test_an_address_that_does_not_resolve_is_a_sentence() -> None:
    with pytest.raises(errors.StartFailed, match="cannot be resolved"):
        Listener("no.such.host.invalid", 0, purpose="a test")


async def test_ipv6_is_an_address_too() -> None:
    async with Listener("::1", 0, purpose="a test") as listener:
        await listener.serve(_app())
        reader, writer = await asyncio.open_connection("::1", listener.port)
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert (await reader.read()).endswith(b"hello")
        writer.close()
        await writer.wait_closed()

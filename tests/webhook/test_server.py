"""The listening site."""

import asyncio
import contextlib
import re

import pytest
from aiohttp import ClientSession, web

from azwi_testing.apiserver import soon
from azwi_webhook import server as module
from azwi_webhook.server import Site


async def _ok(request: web.BaseRequest) -> web.Response:
    return web.Response(text="ok\n")


async def _started() -> Site:
    site = Site(_ok)
    await site.start("127.0.0.1", 0)
    return site


async def test_bytes_that_are_no_http_get_a_sentence_and_stay_out_of_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    site = await _started()
    reader, writer = await asyncio.open_connection("127.0.0.1", site.port)
    writer.write(b"S3CRET / nonsense\r\n\r\n")
    answer = await reader.read()
    assert answer.startswith((b"HTTP/1.0 400 ", b"HTTP/1.1 400 "))
    assert answer.endswith(b"The request cannot be read as HTTP.\n")
    assert "S3CRET" not in caplog.text
    writer.close()
    await site.stop(1)


async def test_no_answer_names_the_software() -> None:
    site = await _started()
    for sent in (b"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", b"nonsense\r\n\r\n"):
        reader, writer = await asyncio.open_connection("127.0.0.1", site.port)
        writer.write(sent)
        answer = await reader.read()
        assert b"Server: azwi-webhook\r\n" in answer
        assert not re.search(rb"aiohttp|Python", answer)
        writer.close()
    await site.stop(1)


@pytest.mark.parametrize("sent", [b"", b"POST / HTTP/1.1\r\nHost: "])
async def test_a_connection_without_a_first_request_is_cut(
    sent: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "FIRST", 0.1)
    monkeypatch.setattr(module, "FEW", 0)
    lost: list[str] = []
    site = Site(_ok, count=lost.append)
    await site.start("127.0.0.1", 0)
    reader, writer = await asyncio.open_connection("127.0.0.1", site.port)
    writer.write(sent)
    with contextlib.suppress(ConnectionError):
        assert await asyncio.wait_for(reader.read(), 5) == b""
    assert lost == ["silent"]
    writer.close()
    await site.stop(1)


async def test_a_few_silent_connections_of_one_address_may_wait_for_longer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A Go client keeps 25 that it opened in vain, and a call on one that we cut fails."""
    monkeypatch.setattr(module, "FIRST", 0.1)
    monkeypatch.setattr(module, "FEW", 2)
    site = await _started()
    opened = [await asyncio.open_connection("127.0.0.1", site.port) for _ in range(2)]
    await asyncio.sleep(0.3)
    assert site.connections == 2
    opened += [await asyncio.open_connection("127.0.0.1", site.port) for _ in range(2)]
    await soon(lambda: site.connections == 2)
    for _, writer in opened:
        writer.close()
    await site.stop(1)


async def test_a_connection_that_asked_once_may_be_silent_for_longer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "FIRST", 0.1)
    site = await _started()
    async with ClientSession() as session:
        for _ in range(2):
            async with session.get(f"http://127.0.0.1:{site.port}/") as answer:
                assert answer.status == 200
            await asyncio.sleep(0.3)
        assert site.connections == 1
    await site.stop(1)


async def test_a_site_that_ends_soon_goes_on_answering_but_keeps_no_connection() -> None:
    site = await _started()
    async with ClientSession() as session:
        async with session.get(f"http://127.0.0.1:{site.port}/") as answer:
            assert answer.headers.get("Connection") != "close"
        site.end_soon()
        for _ in range(2):
            async with session.get(f"http://127.0.0.1:{site.port}/") as answer:
                assert answer.headers["Connection"] == "close"
    await site.stop(1)


async def test_a_request_in_flight_is_finished() -> None:
    entered, leave = asyncio.Event(), asyncio.Event()

    async def slow(request: web.BaseRequest) -> web.Response:
        entered.set()
        await leave.wait()
        return web.Response(text="late\n")

    site = Site(slow)
    await site.start("127.0.0.1", 0)
    async with ClientSession() as session:
        asking = asyncio.create_task(session.get(f"http://127.0.0.1:{site.port}/"))
        await entered.wait()
        stopping = asyncio.create_task(site.stop(5))
        await asyncio.sleep(0.4)
        leave.set()
        assert await (await asking).text() == "late\n"
        await stopping


async def test_a_handler_that_breaks_is_a_500_and_ends_nothing_else() -> None:
    async def broken(request: web.BaseRequest) -> web.Response:
        raise RuntimeError("a bug")

    site = Site(broken)
    await site.start("127.0.0.1", 0)
    async with ClientSession() as session:
        for _ in range(2):
            async with session.get(f"http://127.0.0.1:{site.port}/") as answer:
                assert answer.status == 500
                assert await answer.text() == "The webhook failed.\n"
    await site.stop(1)

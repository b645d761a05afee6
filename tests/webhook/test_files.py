"""A certificate that somebody else renews."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from azwi_testing.apiserver import soon
from azwi_webhook import authority
from azwi_webhook import files as module
from azwi_webhook.files import Files
from azwi_webhook.serving import Serving


def write(folder: Path, *, only: tuple[str, ...] = ("tls.crt", "tls.key", "ca.crt")) -> bytes:
    """A new pair; its CA."""
    made = authority.make(["hook.ns.svc"], datetime.now(UTC), timedelta(days=1))
    for name in only:
        (folder / name).write_text(made[name])
    return made["ca.crt"].encode()


@contextlib.asynccontextmanager
async def running(folder: Path) -> AsyncIterator[tuple[Files, Serving]]:
    serving = Serving("1.3")
    files = Files(str(folder), serving)
    task = asyncio.create_task(files.run())
    try:
        yield files, serving
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.fixture(autouse=True)
def _often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "AGAIN", 0.02)


async def test_files_that_change_are_served_anew(tmp_path: Path) -> None:
    first = write(tmp_path)
    async with running(tmp_path) as (files, serving):
        await soon(lambda: serving.trust == first)
        assert files.problem == ""
        second = write(tmp_path)
        await soon(lambda: serving.trust == second)


async def test_a_folder_that_is_half_exchanged_is_not_served(tmp_path: Path) -> None:
    first = write(tmp_path)
    async with running(tmp_path) as (files, serving):
        await soon(lambda: serving.trust == first)
        write(tmp_path, only=("tls.crt", "ca.crt"))
        await asyncio.sleep(0.1)
        assert serving.trust == first
        assert files.problem == ""  # what was served before still is
        last = write(tmp_path)
        await soon(lambda: serving.trust == last)


async def test_a_missing_file_is_named_and_awaited(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write(tmp_path, only=("tls.crt", "tls.key"))
    async with running(tmp_path) as (files, serving):
        await soon(lambda: "ca.crt cannot be read" in files.problem)
        await asyncio.sleep(0.1)
        write(tmp_path)
        await soon(lambda: serving.begun)
        await soon(lambda: not files.problem)
    assert caplog.text.count("cannot be read") == 1

"""A time limit that tells a slow peer from a process that stood still."""

import asyncio
import time

import pytest

from azwi_proxy import deadline
from azwi_proxy.deadline import Deadline


async def test_it_ends_what_takes_too_long_when_its_time_is_up() -> None:
    started = time.monotonic()
    with pytest.raises(TimeoutError):
        async with Deadline(0.2):
            await asyncio.sleep(30)
    assert 0.2 <= time.monotonic() - started < 0.2 + deadline.GRACE


async def test_what_ends_in_time_is_left_alone() -> None:
    async with Deadline(0.05):
        pass
    await asyncio.sleep(0.1)  # no timer is left


async def test_what_came_while_the_process_stood_still_is_read_in_several_steps() -> None:
    async def steps() -> str:
        for _ in range(50):
            await asyncio.sleep(0)
        return "read"

    async with Deadline(0.1):
        time.sleep(0.2 + deadline.LATE)  # noqa: ASYNC251  # the process stands still
        assert await steps() == "read"


async def test_the_grace_ends_too() -> None:
    started = time.monotonic()

    async def act() -> None:
        async with Deadline(0.1):
            time.sleep(0.2 + deadline.LATE)  # noqa: ASYNC251  # the process stands still
            await asyncio.sleep(30)

    with pytest.raises(TimeoutError):
        await act()
    assert time.monotonic() - started >= 0.2 + deadline.LATE + deadline.GRACE


async def test_it_can_begin_again() -> None:
    async with Deadline(0.3) as limit:
        for _ in range(4):
            await asyncio.sleep(0.1)
            limit.renew()


async def test_no_limit_stays_none() -> None:
    async with Deadline(None) as limit:
        limit.renew()
        await asyncio.sleep(0.01)

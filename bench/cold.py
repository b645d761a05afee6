"""A thousand requests at once for one token that nobody has yet; Entra ID takes 50 ms.

``make bench`` runs it after ``run.py``; it prints how many exchanges there were, and the time until
the last answer.
"""

import asyncio
import sys
import time

import aiohttp

import run
from azwi_emulator.client import Control
from azwi_emulator.messages import Fault

REQUESTS = 1000
LATENCY = 0.05  # seconds


async def all_at_once(port: int, resource: str) -> float:
    """Seconds until the last of the requests has its token."""
    target = f"http://127.0.0.1:{port}/metadata/identity/oauth2/token?resource={resource}"
    limits = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=limits, headers={"Metadata": "true"}) as session:

        async def once() -> None:
            async with session.get(target) as answer:
                await answer.read()
                answer.raise_for_status()

        began = time.monotonic()
        await asyncio.gather(*(once() for _ in range(REQUESTS)))
        return time.monotonic() - began


def main() -> int:
    """Three rounds, each with a resource of its own."""
    with run.emulator(control=True) as announced, run.start_proxy(announced) as (_, port):
        control = Control(announced["controlUrl"])
        control.fault(Fault(kind="latency", seconds=LATENCY))
        seconds = [asyncio.run(all_at_once(port, f"https://cold{n}.example")) for n in range(3)]
        exchanges = len(control.exchanges())
    print(f"\n{REQUESTS} cold requests at once: {exchanges / 3:.0f} exchange,", end=" ")
    print(f"all answered within {sorted(seconds)[1]:.2f} s (median of 3)")
    return 0


if __name__ == "__main__":
    sys.exit(main())

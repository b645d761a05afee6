"""A thousand requests at once for one token that nobody has yet; Entra ID takes 50 ms.

The client is a process that writes a thousand heads on open connections and reads what comes: the
time is the proxy's, and little of it the client's.
"""

import asyncio
import time

import servers
from azwi_emulator.client import Control
from azwi_emulator.messages import Fault

REQUESTS = 1000
ROUNDS = 5
LATENCY = 0.05  # seconds


async def all_at_once(port: int, resource: str) -> float:
    """Seconds from the first request to the last answer."""
    target = servers.TARGET.replace("https://vault.azure.net", resource)
    head = f"GET {target} HTTP/1.1\r\nHost: h\r\nMetadata: true\r\n\r\n".encode()
    opened = await asyncio.gather(
        *(asyncio.open_connection("127.0.0.1", port) for _ in range(REQUESTS))
    )

    async def once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(head)
        if not (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 "):
            raise RuntimeError("not every answer was a token")

    began = time.monotonic()
    await asyncio.gather(*(once(*streams) for streams in opened))
    seconds = time.monotonic() - began
    for _, writer in opened:
        writer.close()
    return seconds


def report() -> None:
    """Print one sentence."""
    with servers.emulator(control=True) as announced, servers.proxy(announced) as (_, port):
        control = Control(announced["controlUrl"])
        control.fault(Fault(kind="latency", seconds=LATENCY))
        seconds = sorted(
            asyncio.run(all_at_once(port, f"https://cold{number}.example"))
            for number in range(ROUNDS)
        )
        exchanges = len(control.exchanges())
    print(f"{REQUESTS:,} cold requests at once: {exchanges / ROUNDS:.0f} exchange, all answered")
    print(
        f"within {seconds[ROUNDS // 2]:.2f} s (median of {ROUNDS}; the slowest {seconds[-1]:.2f})"
    )

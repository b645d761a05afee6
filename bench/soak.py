"""``make soak``: ten minutes at 2,000 requests a second while Entra ID fails and recovers.

Tokens live five minutes, and one of them is due every eight seconds, so that each outage meets
renewals; none is longer than the time for which a token that is due is still handed out. Half of
the requests are the same to the byte each time, half have a request id of their own. No answer may
fail, and memory may not grow.
"""

import asyncio
import sys
import time
import uuid
from collections import Counter

import servers
from azwi_emulator.client import Control
from azwi_emulator.messages import AccessTokenShape, Fault

MINUTES = float(sys.argv[1]) if len(sys.argv) > 1 else 10.0
PER_SECOND = 2000
CONNECTIONS = 20
RESOURCES = 20
LIFETIME = 300  # seconds
APART = LIFETIME / 2 / RESOURCES  # seconds: a token is renewed from half of its life on
OUTAGE, PAUSE = 12.0, 8.0  # seconds
MOST_GROWTH = 1.0  # MB
FAULTS = (
    Fault(kind="answer", status=503),
    Fault(kind="hang"),
    Fault(kind="reset"),
    Fault(kind="throttle", retry_after="5"),
    Fault(kind="refuse"),
    Fault(kind="garbage"),
    Fault(kind="untrusted"),
    Fault(kind="aadsts", code=70021),
    Fault(kind="latency", seconds=3.0),
)


WARM_UP = len(FAULTS) * (OUTAGE + PAUSE)
"""Seconds until each kind of failure was met under load: what a first time costs is no growth."""


async def _client(number: int, port: int, until: float, seen: Counter[str]) -> None:
    """Requests at an even pace on one connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    pause = CONNECTIONS / PER_SECOND
    due = time.monotonic() + pause * number / CONNECTIONS
    while due < until:
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        due += pause
        resource = f"https://soak-{number % RESOURCES}.example"
        target = servers.TARGET.replace("https://vault.azure.net", resource)
        more = f"x-ms-client-request-id: {uuid.uuid4()}\r\n" if number % 2 else ""
        head = f"GET {target} HTTP/1.1\r\nHost: h\r\nMetadata: true\r\n{more}\r\n"
        writer.write(head.encode())
        try:
            answer = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 30)
            length = next(
                int(line.partition(b":")[2])
                for line in answer.split(b"\r\n")
                if line.lower().startswith(b"content-length:")
            )
            await reader.readexactly(length)
            seen[answer.split(b" ", 2)[1].decode()] += 1
        except (OSError, TimeoutError, asyncio.IncompleteReadError) as error:
            seen[type(error).__name__] += 1
            return
    writer.close()


async def _faults(control: Control, until: float) -> int:
    """On and off; how many there were."""
    count = 0
    while time.monotonic() + PAUSE + OUTAGE < until:
        await asyncio.sleep(PAUSE)
        await asyncio.to_thread(control.fault, FAULTS[count % len(FAULTS)])
        await asyncio.sleep(OUTAGE)
        await asyncio.to_thread(control.clear_faults)
        count += 1
    return count


async def _soak(control: Control, pid: int, port: int) -> tuple[Counter[str], list[float], int]:
    """Answers by status, memory each ten seconds, and the number of outages."""
    seen: Counter[str] = Counter()
    until = time.monotonic() + WARM_UP + MINUTES * 60
    sizes: list[float] = []
    clients = [
        asyncio.create_task(_client(number, port, until, seen)) for number in range(CONNECTIONS)
    ]
    faults = asyncio.create_task(_faults(control, until))
    while time.monotonic() + 10 < until:
        await asyncio.sleep(10)
        sizes.append(servers.resident_mb(pid))
    await asyncio.gather(*clients)
    return seen, sizes, await faults


def main() -> int:
    """1 where an answer failed or memory grew."""
    with servers.emulator(control=True) as announced, servers.proxy(announced) as (ours, port):
        control = Control(announced["controlUrl"])
        control.shape_access_tokens(AccessTokenShape(lifetime_seconds=LIFETIME))
        for number in range(RESOURCES):
            servers.ask(servers.url(port, f"https://soak-{number}.example"))
            time.sleep(APART)
        seen, sizes, outages = asyncio.run(_soak(control, ours.pid, port))
        exchanges = len(control.exchanges())
    start = max(sizes[: int(WARM_UP / 10)])
    growth = max(sizes) - start
    seconds = WARM_UP + MINUTES * 60
    print(f"{seconds / 60:.0f} minutes, {seen.total() / seconds:,.0f} requests a second,", end=" ")
    print(f"{outages} outages, {exchanges} exchanges or tries: answers {dict(seen)};")
    print(f"memory each 10 s, MB: {' '.join(f'{size:.1f}' for size in sizes)};")
    print(f"{start:.1f} after each kind of outage once, {growth:.1f} more since then")
    return 0 if set(seen) == {"200"} and growth < MOST_GROWTH else 1


if __name__ == "__main__":
    sys.exit(main())

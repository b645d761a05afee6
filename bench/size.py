"""Memory and start, beside a process that imports what the proxy imports and does nothing."""

import asyncio
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping

import servers

ROUNDS = 9
CONNECTIONS = 1000


def report() -> None:
    """Print both tables."""
    with servers.emulator() as announced:
        _print_memory(announced)
        print()
        _print_start(announced)


def _print_memory(announced: Mapping[str, str]) -> None:
    with _imports() as idle:
        floor = servers.resident_mb(idle.pid)
        idle.communicate(timeout=10)
    print(f"| resident memory | MB | ratio |\n|---|---|---|\n| imports alone | {floor:.1f} | 1 |")
    with servers.proxy(announced) as (ours, port):
        time.sleep(1)
        _print_size("after the start", ours.pid, floor)
        servers.ask(servers.url(port))
        _print_size("after the first token", ours.pid, floor)
        peak = asyncio.run(_all_at_once(port, ours.pid))
        print(f"| with {CONNECTIONS:,} connections at once | {peak:.1f} | {peak / floor:.2f} |")
        _print_size("after them", ours.pid, floor)


def _print_size(when: str, pid: int, floor: float) -> None:
    size = servers.resident_mb(pid)
    print(f"| {when} | {size:.1f} | {size / floor:.2f} |")


async def _all_at_once(port: int, pid: int) -> float:
    """Memory while a thousand connections have their answers and are open still."""
    head = f"GET {servers.TARGET} HTTP/1.1\r\nHost: h\r\nMetadata: true\r\n\r\n".encode()

    async def once() -> asyncio.StreamWriter:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(head)
        if not (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 "):
            raise RuntimeError("not every answer was a token")
        return writer

    opened = await asyncio.gather(*(once() for _ in range(CONNECTIONS)))
    size = servers.resident_mb(pid)
    for writer in opened:
        writer.close()
    return size


def _imports() -> subprocess.Popen[bytes]:
    argv = [sys.executable, str(servers.BENCH / "imports.py")]
    idle = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert idle.stdout is not None
    idle.stdout.readline()
    return idle


def _print_start(announced: Mapping[str, str]) -> None:
    pairs = [(_start_imports(), _start_proxy(announced)) for _ in range(ROUNDS)]
    print("| start | imports alone | azwi-proxy, until it listens | ratio |\n|---|---|---|---|")
    for number, name in enumerate(("wall, ms", "CPU, ms")):
        theirs = statistics.median(a[number] for a, _ in pairs) * 1000
        ours = statistics.median(b[number] for _, b in pairs) * 1000
        ratio = statistics.median(b[number] / a[number] for a, b in pairs)
        print(f"| {name} | {theirs:.0f} | {ours:.0f} | {ratio:.2f} |")


def _start_imports() -> tuple[float, float]:
    began = time.monotonic()
    with _imports() as idle:
        measured = time.monotonic() - began, servers.cpu_seconds(idle.pid)
        idle.communicate(timeout=10)
    return measured


def _start_proxy(announced: Mapping[str, str]) -> tuple[float, float]:
    began = time.monotonic()
    with servers.proxy(announced) as (ours, _):
        return time.monotonic() - began, servers.cpu_seconds(ours.pid)

"""What the benchmarks start and read: programs as processes, wrk, the kernel's figures."""

import contextlib
import json
import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

BENCH = Path(__file__).parent
TARGET = "/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https://vault.azure.net"
TICKS = os.sysconf("SC_CLK_TCK")
FIELDS = (
    ("requests/s", "per_second", ",.0f"),
    ("p99, ms", "p99_ms", ".2f"),
    ("CPU for each, µs", "cpu_us", ".0f"),
)
UNREAD = BENCH / "unread.lua"  # one more header, by default x-ms-client-request-id as SDKs send it
CLIENTS_CORE, SERVERS_CORE = "0", "1"


@dataclass(frozen=True)
class Round:
    """One run of wrk against one server."""

    per_second: float
    p99_ms: float
    cpu_us: float
    """CPU time of the server for one answer."""


def missing() -> str:
    """What is not installed here; empty: nothing."""
    absent = [name for name in ("wrk", "taskset") if shutil.which(name) is None]
    return f"{' and '.join(absent)} must be installed first" if absent else ""


def wrk(pid: int, connections: int, seconds: int, *more: str) -> Round:
    """Ask one server as fast as one core can.

    ``pid``: whose CPU time is counted; ``more``: the address, wrk's options before it.
    """
    before = cpu_seconds(pid)
    limits = ["-t1", f"-c{connections}", f"-d{seconds}s", "--latency"]
    done = subprocess.run(
        ["taskset", "-c", CLIENTS_CORE, "wrk", *limits, *more],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    if "Non-2xx" in done:
        raise RuntimeError(f"not every answer was good: {done}")
    total = int(_found(r"(\d+) requests in", done))
    value, unit = re.findall(r"99%\s+([\d.]+)(us|ms|s)", done)[0]
    p99 = float(value) * {"us": 0.001, "ms": 1, "s": 1000}[unit]
    cpu = (cpu_seconds(pid) - before) / total * 1e6
    return Round(float(_found(r"Requests/sec:\s+([\d.]+)", done)), p99, cpu)


def for_tokens(
    pid: int, port: int, connections: int, seconds: int, *, own_id: bool = False
) -> Round:
    """The same for tokens of the proxy, or of the bare server in its place."""
    more = ("-s", str(UNREAD)) if own_id else ("-H", "Metadata: true")
    return wrk(pid, connections, seconds, *more, url(port))


def with_header(pid: int, port: int, connections: int, seconds: int, name: str, kind: str) -> Round:
    """The same with a header ``name`` whose value is ``new`` each time, or the ``same``."""
    more = ("-s", str(UNREAD), url(port), "--", name, kind)
    return wrk(pid, connections, seconds, *more)


def compare(rounds: Sequence[tuple[Round, Round]], suffix: str = "") -> None:
    """Print rows of a table: medians of both, and the median of the rounds' own ratios."""
    for name, field, form in FIELDS:
        pairs = [(getattr(a, field), getattr(b, field)) for a, b in rounds]
        theirs, ours = (statistics.median(side) for side in zip(*pairs, strict=True))
        ratio = statistics.median(b / a for a, b in pairs)
        print(f"| {name}{suffix} | {theirs:{form}} | {ours:{form}} | {ratio:.2f} |")


def url(port: int, resource: str = "") -> str:
    """Where a token is asked for; another ``resource`` is a token that nobody has yet."""
    target = TARGET.replace("https://vault.azure.net", resource or "https://vault.azure.net")
    return f"http://127.0.0.1:{port}{target}"


@contextlib.contextmanager
def emulator(*, control: bool = False) -> Iterator[Mapping[str, str]]:
    """An azwi-emulator, as it announces itself."""
    argv = [sys.executable, "-m", "azwi_emulator", "--json", "--port=0", "--log-level=error"]
    argv.append(f"--control-port={0 if control else 'off'}")
    with process(argv, stdout=subprocess.PIPE) as started:
        assert started.stdout is not None
        yield json.loads(started.stdout.readline())


@contextlib.contextmanager
def proxy(
    announced: Mapping[str, str], *, wrapper: Sequence[str] = (), **more: str
) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """An azwi-proxy that listens, on a core of its own; its process and port."""
    port = free_port()
    environment = {
        "AZURE_AUTHORITY_HOST": announced["authorityHost"],
        "AZURE_TENANT_ID": announced["tenantId"],
        "AZURE_CLIENT_ID": announced["clientId"],
        "AZURE_FEDERATED_TOKEN_FILE": announced["tokenFile"],
        "SSL_CERT_FILE": announced["caFile"],
        "AZWI_FORWARD": "none",
        **more,
    }
    argv = [sys.executable, "-m", "azwi_proxy", f"--proxy-port={port}", "--log-level=error"]
    pinned = ["taskset", "-c", SERVERS_CORE]
    with process([*wrapper, *pinned, *argv], env=environment) as started:
        wait(port)
        yield started, port


@contextlib.contextmanager
def bare(size: int) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """The server that the proxy is compared with, on the same core."""
    port = free_port()
    argv = [sys.executable, str(BENCH / "bare.py"), str(port), str(size)]
    with process(["taskset", "-c", SERVERS_CORE, *argv]) as started:
        wait(port)
        yield started, port


@contextlib.contextmanager
def handshakes(
    announced: Mapping[str, str], size: int, a_second: int
) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """The server that answers, and begins and ends so many TLS connections a second."""
    port = free_port()
    argv = [sys.executable, str(BENCH / "handshakes.py"), str(port), str(size), str(a_second)]
    env = {"AUTHORITY": announced["authorityHost"], "SSL_CERT_FILE": announced["caFile"]}
    with process(["taskset", "-c", SERVERS_CORE, *argv], env=env) as started:
        wait(port)
        yield started, port


@contextlib.contextmanager
def beside_wrk() -> Iterator[None]:
    """This process, and what it starts meanwhile, on the core of the clients."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {int(CLIENTS_CORE)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@contextlib.contextmanager
def process(
    argv: Sequence[str], *, env: Mapping[str, str] | None = None, stdout: int | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """A process with few variables, ended afterwards."""
    variables = {"PATH": os.environ["PATH"], **(env or {})}
    started = subprocess.Popen(argv, env=variables, stdout=stdout)
    try:
        yield started
    finally:
        started.terminate()
        started.wait(30)
        if started.stdout is not None:
            started.stdout.close()


def ask(address: str) -> bytes:
    """The body of an answer that is a token."""
    request = urllib.request.Request(address, headers={"Metadata": "true"})
    with urllib.request.urlopen(request, timeout=15) as answer:
        body: bytes = answer.read()
        return body


def wait(port: int) -> None:
    """Until somebody listens."""
    until = time.monotonic() + 30
    while time.monotonic() < until:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.005)
    raise RuntimeError(f"nothing listens on port {port}")


def free_port() -> int:
    """A TCP port of loopback that nobody holds."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def cpu_seconds(pid: int) -> float:
    """CPU time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def resident_mb(pid: int, field: str = "VmRSS") -> float:
    """Memory that a process holds, or held at most (VmHWM), in MiB."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(_found(rf"{field}:\s+(\d+)", status)) / 1024


def _found(pattern: str, text: str) -> str:
    match = re.search(pattern, text)
    if match is None:
        raise RuntimeError(f"no {pattern} in: {text}")
    return match[1]

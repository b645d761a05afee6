"""``make bench``: the proxy beside a bare server and a bare process; prints tables in Markdown."""

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
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

BENCH = Path(__file__).parent
ROUNDS = 5
SECONDS = 3
TARGET = "/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https://vault.azure.net"
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Round:
    """One run of wrk against one server."""

    per_second: float
    p99_ms: float
    cpu_us: float
    """CPU time of the server for one answer."""


def main() -> int:
    """Run everything; 1 where wrk is missing."""
    if shutil.which("wrk") is None:
        print("wrk is missing: install the package wrk first", file=sys.stderr)
        return 1
    with contextlib.ExitStack() as stack:
        announced = stack.enter_context(emulator())
        proxy, port = stack.enter_context(start_proxy(announced))
        after_start = _resident_mb(proxy.pid)
        body = _ask(port)
        after_token = _resident_mb(proxy.pid)
        bare, bare_port = stack.enter_context(_bare(len(body)))
        print(
            f"Python {sys.version.split()[0]}, {os.cpu_count()} cores, body of {len(body)} bytes\n"
        )
        _print_speed(proxy, port, bare, bare_port)
        _print_memory(after_start, after_token, _resident_mb(proxy.pid))
        _print_start(announced)
    return 0


def _print_speed(
    proxy: subprocess.Popen[bytes], port: int, bare: subprocess.Popen[bytes], bare_port: int
) -> None:
    print("| token from the store | bare | azwi-proxy | ratio |\n|---|---|---|---|")
    for connections in (1, 16, 64):
        rounds = [
            (_wrk(bare.pid, bare_port, connections), _wrk(proxy.pid, port, connections))
            for _ in range(ROUNDS)
        ]
        for name, field, form in (
            ("requests/s", "per_second", ",.0f"),
            ("p99, ms", "p99_ms", ".2f"),
            ("CPU for each, µs", "cpu_us", ".0f"),
        ):
            pairs = [(getattr(a, field), getattr(b, field)) for a, b in rounds]
            theirs = statistics.median(a for a, _ in pairs)
            ours = statistics.median(b for _, b in pairs)
            ratio = statistics.median(b / a for a, b in pairs)
            print(
                f"| {name}, {connections} connections | {theirs:{form}} | {ours:{form}} |"
                f" {ratio:.2f} |"
            )


def _print_memory(after_start: float, after_token: float, after_load: float) -> None:
    process = subprocess.Popen(
        [sys.executable, str(BENCH / "imports.py")], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with process:
        assert process.stdout is not None
        process.stdout.readline()
        floor = _resident_mb(process.pid)
        process.communicate(timeout=10)
    print(f"\n| resident memory | MB | ratio |\n|---|---|---|\n| imports alone | {floor:.1f} | 1 |")
    for name, size in (
        ("after the start", after_start),
        ("after the first token", after_token),
        ("after the load above", after_load),
    ):
        print(f"| {name} | {size:.1f} | {size / floor:.2f} |")


def _print_start(announced: Mapping[str, str]) -> None:
    def once() -> float:
        began = time.monotonic()
        with start_proxy(announced):
            return time.monotonic() - began

    def imports() -> float:
        began = time.monotonic()
        subprocess.run(
            [sys.executable, str(BENCH / "imports.py")],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            check=True,
        )
        return time.monotonic() - began

    pairs = [(imports(), once()) for _ in range(ROUNDS)]
    print("\n| start | ms | ratio |\n|---|---|---|")
    print(f"| imports alone | {statistics.median(a for a, _ in pairs) * 1000:.0f} | 1 |")
    ratio = statistics.median(b / a for a, b in pairs)
    print(f"| to /readyz | {statistics.median(b for _, b in pairs) * 1000:.0f} | {ratio:.2f} |")


def _wrk(pid: int, port: int, connections: int) -> Round:
    before = _cpu_seconds(pid)
    url = ("-H", "Metadata: true", f"http://127.0.0.1:{port}{TARGET}")
    done = subprocess.run(
        [
            "taskset",
            "-c",
            "0",
            "wrk",
            "-t1",
            f"-c{connections}",
            f"-d{SECONDS}s",
            "--latency",
            *url,
        ],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    if "Non-2xx" in done:
        raise RuntimeError(f"not every answer was a token: {done}")
    total = int(_found(r"(\d+) requests in", done))
    value, unit = re.findall(r"99%\s+([\d.]+)(us|ms|s)", done)[0]
    p99 = float(value) * {"us": 0.001, "ms": 1, "s": 1000}[unit]
    cpu = (_cpu_seconds(pid) - before) / total * 1e6
    return Round(float(_found(r"Requests/sec:\s+([\d.]+)", done)), p99, cpu)


def _found(pattern: str, text: str) -> str:
    match = re.search(pattern, text)
    if match is None:
        raise RuntimeError(f"wrk printed no {pattern}: {text}")
    return match[1]


@contextlib.contextmanager
def emulator(*, control: bool = False) -> Iterator[Mapping[str, str]]:
    """An azwi-emulator, as it announces itself."""
    argv = [sys.executable, "-m", "azwi_emulator", "--json", "--port=0", "--log-level=error"]
    argv.append(f"--control-port={0 if control else 'off'}")
    with _process(argv, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        yield json.loads(process.stdout.readline())


@contextlib.contextmanager
def start_proxy(announced: Mapping[str, str]) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """An azwi-proxy that listens, on the second core; its process and port."""
    port = _free_port()
    environment = {
        "AZURE_AUTHORITY_HOST": announced["authorityHost"],
        "AZURE_TENANT_ID": announced["tenantId"],
        "AZURE_CLIENT_ID": announced["clientId"],
        "AZURE_FEDERATED_TOKEN_FILE": announced["tokenFile"],
        "SSL_CERT_FILE": announced["caFile"],
        "AZWI_FORWARD": "none",
    }
    argv = [sys.executable, "-m", "azwi_proxy", f"--proxy-port={port}", "--log-level=error"]
    with _process(["taskset", "-c", "1", *argv], env=environment) as process:
        _wait(port)
        yield process, port


@contextlib.contextmanager
def _bare(size: int) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    port = _free_port()
    argv = [sys.executable, str(BENCH / "bare.py"), str(port), str(size)]
    with _process(["taskset", "-c", "1", *argv]) as process:
        _wait(port)
        yield process, port


@contextlib.contextmanager
def _process(
    argv: list[str], *, env: Mapping[str, str] | None = None, stdout: int | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    variables = {"PATH": os.environ["PATH"], **(env or {})}
    process = subprocess.Popen(argv, env=variables, stdout=stdout)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(15)
        if process.stdout is not None:
            process.stdout.close()


def _ask(port: int) -> bytes:
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}{TARGET}", headers={"Metadata": "true"}
    )
    with urllib.request.urlopen(request, timeout=15) as answer:
        body: bytes = answer.read()
        return body


def _wait(port: int) -> None:
    until = time.monotonic() + 15
    while time.monotonic() < until:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.01)
    raise RuntimeError(f"nothing listens on port {port}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def _resident_mb(pid: int) -> float:
    return int(_found(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())) / 1024


if __name__ == "__main__":
    sys.exit(main())

"""The proxy's life: where it listens, and how it ends."""

import contextlib
import json
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from azwi_common.proxy_settings import Settings
from azwi_common.settings import load
from azwi_emulator.messages import Fault
from azwi_proxy import app as application
from azwi_proxy import serve
from azwi_testing import Emulator, Proxy, StartProxy, free_port, launch, plain_environment
from azwi_testing.apiserver import until
from azwi_testing.peers import MetadataService, exchange, mute


def _refuses(proxy: Proxy) -> bool:
    try:
        proxy.ask("/healthz")
    except OSError:
        return True
    return False


def _listening(proxy: Proxy) -> set[str]:
    """Addresses that the process listens on, by the kernel's own table."""
    addresses = set()
    for table in ("tcp", "tcp6"):
        rows = Path(f"/proc/{proxy.process.pid}/net/{table}").read_text().splitlines()[1:]
        for row in rows:
            local, state = row.split()[1], row.split()[3]
            address, port = local.rsplit(":", 1)
            if state == "0A" and int(port, 16) == proxy.port:
                addresses.add(address)
    return addresses


def test_it_listens_on_loopback_alone(shared: Proxy) -> None:
    assert _listening(shared) == {"0100007F"}  # 127.0.0.1
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.2", shared.port), 1)


def test_metrics_are_on_the_pods_address_and_nothing_else_is(
    emulator: Emulator, start_proxy: StartProxy
) -> None:
    other = free_port()
    environment = {**emulator.environment, "POD_IP": "127.0.0.2", "AZWI_METRICS_PORT": str(other)}
    proxy = start_proxy(environment)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.2", proxy.port), 1)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", other), 1)
    proxy.token("https://metrics.example")

    def ask(line: str) -> bytes:
        head = f"{line} HTTP/1.1\r\nHost: localhost\r\nMetadata: true\r\nConnection: close\r\n\r\n"
        return exchange(other, head.encode(), host="127.0.0.2")

    scraped = ask("GET /metrics")
    assert scraped.startswith(b"HTTP/1.1 200 ")
    assert b'azwi_proxy_requests_total{reason="ok",route="token",status="200"} 1.0' in scraped
    token = "/metadata/identity/oauth2/token?resource=https://metrics.example"
    for target in (
        token,
        "/" + token,
        token.replace("/oauth2", "/%6fauth2"),
        "/metrics/.." + token,
        "/metrics%2f.." + token,
        "http://127.0.0.1" + token,
        "/METADATA/identity/oauth2/token?resource=x",
        "/readyz",
        "/healthz",
        "/metadata/instance",
        "/",
        "/metricsx",
    ):
        for method in ("GET", "POST"):
            answered = ask(f"{method} {target}")
            assert answered.startswith(b"HTTP/1.1 404 "), target
            assert b"access_token" not in answered
    assert ask("POST /metrics").startswith(b"HTTP/1.1 405 ")
    assert len(emulator.control.exchanges()) == 1


def test_a_metrics_address_that_is_not_the_pods_is_a_sentence_and_exit_1(
    emulator: Emulator, tmp_path: Path
) -> None:
    environment = {**emulator.environment, "POD_IP": "192.0.2.1", "AZWI_METRICS_PORT": "9464"}
    proxy = launch(tmp_path, environment)
    assert proxy.process.wait(10) == 1
    assert "cannot listen on 192.0.2.1:9464" in proxy.log
    assert "Traceback" not in proxy.log


def test_sigterm_finishes_what_is_in_flight(emulator: Emulator, start_proxy: StartProxy) -> None:
    proxy = start_proxy(emulator.environment)
    emulator.control.fault(Fault(kind="latency", seconds=2))
    with ThreadPoolExecutor() as pool:
        asked = pool.submit(proxy.token)
        until(emulator.control.exchanges)
        proxy.process.send_signal(signal.SIGTERM)
        until(lambda: _refuses(proxy))
        assert not asked.done()
        assert asked.result().status == 200
    assert proxy.process.wait(5) == 0
    assert "Traceback" not in proxy.log
    assert json.loads(proxy.log.splitlines()[-1])["msg"] == "ended"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_idle_proxy_ends_at_once(
    emulator: Emulator, start_proxy: StartProxy, number: signal.Signals
) -> None:
    proxy = start_proxy(emulator.environment)
    with socket.create_connection(("127.0.0.1", proxy.port)):  # an idle client does not hold it up
        started = time.monotonic()
        assert proxy.stop(number) == 0
        assert time.monotonic() - started < 5  # a request in flight has 11


def test_it_goes_on_answering_for_the_drain_seconds(
    emulator: Emulator, start_proxy: StartProxy
) -> None:
    proxy = start_proxy(emulator.environment, AZWI_DRAIN_SECONDS="3")
    started = time.monotonic()
    proxy.process.send_signal(signal.SIGTERM)
    until(lambda: '"draining"' in proxy.log)
    assert proxy.token("https://drain.example").status == 200
    assert proxy.process.wait(15) == 0
    assert 2.9 < time.monotonic() - started < 6


def test_a_second_signal_ends_the_drain(emulator: Emulator, start_proxy: StartProxy) -> None:
    proxy = start_proxy(emulator.environment, AZWI_DRAIN_SECONDS="30")
    proxy.process.send_signal(signal.SIGTERM)
    until(lambda: '"draining"' in proxy.log)
    assert proxy.ask("/healthz").status == 200
    assert proxy.stop(timeout=10) == 0


async def test_tokens_are_fetched_in_advance_where_a_setting_names_them(
    emulator: Emulator, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    resources = {"AZWI_PREFETCH": "https://one.example https://two.example/"}
    app = application.App(load(Settings, {**emulator.environment, **resources}))
    pauses: list[float] = []

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)

    await app.start()
    await app.prefetch(sleep)
    await app.close()
    scopes = [exchange.scope for exchange in emulator.control.exchanges()]
    assert scopes == ["https://one.example/.default", "https://two.example//.default"]
    assert [record.message for record in caplog.records].count("token in advance") == 2
    assert len(pauses) == 2  # many pods start at once
    assert all(0 <= seconds <= application.PREFETCH_SPREAD for seconds in pauses)


def test_tokens_in_advance_that_fail_are_only_logged(
    emulator: Emulator, start_proxy: StartProxy
) -> None:
    emulator.control.fault(Fault(kind="aadsts", code=700016, times=1))
    proxy = start_proxy(emulator.environment, AZWI_PREFETCH="https://one.example")
    until(lambda: "no token in advance" in proxy.log)
    said = json.loads(proxy.log.splitlines()[-1])
    assert said["reason"] == "AADSTS700016"
    assert said["resource"] == "https://one.example"
    assert "AADSTS700016" in said["description"]
    assert proxy.token("https://one.example").status == 200  # the failure is not remembered
    assert proxy.stop() == 0
    assert "Traceback" not in proxy.log


BLACKHOLE = """
set -e
ip link set lo up
ip link add out0 type veth peer name out1
ip link set out1 up
ip address add 10.9.9.1/24 dev out0
ip link set out0 up
ip neigh add 10.9.9.9 lladdr 02:00:00:00:00:01 dev out0  # nobody has it: packets vanish
ip route add default via 10.9.9.9
mount --bind "$1" /etc/resolv.conf
shift
exec "$@"
"""


@pytest.mark.netns
def test_a_network_that_swallows_everything_holds_nobody_up(
    emulator: Emulator, tmp_path: Path
) -> None:
    (tmp_path / "resolv.conf").write_text("nameserver 10.9.9.9\n")
    (tmp_path / "blackhole").write_text(BLACKHOLE)
    environment = {
        **plain_environment(),
        **emulator.environment,
        "AZURE_AUTHORITY_HOST": "https://login.example/",
        "METADATA_IP": "10.9.9.9",
    }
    inside = ["unshare", "-nm", "sh", "blackhole", "resolv.conf", sys.executable, "-c", INSIDE]
    ended = subprocess.run(
        inside, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    told = json.loads(ended.stdout)
    assert told["instance"]["status"] == 504
    assert 0.8 < told["instance"]["seconds"] < 2
    assert told["token"]["status"] == 503
    assert "no answer from DNS within 5 s" in told["token"]["body"]
    assert 4.5 < told["token"]["seconds"] < 6.5
    assert told["from outside"] == "ConnectionRefusedError"
    assert told["exit"]["code"] == 0
    assert told["exit"]["seconds"] < 2.5  # the lookup itself goes on for five seconds more


INSIDE = """
import json, socket, subprocess, sys, time
from http.client import HTTPConnection

process = subprocess.Popen([sys.executable, "-m", "azwi_proxy", "--proxy-port=8000"])
subprocess.run([sys.executable, "-m", "azwi_proxy", "--probe"], check=True)
told = {}

def timed(name, target):
    started = time.monotonic()
    connection = HTTPConnection("127.0.0.1", 8000)
    connection.request("GET", target, headers={"Metadata": "true"})
    response = connection.getresponse()
    told[name] = {"status": response.status, "body": response.read().decode()}
    told[name]["seconds"] = time.monotonic() - started

timed("instance", "/metadata/instance")
timed("token", "/metadata/identity/oauth2/token?resource=https://x")
try:
    socket.create_connection(("10.9.9.1", 8000), 1)
except OSError as error:
    told["from outside"] = type(error).__name__
started = time.monotonic()
process.terminate()
told["exit"] = {"code": process.wait(30), "seconds": time.monotonic() - started}
print(json.dumps(told))
"""


UNPRIVILEGED = """
import os
from azwi_proxy import diagnose, serve
from azwi_proxy.metrics import Metrics

os.setresgid(65534, 65534, 65534)
os.setresuid(65534, 65534, 65534)
serve._prevent_core_dumps()
print(os.stat("/proc/self/environ").st_uid)  # root's, where a process is not dumpable
print(Metrics().exposition().decode())
print(diagnose.report(dict(os.environ), {})["token"])
"""


def test_a_process_that_leaves_no_core_still_has_its_metrics_and_its_diagnosis() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", UNPRIVILEGED],
        env={**plain_environment(), "AZURE_FEDERATED_TOKEN_FILE": "/nowhere"},
        capture_output=True,
        text=True,
        check=True,
    )
    owner, *rest = ended.stdout.splitlines()
    assert owner == "0"
    assert any("azwi_proxy_requests_total" in line for line in rest)
    assert "no such file" in rest[-1]


def test_a_running_proxy_can_leave_no_core_dump(shared: Proxy) -> None:
    limits = Path(f"/proc/{shared.process.pid}/limits").read_text().splitlines()
    core = next(line for line in limits if line.startswith("Max core file size"))
    assert core.split()[4:6] == ["0", "0"]


def test_an_entry_of_no_proxy_without_effect_is_told_at_the_start(
    emulator: Emulator, start_proxy: StartProxy
) -> None:
    proxy = start_proxy(emulator.environment, NO_PROXY="http://login.example, good.example")
    told = [line for line in map(json.loads, proxy.log.splitlines()) if "entry" in line]
    assert [(line["level"], line["entry"]) for line in told] == [
        ("warning", "http://login.example")
    ]
    assert "NO_PROXY" in told[0]["msg"]


def test_both_sites_end_at_the_same_time(
    emulator: Emulator, start_proxy: StartProxy, imds: MetadataService
) -> None:
    """One after the other they would take twice as long, and a kubelet kills after thirty."""
    imds.script = mute
    port = free_port()
    more = {"AZWI_METRICS_PORT": str(port), "POD_IP": "127.0.0.1", "AZWI_FORWARD": "all"}
    proxy = start_proxy({**emulator.environment, **imds.environment, **more})
    with (
        socket.create_connection(("127.0.0.1", proxy.port), 10) as poll,
        socket.socket() as scraper,
    ):
        poll.sendall(
            b"GET /computeMetadata/v1/?wait_for_change=true HTTP/1.1\r\nHost: localhost\r\n\r\n"
        )
        scraper.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        scraper.connect(("127.0.0.1", port))
        scraper.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            for _ in range(5000):
                scraper.sendall(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n" * 20)
        until(lambda: imds.seen, 10)
        started = time.monotonic()
        assert proxy.stop(timeout=30) == 0
        assert time.monotonic() - started < serve.IN_FLIGHT + 5

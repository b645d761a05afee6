"""What happens to machines in production happens to azwi-webhook: docs/security.md has the lines.

Another pod's review is sent meanwhile, as in ``test_hostile``: none is refused, and each is
answered in time wherever the process runs at all.
"""

import contextlib
import glob
import os
import resource
import signal
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from azwi_testing.apiserver import ApiServer, Fault, until
from azwi_testing.webhooks import (
    NAMESPACE,
    SECRET,
    Webhook,
    launch_webhook,
    pod,
    review,
)

LIBRARY = next(iter(glob.glob("/usr/lib/*/faketime/libfaketime.so.1")), "")
SECONDS = 2.0
Launch = Callable[..., Webhook]


@pytest.fixture(autouse=True)
def _account(api: ApiServer) -> None:
    api.account("shop", "app", client_id="11111111-0000-4000-8000-000000000001")


@pytest.fixture
def launch(api: ApiServer, tmp_path: Path) -> Iterator[Launch]:
    """Start an azwi-webhook behind a command, such as prlimit; it is ended afterwards."""
    started: list[Webhook] = []

    def start(*prefix: str, **environment: str) -> Webhook:
        variables = {"KUBECONFIG": api.kubeconfig(tmp_path), **environment}
        webhook = launch_webhook(tmp_path, variables, prefix=prefix)
        started.append(webhook)
        webhook.wait_until_ready(60)
        return webhook

    yield start
    for webhook in started:
        webhook.process.send_signal(signal.SIGCONT)
        webhook.process.kill()
        webhook.process.wait(15)


def admitted(api: ApiServer, webhook: Webhook, **spec: object) -> float:
    """Seconds for a review of a pod that gets its identity."""
    started = time.monotonic()
    trust = api.secret(NAMESPACE, SECRET)["ca.crt"]
    response = webhook.call(review(pod(**spec)), trust=trust).json["response"]
    assert response["allowed"] is True, response
    assert "patch" in response
    return time.monotonic() - started


def slowest(api: ApiServer, webhook: Webhook, count: int = 20) -> float:
    return max(admitted(api, webhook) for _ in range(count))


@contextlib.contextmanager
def in_turns(process: subprocess.Popen[bytes], share: float, turn: float = 0.1) -> Iterator[None]:
    """Let a process run for a share of the time alone, as a quota of the CPU does."""
    over = threading.Event()

    def run() -> None:
        while not over.is_set():
            process.send_signal(signal.SIGSTOP)
            over.wait(turn * (1 - share))
            process.send_signal(signal.SIGCONT)
            over.wait(turn * share)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        process.send_signal(signal.SIGCONT)


def test_a_log_that_nobody_reads_holds_up_no_review_and_no_end(
    api: ApiServer, tmp_path: Path
) -> None:
    """A blocking log driver froze it after 64 KB, and pods of the whole cluster were refused."""
    reading, writing = os.pipe()
    variables = {"KUBECONFIG": api.kubeconfig(tmp_path)}
    webhook = launch_webhook(tmp_path, variables, "--log-level=debug", log=writing)
    try:
        webhook.wait_until_ready()
        trust = api.secret(NAMESPACE, SECRET)["ca.crt"]
        for _ in range(800):
            assert webhook.call(review(), trust=trust).status == 200
        assert slowest(api, webhook) < SECONDS
        assert webhook.ask("/readyz").status == 200
        lost = (
            webhook.ask("/metrics")
            .body.decode()
            .partition("\nazwi_webhook_log_lines_lost_total ")[2]
        )
        print(lost.split()[0], "lines lost")
        started = time.monotonic()
        assert webhook.stop(timeout=30) == 0
        assert time.monotonic() - started < 10
    finally:
        webhook.process.kill()
        webhook.process.wait(15)
        os.close(reading)
        os.close(writing)


def test_at_five_hundredths_of_a_cpu_reviews_are_late_but_answered(
    api: ApiServer, launch: Launch
) -> None:
    webhook = launch()
    with in_turns(webhook.process, 0.05):
        seconds = slowest(api, webhook, 10)
        print(f"{seconds:.2f} s")
        assert seconds < SECONDS
        assert webhook.ask("/readyz").status == 200


def test_with_little_memory_a_review_may_fail_but_the_next_does_not(
    api: ApiServer, launch: Launch
) -> None:
    webhook = launch()
    data = int(Path(f"/proc/{webhook.process.pid}/statm").read_text().split()[5])
    most = data * resource.getpagesize() + 3 * 1024 * 1024
    resource.prlimit(webhook.process.pid, resource.RLIMIT_DATA, (most, most))
    trust = api.secret(NAMESPACE, SECRET)["ca.crt"]
    thing = pod(volumes=[{"name": "x" * 3_500_000}])
    statuses = set()
    for _ in range(5):
        with contextlib.suppress(OSError):
            statuses.add(webhook.call(review(thing), trust=trust).status)
    print(statuses)
    assert slowest(api, webhook) < SECONDS
    assert webhook.ask("/readyz").status == 200


@pytest.mark.skipif(not LIBRARY, reason="needs Debian's libfaketime")
@pytest.mark.parametrize("hours", [1, -1])
def test_a_clock_that_jumps_by_an_hour_refuses_no_review(
    api: ApiServer, launch: Launch, tmp_path: Path, hours: int
) -> None:
    wall = tmp_path / "wall"
    wall.write_text("+0s\n")
    webhook = launch(
        "env", f"LD_PRELOAD={LIBRARY}", f"FAKETIME_TIMESTAMP_FILE={wall}", "FAKETIME_NO_CACHE=1",
        "DONT_FAKE_MONOTONIC=1",
    )  # fmt: skip
    new = wall.with_suffix(".new")
    new.write_text(f"{hours * 3600:+d}s\n")
    new.replace(wall)
    for _ in range(30):
        assert admitted(api, webhook) < SECONDS
        time.sleep(0.1)
    assert webhook.ask("/readyz").status == 200


@pytest.mark.skipif(not LIBRARY, reason="needs Debian's libfaketime")
@pytest.mark.parametrize("hours", [1, -1])
def test_a_replica_whose_clock_is_wrong_makes_a_certificate_that_others_accept(
    api: ApiServer, launch: Launch, hours: int
) -> None:
    """Made an hour ahead, it was not valid yet for the API server: every pod was refused."""
    webhook = launch(
        "env", f"LD_PRELOAD={LIBRARY}", f"FAKETIME={hours:+d}h", "DONT_FAKE_MONOTONIC=1"
    )
    assert admitted(api, webhook) < SECONDS
    other = launch()
    before = api.secret(NAMESPACE, SECRET)
    assert admitted(api, other) < SECONDS
    assert api.secret(NAMESPACE, SECRET) == before


def test_an_api_server_that_is_away_keeps_no_known_pod_waiting(
    api: ApiServer, launch: Launch
) -> None:
    webhook = launch()
    trust = api.secret(NAMESPACE, SECRET)["ca.crt"]
    api.stop()
    end = time.monotonic() + 10
    while time.monotonic() < end:
        started = time.monotonic()
        response = webhook.call(review(), trust=trust).json["response"]
        assert response["allowed"] is True
        assert time.monotonic() - started < SECONDS
        time.sleep(0.2)
    assert webhook.ask("/readyz").status == 200
    api.start()
    until(lambda: b'watching{collection="serviceaccounts"} 1.0' in webhook.ask("/metrics").body, 30)


@pytest.mark.parametrize("seconds", [1.0, 30.0])
def test_an_api_server_that_is_slow_keeps_no_known_pod_waiting(
    api: ApiServer, launch: Launch, seconds: float
) -> None:
    webhook = launch()
    api.faults.append(Fault("", 500, seconds=seconds))
    api.cut()
    until(lambda: b'watching{collection="serviceaccounts"} 0.0' in webhook.ask("/metrics").body)
    found = slowest(api, webhook, 5)
    print(f"{found:.2f} s")
    assert found < SECONDS


def test_where_descriptors_are_used_up_reviews_go_on(api: ApiServer, launch: Launch) -> None:
    webhook = launch("prlimit", "--nofile=64:64")
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    held: list[socket.socket] = []
    try:
        for _ in range(120):
            address = ("127.0.0.1", webhook.port)
            held.append(socket.create_connection(address, 5, source_address=("127.0.0.2", 0)))
        found = slowest(api, webhook)
        print(f"{found:.2f} s")
        assert found < SECONDS
    finally:
        for one in held:
            one.close()


def test_a_freeze_of_30_s_costs_what_was_asked_meanwhile_and_nothing_after_it(
    api: ApiServer, launch: Launch
) -> None:
    seconds = 30
    webhook = launch()
    trust = api.secret(NAMESPACE, SECRET)["ca.crt"]
    context = ssl.create_default_context(cadata=trust.decode())
    plain = socket.create_connection(("127.0.0.1", webhook.port), seconds + 10)
    silent = context.wrap_socket(plain, server_hostname=f"azwi-sidecar-webhook.{NAMESPACE}.svc")
    webhook.process.send_signal(signal.SIGSTOP)
    silent.sendall(b"GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n")
    time.sleep(seconds)
    webhook.process.send_signal(signal.SIGCONT)
    assert silent.recv(12) == b"HTTP/1.1 200"  # what came in the meantime is answered
    silent.close()
    assert slowest(api, webhook) < SECONDS
    assert webhook.ask("/readyz").status == 200


def test_clients_that_trickle_their_handshake_hold_up_nobody(
    api: ApiServer, launch: Launch
) -> None:
    webhook = launch()
    over = threading.Event()

    def trickle() -> None:
        while not over.is_set():
            with (
                contextlib.suppress(OSError),
                socket.create_connection(
                    ("127.0.0.1", webhook.port), 5, source_address=("127.0.0.2", 0)
                ) as one,
            ):
                one.sendall(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc")
                while not over.wait(0.5):
                    one.sendall(b"\x03")

    threads = [threading.Thread(target=trickle) for _ in range(200)]
    for thread in threads:
        thread.start()
    try:
        time.sleep(1)
        found = max(slowest(api, webhook), *(admitted(api, webhook) for _ in range(20)))
        time.sleep(6)
        found = max(found, slowest(api, webhook))
        print(f"{found:.2f} s")
        assert found < SECONDS
    finally:
        over.set()
        for thread in threads:
            thread.join(15)
    assert b'lost_connections_total{reason="handshake"} 0.0' not in webhook.ask("/metrics").body

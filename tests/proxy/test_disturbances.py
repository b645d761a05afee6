"""What a pod and its node do to a running proxy: signals, a file half written, a full disk."""

import contextlib
import os
import re
import signal
import socket
import threading
import time
from collections import Counter
from http.client import HTTPConnection, HTTPException
from pathlib import Path

import pytest

from azwi_proxy import app, server
from azwi_testing import (
    Emulator,
    Proxy,
    StartProxy,
    free_port,
    launch,
    resident,
    wait_for_port,
)
from azwi_testing.apiserver import until

TARGET = "/metadata/identity/oauth2/token?resource=https://load.example"
RESOURCES = 10_000
NOT_ACCEPTED = "not accepted"
PAUSED = "paused"  # by the machine, for so long that the proxy took the connection for an idle one


class Client(threading.Thread):
    """Asks again and again on one connection, as SDKs do; counts answers and what was lost."""

    def __init__(self, proxy: Proxy, target: str) -> None:
        super().__init__(daemon=True)
        self._proxy, self._target = proxy, target
        self.seen: Counter[str] = Counter()

    def run(self) -> None:
        """Until nobody listens any more."""
        connection = HTTPConnection("127.0.0.1", self._proxy.port, timeout=10)
        served, answered = False, 0.0
        while True:
            try:
                if connection.sock is None:
                    served = False
                    connection.connect()
            except ConnectionRefusedError:
                return
            asked = None
            try:
                connection.request("GET", self._target, headers={"Metadata": "true"})
                asked = time.monotonic()
                answer = connection.getresponse()
                answer.read()
                self.seen[str(answer.status)] += 1
                served, answered = True, time.monotonic()
            except (OSError, HTTPException) as error:
                # The kernel may take a connection that no process comes to accept any more.
                lost = type(error).__name__ if served else NOT_ACCEPTED
                paused = served and (asked or time.monotonic()) - answered > server.FAREWELL
                self.seen[PAUSED if paused else lost] += 1
                connection.close()


@pytest.mark.parametrize("target", [TARGET, TARGET.replace("token?", "token/?"), "/healthz"])
def test_sigterm_under_load_loses_no_answer(
    emulator: Emulator, start_proxy: StartProxy, target: str
) -> None:
    proxy = start_proxy(emulator.environment)
    proxy.ask(target)
    clients = [Client(proxy, target) for _ in range(8)]
    for client in clients:
        client.start()
    until(lambda: all(client.seen["200"] > 20 for client in clients), 30)
    assert proxy.stop() == 0
    for client in clients:
        client.join(10)
        assert set(client.seen) - {PAUSED} == {"200"}


def test_a_killed_proxy_serves_again_after_its_restart(
    emulator: Emulator, start_proxy: StartProxy, tmp_path: Path
) -> None:
    proxy = start_proxy(emulator.environment)
    client = Client(proxy, TARGET)
    client.start()
    time.sleep(0.3)
    assert proxy.stop(signal.SIGKILL) == -signal.SIGKILL
    client.join(10)
    assert client.seen.total() - client.seen["200"] - client.seen[NOT_ACCEPTED] <= 1
    again = launch(tmp_path, proxy.environment, port=proxy.port)
    try:
        wait_for_port(again)  # the port is free at once, whatever connections linger
        assert again.token().status == 200
    finally:
        again.stop()


def test_a_token_file_read_while_it_is_written_is_a_503_and_heals(
    emulator: Emulator, start_proxy: StartProxy, tmp_path: Path
) -> None:
    whole = Path(emulator.announced["tokenFile"]).read_text()
    file = tmp_path / "token"
    file.write_text(whole)
    proxy = start_proxy({**emulator.environment, "AZURE_FEDERATED_TOKEN_FILE": str(file)})
    header_only, payload_cut = whole.index(".") + 10, whole.rindex(".") - 5
    for number, part in enumerate((0, 10, header_only, payload_cut)):
        file.write_text(whole[:part])
        answer = proxy.token(f"https://half-{number}.example")
        assert answer.status == 503, answer.body
        assert str(file) in answer.json["error_description"]
    file.write_text(whole[:-20])  # reads like a token: Entra ID is who finds the signature wrong
    assert proxy.token("https://signature.example").status in (400, 401)
    file.write_text(whole)
    assert proxy.token("https://whole.example").status == 200
    assert proxy.token("https://vault.azure.net").status == 200
    assert "Traceback" not in proxy.log


def test_long_requests_cost_bounded_memory(emulator: Emulator, start_proxy: StartProxy) -> None:
    """A form of 16 KB with one character outside the BMP is 64 KB in memory."""
    proxy = start_proxy(emulator.environment)
    path, before = TARGET.partition("?")[0], 0
    for number in range(1100):
        form = f"resource=https://r{number}.example&x={'x' * 16_000}\U0001f511".encode()
        assert proxy.ask(path, method="POST", body=form).status == 400  # not declared as a form
        query = f"{TARGET}&client_idx={number}{'y' * 7_000}"
        assert proxy.ask(query).status == 400
        form = f"resource=%20&n={number}&x={'x' * 16_000}\U0001f511".encode()
        answer = proxy.ask(
            path,
            method="POST",
            headers={"Metadata": "true", "Content-Type": "application/x-www-form-urlencoded"},
            body=form,
        )
        assert answer.status == 400
        if number == 50:
            before = resident(proxy.process.pid)
    assert resident(proxy.process.pid) - before < 8 * 1024 * 1024


def test_a_log_that_nobody_reads_stops_neither_tokens_nor_the_end(
    emulator: Emulator, tmp_path: Path
) -> None:
    port = free_port()
    fifo = tmp_path / f"proxy-{port}.log"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDWR)  # reads nothing: the pipe is full after 64 KiB
    proxy = launch(tmp_path, emulator.environment, "--log-level=debug", port=port)
    try:
        wait_for_port(proxy)
        for _ in range(4000):
            assert proxy.token().status == 200
        assert proxy.ask("/healthz").status == 200
        lost = re.search(
            rb"^azwi_proxy_log_lines_lost_total (.+)$", proxy.ask("/metrics").body, re.M
        )
        assert lost
        assert float(lost[1]) > 0
        assert proxy.stop(timeout=5) == 0
    finally:
        proxy.process.kill()
        proxy.process.wait()
        os.close(reader)


def test_a_full_disk_under_the_log_keeps_nobody_from_a_token(
    emulator: Emulator, tmp_path: Path
) -> None:
    port = free_port()
    (tmp_path / f"proxy-{port}.log").symlink_to("/dev/full")
    proxy = launch(tmp_path, emulator.environment, "--log-level=debug", port=port)
    try:
        wait_for_port(proxy)
        for number in range(3):
            assert proxy.token(f"https://full-{number}.example").status == 200
        assert proxy.token(client_id="nobody").status in (400, 401)
    finally:
        assert proxy.stop() == 0


def test_ten_thousand_resources_neither_fill_memory_nor_push_out_what_is_in_use(
    emulator: Emulator, start_proxy: StartProxy
) -> None:
    proxy = start_proxy(emulator.environment)
    in_use = proxy.token("https://in-use.example").json["access_token"]
    connection = HTTPConnection("127.0.0.1", proxy.port, timeout=30)
    before, statuses = 0, Counter[int]()
    with contextlib.closing(connection):
        for number in range(RESOURCES):
            path = TARGET.replace("load", f"many-{number}")
            connection.request("GET", path, headers={"Metadata": "true"})
            answer = connection.getresponse()
            answer.read()
            statuses[answer.status] += 1
            if number % 500 == 0:
                assert proxy.token("https://in-use.example").json["access_token"] == in_use
            if number == RESOURCES // 2:
                before = resident(proxy.process.pid)
    grown = resident(proxy.process.pid) - before
    print(f"the second half of {RESOURCES} resources: {grown / 1e6:.1f} MB more; {dict(statuses)}")
    assert set(statuses) == {200, 429}
    assert grown < 2e6
    assert proxy.token("https://in-use.example").json["access_token"] == in_use


def test_a_form_that_arrived_while_the_process_stood_still_counts(proxy: Proxy) -> None:
    form = b"resource=https://frozen.example"
    head = f"POST {TARGET.partition('?')[0]} HTTP/1.1\r\nHost: localhost\r\nMetadata: true\r\n"
    lines = f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(form)}\r\n"
    with socket.create_connection(("127.0.0.1", proxy.port), 30) as connection:
        connection.sendall(f"{head}{lines}\r\n".encode() + form[:5])
        time.sleep(0.2)  # its time runs
        proxy.process.send_signal(signal.SIGSTOP)
        connection.sendall(form[5:])
        time.sleep(app.FORM_TIME + 1)
        proxy.process.send_signal(signal.SIGCONT)
        assert connection.recv(65536).startswith(b"HTTP/1.1 200 ")

"""What a tenant or a pod can send, and what it costs: docs/security.md has the table.

Every test starts azwi-webhook itself, sends what it is named after, and asks two things: how much
memory the process ever took, and how long another pod's review took meanwhile.
"""

import contextlib
import json
import os
import re
import socket
import ssl
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from azwi_testing.apiserver import ApiServer, until
from azwi_testing.webhooks import NAMESPACE, SECRET, StartWebhook, Webhook, pod, review
from azwi_webhook import server

MOST_MEMORY = 150  # MB
MOST_SECONDS = 2.0  # of the webhook's CPU time: a busy machine makes everybody wait
PATIENCE = 10.0  # seconds by the clock: no API server waits longer by default
WATCH = "WATCH /api/v1/serviceaccounts"
PREFIX = "azure.workload.identity/"


def memory(webhook: Webhook) -> float:
    """The most that the process ever took, in MB."""
    status = Path(f"/proc/{webhook.process.pid}/status").read_text()
    [line] = [line for line in status.splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) / 1024


def cpu_seconds(webhook: Webhook) -> float:
    """What all threads of the process have computed."""
    fields = Path(f"/proc/{webhook.process.pid}/stat").read_text().rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Other:
    """Another pod's review, again and again, each on a connection that is new."""

    def __init__(self, webhook: Webhook, trust: bytes) -> None:
        self._webhook, self._trust = webhook, trust
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.seconds: list[float] = []
        """By the clock."""
        self.computed: list[float] = []
        """By the webhook's own CPU time, where that is less."""
        self.wrong: list[str] = []

    def _run(self) -> None:
        while not self._over.is_set():
            started, before = time.monotonic(), cpu_seconds(self._webhook)
            try:
                answer = self._webhook.call(review(), trust=self._trust)
                if not answer.json["response"]["allowed"]:
                    self.wrong.append(answer.body.decode())
            except OSError as error:
                self.wrong.append(repr(error))
            self.seconds.append(time.monotonic() - started)
            self.computed.append(min(self.seconds[-1], cpu_seconds(self._webhook) - before))
            self._over.wait(0.05)

    def start(self) -> None:
        self._thread.start()
        until(lambda: len(self.seconds) > 1)

    def end(self) -> None:
        self._over.set()
        self._thread.join(30)


@contextlib.contextmanager
def bounds_held(api: ApiServer, webhook: Webhook) -> Iterator[None]:
    """Hold both bounds for what happens inside; prints what was measured."""
    other = Other(webhook, api.secret(NAMESPACE, SECRET)["ca.crt"])
    other.start()
    try:
        yield
    finally:
        other.end()
    used, slowest, longest = memory(webhook), max(other.computed), max(other.seconds)
    told = f"the slowest {longest:.2f} s, {slowest:.2f} s of CPU time"
    print(f"{used:.0f} MB, {len(other.seconds)} reviews, {told}")
    assert other.wrong == []
    assert used <= MOST_MEMORY
    assert slowest <= MOST_SECONDS
    assert longest <= PATIENCE
    assert webhook.ask("/healthz").status == 200


EVIL = "127.0.0.2"
"""The address that a hostile pod calls from; the API server has another."""
HEAD = (
    b"POST /mutate-v1-pod HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\n"
    b"Content-Length: %d\r\n\r\n"
)


class Evil:
    """What a hostile pod does in threads of its own, for some seconds."""

    def __init__(self, webhook: Webhook) -> None:
        self._port = webhook.port
        self._context = ssl.create_default_context()
        self._context.check_hostname = False
        self._context.verify_mode = ssl.CERT_NONE
        self.answers: Counter[bytes] = Counter()

    def plain(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self._port), 5, source_address=(EVIL, 0))

    def connected(self) -> ssl.SSLSocket:
        return self._context.wrap_socket(self.plain())

    def send(self, body: bytes) -> None:
        """A whole call, and what is answered to it."""
        try:
            with self.connected() as connection:
                with contextlib.suppress(OSError):
                    connection.sendall(HEAD % len(body) + body)
                self.answers[connection.recv(100)[9:12]] += 1
        except OSError as error:
            self.answers[type(error).__name__.encode()] += 1

    def again(self, act: Callable[[], None], threads: int, seconds: float = 3) -> None:
        """Do it again and again, in so many threads."""
        end = time.monotonic() + seconds

        def run() -> None:
            while time.monotonic() < end:
                with contextlib.suppress(OSError):
                    act()

        running = [threading.Thread(target=run) for _ in range(threads)]
        for thread in running:
            thread.start()
        for thread in running:
            thread.join(30)


@pytest.fixture(autouse=True)
def _account(api: ApiServer) -> None:
    api.account("shop", "app", client_id="11111111-0000-4000-8000-000000000001")


def large(number: int, name: str, value: str) -> dict[str, object]:
    annotations = {name: value}
    return {"metadata": {"name": f"a{number}", "namespace": "evil", "annotations": annotations}}


@pytest.mark.parametrize("sign", ["x", "\U0001f600"])
@pytest.mark.parametrize("name", ["note", PREFIX + "identities"])
def test_five_hundred_service_accounts_of_244_kb(
    api: ApiServer, start_webhook: StartWebhook, name: str, sign: str
) -> None:
    """They cost 304 MB at a list once, which ended the process again and again."""
    value = sign + "x" * 244_000
    api.fill("serviceaccounts", (large(number, name, value) for number in range(500)))
    webhook = start_webhook()
    with bounds_held(api, webhook):
        api.forget()
        api.cut()
        until(lambda: api.asked[WATCH] >= 3, 60)  # one that is 410 Gone, and after the new list
        for number in range(50):
            api.put("serviceaccounts", "evil", f"b{number}", annotations={name: value})
    trust = api.secret(NAMESPACE, SECRET)["ca.crt"]
    thing = pod(serviceAccountName="a7")
    thing["metadata"]["annotations"] = {PREFIX + "inject-proxy-sidecar": "true"}
    asked = review(thing, namespace="evil")
    response = webhook.call(asked, trust=trust).json["response"]
    if name != "note":
        assert (
            "identities of service account a7 has more than 16384 bytes: shorten it"
            in (response["status"]["message"])
        )


def test_fifty_thousand_service_accounts_of_4_kb(
    api: ApiServer, start_webhook: StartWebhook
) -> None:
    """They are no longer held once the cache's share is used up: reviews read them."""
    value = "x" * 4000
    many = (large(number, PREFIX + "client-id", value) for number in range(50_000))
    api.fill("serviceaccounts", many)
    webhook = start_webhook()
    with bounds_held(api, webhook):
        api.forget()
        api.cut()
        until(lambda: api.asked[WATCH] >= 3, 60)  # one that is 410 Gone, and after the new list


ROOM = 4 * 1024 * 1024 - 2000


def filled(field: str, shape: bytes, *, most: int = ROOM) -> bytes:
    """A review whose pod has ``field`` full of ``shape``."""
    thing = pod(**{"serviceAccountName": "unknown", field: "FULL"})
    inside = b"[" + shape * (most // len(shape)) + shape.rstrip(b",") + b"]"
    return json.dumps(review(thing, namespace="evil")).encode().replace(b'"FULL"', inside)


def nested(depth: int) -> bytes:
    asked = json.dumps(review(pod(volumes="FULL"), namespace="evil")).encode()
    return asked.replace(b'"FULL"', b"[" * depth + b"]" * depth)


BODIES = {
    "empty lists": filled("volumes", b"[],"),
    "empty containers": filled("containers", b"{},"),
    "many containers": filled("containers", b"{},", most=140_000),
    "volumes within the limit": filled("volumes", b'{"a":1},', most=390_000),
    "names": filled("containers", b'{"name":"app"},'),
    "texts": filled("imagePullSecrets", b'"",'),
    "one text": filled("volumes", b'{"name":"' + b"x" * 4_000_000 + b'"},', most=100),
    "wide text": filled(
        "volumes", b'{"name":"' + "\U0001f600".encode() + b"x" * 4_000_000 + b'"},', most=100
    ),
    "nesting": nested(ROOM // 2),
    "no JSON": b"\xff" * ROOM,
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_bodies_of_hostile_shapes(api: ApiServer, start_webhook: StartWebhook, body: bytes) -> None:
    """Three bodies of empty lists cost 340 MB and 14 s once."""
    webhook = start_webhook("--log-level=info")
    evil = Evil(webhook)
    with bounds_held(api, webhook):
        evil.again(lambda: evil.send(body), 12)
    print(evil.answers)
    assert evil.answers


def test_bodies_that_trickle_or_never_come(api: ApiServer, start_webhook: StartWebhook) -> None:
    webhook = start_webhook("--log-level=info")
    evil = Evil(webhook)

    def trickle() -> None:
        with evil.connected() as connection:
            connection.sendall(HEAD % ROOM + b" " * 3_900_000)
            for _ in range(4):
                time.sleep(0.5)
                connection.sendall(b" ")

    with bounds_held(api, webhook):
        evil.again(trickle, 140, 6)
    assert b'refused_calls_total{status="503"}' in webhook.ask("/metrics").body


@pytest.mark.parametrize("speak", ["nothing", "half a handshake", "a handshake", "half a head"])
def test_thousands_of_connections(api: ApiServer, start_webhook: StartWebhook, speak: str) -> None:
    webhook = start_webhook("--log-level=info")
    evil = Evil(webhook)
    held: list[socket.socket] = []

    def open_one() -> None:
        if speak in ("nothing", "half a handshake"):
            connection = evil.plain()
            if speak == "half a handshake":
                connection.sendall(b"\x16\x03\x01\x02\x00\x01\x00")
        else:
            connection = evil.connected()
            if speak == "half a head":
                connection.sendall(b"POST /mutate-v1-pod HTTP/1.1\r\nHost: ")
        held.append(connection)
        time.sleep(0.01)

    with bounds_held(api, webhook):
        evil.again(open_one, 8, 6)
        print(len(held), "connections")
    for connection in held:
        connection.close()
    assert len(held) > server.MOST // 2
    lost = re.findall(rb"lost_connections_total\{.*\} (\S+)", webhook.ask("/metrics").body)
    assert sum(map(float, lost)) > 0


def test_reviews_as_fast_as_one_pod_can_send_them(
    api: ApiServer, start_webhook: StartWebhook
) -> None:
    webhook = start_webhook("--log-level=info")
    evil = Evil(webhook)
    small = json.dumps(review(pod(serviceAccountName="unknown"), namespace="evil")).encode()
    with bounds_held(api, webhook):
        evil.again(lambda: evil.send(small), 24)
    assert evil.answers[b"200"] > 100

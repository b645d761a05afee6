"""What a tenant or a pod can send, and what it costs: docs/security.md has the table.

Every test starts azwi-webhook itself, sends what it is named after, and asks two things: how much
memory the process ever took, and how long another pod's review took meanwhile.
"""

import contextlib
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from azwi_testing.apiserver import ApiServer, until
from azwi_testing.webhooks import NAMESPACE, SECRET, StartWebhook, Webhook, pod, review

MOST_MEMORY = 150  # MB
MOST_SECONDS = 2.0
WATCH = "WATCH /api/v1/serviceaccounts"
PREFIX = "azure.workload.identity/"


def memory(webhook: Webhook) -> float:
    """The most that the process ever took, in MB."""
    status = Path(f"/proc/{webhook.process.pid}/status").read_text()
    [line] = [line for line in status.splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) / 1024


class Other:
    """Another pod's review, again and again, each on a connection that is new."""

    def __init__(self, webhook: Webhook, trust: bytes) -> None:
        self._webhook, self._trust = webhook, trust
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.seconds: list[float] = []
        self.wrong: list[str] = []

    def _run(self) -> None:
        while not self._over.is_set():
            started = time.monotonic()
            try:
                answer = self._webhook.call(review(), trust=self._trust)
                if not answer.json["response"]["allowed"]:
                    self.wrong.append(answer.body.decode())
            except OSError as error:
                self.wrong.append(repr(error))
            self.seconds.append(time.monotonic() - started)
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
    used, slowest = memory(webhook), max(other.seconds)
    print(f"{used:.0f} MB, {len(other.seconds)} reviews, the slowest {slowest:.2f} s")
    assert other.wrong == []
    assert used <= MOST_MEMORY
    assert slowest <= MOST_SECONDS
    assert webhook.ask("/healthz").status == 200


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

"""Fixtures of the webhook's tests: an API server, a client of it, running webhooks."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from azwi_testing.apiserver import ApiServer
from azwi_testing.webhooks import (
    NAMESPACE,
    SECRET,
    Shared,
    StartWebhook,
    Webhook,
    furnish,
    launch_webhook,
)
from azwi_webhook.kube import Kube


@pytest.fixture
def api() -> Iterator[ApiServer]:
    """An API server with what the chart brings."""
    with ApiServer() as server:
        furnish(server)
        yield server


@pytest.fixture
async def kube(api: ApiServer, tmp_path: Path) -> AsyncIterator[Kube]:
    """A client of it."""
    client = Kube.connect(api.kubeconfig(tmp_path))
    yield client
    await client.close()


@pytest.fixture
def start_webhook(api: ApiServer, tmp_path: Path) -> Iterator[StartWebhook]:
    """A function that starts an azwi-webhook of that API server; ends them afterwards."""
    started: list[Webhook] = []

    def start(*arguments: str, ready: bool = True, **environment: str) -> Webhook:
        variables = {"KUBECONFIG": api.kubeconfig(tmp_path), **environment}
        webhook = launch_webhook(tmp_path, variables, "--log-level=debug", *arguments)
        started.append(webhook)
        if ready:
            webhook.wait_until_ready()
        return webhook

    yield start
    for webhook in started:
        if webhook.process.poll() is None:
            webhook.process.kill()
        webhook.process.wait(15)


@pytest.fixture(scope="session")
def shared_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shared]:
    """One azwi-webhook for the whole run; use ``shared``."""
    folder = tmp_path_factory.mktemp("webhook")
    with ApiServer() as server:
        furnish(server)
        server.account("shop", "app", client_id="11111111-0000-4000-8000-000000000001")
        variables = {"KUBECONFIG": server.kubeconfig(folder), "PROXY_IMAGE": "azwi-proxy:1"}
        webhook = launch_webhook(folder, variables, "--log-level=debug")
        try:
            webhook.wait_until_ready()
            yield Shared(server, webhook, server.secret(NAMESPACE, SECRET)["ca.crt"])
        finally:
            webhook.process.kill()
            webhook.process.wait(15)


@pytest.fixture
def shared(shared_process: Shared) -> Iterator[Shared]:
    """A running azwi-webhook that tests share; no test may leave a traceback in its log."""
    before = len(shared_process.webhook.log)
    yield shared_process
    logged = shared_process.webhook.log[before:]
    assert "Traceback" not in logged, logged[-4000:]
    assert shared_process.webhook.ask("/readyz").status == 200

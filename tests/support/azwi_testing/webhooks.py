"""A running azwi-webhook as tests handle it, and the reviews that an API server would send it."""

import contextlib
import http.client
import json
import os
import signal
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from azwi_testing import START, Answer, free_port, plain_environment, settle
from azwi_testing.apiserver import ApiServer

NAMESPACE = "azwi-sidecar-system"
SECRET = "azwi-sidecar-webhook-cert"
CONFIGURATION = "00-azwi-sidecar"
SERVER_NAME = f"azwi-sidecar-webhook.{NAMESPACE}.svc"
TENANT = "72f988bf-0000-4000-8000-2d7cd011db47"
CONFIGURATIONS = "mutatingwebhookconfigurations"


def furnish(api: ApiServer) -> None:
    """What the chart brings: an empty Secret, a configuration with two webhooks; a namespace."""
    api.put("secrets", NAMESPACE, SECRET, type="Opaque")
    webhooks = [{"name": f"{name}.azwi-sidecar.io", "clientConfig": {}} for name in ("a", "b")]
    api.put(CONFIGURATIONS, "", CONFIGURATION, webhooks=webhooks)
    api.put("namespaces", "", NAMESPACE)
    api.put("namespaces", "", "shop", labels={"pod-security.kubernetes.io/enforce": "baseline"})


def pod(**spec: Any) -> dict[str, Any]:
    """A pod that opted in."""
    container = {"name": "app", "image": "app:1", "env": [{"name": "A", "value": "b"}]}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "p", "labels": {"azure.workload.identity/use": "true"}},
        "spec": {"serviceAccountName": "app", "containers": [container], **spec},
    }


def review(
    thing: Mapping[str, Any] | None = None, *, version: str = "v1", **request: Any
) -> dict[str, Any]:
    """The call of an API server for a pod in the namespace ``shop``; ``request`` overrides."""
    return {
        "apiVersion": f"admission.k8s.io/{version}",
        "kind": "AdmissionReview",
        "request": {
            "uid": "705ab4f5-6393-11e8-b7cc-42010a800002",
            "kind": {"group": "", "version": "v1", "kind": "Pod"},
            "resource": {"group": "", "version": "v1", "resource": "pods"},
            "name": "p",
            "namespace": "shop",
            "operation": "CREATE",
            "object": pod() if thing is None else thing,
            "oldObject": None,
            "dryRun": False,
            **request,
        },
    }


@dataclass
class Webhook:
    """A running azwi-webhook."""

    process: subprocess.Popen[bytes]
    port: int
    health_port: int
    metrics_port: int
    log_file: Path

    def call(
        self,
        body: Mapping[str, Any] | bytes,
        *,
        trust: bytes,
        headers: Mapping[str, str] | None = None,
        method: str = "POST",
        target: str = "/mutate-v1-pod?timeout=10s",
        chunks: Iterable[bytes] | None = None,
        client: Path | None = None,
    ) -> Answer:
        """Call as the API server does: verified by ``trust`` (PEM); ``chunks`` are sent as such.

        ``client``: file with the certificate, and its key, that the caller shows.
        """
        context = ssl.create_default_context(cadata=trust.decode())
        if client:
            context.load_cert_chain(client)
        connection = _Connection(self.port, context)
        with contextlib.closing(connection):
            sent = body if isinstance(body, bytes) else json.dumps(body).encode()
            given = {"Content-Type": "application/json"} if headers is None else headers
            # A server that has heard enough answers before everything is sent.
            with contextlib.suppress(BrokenPipeError, ConnectionResetError, ssl.SSLEOFError):
                connection.request(method, target, chunks or sent, dict(given))
            response = connection.getresponse()
            return Answer(response.status, dict(response.getheaders()), response.read())

    def ask(self, path: str) -> Answer:
        """GET at the health site, or ``/metrics`` at the metrics site."""
        port = self.metrics_port if path == "/metrics" else self.health_port
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
                return Answer(answer.status, dict(answer.headers), answer.read())
        except urllib.error.HTTPError as error:
            with error:
                return Answer(error.code, dict(error.headers), error.read())

    def wait_until_ready(self, timeout: float = START) -> None:
        """Return once /readyz says so."""
        end = time.monotonic() + timeout
        told = b""
        while time.monotonic() < end and self.process.poll() is None:
            with contextlib.suppress(OSError):
                answer = self.ask("/readyz")
                if answer.status == 200:
                    return
                told = answer.body
            time.sleep(0.02)
        raise AssertionError(f"azwi-webhook is not ready: {told!r} {self.log}")

    @property
    def log(self) -> str:
        """Everything logged so far."""
        settle(self.process)
        return self.log_file.read_text()

    def stop(self, number: int = signal.SIGTERM, timeout: float = 20) -> int:
        """Signal, wait, and return the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(timeout)


class _Connection(http.client.HTTPSConnection):
    """To loopback, under the Service's name."""

    def __init__(self, port: int, context: ssl.SSLContext) -> None:
        super().__init__(SERVER_NAME, port, context=context, timeout=15)
        self._create_connection = self._to_loopback

    def _to_loopback(self, address: tuple[str, int], *rest: Any, **more: Any) -> Any:
        import socket

        return socket.create_connection(("127.0.0.1", address[1]), 15)


def launch_webhook(
    folder: Path,
    environment: Mapping[str, str],
    *arguments: str,
    prefix: tuple[str, ...] = (),
    log: int | None = None,
) -> Webhook:
    """Start an azwi-webhook with these variables.

    Its log goes to a file in ``folder``, or to the descriptor ``log``.
    """
    ports = [free_port() for _ in range(3)]
    log_file = folder / f"webhook-{ports[0]}.log"
    variables = {**plain_environment(), "AZURE_TENANT_ID": TENANT, **environment}
    for name, port in zip(("WEBHOOK", "HEALTH", "METRICS"), ports, strict=True):
        variables.setdefault(f"AZWI_{name}_ADDR", f"127.0.0.1:{port}")
    with log_file.open("wb") as file:
        process = subprocess.Popen(
            [*prefix, sys.executable, "-m", "azwi_webhook", *arguments],
            stdout=file if log is None else log,
            stderr=file if log is None else log,
            env={**variables, "PYTHONPATH": os.environ.get("PYTHONPATH", "")},
        )
    return Webhook(process, ports[0], ports[1], ports[2], log_file)


class StartWebhook(Protocol):
    """The fixture start_webhook."""

    def __call__(self, *arguments: str, ready: bool = True, **environment: str) -> Webhook:
        """``ready``: wait until /readyz says so."""


@dataclass
class Shared:
    """The fixture shared: a running webhook, its API server, the CA by which to call it."""

    api: ApiServer
    webhook: Webhook
    trust: bytes

    def call(self, body: Mapping[str, Any] | bytes, **given: Any) -> Answer:
        """Call as the API server does."""
        return self.webhook.call(body, trust=self.trust, **given)

    def decide(self, body: Mapping[str, Any]) -> Any:
        """The answer's ``response``, of a review that must be answered by one."""
        answer = self.call(body)
        assert answer.status == 200, answer
        assert answer.json["kind"] == "AdmissionReview"
        return answer.json["response"]

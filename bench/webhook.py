"""``make bench-webhook``: the webhook beside a bare TLS server; prints tables in Markdown."""

import base64
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import reviews
import servers
from azwi_testing.apiserver import ApiServer
from azwi_testing.webhooks import NAMESPACE, SECRET, Webhook, furnish, launch_webhook

BENCH = Path(__file__).parent
PATH = "/mutate-v1-pod?timeout=10s"
CONNECTIONS = 16
ROUNDS, SECONDS = 5, 3
IMAGES = {"PROXY_IMAGE": "azwi-proxy:bench", "PROXY_INIT_IMAGE": "azwi-proxy-init:bench"}


def main() -> int:
    """Run everything; 1 where a tool is missing."""
    if lacking := servers.missing():
        print(f"Nothing was measured: {lacking}.", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        script = folder / "review.lua"
        body = json.dumps(reviews.review(), separators=(",", ":"))
        script.write_text(
            'wrk.method = "POST"\n'
            'wrk.headers["Content-Type"] = "application/json"\n'
            f"wrk.body = [==[{body}]==]\n"
        )
        print(
            f"Python {sys.version.split()[0]}, {os.cpu_count()} cores, review of {len(body)} bytes"
        )
        _print_speed(folder, script)
        _print_size(folder, script)
    return 0


def _print_speed(folder: Path, script: Path) -> None:
    with contextlib.ExitStack() as stack:
        api = stack.enter_context(ApiServer())
        webhook, _ = stack.enter_context(_webhook(api, folder, accounts=1000))
        bare, port = stack.enter_context(_bare(api, webhook, folder))
        rounds = [
            (_wrk(bare.pid, port, script), _wrk(webhook.process.pid, webhook.port, script))
            for _ in range(ROUNDS)
        ]
    print(
        f"\n| reviews, {CONNECTIONS} connections | bare | azwi-webhook | ratio |\n|---|---|---|---|"
    )
    servers.compare(rounds)


def _print_size(folder: Path, script: Path) -> None:
    print("\n| service accounts | ready after, s | MB when ready | after load | at most |")
    print("|---|---|---|---|---|")
    for accounts in (10, 5_000, 50_000):
        with ApiServer() as api, _webhook(api, folder, accounts=accounts) as (webhook, seconds):
            pid = webhook.process.pid
            ready = servers.resident_mb(pid)
            _wrk(pid, webhook.port, script)
            after, most = servers.resident_mb(pid), servers.resident_mb(pid, "VmHWM")
        print(f"| {accounts:,} | {seconds:.1f} | {ready:.1f} | {after:.1f} | {most:.1f} |")


@contextlib.contextmanager
def _webhook(api: ApiServer, folder: Path, *, accounts: int) -> Iterator[tuple[Webhook, float]]:
    """A webhook that is ready, on the second core, and how long that took, in seconds."""
    furnish(api)
    api.fill("serviceaccounts", map(reviews.account, range(accounts)))
    api.fill("namespaces", map(reviews.namespace, range(accounts // reviews.PER_NAMESPACE)))
    environment = {"KUBECONFIG": api.kubeconfig(folder), **IMAGES}
    began = time.monotonic()
    webhook = launch_webhook(
        folder, environment, "--log-level=warning", prefix=("taskset", "-c", "1")
    )
    try:
        webhook.wait_until_ready(60)
        yield webhook, time.monotonic() - began
    finally:
        webhook.process.kill()
        webhook.process.wait(10)


@contextlib.contextmanager
def _bare(
    api: ApiServer, webhook: Webhook, folder: Path
) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """The bare server, with the webhook's own certificate and the patch that it answers."""
    secret = api.secret(NAMESPACE, SECRET)
    answer = webhook.call(reviews.review(), trust=secret["ca.crt"]).json
    (folder / "patch").write_bytes(base64.b64decode(answer["response"]["patch"]))
    (folder / "pem").write_bytes(secret["tls.key"] + secret["tls.crt"])
    port = servers.free_port()
    argv = [sys.executable, str(BENCH / "webhook_bare.py"), str(port)]
    files = [str(folder / "pem"), str(folder / "patch")]
    with servers.process(["taskset", "-c", "1", *argv, *files]) as process:
        servers.wait(port)
        yield process, port


def _wrk(pid: int, port: int, script: Path) -> servers.Round:
    more = ("-s", str(script), f"https://127.0.0.1:{port}{PATH}")
    return servers.wrk(pid, CONNECTIONS, SECONDS, *more)


if __name__ == "__main__":
    sys.exit(main())

"""The webhook's life: start, listen, keep everything true, wait for a signal, drain, end."""

import asyncio
import contextlib
import functools
import gc
import logging
import os
import resource
import secrets
import signal
import threading
from collections.abc import Iterator
from typing import Final

import uvloop

from azwi_common import __version__
from azwi_webhook import app as application
from azwi_webhook import certificates, errors
from azwi_webhook.callers import Callers
from azwi_webhook.cluster import Cluster
from azwi_webhook.files import Files
from azwi_webhook.keeper import Keeper
from azwi_webhook.kube import Kube
from azwi_webhook.metrics import Held, Metrics
from azwi_webhook.server import Site
from azwi_webhook.serving import Proof, Serving
from azwi_webhook.settings import Settings

DRAIN: Final = 3.0  # seconds; API servers learn within one or two that this endpoint is going
IN_FLIGHT: Final = 10.0  # seconds; no API server waits longer by default
CLOSING: Final = 1.0  # seconds; everything worth finishing has been finished by then

log = logging.getLogger("azwi_webhook")


def run(settings: Settings) -> int:
    """Serve until SIGTERM or SIGINT; the exit code."""
    for name in ("aiohttp", "asyncio", "httpx2", "httpcore2"):
        logging.getLogger(name).setLevel(logging.WARNING)
    _raise_descriptor_limit()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        code = runner.run(_serve(settings))
        # Closing the loop waits for name lookups, which nothing ends: half a minute without DNS.
        overdue = threading.Timer(CLOSING, os._exit, (code,))
        overdue.daemon = True
        overdue.start()
    return code


def _raise_descriptor_limit() -> None:
    """As Go programs do: containerd 2 starts containers with 1024, which a burst of pods uses."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


async def _serve(settings: Settings) -> int:
    stop = _stop_signals()
    try:
        kube = Kube.connect(settings.kubeconfig)
        async with contextlib.AsyncExitStack() as opened:
            opened.push_async_callback(kube.close)
            webhook = _Webhook(settings, kube)
            opened.push_async_callback(webhook.cluster.close)
            await webhook.listen(opened)
            await webhook.live(stop)
    except errors.Misconfigured as error:
        log.error(error.sentence)
        return 1
    log.info("ended")
    return 0


class _Webhook:
    """The parts, and how they hang together."""

    def __init__(self, settings: Settings, kube: Kube) -> None:
        self._settings = settings
        self._ending = False
        self._metrics = Metrics()
        self._serving = Serving(settings.tls_min_version, settings.client_ca)
        callers = Callers(
            bool(settings.client_ca), frozenset(settings.client_names), secrets.token_urlsafe(32)
        )
        self.cluster = Cluster(
            kube, lambda where, result: self._metrics.reads.labels(where, result).inc()
        )
        self._source: Keeper | Files = (
            Files(settings.cert_dir, self._serving)
            if settings.disable_cert_rotation
            else Keeper(kube, settings, self._serving)
        )
        self._proof = Proof(
            self._serving,
            settings.webhook_address,
            certificates.dns_names(settings.service, settings.namespace)[0],
            callers.secret,
        )
        app = application.App(settings, self.cluster, self._metrics, callers)
        self._metrics.watch(
            self._held,
            lambda: self._serving.expiry,
            lambda name: bool(name) and self.cluster.namespaces.lacks("", name),
        )
        health = functools.partial(application.health_site, problem=self._problem)
        scrapes = functools.partial(application.metrics_site, metrics=self._metrics)

        def count(reason: str) -> None:
            self._metrics.lost.labels(reason).inc()

        self._site = Site(app.handle, self._serving.context, count)
        self._sites = (
            (self._site, settings.webhook_address),
            (Site(health, count=count), settings.health_address),
            (Site(scrapes, count=count), settings.metrics_address),
        )

    async def listen(self, opened: contextlib.AsyncExitStack) -> None:
        """On all addresses; ``opened`` stops them. Raises errors.Misconfigured."""
        for site, (host, port) in self._sites:
            try:
                await site.start(host, port)
            except OSError as error:
                reason = os.strerror(error.errno) if error.errno else str(error)
                raise errors.Misconfigured(
                    f"cannot listen on {host or '*'}:{port}: {reason.lower()}."
                    " Choose another address, or end what holds it."
                ) from error
            opened.push_async_callback(site.stop, IN_FLIGHT)

    async def live(self, stop: asyncio.Event) -> None:
        """From listening to drained."""
        gc.freeze()  # what is imported stays: the collector need not look at it again
        gc.collect()  # counts what is left, so that later ones come soon and are short
        fields = {"port": self._settings.webhook_address[1], "version": __version__}
        log.info("listening", extra={"fields": fields})
        tasks = [
            asyncio.create_task(part.run()) for part in (self.cluster, self._source, self._proof)
        ]
        ended = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait([ended, *tasks], return_when=asyncio.FIRST_COMPLETED)
            if ended.done():
                await self._drain(stop)
        finally:
            for task in (ended, *tasks):
                task.cancel()
        for result in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(result, Exception):
                log.error("a part broke; ending, to be started anew", exc_info=result)
                raise errors.Misconfigured("azwi-webhook has a fault; the line above says where.")

    async def _drain(self, stop: asyncio.Event) -> None:
        """Not ready, but answering: until nobody calls any more. A second signal ends it."""
        self._ending = True
        self._site.end_soon()
        log.info("draining", extra={"fields": {"seconds": DRAIN}})
        stop.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(DRAIN):
                await stop.wait()

    def _problem(self) -> str:
        """Why this replica should not be called; empty where it should."""
        if self._ending:
            return "This replica is ending."
        return self.cluster.problem() or self._source.problem or self._proof.problem

    def _held(self) -> Iterator[Held]:
        for name, cache in (
            ("serviceaccounts", self.cluster.accounts),
            ("namespaces", self.cluster.namespaces),
        ):
            yield Held(name, cache.size, cache.healthy, cache.bytes, cache.largest)


def _stop_signals() -> asyncio.Event:
    """Set at the first SIGTERM or SIGINT."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    return stop

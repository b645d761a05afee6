"""The proxy's life: start, listen, wait for a signal, drain, end."""

import asyncio
import contextlib
import ctypes
import functools
import gc
import logging
import os
import resource
import signal
import threading

import uvloop

from azwi_common import __version__, contract
from azwi_common.proxy_settings import Settings
from azwi_proxy import app as application
from azwi_proxy import errors, server

METRICS_CONNECTIONS = 64  # at once; a scraper has one
IN_FLIGHT = 11.0  # seconds; an exchange takes 10 at most
CLOSING = 1.0  # seconds; everything worth finishing has been finished by then

PR_SET_DUMPABLE = 4
"""Of <linux/prctl.h>."""

log = logging.getLogger("azwi_proxy")


def run(settings: Settings) -> int:
    """Serve until SIGTERM or SIGINT; the exit code."""
    # What libraries say of requests may quote headers: only their warnings, and redacted.
    for name in ("aiohttp", "asyncio", "msal", "urllib3"):
        logging.getLogger(name).setLevel(logging.WARNING)
    _raise_descriptor_limit()
    _prevent_core_dumps()
    _warn_of(settings)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        code = runner.run(_serve(settings))
        # Closing the loop waits for name lookups, which nothing ends: half a minute without DNS.
        overdue = threading.Timer(CLOSING, os._exit, (code,))
        overdue.daemon = True
        overdue.start()
    return code


def _raise_descriptor_limit() -> None:
    """As Go programs do: containerd 2 starts containers with 1024, which a thousand clients use."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _prevent_core_dumps() -> None:
    """A core would hold tokens and assertions.

    A pattern that begins with a pipe (systemd-coredump, apport) ignores the limit, but not this.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with contextlib.suppress(OSError, AttributeError):  # a C library without prctl
        ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)


def _warn_of(settings: Settings) -> None:
    """Tell what is set and has no effect."""
    for entry in settings.no_proxy.ignored:
        fields = {"entry": entry[:100], "forms": "host, .domain, *.domain, address, network, *"}
        log.warning(f"{contract.NO_PROXY}: an entry is ignored", extra={"fields": fields})


async def _serve(settings: Settings) -> int:
    stop = _stop_signals()
    app = application.App(settings)
    try:
        async with contextlib.AsyncExitStack() as opened:
            await app.start()
            opened.push_async_callback(app.close)
            await _listen_all(app, settings, opened)
            await _live(app, settings, stop)
    except _CannotListen as error:
        log.error(str(error))
        return 1
    except errors.Unavailable as error:
        log.error(error.description)
        return 2
    log.info("ended")
    return 0


async def _live(app: application.App, settings: Settings, stop: asyncio.Event) -> None:
    """From ready to drained."""
    gc.freeze()  # what is imported stays: the collector need not look at it again
    gc.enable()
    gc.collect()  # counts what is left, so that later ones come soon and are short
    fields = {"port": settings.port, "version": __version__, "forward": settings.forward}
    log.info("listening", extra={"fields": fields})
    prefetch = asyncio.create_task(app.prefetch())
    await stop.wait()
    await _drain(stop, settings.drain_seconds)
    prefetch.cancel()


async def _listen_all(
    app: application.App, settings: Settings, sites: contextlib.AsyncExitStack
) -> None:
    """The site on loopback, and the metrics site if there is one; ``sites`` stops them at once."""
    listening: list[server.Site] = []
    sites.push_async_callback(_stop_all, listening)
    site = server.Site(app.handle, app.replay, app.refuse)
    listening.append(await _listen(site, "127.0.0.1", settings.port))
    if settings.metrics_port:
        handler = functools.partial(application.metrics_site, metrics=app.metrics)
        site = server.Site(handler, most=METRICS_CONNECTIONS)
        listening.append(await _listen(site, settings.pod_ip, settings.metrics_port))


async def _stop_all(listening: list[server.Site]) -> None:
    await asyncio.gather(*(site.stop(IN_FLIGHT) for site in listening))


class _CannotListen(Exception):
    """The port is taken, or the address is not this pod's."""


async def _listen(site: server.Site, host: str, port: int) -> server.Site:
    try:
        await site.start(host, port)
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise _CannotListen(
            f"cannot listen on {host}:{port}: {reason.lower()}."
            " Choose another port, or end what holds it."
        ) from error
    return site


def _stop_signals() -> asyncio.Event:
    """Set at the first SIGTERM or SIGINT."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    return stop


async def _drain(stop: asyncio.Event, seconds: int) -> None:
    """Go on answering while the app's own containers shut down; a second signal ends it."""
    if not seconds:
        return
    log.info("draining", extra={"fields": {"seconds": seconds}})
    stop.clear()
    try:
        async with asyncio.timeout(seconds):
            await stop.wait()
    except TimeoutError:
        return

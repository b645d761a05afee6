"""Fixtures of the proxy's tests: a shared running proxy, an IMDS stand-in, the app in-process."""

import contextlib
from collections.abc import AsyncIterator, Iterator, Mapping

import pytest

from azwi_common.proxy_settings import Settings
from azwi_common.settings import load
from azwi_proxy import app as application
from azwi_proxy import server
from azwi_testing import Emulator, Proxy, ServeApp, launch, wait_for_port
from azwi_testing.peers import MetadataService


@pytest.fixture(scope="session")
def metadata_process() -> Iterator[MetadataService]:
    """One IMDS stand-in for the whole run; use ``imds``, which resets it for each test."""
    with MetadataService() as service:
        yield service


@pytest.fixture
def imds(metadata_process: MetadataService) -> MetadataService:
    """The IMDS stand-in that the proxies here forward to: nothing seen, plain answers."""
    metadata_process.reset()
    return metadata_process


@pytest.fixture(scope="session")
def shared_process(
    emulator_process: Emulator,
    metadata_process: MetadataService,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Proxy]:
    """One azwi-proxy for the whole run; use ``shared``."""
    environment = {**emulator_process.environment, **metadata_process.environment}
    proxy = launch(tmp_path_factory.mktemp("shared"), environment, "--log-level=debug")
    wait_for_port(proxy)
    yield proxy
    proxy.stop()


@pytest.fixture
def shared(shared_process: Proxy, emulator: Emulator, imds: MetadataService) -> Iterator[Proxy]:
    """A running azwi-proxy that tests share: ask for a resource of your own to find it cold.

    Whatever a test does to it, there is no traceback in its log afterwards, and it serves.
    """
    before = len(shared_process.log)
    yield shared_process
    logged = shared_process.log[before:]
    assert "Traceback" not in logged, logged[-4000:]
    assert shared_process.ask("/healthz").status == 200


@pytest.fixture
def serve_app() -> ServeApp:
    """Runs the app on the test's own loop, for tests that shorten a constant: the port."""

    @contextlib.asynccontextmanager
    async def serve(environment: Mapping[str, str]) -> AsyncIterator[int]:
        app = application.App(load(Settings, environment))
        await app.start()
        site = server.Site(app.handle)
        await site.start("127.0.0.1", 0)
        try:
            yield site.port
        finally:
            await site.stop(1)
            await app.close()

    return serve

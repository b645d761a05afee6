"""Outages of every kind, at the start and for an hour with a token in store.

The hour passes under libfaketime, with the proxy's monotonic clock left alone; names resolve by an
/etc/hosts of the proxy's own, in a mount namespace, and no DNS server answers.
"""

import glob
import os
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from azwi_emulator.messages import AccessTokenShape, Fault
from azwi_testing import Answer, Emulator, Proxy, StartProxy, launch, wait_for_port

LIFETIME = 3600
RENEWED = 7.0  # seconds: what fails while there is a token in store is tried again after 3 to 6
LIBRARY = next(iter(glob.glob("/usr/lib/*/faketime/libfaketime.so.1")), "")
NAME_KEPT = 10.5  # seconds: aiohttp remembers a name for ten
HOSTS = "127.0.0.1 localhost\n"
MOUNTED = """
mount --bind "$1" /etc/hosts && mount --bind "$2" /etc/resolv.conf && shift 2 && exec "$@"
"""

needs_faketime = pytest.mark.skipif(not LIBRARY, reason="needs Debian's libfaketime")


@dataclass(frozen=True)
class Outage:
    """What is wrong, and what an app is told while there is no token in store."""

    fault: Fault | None
    """None: Entra ID's name does not resolve."""
    status: int = 503
    heals: float = 4.0
    """Seconds from its end until a token comes: the failure is remembered for some."""


OUTAGES = {
    "refused": Outage(Fault(kind="refuse")),
    "reset": Outage(Fault(kind="reset")),
    "hang": Outage(Fault(kind="hang")),
    "5xx": Outage(Fault(kind="answer", status=502, body="<html>bad gateway</html>")),
    "429 in plain text": Outage(Fault(kind="throttle", retry_after="4"), status=429, heals=7.0),
    "untrusted certificate": Outage(Fault(kind="untrusted")),
    "garbage": Outage(Fault(kind="garbage")),
    "a refusal": Outage(Fault(kind="aadsts", code=70021), status=401, heals=7.0),
    "no DNS": Outage(None),
}
kinds = pytest.mark.parametrize("outage", OUTAGES.values(), ids=OUTAGES.keys())


class World:
    """What a proxy sees of the world, which a test breaks and mends."""

    def __init__(self, emulator: Emulator, folder: Path) -> None:
        self._emulator = emulator
        self._folder = folder
        self._hosts = folder / "hosts"
        self._hosts.write_text(HOSTS)
        (folder / "resolv.conf").write_text("nameserver 127.0.0.1\noptions timeout:1 attempts:1\n")
        self._wall = folder / "faketime"
        self.set_clock(0)

    def set_clock(self, seconds: int) -> None:
        """Put the wall clock ``seconds`` ahead of the real one."""
        new = self._wall.with_suffix(".new")
        new.write_text(f"{seconds:+d}s\n")
        new.replace(self._wall)  # whoever asks for the time meanwhile reads all of it

    def break_(self, outage: Outage) -> None:
        """Begin an outage."""
        if outage.fault:
            self._emulator.control.fault(outage.fault)
            return
        self._hosts.write_text("")
        self._emulator.control.fault(
            Fault(kind="refuse")
        )  # a connection that is open needs no name
        self._emulator.control.clear_faults()

    def mend(self) -> None:
        """End it."""
        self._hosts.write_text(HOSTS)
        self._emulator.control.clear_faults()

    def start_proxy(self, outage: Outage, environment: Mapping[str, str]) -> Proxy:
        """A proxy that sees it; mount namespaces are for root, and needed where names fail."""
        if outage.fault:
            return launch(self._folder, {**self._emulator.environment, **environment})
        if os.geteuid() != 0:
            pytest.skip("needs root, for a mount namespace")
        host = self._emulator.environment["AZURE_AUTHORITY_HOST"].replace("127.0.0.1", "localhost")
        files = [str(self._hosts), str(self._folder / "resolv.conf")]
        return launch(
            self._folder,
            {**self._emulator.environment, **environment, "AZURE_AUTHORITY_HOST": host},
            wrapper=["unshare", "--mount", "sh", "-c", MOUNTED, "sh", *files],
        )

    @property
    def faked(self) -> dict[str, str]:
        """What makes a process see the wall clock."""
        return {
            "LD_PRELOAD": LIBRARY,
            "FAKETIME_TIMESTAMP_FILE": str(self._wall),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }


@pytest.fixture
def world(emulator: Emulator, tmp_path: Path) -> World:
    """Whole at first; tokens live an hour."""
    emulator.control.shape_access_tokens(AccessTokenShape(lifetime_seconds=LIFETIME))
    return World(emulator, tmp_path)


@pytest.fixture
def faked(emulator: Emulator, world: World, start_proxy: StartProxy) -> Proxy:
    """A proxy whose wall clock the test turns."""
    return start_proxy({**emulator.environment, **world.faked})


def soon(ask: Callable[[], Answer], wanted: int, seconds: float) -> Answer:
    """Ask until the answer has the wanted status."""
    until = time.monotonic() + seconds
    while True:
        late = time.monotonic() > until  # by the time of the question: an answer may be slow
        answer = ask()
        if answer.status == wanted:
            return answer
        assert not late, answer.body
        time.sleep(0.2)


@pytest.fixture
def running(
    world: World, outage: Outage, request: pytest.FixtureRequest
) -> Iterator[Callable[[], Proxy]]:
    """Starts the one proxy of a test of outages; ends it afterwards."""
    started: list[Proxy] = []
    environment = world.faked if "hour" in request.node.name else {}

    def start() -> Proxy:
        proxy = world.start_proxy(outage, environment)
        started.append(proxy)
        wait_for_port(proxy)
        return proxy

    yield start
    world.mend()
    for proxy in started:
        proxy.stop()


@kinds
def test_an_outage_at_the_start_keeps_no_pod_from_starting_and_heals_within_seconds(
    world: World, outage: Outage, running: Callable[[], Proxy]
) -> None:
    world.break_(outage)
    proxy = running()
    assert proxy.ask("/readyz").status == 200
    asked = time.monotonic()
    told = proxy.token()
    assert told.status == outage.status, told.body
    assert time.monotonic() - asked < 15  # ten for an exchange, both of its tries
    assert int(told.headers.get("Retry-After", "1")) <= 5
    assert told.json["error_description"]
    world.mend()
    soon(proxy.token, 200, outage.heals)


@needs_faketime
@kinds
def test_an_outage_of_an_hour_is_seen_only_in_the_tokens_last_minute(
    world: World, outage: Outage, running: Callable[[], Proxy]
) -> None:
    proxy = running()
    first = proxy.token().json["access_token"]
    world.break_(outage)
    if outage.fault is None:
        time.sleep(NAME_KEPT)
    for age in (1700, 1900, 2500, 3500):
        world.set_clock(age)
        answer = proxy.token()
        assert (answer.status, answer.json["access_token"]) == (200, first)
        assert LIFETIME - age - 30 < int(answer.json["expires_in"]) <= LIFETIME - age
    world.set_clock(3550)
    told = soon(proxy.token, outage.status, 12)
    assert int(told.headers.get("Retry-After", "1")) <= 5
    world.mend()
    assert soon(proxy.token, 200, RENEWED).json["access_token"] != first


@needs_faketime
def test_a_clock_that_is_set_forward_and_back_makes_no_storm(
    faked: Proxy, emulator: Emulator, world: World
) -> None:
    faked.token()
    for seconds in (86400, 86400, 0, 0, 0):
        world.set_clock(seconds)
        answer = faked.token()
        assert answer.status == 200
        assert int(answer.json["expires_in"]) > 60
    assert len(emulator.control.exchanges()) <= 3


@needs_faketime
def test_a_rotated_signing_key_of_the_cluster_needs_no_restart(
    faked: Proxy, emulator: Emulator, world: World
) -> None:
    first = faked.token().json["access_token"]
    emulator.control.rotate_issuer_keys()
    world.set_clock(LIFETIME)
    assert soon(faked.token, 200, 10).json["access_token"] != first

"""Hours of an outage, in seconds: the proxy under libfaketime, its monotonic clock left alone."""

import glob
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from azwi_emulator.messages import AccessTokenShape, Fault
from azwi_testing import Answer, Emulator, Proxy, StartProxy

LIFETIME = 3600
LIBRARY = next(iter(glob.glob("/usr/lib/*/faketime/libfaketime.so.1")), "")

pytestmark = pytest.mark.skipif(not LIBRARY, reason="needs Debian's libfaketime")

OUTAGES = {
    "refused": Fault(kind="refuse"),
    "reset": Fault(kind="reset"),
    "5xx": Fault(kind="answer", status=502, body="<html>bad gateway</html>"),
    "429 in plain text": Fault(kind="throttle"),
    "untrusted certificate": Fault(kind="untrusted"),
    "garbage": Fault(kind="garbage"),
    "a refusal": Fault(kind="aadsts", code=70021),
}


class Wall:
    """The wall clock that the proxy sees."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "faketime"
        self.set(0)

    def set(self, seconds: int) -> None:
        """Put it ``seconds`` ahead of the real one."""
        self._file.write_text(f"{seconds:+d}s\n")

    @property
    def environment(self) -> dict[str, str]:
        """What makes a process see it."""
        return {
            "LD_PRELOAD": LIBRARY,
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }


@pytest.fixture
def wall(tmp_path: Path) -> Wall:
    """The proxy's wall clock, right at the start."""
    return Wall(tmp_path)


@pytest.fixture
def proxy(emulator: Emulator, wall: Wall, start_proxy: StartProxy) -> Proxy:
    """A proxy whose wall clock the test turns, and whose tokens live an hour."""
    emulator.control.shape_access_tokens(AccessTokenShape(lifetime_seconds=LIFETIME))
    return start_proxy({**emulator.environment, **wall.environment})


def soon(ask: Callable[[], Answer], wanted: int, seconds: float) -> Answer:
    """Ask until the answer has the wanted status."""
    until = time.monotonic() + seconds
    while (answer := ask()).status != wanted and time.monotonic() < until:
        time.sleep(0.2)
    assert answer.status == wanted, answer.body
    return answer


@pytest.mark.parametrize("fault", OUTAGES.values(), ids=OUTAGES.keys())
def test_an_outage_of_an_hour_is_seen_only_in_the_tokens_last_minute(
    proxy: Proxy, emulator: Emulator, wall: Wall, fault: Fault
) -> None:
    first = proxy.token().json["access_token"]
    emulator.control.fault(fault)
    for age in (1700, 1900, 2500, 3500):
        wall.set(age)
        answer = proxy.token()
        assert (answer.status, answer.json["access_token"]) == (200, first)
        assert LIFETIME - age - 30 < int(answer.json["expires_in"]) <= LIFETIME - age
    wall.set(3550)
    told = soon(proxy.token, 401 if fault.code else 429 if fault.kind == "throttle" else 503, 10)
    assert int(told.headers.get("Retry-After", "1")) <= 5
    emulator.control.clear_faults()
    if fault.kind != "throttle":  # its Retry-After of a minute counts from here
        assert soon(proxy.token, 200, 12).json["access_token"] != first


def test_a_clock_that_is_set_forward_and_back_makes_no_storm(
    proxy: Proxy, emulator: Emulator, wall: Wall
) -> None:
    proxy.token()
    for seconds in (86400, 86400, 0, 0, 0):
        wall.set(seconds)
        answer = proxy.token()
        assert answer.status == 200
        assert int(answer.json["expires_in"]) > 60
    assert len(emulator.control.exchanges()) <= 3


def test_a_rotated_signing_key_of_the_cluster_needs_no_restart(
    proxy: Proxy, emulator: Emulator, wall: Wall
) -> None:
    first = proxy.token().json["access_token"]
    emulator.control.rotate_issuer_keys()
    wall.set(LIFETIME)
    assert soon(proxy.token, 200, 10).json["access_token"] != first

"""What tests of several components share: programs as real processes, with typed handles.

A package and not a conftest, because with importlib mode tests cannot import a conftest.
"""

import contextlib
import itertools
import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from typing import Any, Protocol, TypeVar

from azwi_emulator.client import Control

T = TypeVar("T")

START = 30.0  # seconds that a program may take to start on a busy machine


@dataclass
class Emulator:
    """A running azwi-emulator and what it announced."""

    announced: Mapping[str, Any]
    control: Control

    @property
    def environment(self) -> dict[str, str]:
        """The variables that a workload identity pod would have."""
        return {
            "AZURE_AUTHORITY_HOST": self.announced["authorityHost"],
            "AZURE_TENANT_ID": self.announced["tenantId"],
            "AZURE_CLIENT_ID": self.announced["clientId"],
            "AZURE_FEDERATED_TOKEN_FILE": self.announced["tokenFile"],
            "SSL_CERT_FILE": self.announced["caFile"],
        }


@dataclass
class Answer:
    """An HTTP answer, read to its end."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body, parsed."""
        return json.loads(self.body)


@dataclass
class Proxy:
    """A running azwi-proxy."""

    process: subprocess.Popen[bytes]
    port: int
    log_file: Path
    environment: Mapping[str, str] = field(default_factory=dict)

    def ask(
        self,
        target: str,
        *,
        method: str = "GET",
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        timeout: float = 30,
    ) -> Answer:
        """One request; ``headers`` None means ``Metadata: true``."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        with contextlib.closing(connection):
            connection.putrequest(method, target, skip_accept_encoding=True)
            for name, value in ({"Metadata": "true"} if headers is None else headers).items():
                connection.putheader(name, value)
            if body is not None:
                connection.putheader("Content-Length", str(len(body)))
            connection.endheaders(body)
            response: HTTPResponse = connection.getresponse()
            return Answer(response.status, dict(response.getheaders()), response.read())

    def token(self, resource: str = "https://vault.azure.net", **parameters: str) -> Answer:
        """Ask for a token as an SDK does."""
        query = "&".join(f"{name}={value}" for name, value in parameters.items())
        target = "/metadata/identity/oauth2/token?api-version=2018-02-01&resource=" + resource
        return self.ask(f"{target}&{query}" if query else target)

    @property
    def log(self) -> str:
        """Everything logged so far."""
        settle(self.process)
        return self.log_file.read_text()

    def stop(self, number: int = signal.SIGTERM, timeout: float = 15) -> int:
        """Signal, wait, and return the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(timeout)


_resources = itertools.count()
_asked_at: deque[float] = deque(maxlen=15)  # a proxy takes 20 new tokens at once, and a second


def cold_resource() -> str:
    """A resource that no test has asked for; waits where a shared proxy would answer 429."""
    if len(_asked_at) == _asked_at.maxlen:
        time.sleep(max(0.0, _asked_at[0] + 1 - time.monotonic()))
    _asked_at.append(time.monotonic())
    return f"https://cold-{next(_resources)}.example"


def _ports() -> Iterator[int]:
    """Ports below those that Linux gives to clients and to port 0, each worker's own thousand."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % 10
    first = random.SystemRandom().randrange(1000)
    return itertools.cycle(
        20_000 + 1000 * worker + (first + number) % 1000 for number in range(1000)
    )


_own_ports = _ports()


def free_port() -> int:
    """A TCP port of loopback that nobody holds, nor is given before who asked for it needs it."""
    for port in itertools.islice(_own_ports, 1000):
        with contextlib.suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
            return port
    raise AssertionError("a thousand ports are in use")


def lasting(act: Callable[[], T], *, least: float = 0.0, most: float, tries: int = 5) -> T:
    """What ``act`` answers when it took so many seconds.

    Not to be early is asked of each try. A busy machine makes some late; what waits too long by
    itself is late at every one.
    """
    for _ in range(tries):
        started = time.monotonic()
        answer = act()
        took = time.monotonic() - started
        assert took >= least, f"took only {took:.2f} s"
        if took < most:
            return answer
    raise AssertionError(f"took {took:.2f} s, and never less than {most} s")


def plain_environment() -> dict[str, str]:
    """What a program needs of this environment, and no setting of any kind."""
    return {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}


def resident(pid: int) -> int:
    """Bytes of memory that a process holds."""
    rows = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(row.split()[1]) * 1024 for row in rows if row.startswith("VmRSS"))


def settle(process: subprocess.Popen[Any], patience: float = 5.0) -> None:
    """Wait until every thread of a process sleeps: what it had to log is written by then.

    A line is written by a thread of its own. While it is due, that thread can run, or waits for one
    that does. Twice the same counts of switches mean that none has run in between.
    """
    before = None
    for _ in range(round(patience / 0.002)):
        now = _sleeping(process.pid) if process.poll() is None else {}
        if now is not None and now in (before, {}):
            return
        before = now
        time.sleep(0.002)


def _sleeping(pid: int) -> dict[str, str] | None:
    """By thread, how often it was scheduled; None while one of them runs or can run."""
    switches = {}
    for status in Path(f"/proc/{pid}/task").glob("*/status"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            rows = dict(row.split(":\t", 1) for row in status.read_text().splitlines())
            if not rows["State"].startswith("S"):
                return None
            counts = (rows["voluntary_ctxt_switches"], rows["nonvoluntary_ctxt_switches"])
            switches[status.parent.name] = "/".join(counts)
    return switches


def wait_for_port(proxy: Proxy) -> None:
    until = time.monotonic() + START
    while time.monotonic() < until:
        if proxy.process.poll() is not None:
            break
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", proxy.port), 1):
            return
        time.sleep(0.02)
    raise AssertionError(f"azwi-proxy did not start: {proxy.log}")


def launch(
    folder: Path,
    environment: Mapping[str, str],
    *arguments: str,
    port: int | None = None,
    wrapper: Sequence[str] = (),
) -> Proxy:
    """Start an azwi-proxy with exactly these variables; its log goes to a file in ``folder``.

    ``wrapper``: a command that becomes the one that it is given.
    """
    port = port or free_port()
    log_file = folder / f"proxy-{port}.log"
    # The real address of IMDS belongs to the machine that runs the tests: never ask it.
    nowhere = {"METADATA_IP": "127.0.0.1", "METADATA_PORT": "9"}
    variables = {**plain_environment(), **nowhere, **environment}
    with log_file.open("wb") as log:
        process = subprocess.Popen(
            [*wrapper, sys.executable, "-m", "azwi_proxy", f"--proxy-port={port}", *arguments],
            stdout=log,
            stderr=log,
            env=variables,
        )
    return Proxy(process, port, log_file, variables)


class StartProxy(Protocol):
    """The fixture start_proxy: starts an azwi-proxy with exactly these variables."""

    def __call__(
        self, environment: Mapping[str, str], *arguments: str, ready: bool = True, **more: str
    ) -> Proxy:
        """``ready``: wait until it listens."""


ServeApp = Callable[[Mapping[str, str]], AbstractAsyncContextManager[int]]
"""The fixture serve_app: the proxy's app on the test's own loop; its port."""

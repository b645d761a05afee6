"""A pod's network to try things in: a network namespace of its own, with listeners and clients."""

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pytest

import azwi_common
import azwi_init
from azwi_init import rules

METADATA = "169.254.169.254"
INTERNET = "203.0.113.7"
SOURCES = ":".join(
    str(Path(package.__file__ or "").parents[1]) for package in (azwi_common, azwi_init)
)

SERVER = """
import selectors, socket, sys
selector = selectors.DefaultSelector()
for place in sys.argv[1:]:
    ip, port, name = place.split(":")
    listener = socket.create_server((ip, int(port)), backlog=128)
    selector.register(listener, 1, name)
print("ready", flush=True)
while True:
    for key, _ in selector.select():
        connection, _ = key.fileobj.accept()
        with connection:
            connection.settimeout(1)
            try:
                connection.recv(4096)
                connection.sendall(f"HTTP/1.1 200 OK\\r\\nServer: {key.data}\\r\\n\\r\\n".encode())
            except OSError:
                pass
"""

CLIENT = """
import os, socket, sys, time
uid, ip, port, seconds = sys.argv[1:]
os.setuid(int(uid))
end = time.monotonic() + float(seconds)
while True:
    with socket.socket() as connection:
        connection.settimeout(1)
        try:
            connection.connect((ip, int(port)))
            connection.sendall(b"GET / HTTP/1.1\\r\\n\\r\\n")
            head = connection.recv(4096).decode()
            print(head.split("Server: ")[1].split()[0], flush=True)
        except OSError as error:
            print(type(error).__name__, flush=True)
    if time.monotonic() >= end:
        break
"""

OWNER = """
import ctypes, sys, time
nft = ctypes.CDLL("libnftables.so.1")
nft.nft_ctx_new.restype = ctypes.c_void_p
context = ctypes.c_void_p(nft.nft_ctx_new(0))
text = "table %s { flags owner\\n chain output { } \\n}" % sys.argv[1]
if nft.nft_run_cmd_from_buffer(context, text.encode()) == 0:
    print("ready", flush=True)
    time.sleep(120)
"""


@dataclass(frozen=True)
class Outcome:
    """What one run of a program left behind."""

    code: int
    output: str
    errors: str

    @property
    def lines(self) -> list[dict[str, object]]:
        """The log, which is nothing but JSON lines."""
        return [json.loads(line) for line in self.errors.splitlines()]

    @property
    def sentence(self) -> str:
        """The one line of a log that has but one: why it failed."""
        (line,) = self.lines
        assert line["level"] == "error"
        return str(line["msg"])


class Pod:
    """A network namespace with loopback, the metadata address and one address of the internet."""

    environ: ClassVar = {"PYTHONPATH": SOURCES}

    def __init__(self, stack: contextlib.ExitStack) -> None:
        self._stack = stack
        self._holder = self._start(
            [
                "unshare",
                "--net",
                "sh",
                "-c",
                f"ip link set lo up; ip address add {METADATA}/32 dev lo;"
                f" ip address add {INTERNET}/32 dev lo; echo ready; exec sleep 120",
            ]
        )

    def _start(self, command: list[str]) -> subprocess.Popen[str]:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self._stack.enter_context(process)
        self._stack.callback(process.kill)
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
        return process

    def _inside(self, *command: str) -> list[str]:
        return ["nsenter", f"--net=/proc/{self._holder.pid}/ns/net", "--", *command]

    def run(self, *command: str, given: str = "", environ: dict[str, str] | None = None) -> Outcome:
        """Run a command in the pod; ``given`` is its standard input."""
        done = subprocess.run(
            self._inside(*command),
            input=given,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
            env=os.environ | (environ or {}),
        )
        return Outcome(done.returncode, done.stdout, done.stderr)

    def do(self, *command: str, given: str = "") -> str:
        """The output of a command that must succeed."""
        outcome = self.run(*command, given=given)
        assert outcome.code == 0, outcome.errors
        return outcome.output

    def python_command(self, *arguments: str, caps: str | None = None) -> list[str]:
        """Python as UID 0 with exactly the capabilities ``caps`` ("net_admin net_raw"), or all."""
        if caps is None:
            return [sys.executable, *arguments]
        kept = ",".join(["-all", *(f"+{cap}" for cap in caps.split())])
        limits = [f"--bounding-set={kept}", f"--inh-caps={kept}"]
        return ["setpriv", *limits, sys.executable, *arguments]

    def python(self, *arguments: str, caps: str | None = None, **environ: str) -> Outcome:
        """Run Python in the pod, with our packages at hand."""
        command = self.python_command(*arguments, caps=caps)
        return self.run(*command, environ=self.environ | environ)

    def init(self, *flags: str, caps: str | None = None, **environ: str) -> Outcome:
        """Run the init container's program in the pod."""
        given = ("-m", "azwi_init", "--outside-kubernetes", *flags)
        return self.python(*given, caps=caps, **environ)

    def serve(self, *places: str) -> None:
        """Listen at places, each "ip:port:name", and answer with the name until the test ends."""
        self._start(self._inside(sys.executable, "-ISc", SERVER, *places))

    def own_table(self, name: str) -> None:
        """Make a table that belongs to a process, until the test ends."""
        self._start(self._inside(sys.executable, "-ISc", OWNER, name))

    def ask(self, ip: str = METADATA, port: int = 80, uid: int = 0) -> str:
        """Who answers this user at ``ip:port``: a name given to ``serve``, or an error's name."""
        return self.do(sys.executable, "-ISc", CLIENT, str(uid), ip, str(port), "0").strip()

    @contextlib.contextmanager
    def traffic(self, seconds: float) -> Iterator[list[str]]:
        """Ask the metadata address without a pause meanwhile; the answers are there afterwards."""
        command = self._inside(sys.executable, "-ISc", CLIENT, "0", METADATA, "80", str(seconds))
        answers: list[str] = []
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as client:
            yield answers
            answers.extend(client.communicate(timeout=30)[0].split())

    def ruleset(self) -> str:
        """Every native rule in the pod, as nft prints it."""
        return self.do("nft", "list", "ruleset")

    def legacy(self) -> str:
        """The pod's legacy nat table, without counters and dates."""
        lines = self.do("iptables-legacy-save", "-t", "nat").splitlines()
        return "".join(line.split(" [")[0] + "\n" for line in lines if not line.startswith("#"))


@pytest.fixture
def new_pod() -> Iterator[Callable[[], Pod]]:
    """Make pods; skips where that is not permitted."""
    probe = subprocess.run(["unshare", "--net", "true"], capture_output=True, check=False)
    if probe.returncode:
        pytest.skip("needs root, to make network namespaces")
    with contextlib.ExitStack() as stack:
        yield lambda: Pod(stack)


@pytest.fixture
def pod(new_pod: Callable[[], Pod]) -> Pod:
    """A pod's network without any rules."""
    return new_pod()


@pytest.fixture
def plan() -> rules.Plan:
    """The plan of the default settings."""
    return rules.plan(ip=METADATA, port=80, proxy_port=8000, exempt_uid=1501)


@pytest.fixture
def golden() -> Path:
    """Rule sets as they must look; the kernel accepts them, see test_nft and test_legacy."""
    return Path(__file__).with_name("golden")

"""A pod without Kubernetes: network and mount namespaces of its own, with 169.254.169.254 in reach.

Processes are started inside with any UID and with exactly the capabilities that are named. Needs
root, or a user namespace with subordinate ids (``Pod(user=True)``).
"""

import contextlib
import ctypes
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from azwi_common import contract

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
ROOT = Path(__file__).resolve().parents[2]
_CLONE_NEWNET = 0x40000000
_NAMESPACES = ("--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc")
_COMMANDS = ("unshare", "nsenter", "setpriv", "ip")


class CannotMakePod(Exception):
    """This user may not make namespaces here, or a command is missing; says which."""


class Pod:
    """Namespaces that live as long as the ``with`` block, and so does all that runs in them."""

    def __init__(self, *, user: bool = False) -> None:
        self._user = user
        self._started: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Self:
        """Make the namespaces; raises CannotMakePod."""
        missing = [name for name in _COMMANDS if shutil.which(name, path=PATH) is None]
        if missing:
            raise CannotMakePod(f"these commands are missing: {', '.join(missing)}")
        # cat waits on a pipe that closes with this process, whatever becomes of it; the PID
        # namespace takes everything inside with it then.
        as_user = ("--user", "--map-root-user", "--map-auto") if self._user else ()
        self._holder = subprocess.Popen(
            ["unshare", *as_user, *_NAMESPACES, "sh", "-c", "echo $$; exec cat"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={"PATH": PATH},
        )
        assert self._holder.stdout is not None
        if not self._holder.stdout.readline():
            assert self._holder.stderr is not None
            problem = self._holder.stderr.read().decode().strip()
            self._holder.wait()
            raise CannotMakePod(problem)
        self._pid = _child(self._holder.pid)
        for command in (
            ("ip", "link", "set", "lo", "up"),
            ("ip", "address", "add", f"{contract.DEFAULT_METADATA_IP}/32", "dev", "lo"),
            # Everything else is answered by nobody, and by this machine's own network least of all.
            ("ip", "route", "add", "unreachable", "default"),
        ):
            self.run(command)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End what was started, then the namespaces."""
        for process in reversed(self._started):
            _end(process)
        assert self._holder.stdin is not None
        self._holder.stdin.close()
        _end(self._holder)

    def command(
        self,
        argv: Sequence[str],
        *,
        uid: int = 0,
        capabilities: Sequence[str] | None = None,
    ) -> list[str]:
        """``argv`` as it runs inside: as ``uid``, with only ``capabilities`` (None: root's own)."""
        namespaces = ["--net", "--mount", "--pid"]
        if self._user:
            namespaces += ["--user", "--preserve-credentials"]
        entered = ["nsenter", "--target", str(self._pid), *namespaces, "--"]
        if uid == 0 and capabilities is None:
            return [*entered, *argv]
        kept = ",".join(["-all", *(f"+{name}" for name in capabilities or ())])
        limits = [f"--bounding-set={kept}", f"--inh-caps={kept}", "--no-new-privs"]
        ids = [f"--reuid={uid}", f"--regid={uid}", "--clear-groups"]
        return [*entered, "setpriv", *ids, *limits, *argv]

    def run(
        self,
        argv: Sequence[str],
        *,
        uid: int = 0,
        capabilities: Sequence[str] | None = None,
        env: Mapping[str, str] | None = None,
        check: bool = True,
        timeout: float = 60,
    ) -> subprocess.CompletedProcess[str]:
        """Run to the end; raises RuntimeError with its output where ``check`` and it fails."""
        done = subprocess.run(
            self.command(argv, uid=uid, capabilities=capabilities),
            env={**plain_environment(), **(env or {})},
            capture_output=True,
            text=True,
            timeout=timeout,
            stdin=subprocess.DEVNULL,
        )
        if check and done.returncode:
            raise RuntimeError(f"{' '.join(argv)} failed: {done.stderr.strip() or done.stdout}")
        return done

    def start(
        self,
        argv: Sequence[str],
        *,
        uid: int = 0,
        capabilities: Sequence[str] | None = None,
        env: Mapping[str, str] | None = None,
        log: IO[bytes] | int = subprocess.DEVNULL,
        stdout: IO[bytes] | int = subprocess.DEVNULL,
    ) -> subprocess.Popen[bytes]:
        """Start a process that ends with the pod; standard error goes to ``log``."""
        process = subprocess.Popen(
            self.command(argv, uid=uid, capabilities=capabilities),
            env={**plain_environment(), **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=log,
        )
        self._started.append(process)
        return process

    @contextlib.contextmanager
    def network(self) -> Iterator[None]:
        """Let sockets that this thread opens in the block live in the pod's network (setns(2))."""
        with open("/proc/thread-self/ns/net") as outside, open(f"/proc/{self._pid}/ns/net") as pod:
            _setns(pod.fileno())
            try:
                yield
            finally:
                _setns(outside.fileno())


def plain_environment() -> dict[str, str]:
    """What every program gets: no setting of this session but where its code lies."""
    return {"PATH": PATH} | {k: v for k, v in os.environ.items() if k == "PYTHONPATH"}


def program(module: str, *arguments: str) -> list[str]:
    """The command line of one of our programs, by this interpreter."""
    return [sys.executable, "-m", module, *arguments]


def may_make_pods() -> bool:
    """Whether this user is root and may make network namespaces (containers often may not)."""
    try:
        with Pod():
            return True
    except (CannotMakePod, RuntimeError):
        return False


def _child(pid: int) -> int:
    """The one child of ``unshare --fork``: the first process inside."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return int(children[0])


def _setns(descriptor: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(descriptor, _CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "setns failed")


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
    process.wait(5)
    for pipe in (process.stdout, process.stderr):
        if pipe is not None:
            pipe.close()

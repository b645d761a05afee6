"""Where the programs of a story run: in a pod, or as ordinary processes of this user."""

import contextlib
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from azwi_common import contract
from azwi_demo.pod import Pod, plain_environment

APP_UID = 1000


class StepFailed(Exception):
    """A step that did not show what it should; the sentence says what came instead."""


@dataclass
class Stage:
    """The place, and what is running in it."""

    pod: Pod | None
    port: int
    """The proxy's: the default in a pod, a free one where the machine's own network is used."""
    folder: Path
    started: contextlib.ExitStack

    def run(self, argv: list[str], *, uid: int = APP_UID, **env: str) -> str:
        """Run to the end and return standard output; raises StepFailed."""
        try:
            if self.pod:
                return self.pod.run(argv, uid=uid, capabilities=(), env=env).stdout
            done = subprocess.run(
                argv,
                env={**plain_environment(), **env},
                capture_output=True,
                text=True,
                timeout=60,
            )
        except (OSError, RuntimeError, subprocess.TimeoutExpired) as error:
            raise StepFailed(str(error)) from error
        if done.returncode:
            raise StepFailed(done.stderr.strip() or done.stdout)
        return done.stdout

    def start(self, argv: list[str], name: str, *, uid: int = 0, **env: str) -> Path:
        """Start a program; returns the file that its output goes to."""
        out = self.folder / f"{name}.out"
        with out.open("wb") as stdout, (self.folder / f"{name}.log").open("wb") as log:
            if self.pod:
                caps = () if uid else None
                self.pod.start(argv, uid=uid, capabilities=caps, env=env, log=log, stdout=stdout)
            else:
                process = subprocess.Popen(
                    argv, env={**plain_environment(), **env}, stdout=stdout, stderr=log
                )
                self.started.callback(process.wait, 10)
                self.started.callback(process.terminate)
        return out


@contextlib.contextmanager
def stage(pod: Pod | None) -> Iterator[Stage]:
    """A folder that other users may read, and an end for what was started."""
    with (
        tempfile.TemporaryDirectory(prefix="azwi-demo-") as name,
        contextlib.ExitStack() as started,
    ):
        folder = Path(name)
        folder.chmod(0o755)
        yield Stage(pod, _port(pod), folder, started)


def _port(pod: Pod | None) -> int:
    if pod:
        return contract.DEFAULT_PROXY_PORT
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def line(path: Path) -> str:
    """What a program that is ready has written; raises StepFailed until it has."""
    text = path.read_text()
    if not text.endswith("\n"):
        raise StepFailed("azwi-emulator did not start")
    return text


def retry(ask: Callable[[], str], seconds: float = 30) -> str:
    """Ask until it works: a program just started may not listen yet."""
    until = time.monotonic() + seconds
    while True:
        try:
            answer = ask()
        except StepFailed:
            if time.monotonic() > until:
                raise
            time.sleep(0.05)
        else:
            return answer

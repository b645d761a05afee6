"""Runs clients in the pod, several at once, and reads what they say. No token leaves it."""

import base64
import contextlib
import json
import re
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from azwi_clients import environments, stand_ins
from azwi_clients.pods import ClientPod
from azwi_clients.table import TOKENS, Client, Run, Scenario
from azwi_emulator.messages import Fault

AT_ONCE = 4  # more would make two cores late, and the seconds untrue
APART = 0.1  # seconds between two starts: a proxy takes 20 new tokens a second, and curl is quick
HANGING = 12  # more of those that do nothing but wait for ten seconds
LONGEST = 200  # seconds for one process: azure-identity 1.5 alone can retry for 116
RETRY_AFTER = 2  # seconds that Entra ID asks for
PAUSE = 4  # seconds before the next call of an app whose client did not retry: past any Retry-After

_KEPT = ("aud", "iss", "tid", "appid", "exp")


@dataclass(frozen=True)
class Call:
    """What one call of a client came to."""

    seconds: float
    claims: Mapping[str, Any]
    """Of the token; empty where there was an error."""
    error: str = ""

    @classmethod
    def from_line(cls, line: str) -> Self:
        """Read a program's line; a token becomes its claims at once."""
        said: dict[str, Any] = json.loads(line)
        claims = said.get("claims") or (_claims(said["token"]) if "token" in said else {})
        kept = {name: claims[name] for name in _KEPT if name in claims}
        return cls(said["seconds"], kept, without_tokens(said.get("error", "")))


@dataclass(frozen=True)
class Outcome:
    """What a run came to."""

    client_id: str
    """Whose tokens these have to be."""
    calls: tuple[Call, ...]
    exchanges: Mapping[str, int]
    """By scope, how many exchanges of this run's identity Entra ID has seen."""
    stderr: str

    @property
    def seconds(self) -> float:
        """All calls together, without pauses."""
        return sum(call.seconds for call in self.calls)


class ClientFailed(Exception):
    """A program did not say what it was asked for."""


class Runs:
    """The runs of a session: all are started at once, each is waited for where it is asserted."""

    def __init__(
        self, pod: ClientPod, folders: Mapping[Client, Path], planned: Sequence[Run]
    ) -> None:
        self._pod = pod
        self._folders = folders
        self._starting = threading.Lock()
        self._brisk = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="client")
        self._hanging = ThreadPoolExecutor(HANGING, thread_name_prefix="hanging client")
        self._futures: dict[Run, Future[Outcome]] = {
            run: self._pool(run).submit(self._execute, run) for run in planned
        }

    def close(self) -> None:
        """Give up what has not started."""
        for pool in (self._brisk, self._hanging):
            pool.shutdown(wait=True, cancel_futures=True)

    def of(self, run: Run) -> Outcome:
        """What ``run`` came to; waits for it, and raises ClientFailed."""
        return self._futures[run].result()

    def _pool(self, run: Run) -> ThreadPoolExecutor:
        return self._hanging if run.scenario is Scenario.HANG else self._brisk

    def _execute(self, run: Run) -> Outcome:
        with self._starting:
            time.sleep(APART)
        with self._fault(run):
            folder = self._folders[run.client]
            argv = environments.command(run.client, folder, json.dumps(request_of(run)))
            variables = environments.variables(run.client, folder)
            home = self._pod.folder / run.slug
            done = self._pod.run(argv, variables, home, timeout=LONGEST)
        stderr = without_tokens(done.stderr)
        calls = tuple(Call.from_line(line) for line in done.stdout.splitlines())
        if done.returncode or not calls:
            raise ClientFailed(f"{run.slug} ended with {done.returncode}: {stderr[-2000:]}")
        client_id = run.identifier("client_id") if run.kind else self._pod.announced["clientId"]
        return Outcome(client_id, calls, self._exchanges(run, client_id), stderr)

    @contextlib.contextmanager
    def _fault(self, run: Run) -> Iterator[None]:
        """Hits the run's own identity, so that others may run beside it."""
        if not (fault := fault_of(run)):
            yield
            return
        with self._pod.pod.network():
            self._pod.control.fault(fault, name=run.slug)
        try:
            yield
        finally:
            with self._pod.pod.network():
                self._pod.control.clear_fault(run.slug)

    def _exchanges(self, run: Run, client_id: str) -> Mapping[str, int]:
        with self._pod.pod.network():
            seen = self._pod.control.exchanges(client_id)
        mine = f"{run.resource}/.default"  # of the default identity, which others have too
        return Counter(one.scope for one in seen if run.kind or one.scope == mine)


def request_of(run: Run) -> dict[str, Any]:
    """What the program is asked; see tests/clients/python/calls.py."""
    wants_token = run.scenario in TOKENS
    return {
        "credential": run.client.credential,
        "identity": {"kind": run.kind, "value": run.identifier(run.kind)} if run.kind else None,
        "resource": run.resource,
        "blob": stand_ins.BLOB,
        "container": stand_ins.CONTAINER,
        "calls": 1 if run.scenario is Scenario.REFUSED else 2,
        "fresh": wants_token,  # as a second app would ask
        "pause": 0 if wants_token else PAUSE,
        "until_token": not wants_token,
    }


def fault_of(run: Run) -> Fault | None:
    """How Entra ID treats the run's identity."""
    client = run.identifier("client_id")
    after = str(RETRY_AFTER)
    faults = {
        Scenario.REFUSED: Fault(kind="aadsts", code=70021, client_id=client),
        Scenario.UNAVAILABLE: Fault(
            kind="answer",
            status=503,
            body="The service is unavailable.",
            retry_after=after,
            times=1,
            client_id=client,
        ),
        Scenario.THROTTLED: Fault(kind="throttle", retry_after=after, times=1, client_id=client),
        Scenario.HANG: Fault(kind="hang", times=1, client_id=client),
    }
    return faults.get(run.scenario)


def without_tokens(text: str) -> str:
    """Text that may be shown: SDKs and tracebacks could quote a token."""
    return re.sub(r"eyJ[\w-]+\.[\w-]*(\.[\w-]*)?", "(a token)", text)


def _claims(token: str) -> Mapping[str, Any]:
    payload = token.split(".")[1]
    claims: dict[str, Any] = json.loads(
        base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4))
    )
    return claims

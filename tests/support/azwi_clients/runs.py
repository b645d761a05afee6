"""Runs clients in the pod, several at once, and reads what they say. No token leaves it."""

import base64
import contextlib
import json
import re
import subprocess
import threading
import time
import urllib.parse
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from azwi_clients import environments, stand_ins
from azwi_clients.plan import ALL_KINDS, TOKENS, Client, Mode, Run, Scenario, Told
from azwi_clients.pods import ClientPod
from azwi_clients.pods import variables as told_variables
from azwi_emulator.messages import Exchange, Fault

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
    """By scope, how many exchanges of this run's identity the proxy made at Entra ID."""
    itself: int
    """How many of the exchanges the app made itself, without the proxy."""
    at_node: tuple[str, ...]
    """What this run asked the node's metadata service for its resource or its identity."""
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
        self,
        pods: Mapping[Mode, ClientPod],
        folders: Mapping[Client, Path],
        planned: Sequence[Run],
    ) -> None:
        self._pods = pods
        self._folders = folders
        self._app_tokens: set[str] = set()
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
        stubborn = run.scenario is Scenario.REFUSED and run.client.stubborn
        waits = run.scenario is Scenario.HANG or stubborn
        return self._hanging if waits else self._brisk

    def _execute(self, run: Run) -> Outcome:
        with self._starting:
            time.sleep(APART)
        pod = self._pods[run.mode]
        client_id = run.identifier("client_id") if run.kind else pod.announced["clientId"]
        token_file = pod.folder / f"{run.slug}.token"
        app_token = pod.app_token(token_file) if run.told is Told.WITH_AZURE else ""
        self._app_tokens.add(app_token)
        with self._fault(run, pod):
            done = self._process(run, pod, token_file)
        stderr = without_tokens(done.stderr)
        calls = tuple(Call.from_line(line) for line in done.stdout.splitlines())
        if done.returncode or not calls:
            raise ClientFailed(f"{run.slug} ended with {done.returncode}: {stderr[-2000:]}")
        with pod.pod.network():
            seen = pod.control.exchanges(client_id)
        by_proxy = [one for one in seen if one.assertion_sha256 not in self._app_tokens]
        return Outcome(
            client_id,
            calls,
            _by_scope(run, by_proxy),
            sum(one.assertion_sha256 == app_token for one in seen),
            _at_node(run, pod),
            stderr,
        )

    def _process(
        self, run: Run, pod: ClientPod, token_file: Path
    ) -> subprocess.CompletedProcess[str]:
        folder = self._folders[run.client]
        argv = environments.command(run.client, folder, json.dumps(request_of(run)))
        variables = environments.variables(run.client, folder)
        if run.told:
            variables |= told_variables(run.told, pod.announced, pod.secret, token_file)
            variables |= dict(run.client.also)
        return pod.run(argv, variables, pod.folder / run.slug, timeout=LONGEST)

    @contextlib.contextmanager
    def _fault(self, run: Run, pod: ClientPod) -> Iterator[None]:
        """Hits the run's own identity, so that others may run beside it."""
        if not (fault := fault_of(run)):
            yield
            return
        with pod.pod.network():
            pod.control.fault(fault, name=run.slug)
        try:
            yield
        finally:
            with pod.pod.network():
                pod.control.clear_fault(run.slug)


def _by_scope(run: Run, seen: Sequence[Exchange]) -> Mapping[str, int]:
    mine = f"{run.resource}/.default"  # of the default identity, which others have too
    return Counter(one.scope for one in seen if run.kind or one.scope == mine)


def _at_node(run: Run, pod: ClientPod) -> tuple[str, ...]:
    if not run.told:
        return ()
    mine = {run.identifier(kind) for kind in ALL_KINDS}
    if not run.client.resource:
        mine.add(run.resource.removeprefix("https://"))
    lines = (urllib.parse.unquote(line) for line in pod.seen_by_node())
    return tuple(line for line in lines if any(name in line for name in mine))


def request_of(run: Run) -> dict[str, Any]:
    """What the program is asked; see tests/clients/python/calls.py."""
    wants_token = run.scenario in TOKENS
    return {
        "credential": run.client.credential,
        "identity": {"kind": run.kind, "value": run.identifier(run.kind)} if run.kind else None,
        "resource": run.resource,
        "blob": stand_ins.BLOB,
        "container": stand_ins.CONTAINER,
        "calls": run.calls,
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
    """A token's claims; none where it is no JSON Web Token, as the node's here."""
    if token.count(".") != 2:
        return {}
    payload = token.split(".")[1]
    claims: dict[str, Any] = json.loads(
        base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4))
    )
    return claims

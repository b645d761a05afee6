"""Runs ``azwi-proxy --diagnose`` in a pod, by kubectl: it has every way to log in."""

import dataclasses
import json
import subprocess
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from azwi_cli.doctor import told
from azwi_cli.doctor.facts import Facts, Object, Unread
from azwi_common import contract

_AT_ONCE: Final = 8
_TIMEOUT: Final = 60  # seconds; what it does itself is bounded at 20


def completed(found: Iterable[Facts], kubeconfig: Path | None, context: str | None) -> list[Facts]:
    """With what each running azwi-proxy says; a namespace has many, so several at once."""

    def ask(facts: Facts) -> Facts:
        if not (facts.is_live and facts.has_sidecar):
            return facts
        name = str(facts.pod["metadata"]["name"])
        said = asked(facts.around.namespace, name, kubeconfig, context, flags=flags_of(facts))
        return dataclasses.replace(facts, inside=said)

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return [*pool.map(ask, found)]


def flags_of(facts: Facts) -> list[str]:
    """The flags of the pod's azwi-proxy that a second one must be given too."""
    port = told.listening_port(facts)
    return [f"--proxy-port={port}"] if port else []


def asked(
    namespace: str,
    pod: str,
    kubeconfig: Path | None,
    context: str | None,
    *,
    flags: Sequence[str] = (),
    kubectl: str = "kubectl",
) -> Object | Unread:
    """What it says, or why it could not be asked."""
    where = ["--kubeconfig", str(kubeconfig)] if kubeconfig else []
    where += ["--context", context] if context else []
    command = [
        kubectl, *where, "exec", "-n", namespace, pod, "-c", contract.PROXY_CONTAINER,
        "--", "/proxy", *flags, "--diagnose",
    ]  # fmt: skip
    try:
        ended = subprocess.run(
            command, capture_output=True, text=True, errors="replace", timeout=_TIMEOUT, check=False
        )
    except FileNotFoundError:
        return Unread("kubectl is not installed.")
    except subprocess.TimeoutExpired:
        return Unread(f"kubectl exec took more than {_TIMEOUT} s.")
    return read(ended.stdout, ended.stderr)


def read(out: str, err: str) -> Object | Unread:
    """The JSON of its output."""
    try:
        found = json.loads(out)
    except ValueError:
        found = None
    if isinstance(found, dict):
        return found
    lines = [line for line in err.splitlines() if line.strip()]
    if any("--diagnose" in line for line in lines):
        return Unread("its image is older than --diagnose.")
    return Unread(f"{lines[-1].strip()[:200]}." if lines else "it said nothing.")

"""Runs ``azwi-proxy --diagnose`` in a pod, by kubectl: it has every way to log in."""

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from azwi_cli.doctor.facts import Facts, Object, Unread
from azwi_common import contract

_TIMEOUT: Final = 60  # seconds; what it does itself is bounded at 20


def flags_of(facts: Facts) -> list[str]:
    """The flags of the pod's azwi-proxy that a second one must be given too."""
    proxy = facts.container(contract.PROXY_CONTAINER) or {}
    return [text for text in proxy.get("args") or () if str(text).startswith("--proxy-port=")]


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
            command, capture_output=True, text=True, timeout=_TIMEOUT, check=False
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

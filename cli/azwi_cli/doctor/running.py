"""Whether the sidecar's containers run, by the pod's status and its events. Pure."""

import re
from collections.abc import Iterator
from typing import Final

from azwi_cli.checks import Check, Status
from azwi_cli.doctor.facts import Facts, Object, part
from azwi_common import contract

_PASS, _WARN, _FAIL = Status.PASS, Status.WARN, Status.FAIL
_OURS: Final = (contract.INIT_CONTAINER, contract.PROXY_CONTAINER)
_PULL: Final = ("ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull")
_MANY: Final = 3  # restarts that are no longer an accident
_DENIED: Final = re.compile(r"admission webhook \"([\w.-]+)\" denied the request: (.*)", re.DOTALL)
_NO_CALL: Final = re.compile(r"failed calling webhook \"([\w.-]+)\"(.*)", re.DOTALL)
_CERTIFICATE: Final = re.compile(r"x509|certificate|tls:")


def checks(facts: Facts) -> Iterator[Check]:
    """Containers of ours, then what events tell of the others."""
    if part(facts.pod, "status").get("phase") in ("Succeeded", "Failed"):
        yield Check("sidecar-running", _PASS, "The pod has ended, and its sidecar with it.")
    elif facts.is_live and facts.has_sidecar:
        found = [check for name in _OURS for check in _container(facts, name)]
        yield from found
        if not found:
            yield Check("sidecar-running", _PASS, "The sidecar is in place and ready.")
    seen: set[str] = set()
    for event in facts.events:
        for check in _event(event):
            if check.says not in seen:
                seen.add(check.says)
                yield check


def _container(facts: Facts, name: str) -> Iterator[Check]:
    status = _status(facts, name)
    if status is None:
        if facts.container(name) is not None:
            yield _not_yet(name)
        return
    waiting = part(status, "state", "waiting")
    ended = part(status, "state", "terminated") or part(status, "lastState", "terminated")
    reason = str(waiting.get("reason") or "")
    if reason in _PULL:
        yield Check(
            "image",
            _FAIL,
            f"The image of {name} cannot be pulled: {_short(waiting.get('message') or reason)}",
            "The pod waits for it.",
            "Correct the webhook's image, or give it a pull secret (AZWI_IMAGE_PULL_SECRETS).",
        )
    elif ended.get("reason") == "OOMKilled":
        yield Check(
            "memory",
            _FAIL,
            f"{name} was killed for its memory.",
            "Requests fail until it runs again.",
            f"Raise its limit: annotation {contract.PREFIX}proxy-memory-limit.",
        )
    elif name == contract.INIT_CONTAINER:
        yield from _init(ended, waiting)
    else:
        yield from _proxy(status, reason, ended)


def _init(ended: Object, waiting: Object) -> Iterator[Check]:
    if ended and ended.get("exitCode") == 0:
        return
    if ended:
        yield Check(
            "redirect",
            _FAIL,
            f"{contract.INIT_CONTAINER} failed with exit code {ended.get('exitCode')}"
            f"{_said(ended)}",
            "Without the redirect the pod would get the node's identity, so it does not start.",
            f"kubectl logs POD -c {contract.INIT_CONTAINER} has the reason; where the node's kernel"
            " or policy forbids it, try AZWI_IPTABLES_MODE.",
        )
    elif waiting:
        yield _not_yet(contract.INIT_CONTAINER, str(waiting.get("reason") or ""))


def _proxy(status: Object, reason: str, ended: Object) -> Iterator[Check]:
    restarts = int(status.get("restartCount") or 0)
    if reason == "CrashLoopBackOff" or (ended.get("exitCode") == 2 and not status.get("ready")):
        yield Check(
            "proxy-running",
            _FAIL,
            f"{contract.PROXY_CONTAINER} ends at its start, exit code {ended.get('exitCode')}.",
            "The pod gets no token. Exit code 2 means wrong settings.",
            f"kubectl logs POD -c {contract.PROXY_CONTAINER} --previous names each of them.",
        )
    elif reason and reason not in ("PodInitializing", "ContainerCreating"):
        yield Check(
            "proxy-running",
            _FAIL,
            f"{contract.PROXY_CONTAINER} does not start: {reason}.",
            "The pod gets no token.",
            "kubectl describe pod POD has the details.",
        )
    elif not status.get("ready"):
        yield _not_yet(contract.PROXY_CONTAINER, reason)
    elif restarts >= _MANY:
        yield Check(
            "proxy-restarts",
            _WARN,
            f"{contract.PROXY_CONTAINER} was restarted {restarts} times.",
            "Each restart loses its tokens and a moment's requests.",
            f"kubectl logs POD -c {contract.PROXY_CONTAINER} --previous.",
        )


def _not_yet(name: str, reason: str = "") -> Check:
    return Check(
        "sidecar-running",
        _WARN,
        f"{name} is not ready yet{f' ({reason})' if reason else ''}.",
        "The pod gets no token before.",
        "Run it again in a minute.",
    )


def _status(facts: Facts, name: str) -> Object | None:
    status = part(facts.pod, "status")
    found = [
        item
        for field in ("initContainerStatuses", "containerStatuses")
        for item in status.get(field) or ()
        if item.get("name") == name
    ]
    return found[0] if found else None


def _said(ended: Object) -> str:
    return f": {_short(ended['message'])}" if ended.get("message") else "."


def _short(text: object) -> str:
    """One line of what others said, as the end of a sentence."""
    said = " ".join(str(text).split())[:240].rstrip(".")
    return f"{said}." if said else ""


def _event(event: Object) -> Iterator[Check]:
    message = str(event.get("message") or "")
    if denied := _DENIED.search(message):
        yield Check(
            "denied",
            _FAIL,
            f"The webhook {denied[1]} refuses the pod.",
            "No pod is created until it is corrected.",
            _short(denied[2]),
        )
    elif failed := _NO_CALL.search(message):
        yield Check(
            "webhook-call",
            _FAIL,
            f"The API server cannot call the webhook {failed[1]}: {_short(failed[2]).strip(': ')}",
            "No pod that opted in is created.",
            "Its certificate and its caBundle do not fit: look at the log of azwi-webhook."
            if _CERTIFICATE.search(message)
            else "Look at the webhook's pods, its Service and the network between.",
        )
    elif event.get("reason") == "FailedMount" and contract.TOKEN_VOLUME in message:
        yield Check(
            "token-mounted",
            _FAIL,
            f"The kubelet cannot mount the token: {_short(message)}",
            "The pod waits for it.",
            "See that the service account exists, and that what else the volume projects does.",
        )
    elif event.get("reason") == "FailedCreate" and "exceeded quota" in message:
        yield Check(
            "quota",
            _FAIL,
            f"A quota keeps the pod out: {_short(message)}",
            "The sidecar's requests and limits count too.",
            f"Raise the quota, or set annotations such as {contract.PREFIX}proxy-cpu-limit.",
        )

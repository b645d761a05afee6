"""Whether the sidecar's containers run, by the pod's status and its events. Pure."""

import re
from collections.abc import Iterator
from typing import Final

from azwi_cli.checks import Check, Status
from azwi_cli.doctor.facts import Facts, Object, Unread, part
from azwi_common import contract

_PASS, _WARN, _FAIL = Status.PASS, Status.WARN, Status.FAIL
_OURS: Final = (contract.INIT_CONTAINER, contract.PROXY_CONTAINER)
_PULL: Final = ("ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull")
_STARTING: Final = ("PodInitializing", "ContainerCreating")
_BACK_OFF: Final = "CrashLoopBackOff"
_MANY: Final = 3  # restarts that are no longer an accident
_DENIED: Final = re.compile(r"admission webhook \"([\w.-]+)\" denied the request: (.*)", re.DOTALL)
_NO_CALL: Final = re.compile(r"failed calling webhook \"([\w.-]+)\"(.*)", re.DOTALL)
_CERTIFICATE: Final = re.compile(r"x509|certificate|tls:")


def checks(facts: Facts) -> Iterator[Check]:
    """Containers of ours, then what events tell of the others."""
    if facts.is_live and facts.has_sidecar:
        yield from _sidecar(facts)
    if isinstance(facts.events, Unread):
        yield Check(
            "events",
            _WARN,
            f"The namespace's events could not be read: {facts.events.says}",
            "They say why a pod is refused or does not start.",
            "Run azwi with a user that may list events.",
        )
        return
    seen: set[str] = set()
    for event in facts.events:
        for check in _event(event):
            if check.says not in seen:
                seen.add(check.says)
                yield check


def _sidecar(facts: Facts) -> Iterator[Check]:
    """The first of our containers that is not well: the next one waits for it."""
    phase = str(part(facts.pod, "status").get("phase"))
    has_ended = phase in ("Succeeded", "Failed")
    if not has_ended and (unplaced := _unplaced(facts)):
        yield unplaced
        return
    each = ([*_container(facts, name)] for name in _OURS)
    found: list[Check] = next(filter(None, each), [])
    if has_ended:  # what waits then never started
        found = [check for check in found if check.status is _FAIL]
    yield from found
    if not found:
        says = "The sidecar is in place and ready."
        if has_ended:
            says = f"The pod has ended ({phase}), and its sidecar with it."
        yield Check("sidecar-running", _PASS, says)


def _unplaced(facts: Facts) -> Check | None:
    for item in part(facts.pod, "status").get("conditions") or ():
        if item.get("type") == "PodScheduled" and item.get("status") == "False":
            why = _short(item.get("message") or item.get("reason"))
            return Check(
                "scheduled",
                _WARN,
                f"The pod has no node yet: {why}",
                "None of its containers runs before.",
                f"kubectl describe pod {facts.kubectl_name} says what it waits for.",
            )
    return None


def _container(facts: Facts, name: str) -> Iterator[Check]:
    status = _status(facts, name)
    if status is None:
        if facts.container(name) is not None:
            yield _not_yet(name)
        return
    log = facts.log_command(name, previous=bool(part(status, "lastState", "terminated")))
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
        annotation = f"{contract.PREFIX}{name.removeprefix('azwi-')}-memory-limit"
        yield Check(
            "memory",
            _WARN if status.get("ready") else _FAIL,
            f"{name} was killed for its memory.",
            "Requests fail until it runs again.",
            f"Raise its limit: annotation {annotation}.",
        )
    elif name == contract.INIT_CONTAINER:
        yield from _init(ended, waiting, log)
    else:
        yield from _proxy(status, reason, ended, log)
    if reason and reason not in (*_STARTING, *_PULL, _BACK_OFF):
        yield Check(
            "proxy-running" if name == contract.PROXY_CONTAINER else "redirect",
            _FAIL,
            f"{name} does not start: {_short(waiting.get('message')) or f'{reason}.'}",
            "The pod gets no token.",
            f"kubectl describe pod {facts.kubectl_name} has the details.",
        )


def _init(ended: Object, waiting: Object, log: str) -> Iterator[Check]:
    if ended and ended.get("exitCode") == 0:
        return
    if ended:
        yield Check(
            "redirect",
            _FAIL,
            f"{contract.INIT_CONTAINER} failed with exit code {ended.get('exitCode')}"
            f"{_said(ended)}",
            "Without the redirect the pod would get the node's identity, so it does not start.",
            f"{log} has the reason; where the node's kernel or policy forbids it, try the"
            f" annotation {contract.INIT_IPTABLES_ANNOTATION}.",
        )
    elif waiting.get("reason") in _STARTING:
        yield _not_yet(contract.INIT_CONTAINER, str(waiting.get("reason") or ""))


def _proxy(status: Object, reason: str, ended: Object, log: str) -> Iterator[Check]:
    restarts = int(status.get("restartCount") or 0)
    if reason == _BACK_OFF or (ended.get("exitCode") == 2 and not status.get("ready")):
        yield Check(
            "proxy-running",
            _FAIL,
            f"{contract.PROXY_CONTAINER} ends at its start, exit code {ended.get('exitCode')}.",
            "The pod gets no token. Exit code 2 means wrong settings.",
            f"{log} has the reason.",
        )
    elif not status.get("ready") and (not reason or reason in _STARTING):
        yield _not_yet(contract.PROXY_CONTAINER, reason)
    elif status.get("ready") and restarts >= _MANY:
        yield Check(
            "proxy-restarts",
            _WARN,
            f"{contract.PROXY_CONTAINER} was restarted {restarts} times.",
            "Each restart loses its tokens and a moment's requests.",
            f"{log} has the last lines before.",
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

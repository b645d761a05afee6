"""Talks to the API server of a migration: lists in pages, single objects, patches.

Answers 429 and 503 that name a time are tried again after it, a few times.
"""

import json
import time
from collections.abc import Iterator, Mapping
from typing import Any, Final

from azwi_cli import kube, output
from azwi_common import contract

PAGE: Final = 500
WEBHOOK: Final = (
    "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/"
    + contract.WEBHOOK_CONFIGURATION
)
"""Where the configuration of azwi-sidecar's webhook lives."""
METADATA: Final = "application/json;as={0};g=meta.k8s.io;v=v1"
_MERGE: Final = "application/merge-patch+json"
_TRIES: Final = 4
_LONGEST_PAUSE: Final = 10.0  # seconds
_PLURALS: Final = {
    "CronJob": "cronjobs",
    "DaemonSet": "daemonsets",
    "Deployment": "deployments",
    "Job": "jobs",
    "Pod": "pods",
    "ReplicaSet": "replicasets",
    "ReplicationController": "replicationcontrollers",
    "ServiceAccount": "serviceaccounts",
    "StatefulSet": "statefulsets",
}


def path(api_version: str, kind: str, namespace: str, name: str = "") -> str:
    """Where an object of a known kind lives."""
    return collection(api_version, _PLURALS[kind], namespace) + (f"/{name}" if name else "")


def collection(api_version: str, plural: str, namespace: str | None) -> str:
    """Where a collection lives; ``namespace`` None: of the whole cluster."""
    root = "/apis" if "/" in api_version else "/api"
    inside = f"/namespaces/{namespace}" if namespace else ""
    return f"{root}/{api_version}{inside}/{plural}"


class Api:
    """The API server, through a client of ``kube.Cluster.session``."""

    def __init__(self, client: Any, server: str) -> None:
        self._client = client
        self.server = server

    def get(self, where: str) -> dict[str, Any]:
        """One object."""
        return self._decoded(self._asked("GET", where))

    def metadata(self, where: str) -> dict[str, Any]:
        """One object, of which the API server sends the metadata only."""
        accept = METADATA.format("PartialObjectMetadata")
        return self._decoded(self._asked("GET", where, headers={"Accept": accept}))

    def text(self, where: str, **query: str) -> str:
        """An answer that is no object, such as a log."""
        answer: str = self._asked("GET", where, params=query).text
        return answer

    def patch(self, where: str, patch: Mapping[str, Any]) -> dict[str, Any]:
        """Merge a patch into an object."""
        headers = {"Content-Type": _MERGE}
        return self._decoded(self._asked("PATCH", where, content=_text(patch), headers=headers))

    def create(self, where: str, thing: Mapping[str, Any]) -> dict[str, Any]:
        """Make an object."""
        headers = {"Content-Type": "application/json"}
        return self._decoded(self._asked("POST", where, content=_text(thing), headers=headers))

    def delete(self, where: str) -> None:
        """Delete an object."""
        self._asked("DELETE", where)

    def pages(
        self, where: str, *, labels: str = "", fields: str = "", metadata: bool = False
    ) -> Iterator[list[dict[str, Any]]]:
        """The objects of a collection, 500 at a time; anew where the list got too old."""
        headers = {"Accept": METADATA.format("PartialObjectMetadataList")} if metadata else {}
        chosen = {"labelSelector": labels, "fieldSelector": fields}
        query = {"limit": str(PAGE), **{name: text for name, text in chosen.items() if text}}
        following = ""
        while True:
            more = {"continue": following} if following else {}
            answer = self._sent("GET", where, params={**query, **more}, headers=headers)
            if answer.status_code == 410 and following:
                following = ""
                continue
            found = self._decoded(self._raised(answer))
            yield found.get("items") or []
            following = (found.get("metadata") or {}).get("continue") or ""
            if not following:
                return

    def _asked(self, method: str, where: str, **more: Any) -> Any:
        return self._raised(self._sent(method, where, **more))

    def _sent(self, method: str, where: str, **more: Any) -> Any:
        for tries in range(_TRIES):
            answer = self._client.request(method, where, **more)
            output.debug(f"{method} {answer.url}: {answer.status_code}")
            if answer.status_code not in (429, 503) or tries == _TRIES - 1:
                return answer
            time.sleep(min(_seconds(answer.headers.get("retry-after")), _LONGEST_PAUSE))
        raise AssertionError("unreachable")

    def _raised(self, answer: Any) -> Any:
        if answer.status_code < 400:
            return answer
        raise kube.refused(self.server, answer.status_code, _message(answer))

    @staticmethod
    def _decoded(answer: Any) -> dict[str, Any]:
        import msgspec

        found: dict[str, Any] = msgspec.json.decode(answer.content)
        return found


def _text(thing: Mapping[str, Any]) -> str:
    return json.dumps(thing)


def _seconds(text: str | None) -> float:
    try:
        return max(0.0, float(text or "1"))
    except ValueError:
        return 1.0


def _message(answer: Any) -> str:
    """What the API server says, else what was asked."""
    try:
        message = json.loads(answer.content).get("message")
    except (ValueError, AttributeError):
        message = None
    return str(message or f"{answer.request.method} {answer.request.url.path}").rstrip(".")

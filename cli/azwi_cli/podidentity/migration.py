"""Changes a cluster, a workload at a time, and takes back what fails.

Each step first says in the state that it begins, then changes one object, in a way that may be
repeated. So after an interruption the same call goes on where it was. What cannot be reached and a
login that ended are interruptions too; a refusal, a rollout that does not end or a pod without a
token is a failure.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final

from azwi_cli import errors, output
from azwi_cli.podidentity import api, changes, rollout, state
from azwi_cli.podidentity.state import BACKWARD, Entry, Phase
from azwi_cli.podidentity.store import Store
from azwi_common import contract

_PAUSE: Final = 1.0  # seconds between two looks
_PROOF: Final = 60.0
"""Seconds for the token: the sidecar waits up to 2 and its exchange takes up to 20."""


_LOG: Final = {"container": contract.PROXY_CONTAINER, "limitBytes": "262144"}
"""Of the log its beginning: there the sidecar says whether it got a token."""


class NotMigrated(errors.AzwiError):
    """A workload did not become what it should; it is taken back."""


@dataclass(frozen=True, slots=True)
class Migration:
    """What its steps need."""

    api: api.Api
    store: Store
    timeout: float
    """Seconds that a rollout may take."""
    pause: float = _PAUSE
    now: Callable[[], float] = time.monotonic

    def forward(self, entry: Entry) -> Entry:
        """Migrate a workload, from wherever it is; an entry that is ``undone`` failed."""
        if entry.phase in BACKWARD:
            return self.back(entry, entry.why)
        try:
            for phase, step in self._steps():
                if entry.phase is phase:
                    entry = self.store.save(step(entry))
        except (errors.Forbidden, errors.Rejected) as error:
            return self.back(_refused(entry, str(error)), str(error))
        except (NotMigrated, errors.NotFound) as error:
            output.note(f"{state.key(entry.ref)}: {error} It is taken back.")
            return self.back(entry, str(error))
        return entry

    def back(self, entry: Entry, why: str) -> Entry:
        """Take a workload back, from wherever it is."""
        if entry.phase not in (*BACKWARD, Phase.UNDONE):
            entry = self.store.save(replace(entry, phase=Phase.UNDO_PATCH, why=why))
        if entry.phase is Phase.UNDO_PATCH:
            if entry.patch_back is not None:
                self._unless_gone(lambda: self.api.patch(self._path(entry), entry.patch_back or {}))
            entry = self.store.save(replace(entry, phase=Phase.UNDO_ROLLOUT))
        if entry.phase is Phase.UNDO_ROLLOUT:
            self._old_pods(entry)
            entry = self.store.save(replace(entry, phase=Phase.UNDO_ACCOUNT))
        if entry.phase is Phase.UNDO_ACCOUNT:
            self._account_back(entry)
        return self.store.save(replace(entry, phase=Phase.UNDONE))

    def _steps(self) -> tuple[tuple[Phase, Callable[[Entry], Entry]], ...]:
        return (
            (Phase.PLANNED, self._look_at_account),
            (Phase.ACCOUNT, self._account),
            (Phase.PATCH, self._patch),
            (Phase.ROLLOUT, self._rollout),
        )

    def _look_at_account(self, entry: Entry) -> Entry:
        before = entry.account_before
        if before is None:
            before = changes.known_before(entry, self.store.state)
        if before is None:
            live = self._maybe(lambda: self.api.get(self._account_path(entry)))
            if client := changes.foreign_client(entry, live):
                raise NotMigrated(
                    f"Service account {entry.account_name} has the client ID {client} already,"
                    " which is another identity's."
                )
            before = changes.account_before(entry, live)
        return replace(entry, phase=Phase.ACCOUNT, account_before=before, why="")

    def _account(self, entry: Entry) -> Entry:
        where = self._account_path(entry)
        back = changes.patch_back(entry, self.api.get(self._path(entry)))
        if self._maybe(lambda: self.api.get(where)) is None:
            self.api.create(where.rpartition("/")[0], entry.account)
        else:
            self.api.patch(where, changes.account_patch(entry))
        return replace(entry, phase=Phase.PATCH, patch_back=back)

    def _patch(self, entry: Entry) -> Entry:
        self.api.patch(self._path(entry), entry.patch)
        return replace(entry, phase=Phase.ROLLOUT)

    def _rollout(self, entry: Entry) -> Entry:
        live = self._rolled_out(entry)
        return replace(entry, phase=Phase.DONE, why=self._proof(entry, live))

    def _rolled_out(self, entry: Entry) -> dict[str, Any]:
        until = self.now() + self.timeout
        while True:
            live = self.api.get(self._path(entry))
            if rollout.is_complete(entry.kind, live):
                return live
            why = rollout.failed(live)
            if why or self.now() > until:
                pods = self._pods(entry, live)
                says = rollout.waiting(pods) or why or f"it takes more than {self.timeout:.0f} s"
                raise NotMigrated(f"The rollout does not end: {says}.")
            time.sleep(self.pause)

    def _proof(self, entry: Entry, live: dict[str, Any]) -> str:
        """What is known of the workload's tokens; raises NotMigrated where they do not come."""
        pods = rollout.running(self._pods(entry, live))
        if not pods:
            return "no pod runs, so nothing is proven"
        if not rollout.has_sidecar(pods[0]):
            raise NotMigrated(
                "The webhook did not give its pods the sidecar: is it installed, and does it serve"
                f" the namespace {entry.namespace}?"
            )
        if not entry.resource:
            return "not proven: it is not known which identity its requests name"
        return self._token(entry, live, pods[0]["metadata"]["name"])

    def _token(self, entry: Entry, live: dict[str, Any], pod: str) -> str:
        until = self.now() + _PROOF
        while True:
            try:
                found = rollout.proof(self._log(entry, pod), entry.resource)
            except errors.Forbidden:
                return "not proven: you may not read the logs of its pods"
            if found and found[0]:
                return f"pod {pod} got its token"
            if found:
                raise NotMigrated(
                    f"Pod {pod} gets no token: {found[1].rstrip('.')}. Does the identity trust the"
                    " service account? federated-credentials.sh makes the credential; a new one"
                    " counts after some minutes."
                )
            if self.now() > until:
                raise NotMigrated(f"Pod {pod} says nothing of a token within {_PROOF:.0f} s.")
            time.sleep(self.pause)
            names = [it["metadata"]["name"] for it in rollout.running(self._pods(entry, live))]
            pod = pod if pod in names else next(iter(names), pod)  # one that has gone is replaced

    def _log(self, entry: Entry, pod: str) -> str:
        """Empty: its container has none yet, or the pod has gone."""
        where = f"/api/v1/namespaces/{entry.namespace}/pods/{pod}/log"
        try:
            return self.api.text(where, **_LOG)
        except (errors.NotFound, errors.Rejected):
            return ""

    def _pods(self, entry: Entry, live: dict[str, Any]) -> list[dict[str, Any]]:
        selector = rollout.selector(live)
        if not selector:
            return []
        where = api.collection("v1", "pods", entry.namespace)
        return [pod for page in self.api.pages(where, labels=selector) for pod in page]

    def _old_pods(self, entry: Entry) -> None:
        """Wait for the pods of before; where they do not come, they did not before either."""
        if entry.patch_back is None:
            return
        try:
            self._unless_gone(lambda: self._rolled_out(entry))
        except NotMigrated as error:
            output.note(f"{state.key(entry.ref)}: {error} This is its state of before.")

    def _account_back(self, entry: Entry) -> None:
        if entry.account_before is None or changes.is_needed(entry, self.store.state):
            return
        where = self._account_path(entry)
        if entry.account_before:
            self._unless_gone(lambda: self.api.patch(where, entry.account_before or {}))
        else:
            self._unless_gone(lambda: self.api.delete(where))

    def _path(self, entry: Entry) -> str:
        return api.path(entry.api_version, entry.kind, entry.namespace, entry.name)

    def _account_path(self, entry: Entry) -> str:
        ref = changes.account_ref(entry)
        return api.path("v1", ref.kind, ref.namespace, ref.name)

    def _maybe(self, ask: Callable[[], dict[str, Any]]) -> dict[str, Any] | None:
        try:
            return ask()
        except errors.NotFound:
            return None

    def _unless_gone(self, do: Callable[[], Any]) -> None:
        try:
            do()
        except errors.NotFound:
            output.debug("it is gone already")


def _refused(entry: Entry, why: str) -> Entry:
    """Where to go back from, after a refusal: the step of that phase has changed nothing."""
    output.note(f"{state.key(entry.ref)}: {why} It is taken back.")
    back = {
        Phase.PLANNED: Phase.UNDONE,
        Phase.ACCOUNT: Phase.UNDONE,
        Phase.PATCH: Phase.UNDO_ACCOUNT,
    }
    return replace(entry, phase=back.get(entry.phase, entry.phase), why=why)

"""Where a migration stands: what is planned for each workload, what it was, how far it is. Pure.

It is remembered (``store``) before each change of the cluster, so that whoever reads it after an
interruption repeats a step at most, and every step may be repeated.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from enum import StrEnum
from typing import Any, Final

from azwi_cli import errors
from azwi_cli.podidentity.facts import Ref

VERSION: Final = 1


class Phase(StrEnum):
    """How far one workload is."""

    PLANNED = "planned"
    ACCOUNT = "account"
    """Its service account is being made or annotated."""
    PATCH = "patch"
    ROLLOUT = "rollout"
    DONE = "done"
    UNDO_PATCH = "undo-patch"
    UNDO_ROLLOUT = "undo-rollout"
    UNDO_ACCOUNT = "undo-account"
    UNDONE = "undone"


FORWARD: Final = (Phase.ACCOUNT, Phase.PATCH, Phase.ROLLOUT)
BACKWARD: Final = (Phase.UNDO_PATCH, Phase.UNDO_ROLLOUT, Phase.UNDO_ACCOUNT)


@dataclass(frozen=True, slots=True)
class Entry:
    """One workload."""

    namespace: str
    kind: str
    name: str
    api_version: str
    patch: dict[str, Any]
    account: dict[str, Any]
    """The service account's manifest."""
    is_new: bool
    resource: str = ""
    """What the proof gets a token for; empty: no default identity, so there is no proof."""
    phase: Phase = Phase.PLANNED
    account_before: dict[str, Any] | None = None
    """None while it is not known; ``{}``: there was none."""
    patch_back: dict[str, Any] | None = None
    why: str = ""
    """Why it was taken back, or what the proof said."""

    @property
    def ref(self) -> Ref:
        """The workload."""
        return Ref(self.namespace, self.kind, self.name)

    @property
    def account_name(self) -> str:
        """Of its service account."""
        name: str = self.account["metadata"]["name"]
        return name

    @property
    def is_under_way(self) -> bool:
        """Whether it was begun and not ended."""
        return self.phase in (*FORWARD, *BACKWARD)


@dataclass(frozen=True, slots=True)
class State:
    """All workloads of a migration, by their names."""

    server: str
    entries: Mapping[str, Entry] = field(default_factory=dict)

    def with_entry(self, entry: Entry) -> "State":
        """The state with this entry in place of the one of that name."""
        return replace(self, entries={**self.entries, key(entry.ref): entry})


def key(ref: Ref) -> str:
    """The name of a workload in the file."""
    return f"{ref.namespace}/{ref.text}"


def merged(state: State, planned: Mapping[str, Entry]) -> State:
    """The state with a newer plan: what was not begun, or was taken back, is planned anew.

    By us, or by others: what is done and in the plan nevertheless was put back by somebody.
    """
    kept = {
        name: entry
        for name, entry in state.entries.items()
        if entry.phase is not Phase.PLANNED
        and not (entry.phase in (Phase.UNDONE, Phase.DONE) and name in planned)
    }
    anew = {name: _anew(entry, state.entries.get(name)) for name, entry in planned.items()}
    return replace(state, entries=dict(sorted({**anew, **kept}.items())))


def _anew(entry: Entry, before: Entry | None) -> Entry:
    """What was done before has changed the service account, and knows what it was."""
    if before and before.phase is Phase.DONE and before.account_name == entry.account_name:
        return replace(entry, account_before=before.account_before)
    return entry


def text(state: State) -> bytes:
    """The file's content."""
    found = {name: asdict(entry) for name, entry in state.entries.items()}
    data = {"version": VERSION, "server": state.server, "workloads": found}
    return (json.dumps(data, indent=2, ensure_ascii=False) + "\n").encode()


def parsed(data: bytes, where: str) -> State:
    """The state in a file's content; raises BadInput."""
    try:
        found = json.loads(data)
        if found["version"] != VERSION:
            raise ValueError(f"it has version {found['version']}")
        entries = {
            str(name): Entry(**{**_known(entry), "phase": Phase(entry["phase"])})
            for name, entry in found["workloads"].items()
        }
        return State(str(found["server"]), entries)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise errors.BadInput(
            f"{where} is no state of a migration ({type(error).__name__}: {error}).",
            "Use another folder, or the version of azwi that wrote it.",
        ) from None


def _known(entry: Mapping[str, Any]) -> dict[str, Any]:
    names = {item.name for item in fields(Entry)}
    return {name: value for name, value in entry.items() if name in names}

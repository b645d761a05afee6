"""Runs a migration through: every workload of a state, forward or back, and says what became."""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, Final

from azwi_cli import errors, output
from azwi_cli.podidentity import api, state
from azwi_cli.podidentity.migration import Migration
from azwi_cli.podidentity.state import Entry, Phase, State


def to_do(found: State) -> list[Entry]:
    """What is left to do, in order: what was begun first."""
    left = [entry for entry in found.entries.values() if entry.phase is not Phase.DONE]
    wanted = [entry for entry in left if entry.phase is not Phase.UNDONE]
    return sorted(wanted, key=lambda entry: (not entry.is_under_way, state.key(entry.ref)))


def to_undo(found: State) -> list[Entry]:
    """What is to be taken back: the last one first."""
    untouched = (Phase.PLANNED, Phase.UNDONE)
    return [
        entry for entry in reversed([*found.entries.values()]) if entry.phase not in untouched
    ]  # fmt: skip


def require_webhook(peer: api.Api) -> None:
    """Raise where nobody would inject the sidecar; who may not look goes on."""
    try:
        peer.get(api.WEBHOOK)
    except errors.Forbidden:
        output.debug("whether the webhook is installed is not known")
    except errors.NotFound as error:
        raise errors.NotFound(
            "The webhook of azwi-sidecar is not installed in this cluster: no pod would get the"
            " sidecar.",
            "Install it first: docs/install.md says how.",
        ) from error


def forward(migration: Migration, *, keep_going: bool) -> bool:
    """Do what is left; whether all of it was done. Stops at a failure unless told otherwise."""
    entries = to_do(migration.store.state)
    good = True
    for number, entry in enumerate(entries, 1):
        output.note(f"[{number}/{len(entries)}] {state.key(entry.ref)} …")
        ended = migration.forward(entry)
        good = good and ended.phase is Phase.DONE
        output.note(f"[{number}/{len(entries)}] {state.key(entry.ref)}: {said(ended)}")
        if not good and not keep_going:
            return False
    return good


def back(migration: Migration) -> None:
    """Take everything back."""
    entries = to_undo(migration.store.state)
    for number, entry in enumerate(entries, 1):
        output.note(f"[{number}/{len(entries)}] {state.key(entry.ref)} …")
        ended = migration.back(entry, "it was asked for")
        output.note(f"[{number}/{len(entries)}] {state.key(entry.ref)}: {said(ended)}")


def will_do(entry: Entry) -> str:
    """What is going to be done to a workload, in words."""
    if entry.is_under_way:
        return f"go on where it was ({entry.phase})"
    account = f"{'make' if entry.is_new else 'annotate'} service account {entry.account_name}"
    proof = f"see that it gets a token for {entry.resource}" if entry.resource else "no proof"
    return f"{account}, patch the workload, wait for its rollout, {proof}"


def will_undo(entry: Entry) -> str:
    """What is going to be undone."""
    account = f"{'delete' if entry.is_new else 'restore'} service account {entry.account_name}"
    return f"restore the workload, wait for its rollout, {account}"


def said(entry: Entry) -> str:
    """Where a workload is, in words."""
    if entry.phase is Phase.DONE:
        return f"migrated; {entry.why}"
    if entry.phase is Phase.UNDONE:
        return f"taken back: {entry.why}"
    if entry.phase is Phase.PLANNED:
        return "planned"
    return f"under way ({entry.phase})"


HEAD: Final = ("NAMESPACE", "WORKLOAD", "SERVICE ACCOUNT", "STATE")


def data(found: State) -> dict[str, Any]:
    """For programs: every workload and where it is."""
    counted = Counter(entry.phase for entry in found.entries.values())
    return {
        "server": found.server,
        "summary": {str(phase): count for phase, count in sorted(counted.items())},
        "workloads": [
            {
                "namespace": entry.namespace,
                "kind": entry.kind,
                "name": entry.name,
                "serviceAccount": entry.account_name,
                "new": entry.is_new,
                "phase": str(entry.phase),
                "says": said(entry),
            }
            for entry in found.entries.values()
        ],
    }


def rows(found: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    """For the terminal's table, by ``HEAD``."""
    for item in found["workloads"]:
        account = item["serviceAccount"] + (" (new)" if item["new"] else "")
        workload = f"{item['kind'].lower()}/{item['name']}"
        yield item["namespace"], workload, account, item["says"]

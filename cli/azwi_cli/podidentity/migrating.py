"""``azwi podidentity migrate``: plan, ask, do, take back."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from azwi_cli import ask, errors, kube, output
from azwi_cli.podidentity import api, changes, plan, report, running, state, store
from azwi_cli.podidentity.facts import Facts
from azwi_cli.podidentity.migration import Migration
from azwi_cli.podidentity.state import Entry, State
from azwi_cli.podidentity.store import Store


@dataclass(frozen=True, slots=True)
class Order:
    """What was asked for."""

    cluster: kube.Cluster
    folder: Path
    timeout: float
    """Seconds."""
    keep_going: bool
    yes: bool
    dry_run: bool
    form: output.Format


@dataclass(frozen=True, slots=True)
class Planned:
    """A plan, and the state that follows from it."""

    plan: plan.Plan
    report: dict[str, Any]
    state: State


def known_state(folder: Path, server: str) -> State:
    """The state in a folder, or a new one; raises BadInput where it is another cluster's."""
    found = store.load(folder) or State(server)
    if found.server != server:
        raise errors.BadInput(
            f"{folder / store.FILE} belongs to {found.server}, and this is {server}.",
            "Choose the other cluster with --context, or another folder.",
        )
    return found


def planned(facts: Facts, options: plan.Options, known: State, resource: str) -> Planned:
    """What is to be done, and what was begun; raises BadInput where a way back would be lost."""
    made = plan.plan(facts, options)
    for item in made.items:
        done = known.entries.get(state.key(item.ref))
        changes_mode = item.status is plan.Status.MIGRATES and item.template.is_migrated
        if changes_mode and done and done.phase is state.Phase.DONE:
            raise errors.BadInput(
                f"This folder has the way back of {state.key(item.ref)} to aad-pod-identity, which"
                " a change of its mode would overwrite.",
                "Change the mode from another folder; that one has the way back to the mode of"
                " now.",
            )
    merged = state.merged(known, changes.entries(made, resource))
    return Planned(made, report.data(made, facts), merged)


def carry_out(order: Order, found: Planned, *, apply: bool) -> errors.Code:
    """Show the plan; with ``apply`` ask and do it. The exit code."""
    if not order.dry_run:
        Store(order.folder, found.state).write()
    left = report.told(found.report)
    if not apply or order.dry_run:
        _show(order, found.state)
        output.note(left)
        return _code(found)
    entries = running.to_do(found.state)
    if entries:
        _plan_shown(entries, running.will_do)
        output.note(left)
        ask.confirmed(f"Migrate {_workloads(len(entries))}?", yes=order.yes)
        kept = Store(order.folder, found.state)
        with _migration(order, kept) as migration:
            running.require_webhook(migration.api)
            good = running.forward(migration, keep_going=order.keep_going)
        _show(order, kept.state)
        return _code(found) if good else errors.Code.FAILED
    _show(order, found.state)
    output.note(left)
    return _code(found)


def take_back(order: Order, known: State) -> None:
    """Show what would be taken back, ask, and do it."""
    entries = running.to_undo(known)
    if not entries:
        output.note(f"There is nothing to take back in {order.folder}.")
        return
    _plan_shown(entries, running.will_undo)
    if order.dry_run:
        return
    ask.confirmed(f"Take {_workloads(len(entries))} back?", yes=order.yes)
    kept = Store(order.folder, known)
    with _migration(order, kept) as migration:
        running.back(migration)
    _show(order, kept.state)


@contextmanager
def _migration(order: Order, kept: Store) -> Iterator[Migration]:
    try:
        with order.cluster.session() as client:
            peer = api.Api(client, order.cluster.config.cluster.server)
            yield Migration(peer, kept, order.timeout)
    except KeyboardInterrupt:
        output.note("Run the same command again: it goes on where it was.")
        raise


def _plan_shown(entries: Sequence[Entry], words: Callable[[Entry], str]) -> None:
    """Before the question, and so on standard error: the result comes after it."""
    output.note("In this order:")
    for entry in entries:
        output.note(f"  {state.key(entry.ref)}: {words(entry)}")


def _show(order: Order, found: State) -> None:
    data = running.data(found)
    output.show(data, order.form, lambda it: output.table(running.HEAD, running.rows(it)))


def _code(found: Planned) -> errors.Code:
    return errors.Code.DONE if report.is_complete(found.report) else errors.Code.ATTENTION


def _workloads(count: int) -> str:
    return "one workload" if count == 1 else f"{count} workloads"

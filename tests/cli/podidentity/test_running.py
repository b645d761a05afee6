"""A state run through: in which order, and what is said."""

from dataclasses import replace
from pathlib import Path

import pytest

from azwi_cli import errors, kube
from azwi_cli.podidentity import api, running, state
from azwi_cli.podidentity.state import Entry, Phase, State
from azwi_testing.podidentity import Server


def entry(name: str, phase: Phase) -> Entry:
    account = {"metadata": {"name": name}}
    return Entry("shop", "Deployment", name, "apps/v1", {}, account, False, phase=phase, why="why")


def of(*entries: Entry) -> State:
    return State("https://api", {state.key(item.ref): item for item in entries})


FOUND = of(*(entry(f"{number}-{phase}", phase) for number, phase in enumerate(Phase)))


def names(entries: list[Entry]) -> list[str]:
    return [item.name.partition("-")[2] for item in entries]


def test_what_was_begun_comes_first_and_what_has_ended_is_left() -> None:
    assert names(running.to_do(FOUND)) == [
        "account", "patch", "rollout", "undo-patch", "undo-rollout", "undo-account", "planned",
    ]  # fmt: skip


def test_the_last_one_is_taken_back_first() -> None:
    assert names(running.to_undo(FOUND)) == [
        "undo-account", "undo-rollout", "undo-patch", "done", "rollout", "patch", "account",
    ]  # fmt: skip


def test_where_a_workload_is_is_said_in_words() -> None:
    said = {item.phase: running.said(item) for item in FOUND.entries.values()}
    assert said[Phase.DONE] == "migrated; why"
    assert said[Phase.UNDONE] == "taken back: why"
    assert said[Phase.PLANNED] == "planned"
    assert said[Phase.PATCH] == "under way (patch)"


def test_what_will_be_done_is_said_before() -> None:
    new = replace(entry("cart", Phase.PLANNED), is_new=True, resource="https://r")
    assert running.will_do(new) == (
        "make service account cart, patch the workload, wait for its rollout, see that it gets a"
        " token for https://r"
    )
    assert "annotate service account a, " in running.will_do(entry("a", Phase.PLANNED))
    assert running.will_do(entry("a", Phase.ROLLOUT)) == "go on where it was (rollout)"
    assert running.will_undo(new).endswith("delete service account cart")
    assert running.will_undo(entry("a", Phase.DONE)).endswith("restore service account a")


def test_programs_and_people_see_the_same() -> None:
    found = running.data(of(replace(entry("cart", Phase.DONE), is_new=True)))
    assert found["summary"] == {"done": 1}
    assert list(running.rows(found)) == [("shop", "deployment/cart", "cart (new)", "migrated; why")]


def test_without_the_webhook_nothing_is_begun(server: Server, kubeconfig: Path) -> None:
    with kube.Cluster(kubeconfig).session() as client:
        peer = api.Api(client, server.url)
        running.require_webhook(peer)
        for status in (403, 404):
            server.fault = lambda method, path, status=status: status  # type: ignore[misc]  # bound
            if status == 403:
                running.require_webhook(peer)
                continue
            with pytest.raises(errors.NotFound, match=r"not installed.*docs/install\.md"):
                running.require_webhook(peer)

"""Where a migration stands."""

from dataclasses import replace

import pytest

from azwi_cli import errors
from azwi_cli.podidentity import state
from azwi_cli.podidentity.state import Entry, Phase, State

SERVER = "https://api.example"


def entry(name: str = "cart", phase: Phase = Phase.PLANNED) -> Entry:
    account = {"metadata": {"name": name}}
    return Entry("shop", "Deployment", name, "apps/v1", {"spec": {}}, account, True, phase=phase)


def of(*entries: Entry) -> State:
    return State(SERVER, {state.key(item.ref): item for item in entries})


def test_a_state_comes_back_as_it_was_written() -> None:
    done = replace(entry("b", Phase.DONE), account_before={}, patch_back={"spec": None}, why="x")
    assert state.parsed(state.text(of(entry(), done)), "x") == of(entry(), done)


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"version": 2}', '{"version": 1, "server": "x", "workloads": []}',
             '{"version": 1, "server": "x", "workloads": {"a": {"phase": "?"}}}']
)  # fmt: skip
def test_another_file_is_refused_with_a_sentence(text: str) -> None:
    with pytest.raises(errors.BadInput, match=r"x is no state of a migration.*Use another folder"):
        state.parsed(text.encode(), "x")


def test_a_newer_plan_leaves_alone_what_was_begun() -> None:
    begun, done = entry("begun", Phase.PATCH), entry("done", Phase.DONE)
    planned = replace(entry("planned"), patch={"old": 1})
    undone = entry("undone", Phase.UNDONE)
    newer = {
        state.key(item.ref): item for item in (entry("planned"), entry("undone"), entry("new"))
    }
    found = state.merged(of(begun, done, planned, undone, entry("gone")), newer).entries
    assert {item.name: item.phase for item in found.values()} == {
        "begun": Phase.PATCH,
        "done": Phase.DONE,
        "new": Phase.PLANNED,
        "planned": Phase.PLANNED,
        "undone": Phase.PLANNED,
    }
    assert found["shop/deployment/planned"].patch == {"spec": {}}


def test_what_was_undone_by_others_is_planned_again_and_knows_what_was_before() -> None:
    done = replace(entry("cart", Phase.DONE), account_before={}, patch_back={"spec": None})
    (found,) = state.merged(of(done), {state.key(done.ref): entry("cart")}).entries.values()
    assert (found.phase, found.account_before, found.patch_back) == (Phase.PLANNED, {}, None)


def test_what_was_before_belongs_to_one_service_account() -> None:
    done = replace(entry("cart", Phase.DONE), account_before={})
    other = replace(entry("cart"), account={"metadata": {"name": "cart-deployment"}})
    (found,) = state.merged(of(done), {state.key(done.ref): other}).entries.values()
    assert found.account_before is None


def test_under_way_is_what_was_begun_and_has_not_ended() -> None:
    ended = {Phase.PLANNED, Phase.DONE, Phase.UNDONE}
    for phase in Phase:
        assert entry(phase=phase).is_under_way == (phase not in ended)

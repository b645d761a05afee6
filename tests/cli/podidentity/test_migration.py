"""A workload at a time: done, proven, and taken back where it fails; in the process."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from azwi_cli import errors, kube
from azwi_cli.podidentity import api, changes, plan, reading, state
from azwi_cli.podidentity.migration import Migration
from azwi_cli.podidentity.state import Entry, Phase, State
from azwi_cli.podidentity.store import Store
from azwi_testing.podidentity import OTHER, Server, account, binding, deployment, identity, place

RESOURCE = "https://management.azure.com/"
CART = place(deployment("cart"))
ACCOUNT = place(account("cart"))


@pytest.fixture
def migration(server: Server, kubeconfig: Path, tmp_path: Path) -> Iterator[Migration]:
    store = Store(tmp_path / "m", State(server.url))
    with kube.Cluster(kubeconfig).session() as client:
        yield Migration(api.Api(client, server.url), store, timeout=0.3, pause=0.01)


@pytest.fixture
def entries(server: Server, kubeconfig: Path, migration: Migration) -> Callable[[], list[Entry]]:
    """What is planned for the cluster as it is now."""
    server.put(identity("cart"), binding("cart"))

    def made() -> list[Entry]:
        facts = reading.of_cluster(kube.Cluster(kubeconfig), "shop")
        found = changes.entries(plan.plan(facts, plan.Options()), RESOURCE)
        migration.store.state = state.merged(migration.store.state, found)
        return [*migration.store.state.entries.values()]

    return made


Entries = Callable[[], list[Entry]]


def test_it_is_done_step_by_step_and_proven(
    server: Server, migration: Migration, entries: Entries
) -> None:
    server.put(deployment("cart"))
    (entry,) = entries()
    ended = migration.forward(entry)
    assert (ended.phase, ended.why) == (Phase.DONE, "pod cart-2 got its token")
    template = server.objects[CART]["spec"]["template"]
    assert template["spec"]["serviceAccountName"] == "cart"
    assert template["metadata"]["labels"]["azure.workload.identity/use"] == "true"
    assert server.objects[ACCOUNT]["metadata"]["labels"]["azure.workload.identity/use"] == "true"


def test_taking_it_back_leaves_nothing(
    server: Server, migration: Migration, entries: Entries
) -> None:
    server.put(deployment("cart"), deployment("own", account="own"), account("own"))
    before = server.stored()
    for entry in entries():
        migration.forward(entry)
    assert server.stored() != before
    for entry in [*migration.store.state.entries.values()]:
        assert migration.back(entry, "asked").phase is Phase.UNDONE
    after = server.stored()
    for thing in after.values():  # what was empty may be there and empty
        metadata = thing["spec"]["template"]["metadata"] if "spec" in thing else thing["metadata"]
        for part in ("annotations", "labels"):
            if metadata.get(part) == {}:
                del metadata[part]
    assert after == before


@pytest.mark.parametrize(
    ("broken", "says"),
    [
        ("tokens", "gets no token: AADSTS700213"),
        ("rolls_out", "does not end"),
        ("injects", "did not give its pods the sidecar"),
    ],
)
def test_what_fails_is_taken_back_and_says_why(
    broken: str, says: str, server: Server, migration: Migration, entries: Entries
) -> None:
    server.put(deployment("cart"))
    before = server.objects[CART]["spec"]["template"]["metadata"]["labels"].copy()
    (entry,) = entries()
    setattr(server, broken, False)
    ended = migration.forward(entry)
    assert ended.phase is Phase.UNDONE
    assert says in ended.why
    assert ACCOUNT not in server.objects
    assert server.objects[CART]["spec"]["template"]["metadata"]["labels"] == before


@pytest.mark.parametrize(
    ("method", "part"), [("POST", "serviceaccounts"), ("PATCH", "deployments")]
)
@pytest.mark.parametrize("status", [403, 422])
def test_a_refusal_is_a_failure_and_what_was_made_before_it_goes(
    status: int, method: str, part: str, server: Server, migration: Migration, entries: Entries
) -> None:
    server.put(deployment("cart"))
    (entry,) = entries()
    server.fault = lambda asked, path: status if asked == method and part in path else 0
    ended = migration.forward(entry)
    assert ended.phase is Phase.UNDONE
    assert f"fault {status}" in ended.why
    assert ACCOUNT not in server.objects


def test_a_server_that_is_away_is_an_interruption(
    server: Server, migration: Migration, entries: Entries, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    server.put(deployment("cart"))
    (entry,) = entries()
    server.fault = lambda method, path: 500 if method == "PATCH" else 0
    with pytest.raises(errors.Unavailable):
        migration.forward(entry)
    (left,) = migration.store.state.entries.values()
    assert left.phase is Phase.PATCH
    server.fault = lambda method, path: 0
    assert migration.forward(left).phase is Phase.DONE


def test_a_login_that_ends_is_an_interruption(
    server: Server, migration: Migration, entries: Entries
) -> None:
    server.put(deployment("cart"))
    (entry,) = entries()
    server.fault = lambda method, path: 401 if "/log" in path or method == "PATCH" else 0
    for phase in (Phase.PATCH, Phase.ROLLOUT):
        with pytest.raises(errors.NoLogin, match="Log in again"):
            migration.forward(migration.store.state.entries.get(state.key(entry.ref), entry))
        (left,) = migration.store.state.entries.values()
        assert left.phase is phase
        server.fault = lambda method, path: 401 if "/log" in path else 0
    server.fault = lambda method, path: 0
    assert migration.forward(left).phase is Phase.DONE


@pytest.mark.parametrize("status", [400, 404])
def test_a_pod_that_has_no_log_yet_or_no_more_proves_nothing_against_the_workload(
    status: int, server: Server, migration: Migration, entries: Entries
) -> None:
    server.put(deployment("cart"))
    (entry,) = entries()
    answers = [status, 0]
    server.fault = lambda method, path: answers.pop(0) if "/log" in path else 0
    assert migration.forward(entry).phase is Phase.DONE


@pytest.mark.parametrize("name", ["cart", "own"])
def test_a_service_account_that_has_become_anothers_is_not_changed(
    name: str, server: Server, migration: Migration, entries: Entries
) -> None:
    """Since the plan was made, or because it might not be read then."""
    server.put(deployment("cart", account="own" if name == "own" else ""), account("own"))
    (entry,) = entries()
    theirs = account(name)
    theirs["metadata"]["annotations"] = {"azure.workload.identity/client-id": OTHER}
    server.put(theirs)
    ended = migration.forward(entry)
    assert ended.phase is Phase.UNDONE
    assert f"has the client ID {OTHER} already" in ended.why
    assert server.objects[place(theirs)] == theirs


def test_a_deployment_that_failed_before_is_waited_for_as_any_other(
    server: Server, migration: Migration, entries: Entries
) -> None:
    """Its old condition stands until its controller has seen the change."""
    server.put(deployment("cart"))
    (entry,) = entries()
    server.rolls_out = False
    status = server.objects[CART]["status"]
    status["conditions"] = [{"reason": "ProgressDeadlineExceeded", "message": "it timed out"}]

    def after(count: int) -> None:
        thing = server.objects[CART]
        seen = [path for method, path in server.asked if method == "GET" and path == CART]
        if thing["metadata"]["generation"] == 2 and len(seen) == 3:
            server.roll_out(CART)

    server.after = after
    assert replace(migration, timeout=30).forward(entry).phase is Phase.DONE


def test_a_workload_that_has_gone_leaves_no_service_account(
    server: Server, migration: Migration, entries: Entries
) -> None:
    server.put(deployment("cart"))
    (entry,) = entries()
    del server.objects[CART]
    assert migration.forward(entry).phase is Phase.UNDONE
    assert ACCOUNT not in server.objects


def test_a_shared_account_stays_as_long_as_one_of_its_workloads_is_migrated(
    server: Server, migration: Migration, entries: Entries
) -> None:
    server.put(account("shared"))
    server.put(deployment("a", account="shared"), deployment("b", account="shared"))
    for entry in entries():
        migration.forward(entry)
    shared = server.objects[place(account("shared"))]["metadata"]
    first, second = migration.store.state.entries.values()
    migration.back(first, "asked")
    assert server.objects[place(account("shared"))]["metadata"]["annotations"]
    migration.back(second, "asked")
    assert shared["annotations"]
    assert server.objects[place(account("shared"))]["metadata"]["annotations"] == {}


def test_who_may_not_read_logs_has_no_proof_and_is_told(
    server: Server, migration: Migration, entries: Entries
) -> None:
    server.put(deployment("cart"))
    (entry,) = entries()
    server.fault = lambda method, path: 403 if "/log" in path else 0
    ended = migration.forward(entry)
    assert (ended.phase, ended.why) == (
        Phase.DONE,
        "not proven: you may not read the logs of its pods",
    )


def test_without_pods_nothing_is_proven_and_that_is_said(
    server: Server, migration: Migration, entries: Entries
) -> None:
    server.put(
        {
            "apiVersion": "batch/v1",
            "kind": "CronJob",
            "metadata": {"name": "night", "namespace": "shop"},
            "spec": {"jobTemplate": {"spec": {"template": deployment("x")["spec"]["template"]}}},
        }
    )
    (entry,) = entries()
    assert migration.forward(entry).why == "no pod runs, so nothing is proven"

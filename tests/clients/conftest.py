"""A pod for each mode, all clients in it: what was selected starts together, tests wait for theirs.

A toolchain that the machine lacks skips its rows; with CI=true that is a failure.
"""

import contextlib
import os
from collections.abc import Iterator

import pytest

from azwi_clients import environments, page
from azwi_clients.plan import Mode, Run, runs_of, told_runs_of
from azwi_clients.pods import ClientPod, client_pod
from azwi_clients.runs import Outcome, Runs
from azwi_clients.table import CLIENTS
from azwi_demo.pod import may_make_pods

LONGEST = 2400  # seconds: the first test waits until everything is installed, cold
_OUTCOMES = pytest.StashKey[dict[Run, Outcome]]()


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker that `make test` leaves out."""
    config.addinivalue_line(
        "markers", "slow_clients: needs clients that are installed first; make test-clients"
    )
    config.stash[_OUTCOMES] = {}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what `make test` leaves out, before -m selects."""
    for item in items:
        if run := _run_of(item):
            item.add_marker(pytest.mark.netns)
            item.add_marker(pytest.mark.timeout(LONGEST))
            if not run.client.quick:
                item.add_marker(pytest.mark.slow_clients)


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Write docs/clients.md where every run of every client was seen and judged good."""
    outcomes = session.config.stash[_OUTCOMES]
    everything = {run for client in CLIENTS for run in (*runs_of(client), *told_runs_of(client))}
    if exitstatus == 0 and everything <= outcomes.keys():
        page.FILE.write_text(page.text(outcomes))


def _run_of(item: pytest.Item) -> Run | None:
    specification = getattr(item, "callspec", None)
    run = specification.params.get("run") if specification else None
    return run if isinstance(run, Run) else None


@pytest.fixture(scope="session")
def all_runs(request: pytest.FixtureRequest) -> Iterator[Runs]:
    """Every run that a selected test waits for, started."""
    planned = dict.fromkeys(run for item in request.session.items if (run := _run_of(item)))
    able = [run for run in planned if not environments.missing(run.client)]
    clients = list(dict.fromkeys(run.client for run in able))
    folders = environments.make(clients)
    with contextlib.ExitStack() as stack:
        pods: dict[Mode, ClientPod] = {}
        for mode in dict.fromkeys(run.mode for run in able):
            theirs = [run for run in able if run.mode == mode]
            pods[mode] = stack.enter_context(client_pod(mode, theirs, folders.values()))
        runs = Runs(pods, folders, able)
        try:
            yield runs
        finally:
            runs.close()


@pytest.fixture(scope="session")
def may_run() -> bool:
    """Whether this user may make a pod."""
    return may_make_pods()


@pytest.fixture
def outcome(run: Run, may_run: bool, request: pytest.FixtureRequest) -> Outcome:
    """What the test's run came to."""
    rootless = "" if may_run else "needs root, to make network namespaces of its own"
    if lacking := rootless or environments.missing(run.client):
        if os.environ.get("CI") == "true":
            pytest.fail(f"{lacking}; in CI no client may be left out", pytrace=False)
        pytest.skip(lacking)
    runs: Runs = request.getfixturevalue("all_runs")
    seen = runs.of(run)
    request.config.stash[_OUTCOMES][run] = seen
    return seen

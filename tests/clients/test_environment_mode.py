"""Unchanged clients in environment mode: no redirect, only variables, and the node's IMDS in reach.

The token of the pod's identity can come from the proxy, or from Entra ID by the app's own service
account token, which Entra ID knows from the proxy's. What the node gives away is no such token.
"""

from collections.abc import Callable
from pathlib import Path

import pytest

from azwi_clients.plan import (
    AZURE_MSI,
    HOST,
    TOKENS,
    Run,
    Scenario,
    Told,
    is_served,
    source,
    told_runs_of,
)
from azwi_clients.pods import variables
from azwi_clients.runs import Outcome
from azwi_clients.table import CLIENTS
from azwi_testing.admission import SECRET, admitted, container, values, with_sidecar

ALL = [run for client in CLIENTS for run in told_runs_of(client)]
AT_ONCE = 5.0  # seconds, on a busy machine: SDKs that meet no answer lose 24 and more


def runs_where(condition: Callable[[Run], bool]) -> pytest.MarkDecorator:
    chosen = [run for run in ALL if condition(run)]
    return pytest.mark.parametrize("run", chosen, ids=lambda run: run.slug)


def asks_for_a_token(run: Run) -> bool:
    return run.scenario in TOKENS


def assert_right(run: Run, outcome: Outcome) -> None:
    for call in outcome.calls:
        assert call.error == ""
        assert call.claims["aud"] == run.resource
        assert call.claims["iss"].endswith(f"/{call.claims['tid']}/v2.0")
        assert call.claims["appid"] == outcome.client_id


@runs_where(lambda run: asks_for_a_token(run) and source(run) == "proxy")
def test_a_client_gets_its_token_from_the_proxy_that_its_variables_name(
    run: Run, outcome: Outcome
) -> None:
    assert_right(run, outcome)
    assert outcome.itself == 0
    assert outcome.at_node == ()
    assert outcome.exchanges


@runs_where(lambda run: asks_for_a_token(run) and source(run) == "proxy" and run.calls == 2)
def test_a_second_client_makes_no_second_exchange(run: Run, outcome: Outcome) -> None:
    assert len(outcome.calls) == 2
    assert set(outcome.exchanges.values()) == {1}


@runs_where(lambda run: asks_for_a_token(run) and run.calls == 2 and source(run) == "proxy")
def test_the_first_token_comes_at_once(run: Run, outcome: Outcome) -> None:
    assert outcome.calls[0].seconds < AT_ONCE + run.client.slow


@runs_where(lambda run: asks_for_a_token(run) and source(run) == "Entra ID")
def test_with_the_variables_of_workload_identity_some_clients_ask_entra_id_themselves(
    run: Run, outcome: Outcome
) -> None:
    assert_right(run, outcome)
    assert outcome.itself >= 1
    assert outcome.at_node == ()


@runs_where(lambda run: is_served(run.client) and source(run) in ("nowhere", "refused"))
def test_variables_that_a_client_does_not_honour_get_it_no_token(
    run: Run, outcome: Outcome
) -> None:
    assert [call.claims for call in outcome.calls] == [{}] * len(outcome.calls)


@runs_where(lambda run: not is_served(run.client))
def test_a_client_that_honours_no_variable_asks_the_node_and_needs_the_redirect(
    run: Run, outcome: Outcome
) -> None:
    assert [call.claims for call in outcome.calls] == [{}] * len(outcome.calls)
    got_a_token = not outcome.calls[0].error  # what a form asks for is not seen in the node's line
    assert outcome.at_node or got_a_token


@runs_where(lambda run: run.scenario is Scenario.REFUSED)
def test_a_permanent_error_surfaces_at_once_with_our_sentence(run: Run, outcome: Outcome) -> None:
    (call,) = outcome.calls
    assert call.seconds < AT_ONCE + run.client.slow + run.client.stubborn
    assert "AADSTS70021" in call.error
    assert "Create or correct the federated identity credential of" in call.error
    assert outcome.client_id in call.error


@runs_where(lambda run: run.scenario is Scenario.UNAVAILABLE)
def test_a_503_heals_inside_the_clients_patience_or_by_its_next_call(
    run: Run, outcome: Outcome
) -> None:
    *failed, last = outcome.calls
    assert last.claims["appid"] == outcome.client_id
    assert max(outcome.exchanges.values()) >= 2  # the fault was met
    assert not failed or run.scenario in run.client.next_call or run.client.gives_up
    assert last.seconds < 30 + run.client.slow


@pytest.mark.parametrize(
    ("told", "annotations"),
    [
        (Told.WITH_AZURE, {}),
        (Told.WEBHOOK, {"proxy-only": "true"}),
        (Told.NEW, {"proxy-msi-endpoint": "false", "proxy-only": "true"}),
    ],
)
def test_what_an_app_is_told_here_is_what_the_webhook_sets(
    told: Told, annotations: dict[str, str]
) -> None:
    mode = {"proxy-mode": "environment", **annotations}
    set_by_webhook = values(container(admitted(with_sidecar(mode)), "app"))
    announced = {"authorityHost": "a", "tenantId": "t", "clientId": "c"}
    here = variables(told, announced, SECRET, Path("file"))
    assert here.keys() == set_by_webhook.keys()
    differ = {name for name, value in here.items() if set_by_webhook[name] != value}
    assert all(name.startswith("AZURE_") for name in differ)
    assert not {HOST, AZURE_MSI} & differ


def test_every_client_has_a_run_with_what_the_webhook_sets() -> None:
    told = {run.client for run in ALL if run.told is Told.WEBHOOK}
    assert told == set(CLIENTS)

"""Unchanged clients of every language get their tokens through the real redirect."""

import pytest

from azwi_clients.plan import TOKENS, TRANSIENT, Run, Scenario, runs_of
from azwi_clients.runs import Outcome
from azwi_clients.table import CLIENTS

ALL = [run for client in CLIENTS for run in runs_of(client)]
AT_ONCE = 5.0  # seconds, on a busy machine: SDKs that meet no answer lose 24 and more


def runs_in(*scenarios: Scenario) -> pytest.MarkDecorator:
    chosen = [run for run in ALL if run.scenario in scenarios]
    return pytest.mark.parametrize("run", chosen, ids=lambda run: run.slug)


@runs_in(*TOKENS)
def test_a_client_gets_a_token_with_the_right_claims(run: Run, outcome: Outcome) -> None:
    for call in outcome.calls:
        assert call.error == ""
        assert call.claims["aud"] == run.resource
        assert call.claims["iss"].endswith(f"/{call.claims['tid']}/v2.0")
        assert call.claims["appid"] == outcome.client_id


@runs_in(*TOKENS)
def test_a_second_client_makes_no_second_exchange(run: Run, outcome: Outcome) -> None:
    assert len(outcome.calls) == 2
    assert set(outcome.exchanges.values()) == {1}


@runs_in(Scenario.DEFAULT)
def test_the_first_token_comes_at_once_whatever_the_client_probes(
    run: Run, outcome: Outcome
) -> None:
    assert outcome.calls[0].seconds < AT_ONCE + run.client.slow


@runs_in(Scenario.REFUSED)
def test_a_permanent_error_surfaces_at_once_with_our_sentence(run: Run, outcome: Outcome) -> None:
    (call,) = outcome.calls
    assert call.seconds < AT_ONCE + run.client.slow + run.client.stubborn
    if run.client.instead:
        assert run.client.instead in call.error
        assert "AADSTS" not in call.error  # once it is shown, the row says too little
        return
    assert "AADSTS70021" in call.error
    assert "Create or correct the federated identity credential of" in call.error
    assert outcome.client_id in call.error


@runs_in(*TRANSIENT)
def test_a_transient_error_heals_inside_the_clients_patience(run: Run, outcome: Outcome) -> None:
    *failed, last = outcome.calls
    assert last.claims["appid"] == outcome.client_id
    assert max(outcome.exchanges.values()) >= 2  # the fault was met
    assert not failed or run.scenario in run.client.next_call
    assert last.seconds < 30 + run.client.slow

"""What happens around every handler, whatever it serves."""

from http.client import IncompleteRead
from typing import TYPE_CHECKING

import pytest

from azwi_emulator.messages import Fault
from azwi_testing import Emulator

if TYPE_CHECKING:
    from tests.emulator.conftest import Entra


def test_token_requests_and_calls_are_recorded_apart(entra: "Entra", emulator: Emulator) -> None:
    entra.graph("GET", "/applications")
    (exchange,), (call,) = emulator.control.exchanges(), emulator.control.calls()
    assert (exchange.status, exchange.aadsts) == (200, None)
    assert (call.api, call.status, call.code) == ("graph", 200, None)


def test_a_request_without_an_answer_is_recorded_without_a_status(
    entra: "Entra", emulator: Emulator
) -> None:
    sent = entra.bearer("https://management.azure.com")
    emulator.control.fault(Fault(kind="reset", at=("arm",), times=1))
    with pytest.raises(OSError):
        entra.ask("/arm/subscriptions?api-version=2022-12-01", headers=sent)
    (call,) = emulator.control.calls()
    assert (call.status, call.faults) == (None, ("reset",))


def test_faults_of_the_token_endpoint_do_not_reach_graph_and_arm(
    entra: "Entra", emulator: Emulator
) -> None:
    sent = entra.bearer("https://graph.microsoft.com")
    emulator.control.fault(Fault(kind="throttle"))
    assert entra.ask("/graph/v1.0/applications", headers=sent).status == 200
    assert entra.token().status == 429


def test_a_write_may_happen_although_its_answer_is_lost(entra: "Entra", emulator: Emulator) -> None:
    emulator.control.fault(Fault(kind="truncate", at=("arm",), times=1))
    with pytest.raises(IncompleteRead):
        entra.arm("PUT", f"{entra.group}2", {"location": "westeurope"})
    assert entra.arm("GET", f"{entra.group}2").status == 200

"""Which faults a request meets."""

import pytest

from azwi_emulator import errors
from azwi_emulator.faults import MOST_FAULTS, Faults
from azwi_emulator.messages import Fault

HANG = Fault(kind="hang")
SLOW = Fault(kind="latency", seconds=1)


def test_a_fault_lasts_until_it_is_cleared() -> None:
    faults = Faults()
    faults.put("f", HANG)
    assert faults.take("token") == faults.take("token") == {"f": HANG}
    faults.clear("f")
    assert faults.take("token") == {}


def test_a_fault_with_times_heals_after_so_many_requests() -> None:
    faults = Faults()
    fault = Fault(kind="hang", times=2)
    faults.put("f", fault)
    assert [bool(faults.take("token")) for _ in range(3)] == [True, True, False]
    assert faults.listed() == {"f": (fault, 0)}


def test_faults_with_times_happen_one_after_the_other() -> None:
    faults = Faults()
    faults.put("first", Fault(kind="answer", status=503, times=1))
    faults.put("second", Fault(kind="throttle", times=1))
    assert [list(faults.take("token")) for _ in range(3)] == [["first"], ["second"], []]


def test_latency_adds_to_any_other_fault() -> None:
    faults = Faults()
    faults.put("hang", HANG)
    faults.put("slow", SLOW)
    assert faults.take("token") == {"hang": HANG, "slow": SLOW}


def test_a_fault_is_met_only_where_it_applies() -> None:
    faults = Faults()
    faults.put("f", Fault(kind="hang", at=("metadata", "issuer")))
    assert [bool(faults.take(place)) for place in ("token", "metadata", "issuer", "keys")] == [
        False, True, True, False,
    ]  # fmt: skip


def test_a_fault_may_be_for_one_client_or_tenant() -> None:
    faults = Faults()
    faults.put("client", Fault(kind="hang", client_id="ONE"))
    faults.put("tenant", Fault(kind="reset", tenant_id="T"))
    assert list(faults.take("token", tenant_id="x", client_id="one")) == ["client"]
    assert list(faults.take("token", tenant_id="t", client_id="two")) == ["tenant"]
    assert faults.take("token", tenant_id="x", client_id="two") == {}


def test_a_fault_of_the_server_is_met_by_no_single_request() -> None:
    faults = Faults()
    faults.put("f", Fault(kind="refuse"))
    assert faults.take("token") == {}
    assert faults.server_fault("refuse")
    faults.clear_all()
    assert faults.server_fault("refuse") is None


def test_the_last_skew_counts() -> None:
    faults = Faults()
    assert faults.skew() == 0
    faults.put("a", Fault(kind="skew", seconds=5))
    faults.put("b", Fault(kind="skew", seconds=-5))
    assert faults.skew() == -5


def test_a_healed_fault_still_holds_who_met_it_until_it_is_cleared_or_replaced() -> None:
    faults = Faults()
    fault = Fault(kind="hang", times=1)
    faults.put("f", fault)
    faults.take("token")
    assert faults.holds("f", fault)
    faults.put("f", Fault(kind="hang"))
    assert not faults.holds("f", fault)


def test_a_forgotten_pile_of_faults_is_refused() -> None:
    faults = Faults()
    for number in range(MOST_FAULTS):
        faults.put(str(number), HANG)
    faults.put("0", SLOW)
    with pytest.raises(errors.RequestRefused, match="clear some"):
        faults.put("one more", HANG)


def test_a_request_may_be_at_several_places() -> None:
    faults = Faults()
    faults.put("f", Fault(kind="concurrent", at=("credentials",)))
    assert faults.take("arm") == {}
    assert list(faults.take("arm", "credentials")) == ["f"]


def test_the_lag_is_that_of_the_fault_that_was_set_last() -> None:
    faults = Faults()
    assert faults.lag() is None
    faults.put("one", Fault(kind="lag", seconds=1))
    faults.put("two", Fault(kind="lag", seconds=2))
    assert faults.lag() == 2
    assert faults.take("arm") == {}


def test_a_fault_with_after_spares_the_first_requests() -> None:
    faults = Faults()
    faults.put("f", Fault(kind="hang", after=2, times=1))
    assert [bool(faults.take("token")) for _ in range(4)] == [False, False, True, False]

"""Which backend is chosen, and when what is there counts as set."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

import pytest

from azwi_init import apply, errors, rules

NO_NFT = errors.NotSupported("nf_tables does not work here", "load nf_tables")
NO_LEGACY = errors.NotSupported("iptables-legacy does not work here", "load iptable_nat")
NO_ADMIN = errors.NotPermitted("nf_tables refuses this container", "add NET_ADMIN")
NO_RAW = errors.NotPermitted("iptables-legacy opens a raw socket", "add NET_RAW")


@dataclass
class Kernel:
    """One interface of a kernel, with what is set there."""

    name: str
    now: rules.Plan = ()
    takes: bool = True
    """False: says that it took a plan, and holds none."""
    calls: list[str] = field(default_factory=list)

    def holds(self, plan: rules.Plan) -> bool:
        return self.now == plan

    def replace(self, plan: rules.Plan) -> None:
        self.calls.append("replace")
        if self.takes:
            self.now = plan

    def remove(self) -> bool:
        self.calls.append("remove")
        there, self.now = bool(self.now), ()
        return there


def openers(nft: Kernel | errors.InitError, legacy: Kernel | errors.InitError) -> apply.Openers:
    def opener(found: Kernel | errors.InitError) -> Callable[[], apply.Backend]:
        def open_it() -> apply.Backend:
            if isinstance(found, errors.InitError):
                raise found
            return found

        return open_it

    return {"nft": opener(nft), "legacy": opener(legacy)}


def test_auto_uses_nft_where_it_works(plan: rules.Plan) -> None:
    nft, legacy = Kernel("nft"), Kernel("legacy")

    applied = apply.apply(plan, "auto", openers(nft, legacy))

    assert applied == apply.Applied("nft", changed=True)
    assert (nft.now, legacy.calls) == (plan, [])


def test_auto_uses_legacy_where_nft_has_no_support(plan: rules.Plan) -> None:
    legacy = Kernel("legacy")

    applied = apply.apply(plan, "auto", openers(NO_NFT, legacy))

    assert applied == apply.Applied("legacy", changed=True)


def test_auto_does_not_try_legacy_for_want_of_a_capability(plan: rules.Plan) -> None:
    legacy = Kernel("legacy")

    with pytest.raises(errors.NotPermitted, match="add NET_ADMIN"):
        apply.apply(plan, "auto", openers(NO_ADMIN, legacy))

    assert legacy.calls == []


def test_where_only_legacy_would_work_without_net_raw_the_sentence_says_so(
    plan: rules.Plan,
) -> None:
    with pytest.raises(errors.NotPermitted) as caught:
        apply.apply(plan, "auto", openers(NO_NFT, NO_RAW))

    assert str(caught.value) == (
        "only iptables-legacy can work: nf_tables does not work here;"
        " iptables-legacy opens a raw socket: add NET_RAW."
    )


def test_where_neither_works_the_sentence_names_both(plan: rules.Plan) -> None:
    with pytest.raises(errors.NotSupported) as caught:
        apply.apply(plan, "auto", openers(NO_NFT, NO_LEGACY))

    assert str(caught.value) == (
        "nf_tables does not work here; iptables-legacy does not work here:"
        " load nf_tables; or load iptable_nat."
    )


@pytest.mark.parametrize(("mode", "other"), [("nft", NO_NFT), ("legacy", NO_LEGACY)])
def test_a_mode_that_is_asked_for_is_not_replaced_by_another(
    plan: rules.Plan, mode: Literal["nft", "legacy"], other: errors.NotSupported
) -> None:
    found = (
        openers(NO_NFT, Kernel("legacy")) if mode == "nft" else openers(Kernel("nft"), NO_LEGACY)
    )

    with pytest.raises(errors.NotSupported) as caught:
        apply.apply(plan, mode, found)

    assert caught.value is other


def test_a_plan_that_is_there_already_is_not_touched(plan: rules.Plan) -> None:
    nft = Kernel("nft", plan)

    assert apply.apply(plan, "auto", openers(nft, NO_LEGACY)) == apply.Applied("nft", changed=False)
    assert nft.calls == []


def test_rules_that_cannot_be_read_back_are_a_failure(plan: rules.Plan) -> None:
    with pytest.raises(errors.NotApplied, match="read back through nft are not the ones"):
        apply.apply(plan, "auto", openers(Kernel("nft", takes=False), NO_LEGACY))


def test_legacy_removes_our_nft_table_which_would_win_over_it(plan: rules.Plan) -> None:
    nft = Kernel("nft", plan[1:])

    apply.apply(plan, "legacy", openers(nft, Kernel("legacy")))

    assert nft.now == ()


def test_cleaning_up_removes_what_either_backend_holds(plan: rules.Plan) -> None:
    found = openers(Kernel("nft", plan), Kernel("legacy", plan))

    assert apply.clean_up(lambda: True, found) == ["nft", "legacy"]
    assert apply.clean_up(lambda: True, found) == []


def test_cleaning_up_asks_nothing_of_a_backend_that_cannot_hold_anything() -> None:
    assert apply.clean_up(lambda: False, openers(NO_NFT, NO_RAW)) == []


def test_cleaning_up_fails_where_it_may_not_look() -> None:
    with pytest.raises(errors.NotPermitted):
        apply.clean_up(lambda: True, openers(NO_NFT, NO_RAW))


@pytest.mark.netns
def test_nft_rules_decide_over_legacy_rules_that_an_earlier_run_left(pod: Any) -> None:
    assert pod.init(AZWI_IPTABLES_MODE="legacy").code == 0
    assert pod.init(AZWI_IPTABLES_MODE="nft", PROXY_PORT="8100").code == 0
    pod.serve("127.0.0.1:8000:old", "127.0.0.1:8100:new", "169.254.169.254:80:imds")

    assert [pod.ask(), pod.ask(uid=1501)] == ["new", "imds"]


@pytest.mark.netns
def test_a_run_in_legacy_mode_replaces_the_rules_of_a_run_with_nft(pod: Any) -> None:
    assert pod.init(AZWI_IPTABLES_MODE="nft", PROXY_PORT="8100").code == 0
    assert pod.init(AZWI_IPTABLES_MODE="legacy").code == 0

    assert pod.ruleset() == ""
    assert "--to-ports 8000" in pod.legacy()


@pytest.mark.netns
def test_cleaning_up_is_fine_where_nothing_is_and_leaves_no_trace(pod: Any) -> None:
    outcome = pod.init("--cleanup", caps="net_admin")

    assert (outcome.code, outcome.lines[0]["backends"]) == (0, [])
    assert pod.ruleset() == ""
    assert pod.do("cat", "/proc/net/ip_tables_names") == ""


@pytest.mark.netns
def test_cleaning_up_removes_the_rules_of_both_backends(pod: Any) -> None:
    assert pod.init(AZWI_IPTABLES_MODE="legacy").code == 0
    assert pod.init(AZWI_IPTABLES_MODE="nft").code == 0

    outcome = pod.init("--cleanup")

    assert outcome.lines[0]["backends"] == ["nft", "legacy"]
    assert pod.ruleset() == ""
    assert "AZWI" not in pod.legacy()


@pytest.mark.netns
@pytest.mark.parametrize("mode", ["nft", "legacy"])
def test_connections_that_run_meanwhile_never_see_a_gap(pod: Any, mode: str) -> None:
    pod.serve("169.254.169.254:80:imds", "127.0.0.1:8000:azwi-proxy", "127.0.0.1:8100:azwi-proxy")
    assert pod.init(AZWI_IPTABLES_MODE=mode).code == 0

    with pod.traffic(seconds=0.8) as answers:
        codes = [
            pod.init(AZWI_IPTABLES_MODE=mode, PROXY_PORT=port).code for port in ("8100", "8000") * 2
        ]

    assert codes == [0, 0, 0, 0]
    assert len(answers) > 20
    assert set(answers) == {"azwi-proxy"}

"""The plan spelled for nf_tables."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from azwi_init import findings, nft, rules

NOBODY = rules.plan(ip="169.254.169.254", port=80, proxy_port=8000, exempt_uid=None)


def listing(golden: Path) -> dict[str, Any]:
    """What libnftables 1.0.6 lists after loading golden/default.nft."""
    loaded: dict[str, Any] = json.loads((golden / "default.listing.json").read_text())
    return loaded


def test_the_plan_is_spelled_as_in_the_golden_file(plan: rules.Plan, golden: Path) -> None:
    assert nft.load(plan) == (golden / "default.nft").read_text()


def test_no_user_is_exempt_in_the_golden_file_of_a_proxy_that_forwards_nothing(
    golden: Path,
) -> None:
    assert nft.load(NOBODY) == (golden / "nobody_exempt.nft").read_text()


@pytest.mark.netns
@pytest.mark.parametrize("name", ["default.nft", "nobody_exempt.nft"])
def test_the_kernel_accepts_the_golden_file_and_lists_it_letter_for_letter(
    pod: Any, golden: Path, name: str
) -> None:
    text = (golden / name).read_text()

    pod.do("nft", "-f", "-", given=text)

    assert pod.ruleset() == text.removeprefix(nft.REMOVE)


def test_the_listing_of_the_golden_file_shows_its_plan(plan: rules.Plan, golden: Path) -> None:
    assert nft.shows(json.dumps(listing(golden)), plan)


def other_priority(items: list[Any]) -> None:
    items[2]["chain"]["prio"] = -100


def dropping_policy(items: list[Any]) -> None:
    items[2]["chain"]["policy"] = "drop"


def no_chain(items: list[Any]) -> None:
    del items[2]


def second_chain(items: list[Any]) -> None:
    items.append({"chain": items[2]["chain"] | {"name": "prerouting"}})


def no_exempt_user(items: list[Any]) -> None:
    del items[3]


def other_order(items: list[Any]) -> None:
    items[3], items[4] = items[4], items[3]


def additional_rule(items: list[Any]) -> None:
    items.append({"rule": {"comment": "theirs", "expr": [{"drop": None}]}})


def other_port(items: list[Any]) -> None:
    items[4]["rule"]["expr"][-1] = {"redirect": {"port": 8001}}


def sleeping(items: list[Any]) -> None:
    items[1]["table"]["flags"] = "dormant"


def no_comment(items: list[Any]) -> None:
    del items[4]["rule"]["comment"]


@pytest.mark.parametrize(
    "change",
    [
        other_priority,
        dropping_policy,
        no_chain,
        second_chain,
        no_exempt_user,
        other_order,
        additional_rule,
        other_port,
        sleeping,
        no_comment,
    ],
)
def test_a_listing_with_anything_changed_does_not_show_the_plan(
    plan: rules.Plan, golden: Path, change: Callable[[list[Any]], None]
) -> None:
    changed = listing(golden)

    change(changed["nftables"])

    assert not nft.shows(json.dumps(changed), plan)


@pytest.mark.parametrize("flags", ["flags owner\n", "flags dormant, owner\n"])
def test_flags_of_a_table_are_seen_in_its_text(golden: Path, flags: str) -> None:
    text = (golden / "default.nft").read_text().removeprefix(nft.REMOVE)

    assert not nft.has_flags(text)
    assert nft.has_flags(text.replace("{\n", "{\n\t" + flags, 1))


def test_a_listing_that_cannot_be_read_does_not_show_the_plan(plan: rules.Plan) -> None:
    broken = '{"nftables": [{"table": {"family": "ip", "name": "azwi", "flags": \n'

    assert not nft.shows(broken, plan)


FOREIGN = """table ip azwi {
	chain output {
		type nat hook output priority -101; policy accept;
		ip daddr 169.254.169.254 tcp dport 80 redirect to :8000 comment "azwi: notrack"
	}
}
table ip6 six {
	chain o {
		type filter hook output priority 0; policy drop;
	}
}
table inet guard {
	flags owner
	set hosts {
		type ipv4_addr
		elements = { 10.0.0.1 }
	}

	chain helper {
		ip daddr 10.0.0.1 notrack
	}

	chain other {
		ip daddr 10.0.0.1 accept comment "notrack"
	}

	chain out {
		type nat hook output priority -150; policy accept;
		jump helper
	}
}
table ip raw {
	chain OUTPUT {
		type filter hook output priority -300; policy drop;
		ip daddr 169.254.169.254 counter packets 0 bytes 0 xt target "CT"
	}
}
table netdev edge {
	chain in {
		type filter hook ingress device "eth0" priority 0; policy accept;
	}
}
"""


def test_the_chains_of_others_are_read_out_of_a_listing() -> None:
    guard, raw = "table inet guard", "table ip raw"

    assert nft.chains(FOREIGN) == [
        findings.Chain(table=guard, name="helper", untracks=True),
        findings.Chain(table=guard, name="out", kind="nat", hook="output", priority=-150),
        findings.Chain(
            table=raw,
            name="OUTPUT",
            kind="filter",
            hook="output",
            priority=-300,
            policy="drop",
            untracks=True,
        ),
    ]


def test_an_empty_ruleset_has_no_chains() -> None:
    assert nft.chains("") == []

"""Which sentence follows from what was seen."""

import errno

import pytest

from azwi_init import findings

IP = "169.254.169.254"
ROUTE = findings.Route(device="eth0", gateway="10.0.0.1", source="10.0.0.2")
GUARD = findings.Chain(table="table ip guard", name="out", kind="nat", hook="output", priority=-150)
RAW = findings.Chain(
    table="table ip raw", name="OUTPUT", kind="filter", hook="output", priority=-300, untracks=True
)
FILTER = findings.Chain(
    table="table inet filter", name="in", kind="filter", hook="input", policy="drop"
)


def explained(
    *chains: findings.Chain, route: findings.Route | None = ROUTE, up: bool = True, unread: str = ""
) -> tuple[str, str]:
    seen = findings.Seen(route=route, loopback_up=up, chains=chains, unread=unread)
    return findings.explained(seen, IP, -101)


@pytest.mark.parametrize(
    ("refusal", "said"),
    [
        (errno.ENETUNREACH, "no route leads to that address ("),
        (errno.EHOSTUNREACH, "a route of type unreachable covers that address"),
        (errno.EINVAL, "a route or an ip rule of type blackhole swallows what is sent"),
        (errno.EACCES, "a route or an ip rule of type prohibit forbids that address"),
    ],
)
def test_each_refusal_of_the_kernel_has_its_sentence(refusal: int, said: str) -> None:
    assert explained(route=findings.Route(refusal))[0].startswith(said)


def test_loopback_that_is_down_explains_everything() -> None:
    said, todo = explained(GUARD, route=findings.Route(errno.ENETUNREACH), up=False)

    assert said.startswith("the interface lo is down, and the redirect leads over it (route: none;")
    assert todo == "let the CNI plugin bring lo up before containers start"


def test_a_route_that_ends_a_connection_leaves_no_suspicion_on_chains() -> None:
    assert "NOTRACK" not in explained(RAW, route=findings.Route(errno.EACCES))[0]


def test_every_suspect_is_named_with_its_remedy_and_the_facts_follow() -> None:
    said, todo = explained(GUARD, RAW, FILTER)

    assert said == (
        "table ip raw, chain OUTPUT, priority -300 has a NOTRACK rule, and the kernel redirects"
        " only connections that it tracks; table ip guard, chain out, priority -150, decides before"
        " our rules; the policy of table inet filter, chain in, priority 0, drops (route: over eth0"
        " via 10.0.0.1 from 10.0.0.2; lo: up; first NAT chain: table ip guard, chain out, priority"
        " -150; policy that drops: table inet filter, chain in, priority 0)"
    )
    assert todo == (
        "except 169.254.169.254 from NOTRACK; except 169.254.169.254 from the rules that come"
        " first; accept 169.254.169.254 and 127.0.0.1 where the policy drops"
    )


def test_where_nothing_was_seen_it_says_so() -> None:
    said, todo = explained(route=None, unread="not read: no NET_RAW")

    assert said == (
        "no route, NAT chain, NOTRACK or policy explains it (route: not told; lo: up;"
        " first NAT chain: ours; policy that drops: none; not read: no NET_RAW)"
    )
    assert todo.startswith("look for rules that drop or redirect connections, in the pod")


def test_only_nat_chains_of_the_output_hook_with_a_lower_priority_come_first() -> None:
    def chain(**more: object) -> findings.Chain:
        given = {"kind": "nat", "hook": "output", "priority": -150, **more}
        return findings.Chain(table="table ip t", name=str(more), **given)  # type: ignore[arg-type]  # of mixed types

    others = [
        chain(kind="filter"),
        chain(hook="prerouting"),
        chain(priority=-101),
        chain(priority=0),
    ]
    first, second = chain(priority=-200), chain(priority=-102)

    assert findings.before([*others, second, first], -101) == [first, second]


def test_of_several_chains_that_come_first_the_facts_name_the_very_first() -> None:
    later = GUARD._replace(name="later", priority=-102)

    assert (
        "first NAT chain: table ip guard, chain out, priority -150;" in explained(later, GUARD)[0]
    )


def test_a_forward_chain_that_drops_is_no_suspect() -> None:
    forward = findings.Chain(
        table="table ip filter", name="FORWARD", kind="filter", hook="forward", policy="drop"
    )

    assert "policy that drops: none" in explained(forward)[0]

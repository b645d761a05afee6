"""What a failed proof says, out of what really stands in the pod's network."""

import time
from typing import Any

import pytest

pytestmark = pytest.mark.netns

METADATA = "169.254.169.254"
BEGINNING = f"the rules are set, but a connection to {METADATA}:80 did not arrive at the proxy's"
NFT_GUARD = (
    "add table ip guard; add chain ip guard out { type nat hook output priority -150; };"
    " add rule ip guard out tcp dport 80 redirect to :15001"
)


def sentence(pod: Any, **environ: str) -> str:
    """Why the redirect failed, within the time that the program has."""
    began = time.monotonic()
    outcome = pod.init(caps="net_admin net_raw", **environ)
    assert (outcome.code, time.monotonic() - began < 10) == (1, True)
    said: str = outcome.sentence
    return said


@pytest.fixture
def routed(pod: Any) -> Any:
    """A pod whose metadata address is behind a gateway, as everywhere."""
    pod.do("ip", "address", "flush", "dev", "lo", "scope", "global")
    pod.do("ip", "link", "add", "eth0", "type", "veth", "peer", "name", "node")
    for device in ("eth0", "node"):
        pod.do("ip", "link", "set", device, "up")
    pod.do("ip", "address", "add", "10.0.0.2/24", "dev", "eth0")
    pod.do("ip", "route", "add", "default", "via", "10.0.0.1")
    return pod


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("unreachable", "a route of type unreachable covers that address (route: unreachable; "),
        ("blackhole", "of type blackhole swallows what is sent to that address (route: blackhole;"),
        ("prohibit", "of type prohibit forbids that address (route: prohibit; lo: up; first NAT"),
    ],
)
def test_routes_that_end_a_connection_have_their_sentences(
    routed: Any, kind: str, said: str
) -> None:
    routed.do("ip", "route", "add", kind, METADATA)

    assert said in sentence(routed)


def test_an_ip_rule_that_ends_the_search_has_its_sentence(routed: Any) -> None:
    routed.do("ip", "rule", "add", "priority", "9", "to", METADATA, "unreachable")

    first, said = sentence(routed), sentence(routed)  # by then our route is there

    assert first == said
    assert "no route leads to that address (route: none;" in said
    assert said.endswith(
        ": give the pod an IPv4 route, or remove the ip rule that ends the search for one."
    )


def test_loopback_that_is_down_has_its_sentence(routed: Any) -> None:
    routed.do("ip", "link", "set", "lo", "down")

    said = sentence(routed)

    assert "the interface lo is down, and the redirect leads over it (route: over eth0 via" in said
    assert said.endswith(": let the CNI plugin bring lo up before containers start.")


def test_loopback_that_is_down_in_a_pod_without_a_route_has_its_sentence(pod: Any) -> None:
    pod.do("ip", "address", "flush", "dev", "lo", "scope", "global")
    pod.do("ip", "link", "set", "lo", "down")

    assert "the interface lo is down, and the redirect leads over it (route: none" in sentence(pod)


@pytest.mark.parametrize(
    ("command", "place"),
    [
        (
            "iptables-nft -t raw -A OUTPUT -d 169.254.169.254 -j CT --notrack",
            "table ip raw, chain OUTPUT, priority -300",
        ),
        (
            "iptables-legacy -t raw -A OUTPUT -d 169.254.169.254 -j CT --notrack",
            "iptables-legacy's table raw, chain OUTPUT, priority -300",
        ),
        (
            "nft add table inet n; add chain inet n a; add rule inet n a notrack;"
            " add chain inet n o { type filter hook output priority -301; };"
            " add rule inet n o ip daddr 169.254.169.254 jump a",
            "table inet n, chain a",
        ),
    ],
)
def test_notrack_has_its_sentence(routed: Any, command: str, place: str) -> None:
    program, _, rest = command.partition(" ")
    routed.do(program, *([rest] if program == "nft" else rest.split()))

    said = sentence(routed)

    assert f"{place} has a NOTRACK rule, and the kernel redirects only connections that it" in said
    assert said.endswith(": except 169.254.169.254 from NOTRACK.")


@pytest.mark.parametrize("mode", ["nft", "legacy"])
def test_a_chain_that_comes_first_is_named_with_its_priority(pod: Any, mode: str) -> None:
    pod.do("nft", NFT_GUARD)

    said = sentence(pod, AZWI_IPTABLES_MODE=mode)

    assert said.startswith(f"{BEGINNING} port: it was refused; table ip guard, chain out, priority")
    assert "first NAT chain: table ip guard, chain out, priority -150;" in said


@pytest.mark.parametrize(
    ("commands", "place"),
    [
        (
            "iptables-nft -P OUTPUT DROP",
            "table ip filter, chain OUTPUT, priority 0",
        ),
        (
            "iptables-legacy -P INPUT DROP",
            "iptables-legacy's table filter, chain INPUT, priority 0",
        ),
        (
            "nft add table inet w; add chain inet w i { type filter hook input priority 5;"
            " policy drop; }",
            "table inet w, chain i, priority 5",
        ),
    ],
)
def test_a_policy_that_drops_is_named(routed: Any, commands: str, place: str) -> None:
    program, _, rest = commands.partition(" ")
    routed.do(program, *([rest] if program == "nft" else rest.split()))

    said = sentence(routed)

    assert f"the policy of {place}, drops (route: over eth0 via 10.0.0.1 from 10.0.0.2" in said
    assert f"policy that drops: {place})" in said


def test_legacy_tables_that_may_not_be_read_are_said_to_be_unread(routed: Any) -> None:
    routed.do("iptables-legacy", "-P", "OUTPUT", "DROP")

    outcome = routed.init(caps="net_admin")

    assert outcome.code == 1
    assert "not read: iptables-legacy opens a raw socket, which this container" in outcome.sentence


def test_a_table_with_flags_does_not_hide_what_stands_beside_it(pod: Any) -> None:
    pod.own_table("ip owned")  # libnftables 1.0.6 breaks off its JSON there
    pod.do("nft", NFT_GUARD)

    assert "table ip guard, chain out, priority -150, decides before" in sentence(pod)


def test_where_the_kernel_tells_no_route_the_connections_own_error_does(pod: Any) -> None:
    pod.do("ip", "address", "flush", "dev", "lo", "scope", "global")
    deaf = (
        "import sys; from azwi_init import routes; routes.ask = lambda *_: None;"
        " from azwi_init.__main__ import main; sys.exit(main(['--outside-kubernetes']))"
    )

    said = pod.python("-c", deaf).sentence

    assert "it failed (Network is unreachable); no route leads to that address (route: none" in said


def test_looking_creates_no_table(routed: Any) -> None:
    routed.do("ip", "route", "add", "prohibit", METADATA)
    before = routed.do("cat", "/proc/net/ip_tables_names")

    sentence(routed)

    assert routed.do("cat", "/proc/net/ip_tables_names") == before
    assert routed.ruleset().count("table ") == 1

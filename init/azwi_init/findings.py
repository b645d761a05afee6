"""Why a redirect that is set does not work, said by what was seen in the pod.

Pure: ``sight`` does the looking. A route that ends a connection explains everything; chains of
others are suspects, and each is named. Every pod's start imports this, and a dataclass would cost
it five times what a NamedTuple does.
"""

import errno
from collections.abc import Iterable, Sequence
from typing import NamedTuple

Cause = tuple[str, str]
"""What stands in the way, and what to do about it: two clauses."""


class Route(NamedTuple):
    """How the kernel would send to an address, or why it would not."""

    refusal: int = 0
    """An errno of REFUSALS."""
    device: str = ""
    gateway: str = ""
    source: str = ""
    """The address that connections come from; empty where the pod has none for this route."""

    def __str__(self) -> str:
        """A clause: "over eth0 via 10.0.0.1 from 10.0.0.2"."""
        if self.refusal:
            return REFUSALS[self.refusal]
        via = f" via {self.gateway}" if self.gateway else ""
        return f"over {self.device}{via} from {self.source or 'no address'}"


REFUSALS = {
    errno.ENETUNREACH: "none",
    errno.EHOSTUNREACH: "unreachable",
    errno.EINVAL: "blackhole",
    errno.EACCES: "prohibit",
}
"""What the kernel answers for routes, or ip rules, that end a connection."""


class Chain(NamedTuple):
    """A chain of somebody else."""

    table: str
    """With its family: "table ip guard"."""
    name: str
    kind: str = ""
    """nat, filter or route; empty for a chain that others jump to."""
    hook: str = ""
    priority: int = 0
    policy: str = "accept"
    untracks: bool = False
    """Holds a rule that keeps connections from being tracked (NOTRACK)."""

    def __str__(self) -> str:
        """A name by which its owner finds it."""
        priority = f", priority {self.priority}" if self.kind else ""
        return f"{self.table}, chain {self.name}{priority}"


class Seen(NamedTuple):
    """What was seen in the pod after a connection to the metadata address had failed."""

    route: Route | None
    """For the user whose connection it was; None where the kernel does not tell."""
    loopback_up: bool
    chains: Sequence[Chain] = ()
    unread: str = ""
    """What could not be read, with the reason."""


def before(chains: Iterable[Chain], priority: int) -> list[Chain]:
    """The NAT chains that decide over connections of this pod before one of ``priority``."""
    found = [chain for chain in chains if (chain.kind, chain.hook) == ("nat", "output")]
    return sorted(
        (chain for chain in found if chain.priority < priority), key=lambda chain: chain.priority
    )


def explained(seen: Seen, ip: str, priority: int) -> Cause:
    """All that stands in the way of connections to ``ip``, followed by what was seen."""
    causes = _of_routes(seen, ip) or _of_chains(seen, ip, priority)
    if not causes:
        causes = [
            (
                "no route, NAT chain, NOTRACK or policy explains it",
                "look for rules that drop or redirect connections, in the pod (nft list ruleset,"
                " iptables-legacy-save) and on the node (CNI plugin, security software)",
            )
        ]
    whats, todos = (list(dict.fromkeys(clauses)) for clauses in zip(*causes, strict=True))
    return f"{'; '.join(whats)} ({_facts(seen, priority)})", "; ".join(todos)


def _of_routes(seen: Seen, ip: str) -> list[Cause]:
    """What ends a connection before any rule is asked."""
    if not seen.loopback_up:
        return [
            (
                "the interface lo is down, and the redirect leads over it",
                "let the CNI plugin bring lo up before containers start",
            )
        ]
    if seen.route is None:
        return []
    if not seen.route.refusal:
        return [] if seen.route.source else [_without_source(seen.route, ip)]
    return [_REFUSED[seen.route.refusal]]


_REFUSED: dict[int, Cause] = {
    errno.ENETUNREACH: (
        "no route leads to that address",
        "give the pod an IPv4 route, or remove the ip rule that ends the search for one",
    ),
    errno.EHOSTUNREACH: (
        "a route of type unreachable covers that address",
        "remove that route, and azwi-proxy-init adds the one that it needs",
    ),
    errno.EINVAL: (
        "a route or an ip rule of type blackhole swallows what is sent to that address",
        "remove it, and azwi-proxy-init adds the route that it needs",
    ),
    errno.EACCES: (
        "a route or an ip rule of type prohibit forbids that address",
        "remove it, and azwi-proxy-init adds the route that it needs",
    ),
}


def _without_source(route: Route, ip: str) -> Cause:
    return (
        f"the route to that address leads over {route.device}, but the pod has no IPv4 address to"
        " which an answer could come back",
        "give the pod an IPv4 address; or remove that route, and azwi-proxy-init adds one over lo",
    )


def _of_chains(seen: Seen, ip: str, priority: int) -> list[Cause]:
    causes = [
        (
            f"{chain} has a NOTRACK rule, and the kernel redirects only connections that it tracks",
            f"except {ip} from NOTRACK",
        )
        for chain in seen.chains
        if chain.untracks
    ]
    causes += [
        (f"{chain}, decides before our rules", f"except {ip} from the rules that come first")
        for chain in before(seen.chains, priority)
    ]
    causes += [
        (f"the policy of {chain}, drops", f"accept {ip} and 127.0.0.1 where the policy drops")
        for chain in _dropping(seen)
    ]
    return causes


def _dropping(seen: Seen) -> list[Chain]:
    """Those that a packet over loopback passes."""
    return [chain for chain in seen.chains if chain.policy == "drop" and chain.hook != "forward"]


def _facts(seen: Seen, priority: int) -> str:
    first = before(seen.chains, priority)
    dropping = _dropping(seen)
    facts = [
        f"route: {seen.route or 'not told'}",
        f"lo: {'up' if seen.loopback_up else 'down'}",
        f"first NAT chain: {first[0] if first else 'ours'}",
        f"policy that drops: {'; '.join(map(str, dropping)) or 'none'}",
    ]
    return "; ".join([*facts, seen.unread] if seen.unread else facts)

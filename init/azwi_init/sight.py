"""Looks at what stands between the pod and the redirect: routes, lo, and the chains of others.

Used when the proof has failed, and where it could not be made for other users than root.
"""

from collections.abc import Sequence

from azwi_init import findings, nft, routes
from azwi_init.errors import InitError, NotRedirected

PRIORITIES = {"nft": nft.PRIORITY, "legacy": -99}
"""NAT chains below these may decide before ours. Legacy's own chain has -100, and of equal ones the
kernel first asks the one that was registered last."""


def explain(error: NotRedirected, ip: str, backend: str) -> NotRedirected:
    """``error`` with what was seen in the pod, and the remedy for that."""
    seen = look(ip, error)
    cause, todo = findings.explained(seen, ip, PRIORITIES[backend])
    return NotRedirected(f"{error.what}; {cause}", todo, errno=error.errno, user=error.user)


def look(ip: str, error: NotRedirected) -> findings.Seen:
    """What may be in the way of the connection to ``ip`` that failed with ``error``."""
    chains: list[findings.Chain] = []
    unread = []
    for read in (_native, _legacy):
        try:
            chains.extend(read())
        except InitError as problem:
            unread.append(f"not read: {problem.what}")
    return findings.Seen(
        route=routes.ask(ip, error.user) or _route_by(error),
        loopback_up=routes.loopback_is_up(),
        chains=chains,
        unread="; ".join(unread),
    )


def _route_by(error: NotRedirected) -> findings.Route | None:
    """What the connection itself told of the route: gVisor's rtnetlink says nothing of none."""
    return findings.Route(error.errno) if error.errno in findings.REFUSALS else None


def unproven(backend: str) -> list[str]:
    """What may send other users elsewhere than root: NAT chains before ours, ip rules by user."""
    try:
        chains = findings.before(_native(nft.LIST_CHAINS), PRIORITIES[backend])
    except InitError:  # the kernel has no nf_tables, or the image no library for it
        chains = []
    return [*map(str, chains), *routes.rules_by_user()]


def _native(command: str = nft.LIST_ALL) -> Sequence[findings.Chain]:
    from azwi_init import libnftables  # only here, as in apply: not every image has the library

    return nft.chains(libnftables.opened().listed(command))


def _legacy() -> Sequence[findings.Chain]:
    from azwi_init import libiptc

    return libiptc.chains_of_others()

"""What the pod's network must do, as data: the one plan that ``nft`` and ``legacy`` spell.

Knows no backend and does no I/O. The rules speak of TCP over IPv4 connections that the pod itself
opens (netfilter's OUTPUT hook), the first that matches decides. IPv6 is left alone: the metadata
service has no IPv6 address.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """Connections to one address and port, of one user or of all, and what becomes of them."""

    why: str
    """Becomes the rule's comment in the kernel. ASCII, at most 128 bytes (nf_tables' limit), no
    quotes or backslashes (python-iptables mangles those when it reads a rule back)."""
    ip: str
    """Destination address, IPv4."""
    port: int
    """Destination TCP port."""
    uid: int | None = None
    """The user that opens the connection; None is every user."""
    to_port: int | None = None
    """Port on 127.0.0.1 that gets the connection; None sends it where it was going, whatever
    others' rules say: a mesh that caught the proxy's own request would send it out again as another
    user's, and that comes back to the proxy."""


Plan = tuple[Rule, ...]


def plan(*, ip: str, port: int, proxy_port: int, exempt_uid: int | None) -> Plan:
    """The rules that send TCP for ``ip:port`` to ``proxy_port``, but that of ``exempt_uid``."""
    redirect = Rule(
        why=f"azwi: metadata requests are answered by azwi-proxy on port {proxy_port}",
        ip=ip,
        port=port,
        to_port=proxy_port,
    )
    if exempt_uid is None:
        return (redirect,)
    exempt = Rule(
        why=f"azwi: azwi-proxy, UID {exempt_uid}, reaches the real metadata service",
        ip=ip,
        port=port,
        uid=exempt_uid,
    )
    return (exempt, redirect)

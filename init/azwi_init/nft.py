"""Spells a plan for nf_tables: the text that loads it, and the listing that shows it loaded.

Pure; ``libnftables`` runs these texts. The rules live in a table of our own, ``ip azwi``, in a
chain that runs just before everybody's NAT (priority -100). That wins against a service mesh's
redirect of either backend, made before or after, and leaves ``ip nat`` alone: a native rule in
there would make every later ``iptables-nft`` fail.
"""

import json
import re
from typing import Any

from azwi_init.findings import Chain
from azwi_init.rules import Plan, Rule

PRIORITY = -101  # NF_IP_PRI_NAT_DST is -100: the first chain that translates a connection decides
LIST = "list table ip azwi"
LIST_ALL = "list ruleset"
LIST_CHAINS = "list chains"
"""Without their rules: of 20,000 rules that takes 0.03 s, and LIST_ALL 0.8 s."""
REMOVE = "table ip azwi\ndelete table ip azwi\n"
"""Removes the table whether or not it is there: the first line makes it, unless it exists."""


def load(plan: Plan) -> str:
    """Commands that make the table hold exactly ``plan``, in one transaction, run once or again."""
    lines = "".join(f'\t\t{_statement(rule)} comment "{rule.why}"\n' for rule in plan)
    return (
        f"{REMOVE}table ip azwi {{\n\tchain output {{\n"
        f"\t\ttype nat hook output priority {PRIORITY}; policy accept;\n{lines}\t}}\n}}\n"
    )


def has_flags(listing: str) -> bool:
    """Whether the text of LIST shows flags of the table (owner, dormant); ours has none."""
    return bool(re.search(r"^\s*flags \w", listing, flags=re.MULTILINE))


def shows(listing: str, plan: Plan) -> bool:
    """Whether ``listing``, libnftables' JSON for LIST, is exactly ``plan`` in its place."""
    try:
        items: list[dict[str, Any]] = json.loads(listing)["nftables"]
    except ValueError:  # the table has gone, or has flags by now
        return False
    flags = [item["table"].get("flags") for item in items if "table" in item]
    chains = [item["chain"] for item in items if "chain" in item]
    found = [item["rule"] for item in items if "rule" in item]
    return (
        not any(flags)
        and [_place(chain) for chain in chains] == [("output", "nat", "output", PRIORITY, "accept")]
        and [(rule.get("comment"), rule["expr"]) for rule in found]
        == [(rule.why, _expressions(rule)) for rule in plan]
    )


def chains(listing: str) -> list[Chain]:
    """The chains of others that IPv4 connections pass, out of nft's text for LIST_ALL.

    Or for LIST_CHAINS; with priorities as numbers. Text, for libnftables 1.0.6 writes broken JSON
    where a table of somebody else has flags.
    """
    found: list[Chain] = []
    for block in re.split(r"^(?=table )", listing, flags=re.MULTILINE):
        name = re.match(r"table (?:ip|inet) (\S+) \{", block)
        if name and name[0] != "table ip azwi {":
            found.extend(_chains(name[0].removesuffix(" {"), block))
    return [chain for chain in found if chain.kind or chain.untracks]


def _chains(table: str, block: str) -> list[Chain]:
    found = []
    for text in re.split(r"^\tchain ", block, flags=re.MULTILINE)[1:]:
        bare = re.sub(r'comment "[^"]*"', "", text)
        untracks = bool(re.search(r"\bnotrack\b|xt target \"(?:CT|NOTRACK)\"", bare))
        place = re.search(r"type (\w+) hook (\w+)(?: \S+)* priority (-?\d+); policy (\w+);", bare)
        name = text.partition(" {")[0]
        if place is None:
            found.append(Chain(table=table, name=name, untracks=untracks))
            continue
        found.append(
            Chain(
                table=table,
                name=name,
                kind=place[1],
                hook=place[2],
                priority=int(place[3]),
                policy=place[4],
                untracks=untracks,
            )
        )
    return found


def _statement(rule: Rule) -> str:
    # "tcp dport" must stand in the redirect's own rule: the kernel refuses to map ports without it
    user = "" if rule.uid is None else f" meta skuid {rule.uid}"
    # a translation, even to itself, settles the matter; "accept" would ask everybody else's chains
    verdict = f"dnat to {rule.ip}" if rule.to_port is None else f"redirect to :{rule.to_port}"
    return f"ip daddr {rule.ip} tcp dport {rule.port}{user} {verdict}"


def _expressions(rule: Rule) -> list[dict[str, Any]]:
    # the form is libnftables-json(5)'s, the same since nftables 0.9
    user = [] if rule.uid is None else [_equals({"meta": {"key": "skuid"}}, rule.uid)]
    return [
        _equals({"payload": {"protocol": "ip", "field": "daddr"}}, rule.ip),
        _equals({"payload": {"protocol": "tcp", "field": "dport"}}, rule.port),
        *user,
        {"redirect": {"port": rule.to_port}} if rule.to_port else {"dnat": {"addr": rule.ip}},
    ]


def _equals(left: dict[str, Any], right: str | int) -> dict[str, Any]:
    return {"match": {"op": "==", "left": left, "right": right}}


def _place(chain: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(chain.get(key) for key in ("name", "type", "hook", "prio", "policy"))

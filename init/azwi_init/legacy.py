"""Spells a plan for the legacy interface (ip_tables, "iptables-legacy"): entries, and their text.

Pure; ``libiptc`` hands the entries to the kernel. An entry has the form in which python-iptables
decodes a rule (``iptc.easy``), so that what is read back can be compared as it is. The chains have
the Go reference's names. The jump stands first in OUTPUT, before what a service mesh has there.
"""

from typing import TypedDict

from azwi_init.rules import Plan, Rule

OUTPUT = "AZWI_PROXY_OUTPUT"
REDIRECT = "AZWI_PROXY_REDIRECT"


class Entry(TypedDict, total=False):
    """One rule of a chain: matches by name with their options, and the target."""

    protocol: str
    dst: str
    tcp: dict[str, str]
    owner: dict[str, str]
    comment: dict[str, str]
    target: str | dict[str, dict[str, str]]


JUMP: Entry = {
    "protocol": "tcp",
    "comment": {"comment": "azwi: first of all, see whether this is a metadata request"},
    "target": OUTPUT,
}


def chains(plan: Plan) -> dict[str, list[Entry]]:
    """What our own chains hold, by name; JUMP leads into the first of them."""
    return {
        OUTPUT: [_selected(rule) for rule in plan],
        REDIRECT: [_redirected(rule) for rule in plan if rule.to_port is not None],
    }


def bare(entry: Entry) -> Entry:
    """The entry without its comment, for kernels that lack the match ``comment`` (gVisor's)."""
    found = entry.copy()
    del found["comment"]
    return found


def text(plan: Plan) -> str:
    """The same for a person, or for ``iptables-legacy-restore --noflush``."""
    own = chains(plan)
    lines = [
        "*nat",
        *(f":{name} - [0:0]" for name in own),
        f"-I OUTPUT 1 {_options(JUMP)}",
        *(f"-A {name} {_options(entry)}" for name, entries in own.items() for entry in entries),
        "COMMIT",
    ]
    return "\n".join(lines) + "\n"


def matches(entry: Entry) -> list[tuple[str, dict[str, str]]]:
    """The entry's matches with their options, in the order in which they are checked."""
    known = (
        ("tcp", entry.get("tcp")),
        ("owner", entry.get("owner")),
        ("comment", entry.get("comment")),
    )
    return [(name, options) for name, options in known if options]


def target(entry: Entry) -> tuple[str, dict[str, str]]:
    """The entry's target and its options."""
    named = entry["target"]
    return (named, {}) if isinstance(named, str) else next(iter(named.items()))


def _selected(rule: Rule) -> Entry:
    entry: Entry = {"protocol": "tcp", "dst": f"{rule.ip}/32", "tcp": {"dport": str(rule.port)}}
    if rule.uid is not None:
        entry["owner"] = {"uid-owner": str(rule.uid)}
    entry["comment"] = {"comment": rule.why}
    # a translation, even to itself, settles the matter; RETURN would ask everybody else's rules
    entry["target"] = REDIRECT if rule.to_port else {"DNAT": {"to-destination": rule.ip}}
    return entry


def _redirected(rule: Rule) -> Entry:
    return {
        "protocol": "tcp",
        "comment": {"comment": rule.why},
        "target": {"REDIRECT": {"to-ports": str(rule.to_port)}},
    }


def _options(entry: Entry) -> str:
    """The entry as iptables-save writes it."""
    name, options = target(entry)
    words = [f"-d {entry['dst']}"] if "dst" in entry else []
    words.append(f"-p {entry['protocol']}")
    for match, given in matches(entry):
        words.extend(f"-m {match} --{option} {_quoted(value)}" for option, value in given.items())
    words.append(f"-j {name}")
    words.extend(f"--{option} {value}" for option, value in options.items())
    return " ".join(words)


def _quoted(value: str) -> str:
    return f'"{value}"' if " " in value else value

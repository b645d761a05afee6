"""The rotation of a cluster's signing key, as steps. Pure.

Nothing is remembered from one run to the next: where a rotation stands follows from the key files,
from what is published, and from a token that the cluster has signed. The token's time is a proof: a
token signed by the new key at T says that the switch was at T or before.
"""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final

from azwi_cli.errors import Code
from azwi_common import contract

LEAST_WAIT: Final = 3600
"""Seconds that a new key is published before it signs: so long may others keep an API server's."""


class Step(StrEnum):
    """Where a rotation stands, in its order; the last three are out of order."""

    PUBLISH_BOTH = "publish-both"
    WAIT_FOR_READERS = "wait-for-readers"
    SWITCH = "switch"
    WAIT_FOR_TOKENS = "wait-for-tokens"
    DROP_OLD = "drop-old"
    DONE = "done"
    UNPUBLISHED_SIGNER = "unpublished-signer"
    DROPPED_EARLY = "dropped-early"
    OTHER_KEYS = "other-keys"


BROKEN: Final = {Step.UNPUBLISHED_SIGNER, Step.DROPPED_EARLY, Step.OTHER_KEYS}


@dataclass(frozen=True, slots=True)
class Signer:
    """Which key has signed a token of the cluster, and when; its signature is verified."""

    kid: str
    at: int
    """Unix time, in seconds."""


@dataclass(frozen=True, slots=True)
class Facts:
    """All that a rotation's place follows from. Times are Unix times, spans are seconds."""

    issuer: str
    old_file: str
    new_file: str
    """As they were given: the next steps name them."""
    old: str
    new: str
    """The kids of the two key files."""
    published: Sequence[str]
    now: float
    published_at: float | None = None
    """When the key set was last written, where its server says so."""
    max_age: int = 0
    longest_token: int = 86400
    accepted: Sequence[str] | None = None
    """The kids that the API server itself verifies with, where it was asked."""
    signer: Signer | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """Where a rotation stands."""

    step: Step
    true_now: tuple[str, ...]
    next: tuple[str, ...]
    until: float | None = None
    """When the wait is over, where there is one."""


def exit_code(place: Place) -> Code:
    """0 where it is done, 3 where something is left to do, 1 where pods are refused."""
    if place.step in BROKEN:
        return Code.FAILED
    return Code.DONE if place.step is Step.DONE else Code.ATTENTION


def place(facts: Facts) -> Place:
    """Where the rotation stands, what is true, and what to do next."""
    step, until = _step(facts)
    return Place(step, tuple(_true_now(facts)), tuple(_NEXT[step](facts, until)), until)


def _step(facts: Facts) -> tuple[Step, float | None]:
    has_old, has_new = facts.old in facts.published, facts.new in facts.published
    if refused := _refused(facts):
        return refused
    if not has_old and not has_new:
        return Step.OTHER_KEYS, None
    if not has_new:
        return Step.PUBLISH_BOTH, None
    over = _tokens_over(facts)
    if not has_old:
        return Step.DONE, over
    if facts.signer and facts.signer.kid == facts.new:
        waits = over is not None and over > facts.now
        return (Step.WAIT_FOR_TOKENS if waits else Step.DROP_OLD), over
    ready = _readers_ready(facts)
    if ready is not None and ready > facts.now:
        return Step.WAIT_FOR_READERS, ready
    return Step.SWITCH, None


def _refused(facts: Facts) -> tuple[Step, float | None] | None:
    """The step where the given token's key is not published; None where it is."""
    if facts.signer is None or facts.signer.kid in facts.published:
        return None
    if facts.signer.kid != facts.old:
        return Step.UNPUBLISHED_SIGNER, None
    end = facts.signer.at + facts.longest_token
    return (Step.DROPPED_EARLY, end) if end > facts.now else None


def _readers_ready(facts: Facts) -> float | None:
    if facts.published_at is None:
        return None
    return facts.published_at + max(LEAST_WAIT, facts.max_age)


def _tokens_over(facts: Facts) -> float | None:
    """When the last token that the old key can have signed expires; None where nobody knows."""
    if facts.signer is None or facts.signer.kid != facts.new:
        return None
    return facts.signer.at + facts.longest_token


def _true_now(facts: Facts) -> list[str]:
    names = {facts.old: "the old key", facts.new: "the new key"}
    said = [
        f"{names[kid].capitalize()} ({kid}) is {'' if kid in facts.published else 'not '}published."
        for kid in (facts.old, facts.new)
    ]
    others = [kid for kid in facts.published if kid not in names]
    if others:
        said.append(f"Published beside them: {', '.join(others)}.")
    if facts.published_at is not None:
        said.append(f"The key set was last written at {_time(facts.published_at)}.")
    if facts.accepted is not None:
        kids = [names.get(kid, kid) for kid in facts.accepted]
        said.append(f"The API server verifies with {', '.join(kids) or 'no key'}.")
    if facts.signer is None:
        said.append("Which key the cluster signs with is not known: no token is given.")
    else:
        name = names.get(facts.signer.kid, f"another key ({facts.signer.kid})")
        said.append(f"The given token was signed by {name} at {_time(facts.signer.at)}.")
    return said


def _publish_both(facts: Facts, until: float | None) -> list[str]:
    return [
        f"Publish both keys: {_generate(facts, facts.old_file, facts.new_file)}, and upload what it"
        " writes.",
        "Let the API servers verify both, and go on signing with the old one:"
        " --service-account-key-file for each of the two public keys.",
    ]


def _wait_for_readers(facts: Facts, until: float | None) -> list[str]:
    return [f"Wait until {_time(until)}: others may keep the key set without the new key.", _AGAIN]


def _switch(facts: Facts, until: float | None) -> list[str]:
    wait = max(LEAST_WAIT, facts.max_age)
    said = []
    if facts.published_at is None:
        said.append(
            f"The server does not say when the key set was written (no Last-Modified): make sure"
            f" that it was {wait // 60} minutes ago or more."
        )
    said += [
        "Let the API servers sign with the new key: --service-account-signing-key-file, with both"
        " keys in --service-account-key-file; the controller manager's"
        " --service-account-private-key-file too.",
        "Then make a new token, which is the proof: kubectl create token default --audience"
        f" {contract.TOKEN_EXCHANGE_AUDIENCE} > token. Run this again with --token token.",
    ]
    return said


def _wait_for_tokens(facts: Facts, until: float | None) -> list[str]:
    return [
        f"Wait until {_time(until)}: tokens that the old key has signed may live"
        f" {facts.longest_token // 3600} h.",
        "Keep the token's file: its time is the proof of the switch. " + _AGAIN,
    ]


def _drop_old(facts: Facts, until: float | None) -> list[str]:
    return [
        f"Publish the new key alone: {_generate(facts, facts.new_file)}, and upload what it"
        " writes.",
        "Take the old key out of --service-account-key-file, and delete its private half.",
        _AGAIN,
    ]


def _done(facts: Facts, until: float | None) -> list[str]:
    said = ["Nothing more. Delete the old private key if it still exists."]
    if facts.signer is None:
        said.append("To be sure that the new key signs, give a token of the cluster with --token.")
    if until is not None and until > facts.now:
        said.append(
            f"If the cluster has signed with the old key in the last {facts.longest_token // 3600}"
            " h, its tokens are refused now: publish both keys again until they have ended."
        )
    return said


def _unpublished_signer(facts: Facts, until: float | None) -> list[str]:
    return [
        "Pods are refused now (AADSTS700027). Publish the key that signs beside the old one:"
        f" {_generate(facts, facts.old_file, facts.new_file)}, and upload what it writes.",
        _AGAIN,
    ]


def _dropped_early(facts: Facts, until: float | None) -> list[str]:
    return [
        f"Tokens of the old key may live until {_time(until)} and are refused now. Publish both"
        f" keys again: {_generate(facts, facts.old_file, facts.new_file)}, and upload what it"
        " writes.",
        _AGAIN,
    ]


def _other_keys(facts: Facts, until: float | None) -> list[str]:
    return [
        "Neither key is published: check that the files and the issuer belong to the same cluster.",
        f"If they do, publish both: {_generate(facts, facts.old_file, facts.new_file)}, and upload"
        " what it writes.",
    ]


_AGAIN: Final = "Then run this again."
_NEXT: Final = {
    Step.PUBLISH_BOTH: _publish_both,
    Step.WAIT_FOR_READERS: _wait_for_readers,
    Step.SWITCH: _switch,
    Step.WAIT_FOR_TOKENS: _wait_for_tokens,
    Step.DROP_OLD: _drop_old,
    Step.DONE: _done,
    Step.UNPUBLISHED_SIGNER: _unpublished_signer,
    Step.DROPPED_EARLY: _dropped_early,
    Step.OTHER_KEYS: _other_keys,
}


def _generate(facts: Facts, *files: str) -> str:
    command = ("azwi", "oidc", "generate", facts.issuer, "--public-keys", ",".join(files))
    return shlex.join((*command, "--output-dir", "issuer", "--force"))


def _time(at: float | None) -> str:
    return datetime.fromtimestamp(at or 0, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")

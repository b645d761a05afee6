"""Whether Entra ID would take a service account's tokens, by the credentials that it has. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from azwi_cli.serviceaccount.known import Credential


class Status(StrEnum):
    """Of a service account."""

    OK = "ok"
    MISSING = "missing"
    MISMATCH = "mismatch"
    NO_IDENTITY = "no-identity"
    """Its client id names nothing in the tenant."""
    NO_CLIENT_ID = "no-client-id"
    UNKNOWN = "unknown"


WRONG: Final = frozenset({Status.MISSING, Status.MISMATCH, Status.NO_IDENTITY})


@dataclass(frozen=True, slots=True)
class Verdict:
    """A status, and a sentence where it is not ok."""

    status: Status
    why: str = ""


@dataclass(frozen=True, slots=True)
class Tokens:
    """What the tokens of a service account say."""

    issuer: str
    subject: str
    audience: str


def judged(credentials: Sequence[Credential], token: Tokens) -> Verdict:
    """By Entra ID's rule: issuer, subject and audience to the letter."""
    near: list[str] = []
    for one in credentials:
        wrong = _differences(one, token)
        if not wrong:
            return Verdict(Status.OK)
        if len(wrong) == 1 and _is_slip(one, token):
            near.append(f"The credential {one.name} does not match: {wrong[0]}.")
    if any(one.issuer == token.issuer and not one.subject for one in credentials):
        return Verdict(
            Status.UNKNOWN, "A flexible credential may match; azwi does not read its expression."
        )
    if near:
        return Verdict(Status.MISMATCH, " ".join(near))
    others = len({one.issuer for one in credentials if one.subject == token.subject})
    also = f" There are some for {others} other issuer{'s' * (others > 1)}." if others else ""
    return Verdict(
        Status.MISSING, f"No credential is for it and this issuer: azwi sa create makes one.{also}"
    )


def _differences(one: Credential, token: Tokens) -> list[str]:
    parts = (
        ("issuer", one.issuer, token.issuer),
        ("subject", one.subject, token.subject),
        ("audience", one.audience, token.audience),
    )
    return [
        f"its {part} is {has}, that of the tokens {wants}"
        for part, has, wants in parts
        if has != wants
    ]


def _is_slip(one: Credential, token: Tokens) -> bool:
    """Whether they mean the same but for a slash, upper and lower case, or the audience."""
    return (
        one.issuer.rstrip("/").lower() == token.issuer.rstrip("/").lower()
        and one.subject.lower() == token.subject.lower()
    )

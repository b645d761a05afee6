"""Whether Entra ID would take a service account's tokens, by the credentials that it has. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from azwi_cli.serviceaccount.known import Credential


class Status(StrEnum):
    """Of a service account."""

    OK = "ok"
    BINDING = "identity-binding"
    """It has no credential of its own, and needs none: AKS exchanges its tokens."""
    MISSING = "missing"
    MISMATCH = "mismatch"
    NO_IDENTITY = "no-identity"
    """Its client id names nothing in the tenant."""
    NO_CLIENT_ID = "no-client-id"
    UNKNOWN = "unknown"


_BINDINGS_CREDENTIAL: Final = "aks-identity-binding"
"""Name of the credential that AKS makes. Source: learn.microsoft.com/azure/aks/identity-bindings"""
_BINDINGS_AUDIENCE: Final = "api://AKSIdentityBinding"

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


def has_binding(credentials: Sequence[Credential]) -> bool:
    """Whether an AKS identity binding leads to the identity, from whichever cluster."""
    return any(
        one.name == _BINDINGS_CREDENTIAL or one.audience == _BINDINGS_AUDIENCE
        for one in credentials
    )


def bound(missing: Verdict, may_use: bool | None) -> Verdict:
    """What to say instead of ``missing`` of an identity with a binding.

    ``may_use``: whether this cluster's rights let the service account use it; None: not known.
    """
    has = "Its identity has the credential of an AKS identity binding"
    if may_use is None:
        why = (
            f"{has}, but azwi may not ask the cluster who may use it (create on"
            " subjectaccessreviews)."
        )
        return Verdict(Status.UNKNOWN, why)
    if may_use:
        return Verdict(Status.BINDING)
    return Verdict(
        missing.status, f"{missing.why} {has}, but no role here lets the account use that."
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

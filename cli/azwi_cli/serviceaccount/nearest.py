"""By what the nearest federated credential differs from a token. Pure.

Entra ID compares to the letter and says only that nothing matches; people look for the letter.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from azwi_cli.serviceaccount.known import Credential
from azwi_cli.serviceaccount.verdict import Tokens

_SLIP, _NEAR, _FAR = 1, 2, 4
_MOST: Final = _SLIP + _NEAR
"""Beyond it two credentials have too little in common to be taken for each other."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One part that differs."""

    part: str
    """issuer, subject or audience."""
    has: str
    wants: str
    how: str
    """A clause that says what differs."""
    distance: int


@dataclass(frozen=True, slots=True)
class Nearest:
    """A credential that does not match, and why."""

    credential: Credential
    differences: tuple[Difference, ...]

    @property
    def is_slip(self) -> bool:
        """Whether it is of use to nobody else: it means this very cluster and account."""
        return all(one.distance == _SLIP or one.part == "audience" for one in self.differences)


def nearest(credentials: Sequence[Credential], token: Tokens) -> Nearest | None:
    """The credential that was most likely meant for the token; None: no one looks like it.

    One for the same subject always does, whatever its issuer: it is another cluster's.
    """
    found = [Nearest(one, differences(one, token)) for one in credentials]
    if not found:
        return None
    best = min(found, key=_distance)
    is_near = _distance(best) <= _MOST or best.credential.subject == token.subject
    return best if is_near else None


def differences(one: Credential, token: Tokens) -> tuple[Difference, ...]:
    """The parts that differ; none where it matches to the letter."""
    parts = (
        ("issuer", one.issuer, token.issuer, _issuer),
        ("subject", one.subject, token.subject, _subject),
        ("audience", one.audience, token.audience, _audience),
    )
    return tuple(
        Difference(part, has, wants, *(_slip(has, wants) or judge(has, wants)))
        for part, has, wants, judge in parts
        if has != wants
    )


def _distance(found: Nearest) -> int:
    return sum(one.distance for one in found.differences)


_Judged = tuple[str, int]


def _slip(has: str, wants: str) -> _Judged | None:
    """What people overlook; None where it is more than that."""
    if has.strip() == wants.strip():
        return "white space differs", _SLIP
    if has.strip().rstrip("/") == wants.strip().rstrip("/"):
        return "the slash differs", _SLIP
    if has.lower() == wants.lower():
        return "upper and lower case differ", _SLIP
    if has.strip().rstrip("/").lower() == wants.strip().rstrip("/").lower():
        return "the slash, and upper and lower case differ", _SLIP
    return None


def _issuer(has: str, wants: str) -> _Judged:
    (_, _, mine), (_, _, theirs) = wants.partition("://"), has.partition("://")
    if mine == theirs:
        return "the scheme differs", _SLIP
    if mine.partition("/")[0] == theirs.partition("/")[0]:
        return "it is another one of the same host, such as another cluster's", _FAR
    return "it is another cluster's, or one that the cluster had before", _FAR


def _subject(has: str, wants: str) -> _Judged:
    parts, wanted = has.split(":"), wants.split(":")
    if len(parts) != len(wanted) or parts[:2] != wanted[:2]:
        return "it is of no service account", _FAR
    if parts[3] == wanted[3]:
        return "the namespace differs", _NEAR
    if parts[2] == wanted[2]:
        return "the service account's name differs", _NEAR
    return "namespace and service account differ", _FAR


def _audience(has: str, wants: str) -> _Judged:
    return "it is another audience", _NEAR

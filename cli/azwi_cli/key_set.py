"""What a published key set must be for Entra ID to take tokens signed by its keys. Pure.

Sources: RFC 7517, and Microsoft's pages on federated identity credentials (RS256 alone; the first
100 keys count).
"""

from collections.abc import Iterable
from typing import Final

from azwi_cli import keys, published
from azwi_cli.checks import Check, Status
from azwi_cli.errors import Unavailable
from azwi_cli.keys import PublicKey

WARN, FAIL, PASS = Status.WARN, Status.FAIL, Status.PASS

_MOST_KEYS: Final = 100
_PRIVATE_MEMBERS: Final = {"d", "p", "q", "dp", "dq", "qi", "oth", "k"}


def read(got: published.Answer | Unavailable) -> tuple[list[PublicKey], list[Check]]:
    """The published keys that can be used, and what is to be said of the set."""
    document = published.parsed(got)
    listed = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(listed, list) or not listed:
        why = "Without keys Entra ID can verify no token (AADSTS900612, AADSTS50013)."
        says = "The key set is empty." if listed == [] else "The key set is not a JSON Web Key Set."
        return [], [Check("keys", FAIL, says, why, "Write it anew: azwi jwks, azwi oidc generate.")]
    usable: list[PublicKey] = []
    said: list[Check] = []
    for place, jwk in enumerate(listed, 1):
        try:
            usable.append(_usable(jwk))
        except _Odd as odd:
            said.append(_odd_key(jwk, place, odd))
    return usable, [*said, *_set(usable, len(listed))]


class _Odd(Exception):
    """A key of the set that cannot be used, or may not be there."""

    def __init__(self, says: str, *, secret: bool = False) -> None:
        self.says = says
        self.secret = secret
        super().__init__(says)


def _usable(jwk: object) -> PublicKey:
    if not isinstance(jwk, dict):
        raise _Odd("is no JSON object")
    if jwk.keys() & _PRIVATE_MEMBERS:
        raise _Odd("holds its private half", secret=True)
    if not isinstance(jwk.get("kid"), str) or not jwk["kid"]:
        raise _Odd("has no kid")
    if jwk.get("use", "sig") != "sig":
        raise _Odd("is not for signatures")
    try:
        return keys.from_jwk(jwk)
    except ValueError as error:
        raise _Odd(str(error)) from error


def _odd_key(jwk: object, place: int, odd: _Odd) -> Check:
    kid = jwk.get("kid") if isinstance(jwk, dict) else None
    called = f"Key {place}" + (f" ({kid})" if isinstance(kid, str) and kid else "")
    if odd.secret:
        return Check(
            "private-key",
            FAIL,
            f"{called} {odd.says}: anybody can sign tokens with it.",
            "Whoever has read it can become every workload of the cluster.",
            "Take it down now, make a new key and rotate: azwi oidc rotate.",
        )
    return Check(
        "keys",
        WARN,
        f"{called} {odd.says}.",
        "Tokens signed with it are refused.",
        "Write the set anew: azwi jwks, azwi oidc generate.",
    )


def _set(usable: list[PublicKey], listed: int) -> Iterable[Check]:
    why = "Entra ID verifies RS256 with a key that it finds by its kid."
    kids = [key.kid for key in usable]
    if len(set(kids)) < len(kids):
        yield Check(
            "keys", FAIL, "Two keys have the same kid.", why, "Publish each key once: azwi jwks."
        )
    if listed > _MOST_KEYS:
        yield Check(
            "keys",
            FAIL,
            f"The set has {listed} keys.",
            f"Entra ID reads the first {_MOST_KEYS}.",
            "Publish only the keys that sign, or have signed tokens that live.",
        )
    rs256 = [key for key in usable if key.algorithm == "RS256" and key.bits >= 2048]
    if rs256:
        yield Check("keys", PASS, f"{len(rs256)} of {listed} keys can verify RS256.")
    else:
        yield Check(
            "keys",
            FAIL,
            "No key of the set can verify RS256.",
            why,
            "Sign service account tokens with an RSA key of 2048 bits or more.",
        )

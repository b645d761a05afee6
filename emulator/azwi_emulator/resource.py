"""The protected resource (``GET /whoami``): whether an access token may be used here. Pure."""

from collections.abc import Mapping
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from azwi_emulator import errors


def claims_of(
    authorization: str,
    keys: Mapping[str, RSAPublicKey],
    *,
    authority: str,
    audience: str,
    now: float,
) -> dict[str, Any]:
    """The claims of the bearer token in an ``Authorization`` header; RequestRefused (401) says no.

    ``authority`` ends with a slash; ``now`` is Unix time in seconds.
    """
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise _no("The request carries no bearer token.")
    claims = _verified(token.strip(), keys)
    if claims.get("iss") != f"{authority}{claims.get('tid')}/v2.0":
        raise _no("The token was not issued by this Entra ID.")
    if claims.get("aud") != audience:
        raise _no(f"The token is for {claims.get('aud')!r}, not for {audience!r}.")
    if not claims["nbf"] <= now < claims["exp"]:
        raise _no("The token has expired or is not valid yet.")
    return claims


def _verified(token: str, keys: Mapping[str, RSAPublicKey]) -> dict[str, Any]:
    try:
        key = keys.get(str(jwt.get_unverified_header(token).get("kid")))
        if key is None:
            raise _no("The token is signed by a key that this Entra ID does not publish.")
        claims: dict[str, Any] = jwt.decode(
            token,
            key,
            algorithms=["RS256"],
            options={  # times are compared with the emulator's clock, the audience by us
                "verify_exp": False,
                "verify_nbf": False,
                "verify_iat": False,
                "verify_aud": False,
                "require": ["iss", "aud", "exp", "nbf", "tid"],
            },
        )
    except jwt.PyJWTError as error:
        raise _no("The token is malformed or its signature is not valid.") from error
    return claims


def _no(sentence: str) -> errors.RequestRefused:
    return errors.RequestRefused(sentence, status=401)

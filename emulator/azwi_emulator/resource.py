"""The protected resource (``GET /whoami``): whether an access token may be used here. Pure."""

from collections.abc import Collection, Mapping
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from azwi_emulator.errors import TokenRefused


def claims_of(
    authorization: str,
    keys: Mapping[str, RSAPublicKey],
    *,
    authority: str,
    audience: str | Collection[str],
    now: float,
) -> dict[str, Any]:
    """The claims of the bearer token in an ``Authorization`` header; TokenRefused says no.

    ``audience``: one or several, of which the token's must be one, exactly; ``authority`` ends with
    a slash; ``now`` is Unix time in seconds.
    """
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise TokenRefused("The request carries no bearer token.", "missing")
    claims = _verified(token.strip(), keys)
    if claims.get("iss") != f"{authority}{claims.get('tid')}/v2.0":
        raise TokenRefused("The token was not issued by this Entra ID.")
    if claims.get("aud") not in ((audience,) if isinstance(audience, str) else audience):
        here = repr(audience) if isinstance(audience, str) else "this API"
        raise TokenRefused(f"The token is for {claims.get('aud')!r}, not for {here}.", "audience")
    if not claims["nbf"] <= now < claims["exp"]:
        raise TokenRefused("The token has expired or is not valid yet.", "expired")
    return claims


def _verified(token: str, keys: Mapping[str, RSAPublicKey]) -> dict[str, Any]:
    try:
        key = keys.get(str(jwt.get_unverified_header(token).get("kid")))
        if key is None:
            raise TokenRefused("The token is signed by a key that this Entra ID does not publish.")
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
        raise TokenRefused("The token is malformed or its signature is not valid.") from error
    return claims

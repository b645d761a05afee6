"""Whether Entra ID would take a service account token of a published issuer. Pure."""

from collections.abc import Iterator, Sequence

from azwi_cli.checks import Check, Status
from azwi_cli.keys import PublicKey
from azwi_cli.tokens import Token
from azwi_common import contract

_PASS, _WARN, _FAIL = Status.PASS, Status.WARN, Status.FAIL


def token(
    given: Token, issuer: str, published: Sequence[PublicKey], *, now: float
) -> Iterator[Check]:
    """What fits and what does not; the token itself is never part of it."""
    yield _issuer(given, issuer)
    yield _key(given, published)
    yield _audience(given)
    yield _subject(given)
    yield _lifetime(given, now)


def _issuer(given: Token, issuer: str) -> Check:
    if given.issuer == issuer:
        return Check("token-issuer", _PASS, "The token's issuer is this one, to the letter.")
    slash = given.issuer.rstrip("/") == issuer.rstrip("/")
    return Check(
        "token-issuer",
        _FAIL,
        f"The token's issuer is {given.issuer or 'missing'}{': the slash differs' * slash}.",
        "Entra ID looks for a federated credential with the token's issuer (AADSTS700211).",
        f"Set the API server's --service-account-issuer to {issuer}, or check the token's issuer.",
    )


def _key(given: Token, published: Sequence[PublicKey]) -> Check:
    if given.algorithm != "RS256":
        return Check(
            "token-key",
            _FAIL,
            f"The token is signed by {given.algorithm or 'no algorithm'}.",
            "Entra ID verifies RS256 only.",
            "Sign service account tokens with an RSA key.",
        )
    matching = [key for key in published if key.kid == given.kid]
    if not matching:
        return Check(
            "token-key",
            _FAIL,
            f"The token is signed by the key {given.kid or 'without kid'}, which is not published.",
            "Entra ID finds no key for it (AADSTS700027, AADSTS50013).",
            "Publish the key of --service-account-signing-key-file: azwi oidc generate; in a"
            " rotation: azwi oidc rotate.",
        )
    if not any(given.is_signed_by(key) for key in matching):
        return Check(
            "token-key",
            _FAIL,
            f"The published key {given.kid} does not verify the token.",
            "Entra ID refuses it (AADSTS50013).",
            "Publish the key that signs: azwi oidc generate with the API server's key file.",
        )
    return Check("token-key", _PASS, f"The published key {given.kid} verifies the token.")


def _audience(given: Token) -> Check:
    if contract.TOKEN_EXCHANGE_AUDIENCE in given.audiences:
        return Check(
            "token-audience", _PASS, f"The audience is {contract.TOKEN_EXCHANGE_AUDIENCE}."
        )
    return Check(
        "token-audience",
        _WARN,
        f"The token is for {', '.join(given.audiences) or 'nobody'}.",
        f"Federated credentials are made for {contract.TOKEN_EXCHANGE_AUDIENCE} (AADSTS700212).",
        f"kubectl create token NAME --audience {contract.TOKEN_EXCHANGE_AUDIENCE} makes one; in a"
        " pod the webhook asks for it.",
    )


def _subject(given: Token) -> Check:
    if given.subject.startswith("system:serviceaccount:") and given.subject.count(":") == 3:
        return Check("token-subject", _PASS, f"The subject is {given.subject}.")
    return Check(
        "token-subject",
        _WARN,
        f"The subject is {given.subject or 'missing'}, not a service account.",
        "Federated credentials are made for service accounts.",
        "Give a token of a service account.",
    )


def _lifetime(given: Token, now: float) -> Check:
    if given.expires_at > now:
        return Check("token-lifetime", _PASS, "The token has not expired.")
    return Check(
        "token-lifetime",
        _WARN,
        "The token has expired.",
        "Entra ID refuses it (AADSTS700024); the other checks hold for a newer one too.",
        "Give a new token.",
    )

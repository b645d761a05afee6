"""What a service account token says of itself. Pure; no text made here contains the token."""

from dataclasses import dataclass
from typing import Any

from azwi_cli import errors
from azwi_cli.keys import PublicKey


@dataclass(frozen=True, slots=True)
class Token:
    """A decoded token; nothing in it is proven before ``is_signed_by`` says so."""

    raw: str
    kid: str
    algorithm: str
    issuer: str
    subject: str
    audiences: tuple[str, ...]
    issued_at: int
    """Unix time, in seconds; 0 where the token does not say."""
    expires_at: int

    def __repr__(self) -> str:
        """Without the token: a repr ends up in logs."""
        return f"Token(kid={self.kid!r}, subject={self.subject!r})"

    def is_signed_by(self, key: PublicKey) -> bool:
        """Whether the signature is that of ``key``; its times and audience do not matter here."""
        import jwt

        unchecked: Any = {"verify_signature": True, **dict.fromkeys(_OTHER_CHECKS, False)}
        try:
            jwt.decode(self.raw, jwt.PyJWK(dict(key.jwk)), [key.algorithm], options=unchecked)
        except jwt.PyJWTError:
            return False
        return True


_OTHER_CHECKS = tuple(
    f"verify_{claim}" for claim in ("exp", "nbf", "iat", "aud", "iss", "sub", "jti")
)


def read(content: bytes, name: str) -> Token:
    """The token in a file that is called ``name``; raises BadInput."""
    import jwt

    try:
        raw = content.decode("ascii").strip()
        whole = jwt.decode_complete(raw, options={"verify_signature": False})
        header, claims = whole["header"], whole["payload"]
        audience = claims.get("aud", [])
        return Token(
            raw=raw,
            kid=str(header.get("kid", "")),
            algorithm=str(header.get("alg", "")),
            issuer=str(claims.get("iss", "")),
            subject=str(claims.get("sub", "")),
            audiences=tuple(map(str, audience if isinstance(audience, list) else [audience])),
            issued_at=int(claims.get("iat", 0)),
            expires_at=int(claims.get("exp", 0)),
        )
    except (jwt.PyJWTError, ValueError, TypeError):
        # Not `from error`: its text may hold a piece of the token.
        raise errors.BadInput(
            f"{name} holds no service account token.",
            "Make one: kubectl create token default --audience api://AzureADTokenExchange >"
            f" {name}",
        ) from None

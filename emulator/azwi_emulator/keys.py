"""RSA signing keys: made, published as a JWKS, rotated; and other parties' JWKS read.

RS256 with 2048 bits, as Entra ID and Kubernetes use it.
"""

import base64
import hashlib
from collections.abc import Mapping
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

from azwi_emulator import errors

_KEPT = (
    3  # a cluster publishes an old key until its last token has expired; more only cost bandwidth
)


class SigningKey:
    """A private RSA key that never leaves memory, and its id."""

    def __init__(self) -> None:
        self._private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        public = self._private.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        # As Kubernetes names its keys: base64url of the SHA-256 of the public key.
        self.key_id = (
            base64.urlsafe_b64encode(hashlib.sha256(public).digest()).rstrip(b"=").decode()
        )

    def sign(
        self,
        claims: dict[str, Any],
        *,
        algorithm: str = "RS256",
        key_id: str = "",
        typ: bool = True,
    ) -> str:
        """A signed JWT; ``typ=False`` leaves the header out, as Kubernetes does."""
        headers = {"kid": key_id or self.key_id, **({} if typ else {"typ": ""})}
        return jwt.encode(claims, self._private, algorithm=algorithm, headers=headers)

    def public_jwk(self) -> dict[str, Any]:
        """The public half, as it stands in a JWKS."""
        numbers = RSAAlgorithm.to_jwk(self._private.public_key(), as_dict=True)
        return {
            "use": "sig",
            "kty": "RSA",
            "kid": self.key_id,
            "alg": "RS256",
            "n": numbers["n"],
            "e": numbers["e"],
        }


class KeyRing:
    """One party's keys: the newest signs, the published ones verify."""

    def __init__(self) -> None:
        self._published = [SigningKey()]

    @property
    def current(self) -> SigningKey:
        """The key that signs."""
        return self._published[0]

    def rotate(self, *, keep_old: bool) -> None:
        """Sign with a new key from now on."""
        kept = self._published[: _KEPT - 1] if keep_old else []
        self._published = [SigningKey(), *kept]

    def jwks(self) -> dict[str, Any]:
        """The published keys, newest first."""
        return {"keys": [key.public_jwk() for key in self._published]}


def read_jwks(document: object) -> dict[str, rsa.RSAPublicKey]:
    """The RSA keys of a decoded JWKS by kid; raises BadKeys where there is none.

    Keys of other types or uses are passed over: an issuer may publish them beside those for RS256.
    """
    keys = document.get("keys") if isinstance(document, Mapping) else None
    if not isinstance(keys, list):
        raise errors.BadKeys("the document has no list 'keys'")
    found = {}
    for key in keys:
        if isinstance(key, Mapping) and key.get("kty") == "RSA" and key.get("use") in (None, "sig"):
            found[str(key.get("kid", ""))] = _public_key(key)
    if not found:
        raise errors.BadKeys("there is no RSA key among the keys")
    return found


def _public_key(key: Mapping[str, Any]) -> rsa.RSAPublicKey:
    try:
        public = RSAAlgorithm.from_jwk({"kty": "RSA", "n": key.get("n"), "e": key.get("e")})
    except (jwt.PyJWTError, ValueError, TypeError, AttributeError) as error:
        raise errors.BadKeys("an RSA key has no valid 'n' and 'e'") from error
    if not isinstance(public, rsa.RSAPublicKey):
        raise errors.BadKeys("a key that should be public is private")
    return public

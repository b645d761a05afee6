"""The OIDC issuer of a cluster that does not exist: signs service account tokens, publishes keys.

Its URL keeps a trailing slash, as that of AKS does: an issuer is compared as an exact string.
"""

import uuid
from typing import Any

from azwi_emulator import claims, keys
from azwi_emulator.messages import ServiceAccountTokenRequest

PATH = "/issuer/"


class Issuer:
    """One cluster's signing side; ``url`` ends with a slash."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._keys = keys.KeyRing()

    def mint(self, request: ServiceAccountTokenRequest, *, now: float) -> str:
        """A signed service account token, or a forgery where ``request`` asks for one."""
        body = claims.service_account_token(
            request, issuer=self.url, now=int(now), unique=str(uuid.uuid4())
        )
        current = self._keys.current
        if request.forgery == "signature":
            return keys.SigningKey().sign(body, key_id=current.key_id, typ=False)
        if request.forgery == "key":
            return keys.SigningKey().sign(body, typ=False)
        algorithm = "RS512" if request.forgery == "algorithm" else "RS256"
        return current.sign(body, algorithm=algorithm, typ=False)

    def rotate(self, *, keep_old: bool) -> list[str]:
        """Sign with a new key from now on; answers the kids that are published, newest first."""
        self._keys.rotate(keep_old=keep_old)
        return [key["kid"] for key in self.jwks()["keys"]]

    @property
    def key_id(self) -> str:
        """The kid of the key that signs now."""
        return self._keys.current.key_id

    def jwks(self) -> dict[str, Any]:
        """The published keys."""
        return self._keys.jwks()

    def discovery_document(self) -> dict[str, Any]:
        """As a cluster serves it at ``/.well-known/openid-configuration``."""
        return {
            "issuer": self.url,
            "jwks_uri": f"{self.url}openid/v1/jwks",
            "response_types_supported": ["id_token"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
        }

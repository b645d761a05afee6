"""Who may call where reviews need the API server's client certificate. Pure.

TLS has verified the certificate already, if there is one: it is optional at the handshake, since
the webhook's call of itself has none, but a secret that nobody else knows.
"""

import hmac
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from azwi_webhook import errors

SECRET_HEADER: Final = "Azwi-Self"
"""With which the webhook calls itself."""
_NAMES: Final = ("DNS", "URI", "IP Address", "email")


@dataclass(frozen=True)
class Callers:
    """Who may call."""

    required: bool
    """Whether a call needs a certificate at all."""
    names: Collection[str] = ()
    """Of which the certificate must have one; empty: any that TLS has verified."""
    secret: str = field(default="", repr=False)
    """Of the webhook's call of itself."""

    def check(self, certificate: Mapping[str, Any] | None, said: str | None) -> None:
        """Raise errors.BadCall for a call without a right; ``said``: the value of SECRET_HEADER."""
        if not self.required:
            return
        ours = (said or "").encode(errors="replace")
        if self.secret and hmac.compare_digest(ours, self.secret.encode()):
            return
        if not certificate:
            raise errors.BadCall(
                "Calls need the API server's client certificate, and this one has none:"
                " docs/security.md says how the API server gets it.",
                status=403,
            )
        if self.names and not set(_names(certificate)) & set(self.names):
            raise errors.BadCall(
                "The client certificate has none of the names that AZWI_CLIENT_NAMES allows.",
                status=403,
            )


def _names(certificate: Mapping[str, Any]) -> Iterator[str]:
    """Its common name and its alternative names, as ``ssl`` tells them."""
    for part in certificate.get("subject", ()):
        yield from (value for name, value in part if name == "commonName")
    yield from (value for kind, value in certificate.get("subjectAltName", ()) if kind in _NAMES)

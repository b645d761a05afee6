"""What a running emulator knows: registrations, faults, keys, and the token requests seen.

One object, owned by ``server.Emulator``; ``app`` reads it, ``control`` changes it.
"""

import collections
import secrets
import time
import uuid
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from azwi_emulator import (
    claims,
    client_certificates,
    cloud,
    directory,
    discovery,
    errors,
    faults,
    federation,
    issuer,
    keys,
)
from azwi_emulator.messages import (
    AccessTokenShape,
    ApiCall,
    ClientRegistration,
    CredentialRegistration,
    Exchange,
    ExternalIssuer,
    Registrations,
)

MOST_EXCHANGES = 10_000  # enough for a load test's verdict, a few MB
_SHORTEST, _LONGEST = 3600, 5399  # Entra ID: 60 to 90 minutes at random


def _nothing(_: cloud.Cloud) -> None:
    """Nothing to furnish, or nobody who keeps it."""


class State:
    """Everything that requests read and the control endpoint changes.

    ``authority`` is the base URL with a trailing slash; ``furnish`` puts into Graph and ARM what is
    there at the start; ``keep`` is called with them after each of their writes.
    """

    def __init__(
        self,
        authority: str,
        issuer_keys: discovery.IssuerKeys,
        *,
        registrations: Registrations,
        access_tokens: AccessTokenShape,
        furnish: Callable[[cloud.Cloud], None] = _nothing,
        keep: Callable[[cloud.Cloud], None] = _nothing,
        consistency_delay: float = 0.0,
        page_size: int = 100,
    ) -> None:
        self.authority = authority
        self.issuer = issuer.Issuer(authority.rstrip("/") + issuer.PATH)
        self.issuer_keys = issuer_keys
        self.entra_keys = keys.KeyRing()
        self.faults = faults.Faults()
        self.page_size = page_size
        self.written: set[str] = set()
        """Identities of which a federated credential is being written right now."""
        self._at_start = registrations, access_tokens
        self._furnish, self._keep, self._delay = furnish, keep, consistency_delay
        self.reset()

    def reset(self) -> None:
        """Back to the start: its registrations, no faults, no requests seen; signing keys stay."""
        registrations, self.access_tokens = self._at_start
        self.directory = directory.Directory()
        self.exchanges: collections.deque[Exchange] = collections.deque(maxlen=MOST_EXCHANGES)
        self.exchange_count = 0
        self.calls: collections.deque[ApiCall] = collections.deque(maxlen=MOST_EXCHANGES)
        self.faults.clear_all()
        self.issuer_keys.forget()
        for client in registrations.clients:
            self.add_client(client)
        for credential in registrations.credentials:
            self.add_credential(credential)
        for external in registrations.issuers:
            self.add_issuer(external)
        self.cloud = cloud.Cloud(self.directory)
        self._furnish(self.cloud)
        self.keep()

    def keep(self) -> None:
        """Keep what Graph and ARM hold, where that was asked for; raises StartFailed."""
        self._keep(self.cloud)

    def lag(self) -> float:
        """Seconds after which what Graph and ARM write is seen."""
        fault = self.faults.lag()
        return self._delay if fault is None else fault

    def now(self) -> float:
        """Unix time by Entra ID's clock, which a fault may have moved."""
        return time.time() + self.faults.skew()

    def add_client(self, registration: ClientRegistration) -> None:
        """Register a client, or replace it; raises BadMessage for a certificate of no use."""
        certificates = client_certificates.read(registration.certificate or "")
        self.directory.add_client(
            directory.Client(
                registration.tenant_id,
                registration.client_id,
                registration.resources,
                self._visible_from(registration.delay_seconds),
            )
        )
        if registration.secret:
            self.directory.set_secret(
                registration.tenant_id, registration.client_id, registration.secret
            )
        if certificates:
            self.directory.set_certificates(
                registration.tenant_id, registration.client_id, certificates
            )

    def add_credential(self, registration: CredentialRegistration) -> str:
        """Register a federated credential; answers its id."""
        return self.directory.add_credential(
            directory.Credential(
                registration.tenant_id,
                registration.client_id,
                registration.issuer or self.issuer.url,
                registration.subject,
                registration.audience,
                self._visible_from(registration.delay_seconds),
            )
        )

    def add_issuer(self, external: ExternalIssuer) -> None:
        """Use the keys handed in for an issuer that cannot be reached."""
        try:
            self.issuer_keys.give(external.issuer, external.jwks)
        except errors.BadKeys as error:
            raise errors.BadMessage(f"'jwks' cannot be used: {error}.") from error

    def record(self, exchange: Exchange) -> None:
        """Remember a token request; only the last 10,000 are kept, all are counted."""
        self.exchanges.append(exchange)
        self.exchange_count += 1

    def exchanges_of(self, client_id: str | None) -> Iterable[Exchange]:
        """The requests that are kept, oldest first, of one client or of all."""
        wanted = None if client_id is None else client_id.lower()
        return (seen for seen in self.exchanges if wanted in (None, seen.client_id.lower()))

    def calls_of(self, api: str | None) -> Sequence[ApiCall]:
        """The calls of Graph and ARM that are kept, oldest first, of one API or of both."""
        return [seen for seen in self.calls if api in (None, seen.api)]

    def token_answer(self, granted: federation.Grant) -> dict[str, Any]:
        """The token endpoint's JSON for a granted request, which the sign-in report then has."""
        seen = cloud.SignIn(self.now(), str(uuid.uuid4()))
        self.cloud.sign_in(granted.tenant_id, granted.client_id, seen)
        shape = self.access_tokens
        lifetime = shape.lifetime_seconds or _SHORTEST + secrets.randbelow(_LONGEST - _SHORTEST + 1)
        body = claims.access_token(
            granted,
            issuer=self.entra_issuer(granted.tenant_id),
            now=int(self.now()),
            lifetime=lifetime,
            unique=secrets.token_urlsafe(16),
            resource_id=self.cloud.resource_id(granted.tenant_id, granted.client_id),
        )
        noise = secrets.token_urlsafe(shape.size_bytes)
        token = self.entra_keys.current.sign(claims.padded(body, shape.size_bytes, noise))
        answer: dict[str, Any] = {
            "token_type": "Bearer",
            "expires_in": lifetime,
            "ext_expires_in": lifetime,
        }
        if shape.refresh_in_seconds is not None:
            answer["refresh_in"] = shape.refresh_in_seconds
        return {**answer, "access_token": token}

    def entra_issuer(self, tenant_id: str) -> str:
        """``iss`` of the tenant's access tokens."""
        return f"{self.authority}{tenant_id}/v2.0"

    def _visible_from(self, delay: float) -> float:
        return self.now() + delay if delay > 0 else 0.0

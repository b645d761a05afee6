"""Who is registered: tenants, clients, federated credentials; each visible from a moment on. Pure.

Ids compare without regard to case, as GUIDs do; issuer, subject and audience are exact strings.
"""

import hashlib
import hmac
import uuid
from collections.abc import Iterator
from dataclasses import dataclass

from azwi_emulator import errors

CREDENTIALS_PER_CLIENT = 20  # Entra ID's limit per identity


@dataclass(frozen=True, slots=True)
class Client:
    """An application or managed identity."""

    tenant_id: str
    client_id: str
    resources: tuple[str, ...] = ()
    """Resources that its tenant knows; none: any."""
    visible_from: float = 0.0
    """Unix time, in seconds."""
    principal_from: float | None = 0.0
    """Unix time from which its tenant has a service principal for it; None: it has none."""


@dataclass(frozen=True, slots=True)
class Credential:
    """A federated identity credential: which outside token stands for which client."""

    tenant_id: str
    client_id: str
    issuer: str
    subject: str
    audience: str
    visible_from: float = 0.0
    """Unix time, in seconds."""


class Directory:
    """The tenants' registrations; every look-up takes the moment at which it is made."""

    def __init__(self) -> None:
        self._clients: dict[tuple[str, str], Client] = {}
        self._credentials: dict[str, Credential] = {}
        self._secrets: dict[tuple[str, str], bytes] = {}
        """SHA-256 of client secrets; the secrets themselves are kept nowhere."""
        self._certificates: dict[tuple[str, str], tuple[bytes, ...]] = {}
        """DER."""
        self._issued = 0

    def add_client(self, client: Client) -> None:
        """Register a client, or replace it."""
        self._clients[_key(client.tenant_id, client.client_id)] = client

    def remove_client(self, tenant_id: str, client_id: str) -> None:
        """Forget a client and its credentials; RequestRefused (404) for one that is unknown."""
        if self._clients.pop(_key(tenant_id, client_id), None) is None:
            raise errors.RequestRefused(
                f"No client {client_id!r} is registered in tenant {tenant_id!r}.", status=404
            )
        self._secrets.pop(_key(tenant_id, client_id), None)
        self._certificates.pop(_key(tenant_id, client_id), None)
        mine = [name for name, _ in self._of(tenant_id, client_id)]
        for name in mine:
            del self._credentials[name]

    def set_secret(self, tenant_id: str, client_id: str, secret: str) -> None:
        """Let a client prove itself by this secret too."""
        self._secrets[_key(tenant_id, client_id)] = _digest(secret)

    def is_secret(self, tenant_id: str, client_id: str, secret: str) -> bool:
        """Whether it is the client's secret."""
        known = self._secrets.get(_key(tenant_id, client_id), b"")
        return hmac.compare_digest(known, _digest(secret))

    def set_certificates(self, tenant_id: str, client_id: str, ders: tuple[bytes, ...]) -> None:
        """Let a client prove itself by the keys of these certificates too."""
        self._certificates[_key(tenant_id, client_id)] = ders

    def certificates(self, tenant_id: str, client_id: str) -> tuple[bytes, ...]:
        """The client's certificates, as DER."""
        return self._certificates.get(_key(tenant_id, client_id), ())

    def add_credential(self, credential: Credential) -> str:
        """Register a credential, and its client if that is unknown; answers the credential's id."""
        owner = _key(credential.tenant_id, credential.client_id)
        if self.is_full(*owner):
            raise errors.RequestRefused(
                f"Client {credential.client_id!r} has {CREDENTIALS_PER_CLIENT} federated"
                " credentials, as many as Entra ID allows: delete one first.",
                status=409,
            )
        self._clients.setdefault(owner, Client(credential.tenant_id, credential.client_id))
        self._issued += 1
        name = str(self._issued)
        self._credentials[name] = credential
        return name

    def is_full(self, tenant_id: str, client_id: str) -> bool:
        """Whether a client has as many credentials as it may have."""
        return sum(1 for _ in self._of(tenant_id, client_id)) >= CREDENTIALS_PER_CLIENT

    def remove_credential(self, name: str) -> None:
        """Forget a credential; raises RequestRefused (404) for one that is unknown."""
        if self._credentials.pop(name, None) is None:
            raise errors.RequestRefused(f"No credential has the id {name!r}.", status=404)

    def has_tenant(self, tenant_id: str) -> bool:
        """Whether anything is registered there."""
        return any(known == tenant_id.lower() for known, _ in self._clients)

    def client(self, tenant_id: str, client_id: str, now: float) -> Client | None:
        """The client as the token endpoint sees it at ``now``."""
        client = self._clients.get(_key(tenant_id, client_id))
        return client if client and client.visible_from <= now else None

    def registered(self, tenant_id: str, client_id: str) -> Client | None:
        """The client, visible yet or not."""
        return self._clients.get(_key(tenant_id, client_id))

    def credentials(self, tenant_id: str, client_id: str, now: float) -> tuple[Credential, ...]:
        """The client's credentials as the token endpoint sees them at ``now``."""
        mine = (credential for _, credential in self._of(tenant_id, client_id))
        return tuple(credential for credential in mine if credential.visible_from <= now)

    def clients(self) -> tuple[Client, ...]:
        """Every registered client."""
        return tuple(self._clients.values())

    def all_credentials(self) -> dict[str, Credential]:
        """Every registered credential by id."""
        return dict(self._credentials)

    def _of(self, tenant_id: str, client_id: str) -> Iterator[tuple[str, Credential]]:
        owner = _key(tenant_id, client_id)
        for name, credential in self._credentials.items():
            if _key(credential.tenant_id, credential.client_id) == owner:
                yield name, credential


def principal_id(tenant_id: str, client_id: str) -> str:
    """Object id of a client's service principal: the ``oid`` of its tokens."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"{tenant_id.lower()}/{client_id.lower()}"))


def _key(tenant_id: str, client_id: str) -> tuple[str, str]:
    return tenant_id.lower(), client_id.lower()


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()

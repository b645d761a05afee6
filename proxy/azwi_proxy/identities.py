"""Which identity a token request means: the pod's default, one of its map, or a client id as is.

Pure. An identity that is not known is never answered with another one's token.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from azwi_common.identities import GUID, Mapped
from azwi_proxy import errors


@dataclass(frozen=True, slots=True)
class Identity:
    """Who asks Entra ID: an application or managed identity, in its tenant."""

    client_id: str
    tenant_id: str


@dataclass(frozen=True)
class Identities:
    """The identities of the pod, ready to be looked up."""

    default_client: str = ""
    default_tenant: str = ""
    mapped: tuple[Mapped, ...] = ()
    strict: bool = False
    _by_client: Mapping[str, Mapped] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Index the map."""
        object.__setattr__(self, "_by_client", {entry.client_id: entry for entry in self.mapped})

    def resolve(self, client_id: str) -> Identity:
        """The identity that a client id means; an empty one means the pod's default.

        Raises errors.IdentityNotFound for every identity that the pod does not have.
        """
        if not client_id:
            return self._default()
        key = client_id.lower()
        if entry := self._by_client.get(key):
            return self._with_tenant(entry.client_id, entry.tenant_id)
        if key == self.default_client or not self.strict:
            return self._with_tenant(key, "")
        raise errors.IdentityNotFound

    def own(self) -> tuple[Identity, ...]:
        """The default identity, then those of the map."""
        clients = dict.fromkeys((self.default_client, *self._by_client))
        return tuple(self.resolve(client) for client in clients if client)

    def by_object_id(self) -> Mapping[str, Identity]:
        """What the map says of object ids."""
        return {one.object_id: self.resolve(one.client_id) for one in self.mapped if one.object_id}

    def by_resource_id(self) -> Mapping[str, Identity]:
        """What the map says of resource ids."""
        return {
            one.resource_id: self.resolve(one.client_id) for one in self.mapped if one.resource_id
        }

    def _default(self) -> Identity:
        if self.default_client:
            return self.resolve(self.default_client)
        if len(self.mapped) == 1:
            return self.resolve(self.mapped[0].client_id)
        raise errors.IdentityNotFound

    def _with_tenant(self, client_id: str, tenant_id: str) -> Identity:
        tenant = tenant_id or self.default_tenant
        if not (tenant and GUID.fullmatch(client_id)):
            raise errors.IdentityNotFound
        return Identity(client_id, tenant)

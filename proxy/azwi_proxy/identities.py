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
    _by_parameter: Mapping[str, Mapping[str, Mapped]] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Index the map by what requests can name."""
        by_resource = {entry.resource_id: entry for entry in self.mapped if entry.resource_id}
        index = {
            "client_id": {entry.client_id: entry for entry in self.mapped},
            "object_id": {entry.object_id: entry for entry in self.mapped if entry.object_id},
            "msi_res_id": by_resource,
            "mi_res_id": by_resource,
            "msi-res-id": by_resource,  # as one .NET release spells it
            "resource_id": by_resource,  # as azure-identity's asynchronous credential passes it on
        }
        object.__setattr__(self, "_by_parameter", index)

    def resolve(self, parameter: str, value: str) -> Identity:
        """The identity that a request names; no ``parameter`` means the pod's default.

        Raises errors.IdentityNotFound for every identity that the pod does not have.
        """
        if not parameter:
            return self._default()
        key = value.rstrip("/").lower()
        if entry := self._by_parameter[parameter].get(key):
            return self._with_tenant(entry.client_id, entry.tenant_id)
        if parameter == "client_id" and (key == self.default_client or not self.strict):
            return self._with_tenant(key, "")
        raise errors.IdentityNotFound

    def _default(self) -> Identity:
        if self.default_client:
            return self.resolve("client_id", self.default_client)
        if len(self.mapped) == 1:
            return self._with_tenant(self.mapped[0].client_id, self.mapped[0].tenant_id)
        raise errors.IdentityNotFound

    def _with_tenant(self, client_id: str, tenant_id: str) -> Identity:
        tenant = tenant_id or self.default_tenant
        if not (tenant and GUID.fullmatch(client_id)):
            raise errors.IdentityNotFound
        return Identity(client_id, tenant)

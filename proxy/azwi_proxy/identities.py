"""Which identity a token request means: the pod's default, one of its map, or a client id as is.

Pure. An identity that is not known is never answered with another one's token.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from azwi_proxy import errors

GUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_DOMAIN = re.compile(r"(?=.{4,253}$)([A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z]{2,63}")
_MEMBERS = {
    "clientId": "client_id",
    "tenantId": "tenant_id",
    "objectId": "object_id",
    "resourceId": "resource_id",
}


class Guid(str):
    """A GUID in its usual text form, in lower case: Entra ID compares without case."""

    __slots__ = ()

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Parse; ValueError says what is allowed."""
        if not GUID.fullmatch(text):
            raise ValueError(f"must be a GUID such as 00000000-0000-…; it is {text[:40]!r}")
        return cls(text.lower())


class Tenant(str):
    """A tenant: its GUID, or one of its domains."""

    __slots__ = ()

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Parse; ValueError says what is allowed."""
        if not (GUID.fullmatch(text) or _DOMAIN.fullmatch(text)):
            raise ValueError(f"must be a tenant's GUID or domain; it is {text[:40]!r}")
        return cls(text.lower())


@dataclass(frozen=True, slots=True)
class Identity:
    """Who asks Entra ID: an application or managed identity, in its tenant."""

    client_id: str
    tenant_id: str


@dataclass(frozen=True, slots=True)
class Mapped:
    """One entry of AZWI_IDENTITIES; an empty member is one that was not given."""

    client_id: str
    tenant_id: str = ""
    object_id: str = ""
    resource_id: str = ""


class IdentityMap(tuple[Mapped, ...]):
    """The pod's identities, from a JSON array of objects."""

    __slots__ = ()

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Parse and validate; ValueError names the entry and what is wrong with it."""
        try:
            entries = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise ValueError(f"must be a JSON array of objects: {error}") from error
        if not isinstance(entries, list):
            raise ValueError('must be a JSON array, such as [{"clientId": "…"}]')
        mapped = cls(_mapped(number, entry) for number, entry in enumerate(entries, 1))
        for name in ("client_id", "object_id", "resource_id"):
            values = [getattr(entry, name) for entry in mapped if getattr(entry, name)]
            if len(values) != len(set(values)):
                raise ValueError(f"names one {name.replace('_', ' ')} twice")
        return mapped


def _mapped(number: int, entry: Any) -> Mapped:
    if not isinstance(entry, dict):
        raise ValueError(f"entry {number} must be an object")
    if unknown := set(entry) - set(_MEMBERS):
        raise ValueError(
            f"entry {number} has an unknown member {sorted(unknown)[0][:40]!r};"
            f" there are {', '.join(_MEMBERS)}"
        )
    if not entry.get("clientId"):
        raise ValueError(f"entry {number} has no clientId")
    return Mapped(
        **{_MEMBERS[name]: _member(number, name, value) for name, value in entry.items() if value}
    )


def _member(number: int, name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"entry {number}: {name} must be text")
    try:
        if name == "resourceId":
            return _resource_id(value)
        return Tenant.from_text(value) if name == "tenantId" else Guid.from_text(value)
    except ValueError as error:
        raise ValueError(f"entry {number}: {name} {error}") from error


def _resource_id(text: str) -> str:
    if not text.lower().startswith("/subscriptions/"):
        raise ValueError("must be an Azure resource id, /subscriptions/…")
    return text.rstrip("/").lower()  # ARM compares without case


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

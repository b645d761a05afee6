"""What a pod may say of its identities: GUIDs, tenants, and the map of AZWI_IDENTITIES.

Pure. The proxy reads the map, the webhook checks it before a pod exists.
"""

import json
import re
from dataclasses import dataclass
from typing import Any, Self

GUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_DOMAIN = re.compile(r"(?=.{4,253}$)([A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z]{2,63}")
# What Azure allows in the names of resource groups and identities. No "$": the kubelet would
# expand $(NAME) on the way into the container.
_RESOURCE_ID = re.compile(r"/subscriptions/[\w().\-/]+", re.IGNORECASE)
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

    @property
    def text(self) -> str:
        """The map as compact JSON, which ``from_text`` reads back to the same."""
        entries = [
            {name: getattr(entry, field) for name, field in _MEMBERS.items()} for entry in self
        ]
        given = [{name: value for name, value in entry.items() if value} for entry in entries]
        return json.dumps(given, separators=(",", ":"), ensure_ascii=False)


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
    if not _RESOURCE_ID.fullmatch(text):
        raise ValueError("must be an Azure resource id, /subscriptions/…")
    return text.rstrip("/").lower()  # ARM compares without case

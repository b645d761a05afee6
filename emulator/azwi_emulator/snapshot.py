"""The objects of Graph and ARM as one JSON document and back: ``--state``. Pure.

What was registered otherwise (files, control endpoint) is not in it, nor is any key or secret.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from azwi_emulator import errors, wire
from azwi_emulator.cloud import (
    Application,
    Cloud,
    FederatedCredential,
    Group,
    Identity,
    Principal,
    RoleAssignment,
)
from azwi_emulator.replica import Table

VERSION: Final = 1
"""Of the document; a reader refuses any other."""
_NEW: Final = frozenset({"deleted"})
"""What documents of earlier versions of this program lack."""


def dump(cloud: Cloud) -> dict[str, Any]:
    """Everything as it truly is, whether readers see it already or not."""
    tables: dict[str, Table[Any]] = {
        "groups": cloud.groups,
        "applications": cloud.applications,
        "deleted": cloud.deleted,
        "identities": cloud.identities,
        "principals": cloud.principals,
        "credentials": cloud.credentials,
        "assignments": cloud.assignments,
    }
    written = {name: [wire.write(item) for item in table.all()] for name, table in tables.items()}
    return {"version": VERSION, **written}


def load(cloud: Cloud, document: object) -> None:
    """Put a document's objects into an empty ``cloud``; raises BadMessage with a sentence."""
    if not isinstance(document, Mapping):
        raise errors.BadMessage("It must be a JSON object.")
    if document.get("version") != VERSION:
        raise errors.BadMessage(
            f"Its version is {document.get('version')!r}, and this program reads {VERSION}."
        )
    now: dict[str, Any] = {"now": 0.0, "lag": 0.0}
    kinds: tuple[tuple[str, type[Any], Callable[[Any], None]], ...] = (
        ("groups", Group, lambda item: cloud.groups.put(item.key, item, **now)),
        ("applications", Application, lambda item: cloud.put_application(item, **now)),
        ("deleted", Application, lambda item: cloud.deleted.put(item.id, item, **now)),
        ("principals", Principal, lambda item: cloud.put_principal(item, **now)),
        ("identities", Identity, lambda item: cloud.put_identity(item, **now)),
        ("credentials", FederatedCredential, lambda item: cloud.put_credential(item, **now)),
        ("assignments", RoleAssignment, lambda item: cloud.assignments.put(item.key, item, **now)),
    )
    for name, cls, put in kinds:
        for item in _items(document, name, cls):
            put(item)


def _items(document: Mapping[str, Any], name: str, cls: type[Any]) -> list[Any]:
    items = document.get(name, [] if name in _NEW else None)
    if not isinstance(items, list):
        raise errors.BadMessage(f"{name!r} must be a JSON array.")
    return [wire.read(cls, item, f"An item of {name!r}") for item in items]

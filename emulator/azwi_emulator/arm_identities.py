"""ARM's user-assigned managed identities. Pure.

Sources: learn.microsoft.com/rest/api/managedidentity, and recorded answers of that provider.
"""

import dataclasses
import re
from collections.abc import Mapping
from typing import Any, Final

from azwi_emulator import arm
from azwi_emulator.api import Call, Problem, Reply
from azwi_emulator.cloud import Cloud, Identity
from azwi_emulator.directory import principal_id

TYPE: Final = "Microsoft.ManagedIdentity/userAssignedIdentities"

_NAME: Final = re.compile(r"[A-Za-z0-9][\w-]{2,127}", re.ASCII)


def list_identities(cloud: Cloud, call: Call, at: Mapping[str, str]) -> Reply:
    """GET …/userAssignedIdentities, of a subscription or of a resource group."""
    subscription = arm.subscription(cloud, call, at)
    group = arm.group(cloud, call, at).name if "group" in at else None
    mine = [
        _written(known)
        for known in cloud.identities.all_seen(call.now)
        if known.subscription_id == subscription.id
        and (group is None or known.group.lower() == group.lower())
    ]
    return arm.listed(call, mine)


def get_identity(cloud: Cloud, call: Call, at: Mapping[str, str]) -> Reply:
    """GET …/userAssignedIdentities/{name}."""
    found = cloud.identities.seen(_key(cloud, call, at), call.now)
    if found is None:
        raise _missing(at)
    return Reply(200, _written(found))


def put_identity(cloud: Cloud, call: Call, at: Mapping[str, str]) -> Reply:
    """PUT …/userAssignedIdentities/{name}: 201 where it is new."""
    known = cloud.identities.get(_key(cloud, call, at))
    if known is None:
        made = _made(cloud, call, at)
    else:
        _check_location(call, known)
        made = dataclasses.replace(known, tags=arm.tags(call))
    cloud.put_identity(made, now=call.now, lag=call.lag)
    headers = {} if known else {"Location": made.resource_id}
    return Reply(200 if known else 201, _written(made), headers)


def update_identity(cloud: Cloud, call: Call, at: Mapping[str, str]) -> Reply:
    """PATCH …/userAssignedIdentities/{name}: its tags."""
    known = identity(cloud, call, at, missing=_missing(at))
    made = dataclasses.replace(known, tags={**known.tags, **arm.tags(call)})
    cloud.put_identity(made, now=call.now, lag=call.lag)
    return Reply(200, _written(made))


def delete_identity(cloud: Cloud, call: Call, at: Mapping[str, str]) -> Reply:
    """DELETE …/userAssignedIdentities/{name}: 204 where there is none. Role assignments stay."""
    known = cloud.identities.get(_key(cloud, call, at))
    if known is None:
        return Reply(204)
    cloud.remove_identity(known, now=call.now, lag=call.lag)
    return Reply(200)


def identity(cloud: Cloud, call: Call, at: Mapping[str, str], *, missing: Problem) -> Identity:
    """The identity that a path names, as it truly is; raises ``missing``."""
    known = cloud.identities.get(_key(cloud, call, at))
    if known is None:
        raise missing
    return known


def _key(cloud: Cloud, call: Call, at: Mapping[str, str]) -> str:
    group = arm.group(cloud, call, at)
    path = f"/subscriptions/{group.subscription_id}/resourcegroups/{group.name}/providers/{TYPE}"
    return f"{path}/{at['identity']}".lower()


def _made(cloud: Cloud, call: Call, at: Mapping[str, str]) -> Identity:
    location = arm.text(call.object(), "location", code="LocationRequired")
    if not _NAME.fullmatch(at["identity"]):
        raise arm.bad_request(
            f"The name {at['identity']!r} must have 3 to 128 letters, digits, hyphens and"
            " underscores, and begin with a letter or digit.",
            "InvalidResourceName",
        )
    group, client_id = arm.group(cloud, call, at), call.new_id()
    return Identity(
        tenant_id=call.tenant_id,
        subscription_id=group.subscription_id,
        group=group.name,
        name=at["identity"],
        location=_plain(location),
        client_id=client_id,
        principal_id=principal_id(call.tenant_id, client_id),
        tags=arm.tags(call),
    )


def _check_location(call: Call, known: Identity) -> None:
    location = arm.text(call.object(), "location", code="LocationRequired")
    if _plain(location) != known.location:
        raise Problem(
            409,
            "InvalidResourceLocation",
            f"The identity is in {known.location!r} and cannot move to {location!r}.",
        )


def _plain(location: str) -> str:
    """``West Europe`` is ``westeurope``."""
    return location.replace(" ", "").lower()


def _missing(at: Mapping[str, str]) -> Problem:
    return arm.not_found(
        f"There is no {TYPE} {at['identity']!r} in the resource group {at['group']!r}."
    )


def _written(known: Identity) -> dict[str, Any]:
    return {
        "id": known.resource_id,
        "name": known.name,
        "type": TYPE,
        "location": known.location,
        "tags": dict(known.tags),
        "properties": {
            "tenantId": known.tenant_id,
            "principalId": known.principal_id,
            "clientId": known.client_id,
            "isolationScope": "None",
        },
    }

"""The map of identities on a service account, with what Azure says of the account's own identity.

Pure. Some clients name an identity by its object or resource id; azwi-proxy learns both from tokens
that it can read, and from this map where a token cannot be read.
"""

from azwi_cli.serviceaccount.known import Kind, Target
from azwi_common.identities import IdentityMap, Mapped


def completed(text: str, target: Target) -> str:
    """Return the annotation ``text`` with the ids of ``target``; what else it says stays.

    Unchanged where it is no map, or where ``target`` has no service principal yet.
    """
    try:
        entries = list(IdentityMap.from_text(text or "[]"))
        own = Mapped(
            target.client_id.lower(),
            object_id=target.principal_id.lower(),
            resource_id=target.id.lower() if target.kind is Kind.IDENTITY else "",
        )
    except ValueError:
        return text
    if not target.principal_id:
        return text
    for place, entry in enumerate(entries):
        if entry.client_id == own.client_id:
            entries[place] = Mapped(
                entry.client_id,
                entry.tenant_id,
                entry.object_id or own.object_id,
                entry.resource_id or own.resource_id,
            )
            return IdentityMap(entries).text
    return IdentityMap([own, *entries]).text

"""When the identities of a list last got a token, as far as Entra ID tells."""

from collections.abc import Collection, Sequence
from typing import Any, Final

from azwi_cli import errors
from azwi_cli.serviceaccount.peers import Peers

NOT_REPORTED: Final = "not reported"
"""The report may be read, and has no sign-in of the identity."""
UNKNOWN: Final = "unknown"


_APART: Final = (
    "The report has nothing of some managed identities: Entra ID logs their sign-ins apart, in"
    " ManagedIdentitySignInLogs."
)


def told(
    rows: Sequence[dict[str, Any]], peers: Peers, managed: Collection[str]
) -> tuple[list[dict[str, Any]], str]:
    """The rows with ``lastUsed``, and why it is unknown of those of this tenant, if of any.

    ``managed``: client ids of managed identities, in lower case.
    """
    try:
        tenant_id = peers.login.tenant_id.lower()
        client_ids = {row["clientId"] for row in rows if _is_here(row, tenant_id)}
        known = peers.graph.last_used(client_ids) if client_ids else {}
    except errors.AzwiError as error:
        return [{**row, "lastUsed": row["clientId"] and UNKNOWN} for row in rows], str(error)
    absent = {one.lower() for one in client_ids if one.lower() not in known}
    known |= {one: UNKNOWN if one in managed else NOT_REPORTED for one in absent}
    why = _APART if absent & set(managed) else ""
    return [{**row, "lastUsed": _of(row, tenant_id, known)} for row in rows], why


def _of(row: dict[str, Any], tenant_id: str, known: dict[str, str]) -> str:
    if not _is_here(row, tenant_id):
        return row["clientId"] and UNKNOWN  # of another tenant: the list says so already
    return known[row["clientId"].lower()]


def _is_here(row: dict[str, Any], tenant_id: str) -> bool:
    return bool(row["clientId"]) and row["tenantId"].lower() in ("", tenant_id)

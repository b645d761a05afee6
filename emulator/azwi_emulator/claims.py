"""Claims of the tokens that the emulator signs. Pure: time, ids and noise arrive as values.

Entra ID's access tokens: learn.microsoft.com/entra/identity-platform/access-token-claims-reference.
Service account tokens: kubernetes.io/docs/reference/access-authn-authz/service-accounts-admin.
"""

import json
import uuid
from typing import Any, Final

from azwi_emulator.directory import principal_id
from azwi_emulator.federation import Grant
from azwi_emulator.messages import ServiceAccountTokenRequest

_SIGNED_OVERHEAD: Final = 100 + 342 + 2  # header and RS256 signature in base64, two dots
_EARLY: Final = 300  # Entra ID's nbf lies five minutes before it issues


def access_token(
    grant: Grant, *, issuer: str, now: int, lifetime: int, unique: str, resource_id: str = ""
) -> dict[str, Any]:
    """Claims of a version 2 access token for an application; times in Unix seconds.

    ``resource_id``: of a managed identity, whose tokens name it (seen in Azure's).
    """
    principal = principal_id(grant.tenant_id, grant.client_id)
    named = {"xms_mirid": resource_id} if resource_id else {}
    return {
        "aud": grant.resource,
        "iss": issuer,
        "iat": now - _EARLY,
        "nbf": now - _EARLY,
        "exp": now + lifetime,
        "appid": grant.client_id,  # version 1 name; some resources read only this one
        "azp": grant.client_id,
        "azpacr": "1" if grant.by_secret else "2",  # how it proved itself: 2 is an assertion
        "idtyp": "app",
        "oid": principal,
        "sub": principal,
        "tid": grant.tenant_id,
        "uti": unique,
        "ver": "2.0",
        **named,
    }


def padded(claims: dict[str, Any], size: int, noise: str) -> dict[str, Any]:
    """``claims`` with so much ``noise`` that the signed token has about ``size`` bytes."""
    plain = len(json.dumps(claims, separators=(",", ":"))) + len(',"aio":""')
    missing = (size - _SIGNED_OVERHEAD) * 3 // 4 - plain
    return {**claims, "aio": noise[: max(missing, 0)]}


def service_account_token(
    request: ServiceAccountTokenRequest, *, issuer: str, now: int, unique: str
) -> dict[str, Any]:
    """Claims of a projected service account token, as the API server of a cluster makes them."""
    account = f"{request.namespace}/{request.name}"
    return {
        "aud": [request.audience],
        "exp": now + request.lifetime_seconds,
        "iat": now + min(request.lifetime_seconds - 1, 0),
        "iss": issuer,
        "jti": unique,
        "kubernetes.io": {
            "namespace": request.namespace,
            "node": {"name": "emulator", "uid": _uid("node/emulator")},
            "pod": {"name": f"{request.name}-0", "uid": _uid(f"pod/{account}")},
            "serviceaccount": {"name": request.name, "uid": _uid(f"serviceaccount/{account}")},
        },
        "nbf": now + min(request.lifetime_seconds - 1, 0) + request.not_before_seconds,
        "sub": subject(request.namespace, request.name),
    }


def subject(namespace: str, name: str) -> str:
    """A service account's ``sub``, and so the subject of its federated credential."""
    return f"system:serviceaccount:{namespace}:{name}"


def _uid(of: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_URL, of))

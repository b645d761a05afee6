"""ARM's federated identity credentials of user-assigned managed identities. Pure.

Sources: learn.microsoft.com/entra/workload-id/workload-identity-federation-considerations (rules,
limits, errors), recorded answers, and public issue threads. That documentation says 400 where an
issuer and subject are there already; logs show the code ``Conflict``, so here it is 409.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

from azwi_emulator import arm, arm_identities
from azwi_emulator.api import Call, Problem, Reply
from azwi_emulator.cloud import Cloud, FederatedCredential, Identity, credential_key
from azwi_emulator.directory import CREDENTIALS_PER_CLIENT

TYPE: Final = f"{arm_identities.TYPE}/federatedIdentityCredentials"
LONGEST_VALUE: Final = 600
"""Characters of issuer, subject and audience."""

_NAME: Final = re.compile(r"[A-Za-z0-9][\w-]{2,119}", re.ASCII)


def concurrent(resource_id: str) -> Problem:
    """Two writes at once on one identity."""
    return Problem(
        409,
        "ConcurrentFederatedIdentityCredentialsWritesForSingleManagedIdentity",
        f"Another federated identity credential of '{resource_id.lower()}' is being written: write"
        " one at a time.",
    )


def list_credentials(cloud: Cloud, call: Call, at: Mapping[str, str]) -> Reply:
    """GET …/federatedIdentityCredentials."""
    owner = _owner(cloud, call, at)
    seen = cloud.credentials.all_seen(call.now)
    return arm.listed(call, [_written(owner, known) for known in seen if known.owner == owner.key])


def get_credential(cloud: Cloud, call: Call, at: Mapping[str, str]) -> Reply:
    """GET …/federatedIdentityCredentials/{name}."""
    owner = _owner(cloud, call, at)
    known = cloud.credentials.seen(credential_key(owner.key, at["credential"]), call.now)
    if known is None:
        raise arm.not_found(
            f"The identity {owner.name!r} has no federated identity credential"
            f" {at['credential']!r}.",
            "NotFound",
        )
    return Reply(200, _written(owner, known))


def put_credential(cloud: Cloud, call: Call, at: Mapping[str, str]) -> Reply:
    """PUT …/federatedIdentityCredentials/{name}: 201 where it is new."""
    owner = _owner(cloud, call, at)
    made = _made(call, owner, at["credential"])
    known = cloud.credentials.get(made.key)
    for other in cloud.credentials_of(owner.key):
        same = (other.issuer, other.subject) == (made.issuer, made.subject)
        if same and other.key != made.key:
            raise Problem(
                409,
                "Conflict",
                f"The credential {other.name!r} of this identity has this issuer and subject"
                " already.",
            )
    if known is None and cloud.directory.is_full(owner.tenant_id, owner.client_id):
        raise arm.bad_request(
            f"The identity has {CREDENTIALS_PER_CLIENT} federated identity credentials, as many as"
            " it may have."
        )
    cloud.put_credential(made, now=call.now, lag=call.lag)
    written = _written(owner, made)
    return Reply(200, written) if known else Reply(201, written, {"Location": written["id"]})


def delete_credential(cloud: Cloud, call: Call, at: Mapping[str, str]) -> Reply:
    """DELETE …/federatedIdentityCredentials/{name}: 204 where there is none."""
    owner = _owner(cloud, call, at)
    known = cloud.credentials.get(credential_key(owner.key, at["credential"]))
    if known is None:
        return Reply(204)
    cloud.remove_credential(known, now=call.now, lag=call.lag)
    return Reply(200)


def _owner(cloud: Cloud, call: Call, at: Mapping[str, str]) -> Identity:
    missing = arm.not_found(
        f"The user-assigned identity {at['identity']!r} does not exist.", "ParentResourceNotFound"
    )
    return arm_identities.identity(cloud, call, at, missing=missing)


def _made(call: Call, owner: Identity, name: str) -> FederatedCredential:
    if not _NAME.fullmatch(name):
        raise arm.bad_request(
            f"The name {name!r} must have 3 to 120 letters, digits, hyphens and underscores, and"
            " begin with a letter or digit."
        )
    properties = call.object("properties")
    audiences = properties.get("audiences")
    if not isinstance(audiences, list) or len(audiences) != 1:
        raise arm.bad_request("'audiences' must hold exactly one audience.")
    return FederatedCredential(
        id=call.new_id(),
        owner=owner.key,
        tenant_id=owner.tenant_id,
        client_id=owner.client_id,
        name=name,
        issuer=_value(properties, "issuer"),
        subject=_value(properties, "subject"),
        audience=_value({"audience": audiences[0]}, "audience"),
    )


def _value(properties: Mapping[str, Any], name: str) -> str:
    value = arm.text(properties, name)
    if len(value) > LONGEST_VALUE:
        raise arm.bad_request(f"{name!r} must have {LONGEST_VALUE} characters at most.")
    if name == "issuer" and not value.startswith("https://"):
        raise arm.bad_request("'issuer' must be an https URL.")
    return value


def _written(owner: Identity, known: FederatedCredential) -> dict[str, Any]:
    return {
        "id": f"{owner.resource_id}/federatedIdentityCredentials/{known.name}",
        "name": known.name,
        "type": TYPE,
        "properties": {
            "issuer": known.issuer,
            "subject": known.subject,
            "audiences": [known.audience],
        },
    }

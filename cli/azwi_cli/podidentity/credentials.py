"""Commands that make the federated credentials: the Azure CLI's, and Terraform. Pure.

Names end in eight characters of the issuer's SHA-256: the same service account of another cluster
would otherwise overwrite the credential. An identity takes one write at a time, so the commands
follow each other.
"""

import hashlib
import json
import re
import shlex
from collections.abc import Sequence
from typing import Final

from azwi_cli.podidentity.plan import Credential
from azwi_common import contract

_LONGEST: Final = 110  # of 120 characters, which Azure allows; a hyphen and eight follow
_PARTS: Final = re.compile(
    r"/subscriptions/(?P<subscription>[^/]+)/resourcegroups/(?P<group>[^/]+)/.*/(?P<name>[^/]+)",
    re.IGNORECASE,
)
_SUFFIX: Final = 8


def stem(credential: Credential) -> str:
    """The credential's name without its last part; of what Azure allows in it."""
    text = re.sub(r"[^A-Za-z0-9_-]", "-", f"{credential.namespace}-{credential.account}")
    if len(text) <= _LONGEST:
        return text
    digest = hashlib.sha256(text.encode()).hexdigest()[:_SUFFIX]
    return f"{text[: _LONGEST - _SUFFIX - 1]}-{digest}"


def suffix(issuer: str) -> str:
    """The last part of every credential's name."""
    return hashlib.sha256(issuer.encode()).hexdigest()[:_SUFFIX]


def az_script(credentials: Sequence[Credential], issuer: str) -> str:
    """A shell script; where the issuer is not known it must be given as ISSUER."""
    known = f"ISSUER={shlex.quote(issuer)}"
    asked = ': "${ISSUER:?Set ISSUER to the issuer of the cluster: azwi oidc issuer prints it.}"'
    lines = [
        "#!/bin/sh",
        "# Federated credentials for the workloads that migrate. Run it again at any time.",
        "set -eu",
        known if issuer else asked,
        f'SUFFIX=$(printf %s "$ISSUER" | openssl dgst -sha256 -r | cut -c-{_SUFFIX})',
    ]
    return "\n".join([*lines, *map(_az, credentials)]) + "\n"


def _az(credential: Credential) -> str:
    place = _PARTS.fullmatch(credential.identity.resource_id)
    if place is None:
        return f"# {credential.identity.name}: no resource ID is known; {credential.subject}"
    fixed = {
        "--subscription": place["subscription"],
        "--resource-group": place["group"],
        "--identity-name": place["name"],
    }
    given = " ".join(f"{flag} {shlex.quote(value)}" for flag, value in fixed.items())
    return (
        f"\naz identity federated-credential create {given} \\\n"
        f'  --name "{stem(credential)}-$SUFFIX" --issuer "$ISSUER" \\\n'
        f"  --subject {shlex.quote(credential.subject)} \\\n"
        f"  --audiences {contract.TOKEN_EXCHANGE_AUDIENCE}"
    )


def terraform(credentials: Sequence[Credential], issuer: str) -> str:
    """A Terraform file for the provider azurerm."""
    default = f"  default     = {json.dumps(issuer)}\n" if issuer else ""
    head = (
        'variable "issuer" {\n'
        '  description = "Issuer of the cluster\'s service account tokens"\n'
        f"  type        = string\n{default}}}\n"
    )
    return "\n".join([head, *map(_resource, credentials)])


def _cased(resource_id: str) -> str:
    """As Terraform's provider insists on it; Azure and aad-pod-identity take any case."""
    place = _PARTS.fullmatch(resource_id)
    if place is None:
        return resource_id
    return (
        f"/subscriptions/{place['subscription']}/resourceGroups/{place['group']}/providers"
        f"/Microsoft.ManagedIdentity/userAssignedIdentities/{place['name']}"
    )


def _resource(credential: Credential) -> str:
    name = re.sub(r"[^a-z0-9_]", "_", f"{stem(credential)}_{credential.identity.name}".lower())
    place = _PARTS.fullmatch(credential.identity.resource_id)
    group = place["group"] if place else ""
    resource_id = json.dumps(_cased(credential.identity.resource_id))
    rows = {
        "name": f'"{stem(credential)}-${{substr(sha256(var.issuer), 0, {_SUFFIX})}}"',
        "resource_group_name": json.dumps(group),
        "parent_id": resource_id,
        "issuer": "var.issuer",
        "subject": json.dumps(credential.subject),
        "audience": json.dumps([contract.TOKEN_EXCHANGE_AUDIENCE]),
    }
    width = max(map(len, rows))
    body = "\n".join(f"  {key.ljust(width)} = {value}" for key, value in rows.items())
    return f'resource "azurerm_federated_identity_credential" "w_{name}" {{\n{body}\n}}\n'

"""What a pod's token says, and the commands that make Entra ID take it. Pure."""

import re
import shlex
from typing import Final

from azwi_cli.doctor.facts import Asked, Facts, Unread, part
from azwi_cli.serviceaccount.known import Credential, Kind
from azwi_cli.serviceaccount.verdict import Tokens
from azwi_common import contract

_RESOURCE: Final = re.compile(
    r"/subscriptions/([^/]+)/resourcegroups/([^/]+)/providers/[^/]+/[^/]+/([^/]+)", re.IGNORECASE
)


def token(facts: Facts) -> Tokens:
    """Issuer, subject and audience; an empty issuer is one that is not known."""
    issuer = facts.around.issuer
    return Tokens("" if isinstance(issuer, Unread) else issuer, facts.subject, _audience(facts))


def _audience(facts: Facts) -> str:
    for volume in facts.spec.get("volumes") or ():
        for source in part(volume, "projected").get("sources") or ():
            mounted = part(source, "serviceAccountToken")
            if volume.get("name") == contract.TOKEN_VOLUME and mounted:
                return str(mounted.get("audience") or "")
    return contract.TOKEN_EXCHANGE_AUDIENCE


def name(identity: Asked) -> str:
    """For people: ``the managed identity app``."""
    if identity.found is None or isinstance(identity.found, Unread):
        return f"the identity {identity.client_id}"
    return f"the {identity.found.kind} {identity.found.name}"


def command(facts: Facts, identity: Asked | None, slip: Credential | None) -> str:
    """Makes a credential that matches; without an identity, by az with gaps to fill in.

    ``slip`` is one that was meant for the pod: az changes it, azwi sa makes another beside it.
    """
    says = token(facts)
    if identity is None:
        verb = f"update --name {slip.name}" if slip else f"create --name {facts.account_name}"
        return (
            f"az identity federated-credential {verb} --identity-name IDENTITY --resource-group"
            f" GROUP --issuer {says.issuer or 'ISSUER'} --subject {says.subject} --audiences"
            f" {says.audience}"
        )
    parts = ["azwi", "sa", "create", "phase", "federated-identity", *_account(facts, says)]
    return shlex.join([*parts, "--audience", says.audience, *_target(identity)])


def _account(facts: Facts, says: Tokens) -> list[str]:
    found = ["--service-account-namespace", facts.around.namespace]
    found += ["--service-account-name", facts.account_name]
    return [*found, *(["--service-account-issuer-url", says.issuer] if says.issuer else [])]


def _target(identity: Asked) -> list[str]:
    found = identity.found
    if found is None or isinstance(found, Unread) or found.kind is Kind.APPLICATION:
        return ["--aad-application-client-id", identity.client_id]
    place = _RESOURCE.fullmatch(found.id)
    subscription, group, name = place.groups() if place else ("SUBSCRIPTION", "GROUP", found.name)
    return [
        "--identity-name", name, "--identity-resource-group", group,
        "--subscription-id", subscription,
    ]  # fmt: skip


def other_identity(facts: Facts, identity: Asked) -> str:
    """What to do where there is no such identity."""
    by_account = facts.account_annotation(contract.CLIENT_ID_ANNOTATION).strip().lower()
    if identity.client_id != by_account:
        return (
            f"Correct the client ID where the pod has it from, such as the annotation"
            f" {contract.IDENTITIES_ANNOTATION}, and create the pod anew."
        )
    made = shlex.join(["azwi", "sa", "create", *_account(facts, token(facts))])
    return (
        f"Correct the annotation {contract.CLIENT_ID_ANNOTATION} of the service account, or make"
        f" an identity anew: {made}; then create the pod anew."
    )

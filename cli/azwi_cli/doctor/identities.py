"""Which identities a pod has, whose federated credentials matter. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass

from azwi_cli.doctor.facts import Facts, variables
from azwi_common import contract
from azwi_common.identities import Guid, IdentityMap


@dataclass(frozen=True, slots=True)
class Identity:
    """One that Entra ID may be asked for."""

    client_id: str
    """In lower case."""
    tenant_id: str
    """Its GUID or a domain; empty where neither the pod nor its account says it."""


def of(facts: Facts) -> list[Identity]:
    """The default one first, then those of the map; what is malformed is another check's.

    None for an AKS identity binding: AKS makes its credentials, and not per service account.
    """
    if not facts.takes_part or _is_bound(facts):
        return []
    return list({one.client_id: one for one in _each(facts)}.values())


def _each(facts: Facts) -> Iterator[Identity]:
    tenant = _value(facts, contract.TENANT_ID, contract.TENANT_ID_ANNOTATION).lower()
    default = _guid(_value(facts, contract.CLIENT_ID, contract.CLIENT_ID_ANNOTATION))
    if default:
        yield Identity(default, tenant)
    try:
        mapped = IdentityMap.from_text(_map(facts) or "[]")
    except ValueError:
        return
    yield from (Identity(one.client_id, one.tenant_id or tenant) for one in mapped)


def _value(facts: Facts, variable: str, annotation: str) -> str:
    """What the pod was given, which is what counts; else what it would be given now."""
    proxy = facts.container(contract.PROXY_CONTAINER)
    containers = [*([proxy] if proxy else []), *facts.containers()]
    given = (variables(item).get(variable) for item in containers)
    return next((text for text in given if text), "") or facts.account_annotation(annotation)


def _map(facts: Facts) -> str:
    of_pod = facts.annotations.get(contract.IDENTITIES_ANNOTATION)
    proxy = variables(facts.container(contract.PROXY_CONTAINER) or {})
    return str(
        proxy.get(contract.IDENTITIES)
        or of_pod
        or facts.account_annotation(contract.IDENTITIES_ANNOTATION)
    )


def _guid(text: str) -> str:
    try:
        return Guid.from_text(text.strip())
    except ValueError:
        return ""


def _is_bound(facts: Facts) -> bool:
    asks = any(
        str(name).startswith(contract.CUSTOM_ENDPOINT_ANNOTATION) and text == "true"
        for name, text in facts.annotations.items()
    )
    return asks or any(
        contract.KUBERNETES_TOKEN_PROXY in variables(item) for item in facts.containers()
    )

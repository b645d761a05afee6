"""Whether the service account says which identity the pod has. Pure."""

from collections.abc import Iterator

from azwi_cli.checks import Check, Status
from azwi_cli.doctor.facts import Facts, Unread, variables
from azwi_common import contract
from azwi_common.identities import Guid, Tenant

_PASS, _WARN, _FAIL = Status.PASS, Status.WARN, Status.FAIL


def checks(facts: Facts) -> Iterator[Check]:
    """The account, its annotations, and whether the pod has what they say now."""
    place = f"{facts.around.namespace}/{facts.account_name}"
    if isinstance(facts.account, Unread):
        yield Check(
            "service-account",
            _WARN,
            f"The service account {place} could not be read: {facts.account.says}",
            "It says which identity the pod has.",
            facts.account.remedy or "Run azwi with a user that may get service accounts.",
        )
        return
    if facts.account is None:
        yield Check(
            "service-account",
            _FAIL,
            f"There is no service account {place}.",
            "It says which identity the pod has.",
            f"Create it with the annotation {contract.CLIENT_ID_ANNOTATION}.",
        )
        return
    yield Check("service-account", _PASS, f"The service account is {place}.")
    yield from _client(facts)
    yield from _tenant(facts)


def _client(facts: Facts) -> Iterator[Check]:
    name = contract.CLIENT_ID_ANNOTATION
    client = facts.account_annotation(name)
    if not client:
        if contract.IDENTITIES_ANNOTATION in facts.annotations or facts.account_annotation(
            contract.IDENTITIES_ANNOTATION
        ):
            says = "The identities are those of the annotation identities; none is the default."
            yield Check("client-id", _PASS, says)
            return
        yield Check(
            "client-id",
            _FAIL,
            f"The service account has no annotation {name}.",
            "The pod has no identity unless each request names one.",
            f"kubectl annotate serviceaccount {facts.account_name} -n {facts.around.namespace}"
            f" {name}=CLIENT_ID, and create the pod anew.",
        )
        return
    check = _guid("client-id", name, client, Guid, "AADSTS700016")
    yield check
    if check.status is _PASS:
        yield from _changed(facts, client)


def _tenant(facts: Facts) -> Iterator[Check]:
    tenant = facts.account_annotation(contract.TENANT_ID_ANNOTATION)
    if tenant:
        yield _guid("tenant-id", contract.TENANT_ID_ANNOTATION, tenant, Tenant, "AADSTS90002")


def _guid(check: str, name: str, text: str, kind: type[Guid | Tenant], code: str) -> Check:
    try:
        kind.from_text(text.strip())
    except ValueError as error:
        shown = "az identity show --query clientId"
        if kind is Tenant:
            shown = "az account show --query tenantId"
        return Check(
            check,
            _FAIL,
            f"The annotation {name} of the service account {error}.",
            f"Entra ID knows no such identity or tenant ({code}).",
            f"Correct it: {shown} prints it; then create the pod anew.",
        )
    return Check(check, _PASS, f"The annotation {name} is well formed.")


def _changed(facts: Facts, client: str) -> Iterator[Check]:
    """What a pod has was decided when it was created."""
    found = {
        value
        for item in facts.containers()
        if (value := variables(item).get(contract.CLIENT_ID)) is not None
    }
    if facts.is_live and found and client.strip().lower() not in {v.lower() for v in found}:
        yield Check(
            "client-id-in-pod",
            _WARN,
            f"The pod has the client ID {', '.join(sorted(found))}, the service account {client}.",
            "The annotation was changed after the pod was created, or the pod sets its own.",
            "Create the pod anew: kubectl rollout restart; or take its own variable away.",
        )

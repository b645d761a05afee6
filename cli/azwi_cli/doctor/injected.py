"""Whether the pod has what the webhook gives: variables, token, sidecar. Pure."""

from collections.abc import Iterator
from typing import Final

from azwi_cli.checks import Check, Status
from azwi_cli.doctor.facts import Facts, Object, part, variables
from azwi_common import contract

_PASS, _WARN, _FAIL = Status.PASS, Status.WARN, Status.FAIL
_ANEW: Final = (
    "The webhook acts when a pod is created: create it anew (kubectl rollout restart, or delete the"
    " pod) once the webhook is there."
)
_OURS: Final = (contract.INIT_CONTAINER, contract.PROXY_CONTAINER)
_GO_IMAGES: Final = "/azure/workload-identity/"
_IN_ENVIRONMENT: Final = (
    " In environment mode its proxy has no /msi/token, and its init container needs NET_ADMIN."
)


def checks(facts: Facts) -> Iterator[Check]:
    """All of it; of a template nothing, since the webhook changes pods alone."""
    if not facts.is_live:
        return
    if not facts.was_given:
        yield Check(
            "injected",
            _FAIL,
            "No container has the variables of workload identity.",
            "The webhook was not there, or did not see the pod, when it was created.",
            _ANEW,
        )
        return
    yield Check("injected", _PASS, "The webhook was there when the pod was created.")
    yield from _variables(facts)
    yield from _token(facts)
    yield from _sidecar(facts)


def _concerned(facts: Facts) -> Iterator[Object]:
    """The containers that should have it."""
    proxy_only = facts.annotations.get(contract.PROXY_ONLY_ANNOTATION) == "true"
    for item in facts.containers():
        name = str(item.get("name"))
        if name == contract.INIT_CONTAINER or name in facts.skipped:
            continue
        if name == contract.PROXY_CONTAINER or not (proxy_only and facts.has_sidecar):
            yield item


def _variables(facts: Facts) -> Iterator[Check]:
    for item in _concerned(facts):
        found = variables(item)
        lacking = [
            name
            for name in (contract.TENANT_ID, contract.FEDERATED_TOKEN_FILE, contract.AUTHORITY_HOST)
            if found.get(name, "") == ""
        ]
        if lacking:
            yield Check(
                "variables",
                _FAIL,
                f"Container {item.get('name')} lacks {', '.join(lacking)}.",
                "Its SDK does not see workload identity. Another webhook may have added it later.",
                _ANEW,
            )
    yield from _hosts(facts)


def _hosts(facts: Facts) -> Iterator[Check]:
    hosts = {
        str(value)
        for item in _concerned(facts)
        if (value := variables(item).get(contract.AUTHORITY_HOST))
    }
    for host in sorted(hosts):
        if not host.startswith("https://"):
            yield Check(
                "authority-host",
                _FAIL,
                f"{contract.AUTHORITY_HOST} is {host[:80]}, which is no https URL.",
                "Tokens are sent there.",
                "Correct the webhook's AZURE_ENVIRONMENT or AZURE_AUTHORITY_HOST.",
            )


def _token(facts: Facts) -> Iterator[Check]:
    volume = next(
        (v for v in facts.spec.get("volumes") or () if v.get("name") == contract.TOKEN_VOLUME), None
    )
    if volume is None:
        yield Check(
            "token-volume",
            _FAIL,
            f"The pod has no volume {contract.TOKEN_VOLUME}.",
            "There is no token to exchange.",
            _ANEW,
        )
        return
    sources = part(volume, "projected").get("sources") or ()
    tokens = [part(source, "serviceAccountToken") for source in sources]
    found = [token for token in tokens if token]
    if not found:
        yield Check(
            "token-volume",
            _FAIL,
            f"The volume {contract.TOKEN_VOLUME} projects no service account token.",
            "The pod had a volume of that name already.",
            "Rename the pod's own volume.",
        )
        return
    yield Check("token-volume", _PASS, "The pod has the projected service account token.")
    yield from _audience(str(found[0].get("audience") or ""))
    yield from _mounts(facts)


def _audience(audience: str) -> Iterator[Check]:
    if audience.startswith(contract.TOKEN_EXCHANGE_AUDIENCE) or audience.startswith("api://AKS"):
        yield Check("token-audience", _PASS, f"The token's audience is {audience}.")
        return
    yield Check(
        "token-audience",
        _WARN,
        f"The token's audience is {audience or 'the API server'}.",
        f"Federated credentials are made for {contract.TOKEN_EXCHANGE_AUDIENCE} (AADSTS700212).",
        "Correct the webhook's AZWI_AUDIENCE, or make the credential for this audience.",
    )


def _mounts(facts: Facts) -> Iterator[Check]:
    for item in _concerned(facts):
        mounts = item.get("volumeMounts") or ()
        path = variables(item).get(contract.FEDERATED_TOKEN_FILE) or ""
        folders = [str(m.get("mountPath")).rstrip("/") for m in mounts]
        if path and not any(path.startswith(folder + "/") for folder in folders):
            yield Check(
                "token-mount",
                _FAIL,
                f"Container {item.get('name')} mounts nothing where its token should be, {path}.",
                "Its SDK finds no token.",
                _ANEW,
            )


def _sidecar(facts: Facts) -> Iterator[Check]:
    if facts.wants_sidecar:
        for name in _OURS:
            if facts.container(name) is None and not _needs_no(facts, name):
                yield Check(
                    "sidecar",
                    _FAIL,
                    f"The pod asks for the sidecar and has no container {name}.",
                    "The metadata address leads to the node's identity, or to nobody.",
                    _ANEW,
                )
    if facts.has_sidecar:
        yield from _by_another_hand(facts)
        yield from _order(facts)


def _needs_no(facts: Facts, name: str) -> bool:
    """Whether the pod is told by variables where to ask, and so is not redirected."""
    return name == contract.INIT_CONTAINER and facts.is_told


def _by_another_hand(facts: Facts) -> Iterator[Check]:
    for name in _OURS:
        image = str((facts.container(name) or {}).get("image") or "")
        if _GO_IMAGES in image:
            yield Check(
                "two-webhooks",
                _FAIL if facts.is_told and name == contract.PROXY_CONTAINER else _WARN,
                f"Container {name} is the Go reference's ({image[:100]}).",
                "Another webhook, AKS's add-on perhaps, injected it first."
                + (_IN_ENVIRONMENT if facts.is_told else ""),
                "Let one of them inject: remove the other, or its opt-in.",
            )
        elif image and facts.is_told and name == contract.INIT_CONTAINER:
            yield Check(
                "redirect-beside",
                _WARN,
                f"Container {name} is in the pod, whose mode is environment.",
                "It needs NET_ADMIN, which this mode does without.",
                f"Remove it, or the annotation {contract.MODE_ANNOTATION}.",
            )


def _order(facts: Facts) -> Iterator[Check]:
    first = [str(item.get("name")) for item in facts.spec.get("initContainers") or ()]
    if facts.is_told:
        return
    if contract.INIT_CONTAINER in first and first[0] != contract.INIT_CONTAINER:
        yield Check(
            "order",
            _WARN,
            f"Init container {first[0]} runs before {contract.INIT_CONTAINER}.",
            "Until the redirect is there, the metadata address leads to the node's identity.",
            "Put it behind, or order the webhooks by the names of their configurations.",
        )

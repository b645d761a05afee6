"""Whether the webhook would refuse or warn of the pod: its own decisions are asked. Pure."""

import dataclasses
from collections.abc import Iterator, Mapping
from typing import get_args

from azwi_cli.checks import Check, Status
from azwi_cli.doctor.facts import Facts, Unread, part
from azwi_cli.inject import manifests, offline
from azwi_common import contract
from azwi_common.identities import Guid, Tenant
from azwi_webhook.settings import Mode

# Warnings that another check has with more to say.
_ELSEWHERE = ("has no annotation", f"Volume {contract.TOKEN_VOLUME}")
_OF_PODS = ("itself: it gets neither", "was in the pod already, and still needs")
_TOLD = "environment"
_WEBHOOK = "The webhook refuses the pod, and it is not created."


def checks(facts: Facts) -> Iterator[Check]:
    """Refusals and warnings; settings of the webhook that nobody knows here count as good."""
    if facts.labels.get(contract.USE_LABEL) != "true":
        return
    outcome = _outcome(facts, facts.around.mode)
    if outcome.refused and facts.around.has_unread_mode and not _outcome(facts, _TOLD).refused:
        yield Check(
            "webhook-refuses",
            Status.WARN,
            outcome.refused,
            f"{_WEBHOOK[:-1]}, unless the webhook's {contract.PROXY_MODE} is {_TOLD}.",
        )
        return
    if outcome.refused:
        yield Check("webhook-refuses", Status.FAIL, outcome.refused, _WEBHOOK)
    elsewhere = (*_ELSEWHERE, *_OF_PODS) if facts.is_live else _ELSEWHERE
    warnings = [text for text in outcome.warnings if not any(mark in text for mark in elsewhere)]
    for warning in warnings:
        yield Check("webhook-warns", Status.WARN, warning, "It may not do what is meant.")
    if not outcome.refused and not warnings:
        yield Check("webhook-takes", Status.PASS, "The webhook has nothing against the pod.")


def _outcome(facts: Facts, mode: str) -> offline.Outcome:
    return offline.injected(_template(facts), _known(facts, mode))


def _template(facts: Facts) -> manifests.Template:
    document = manifests.Document(facts.name, 1, "", facts.pod)
    thing = manifests.Thing(document, (), dict(facts.pod))
    return manifests.Template(thing, (), dict(facts.pod))


def _known(facts: Facts, mode: str) -> offline.Known:
    key = (facts.around.namespace, facts.account_name)
    found = facts.account
    metadata = {} if found is None or isinstance(found, Unread) else part(found, "metadata")
    account = offline.account(key[1], metadata)
    return offline.Known(
        accounts={key: dataclasses.replace(account, annotations=_well_formed(account.annotations))},
        namespaces={key[0]: facts.around.labels},
        settings=offline.settings(_ASSUMED | _mode(mode) | _images(facts) | _binding(facts)),
        minor=facts.around.minor,
        namespace=key[0],
    )


_ASSUMED = {"PROXY_IMAGE": "-", "PROXY_INIT_IMAGE": "-", contract.TENANT_ID: "none.invalid"}


def _well_formed(annotations: Mapping[str, str]) -> dict[str, str]:
    """Without the identity where it is malformed: ``accounts`` says that already."""
    kinds: Mapping[str, type[Guid | Tenant]] = {
        contract.CLIENT_ID_ANNOTATION: Guid,
        contract.TENANT_ID_ANNOTATION: Tenant,
    }
    found = dict(annotations)
    for name, kind in kinds.items():
        try:
            kind.from_text(str(found.get(name, "")).strip())
        except ValueError:
            found.pop(name, None)
    return found


def _binding(facts: Facts) -> dict[str, str]:
    """An AKS identity binding that the pod asks for is one that the webhook knows."""
    asked = [
        str(name).removeprefix(contract.CUSTOM_ENDPOINT_ANNOTATION)
        for name in facts.annotations
        if str(name).startswith(contract.CUSTOM_ENDPOINT_ANNOTATION)
    ]
    if not asked:
        return {}
    return {
        "AZWI_CUSTOM_TOKEN_ENDPOINT_SUFFIX": asked[0],
        "AZWI_CUSTOM_TOKEN_ENDPOINT_AUDIENCE": "-",
        contract.KUBERNETES_TOKEN_PROXY: "https://-",
    }


def _mode(mode: str) -> dict[str, str]:
    """Of pods that say nothing; a webhook with another one would not have started."""
    return {contract.PROXY_MODE: mode} if mode in get_args(Mode) else {}


def _images(facts: Facts) -> dict[str, str]:
    """Those that the pod has, so that they are not taken for another hand's."""
    names = {"PROXY_IMAGE": "azwi-proxy", "PROXY_INIT_IMAGE": "azwi-proxy-init"}
    found = {variable: facts.container(name) for variable, name in names.items()}
    return {variable: str(item.get("image") or "-") for variable, item in found.items() if item}

"""What the webhook would do with the pods of files: it is asked, nothing is decided here. Pure."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from azwi_cli import errors
from azwi_cli.inject import manifests, writing
from azwi_common import contract
from azwi_common.settings import SettingsError, load
from azwi_webhook import mutate
from azwi_webhook.errors import Refused
from azwi_webhook.settings import Settings

_IMAGES: Final = ("PROXY_IMAGE", "PROXY_INIT_IMAGE")
Key = tuple[str, str]
"""Namespace and name."""


@dataclass(frozen=True, slots=True)
class Known:
    """What surrounds the pods, as far as it is known."""

    accounts: Mapping[Key, mutate.Account]
    namespaces: Mapping[str, Mapping[str, str]]
    """Labels by name."""
    settings: Settings
    minor: int
    namespace: str
    """Where objects live that do not say it."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What becomes of one pod or template."""

    template: manifests.Template
    changes: list[writing.Change] = field(default_factory=list)
    warnings: tuple[str, ...] = ()
    refused: str = ""
    """One or more sentences; empty where it is not."""
    takes_part: bool = True


def accounts(documents: Iterable[manifests.Document], default: str) -> dict[Key, mutate.Account]:
    """The service accounts of the documents."""
    return {
        (thing.namespace(default), thing.name): account(thing.name, thing.metadata)
        for document in documents
        for thing in manifests.things(document)
        if thing.kind == "ServiceAccount"
    }


def account(name: str, metadata: Mapping[str, Any]) -> mutate.Account:
    """A service account as the webhook knows it."""
    ours = [
        {key: text for key, text in _part(metadata, part).items() if _is_ours(key)}
        for part in ("labels", "annotations")
    ]
    return mutate.Account(name, *ours)


def _part(data: Any, *names: str) -> Mapping[str, Any]:
    """The object at ``names``; empty where it is none, which the webhook's own reading tells."""
    for name in names:
        data = data.get(name) if isinstance(data, Mapping) else None
    return data if isinstance(data, Mapping) else {}


def _is_ours(name: object) -> bool:
    return isinstance(name, str) and name.startswith(contract.PREFIX)


def namespaces(documents: Iterable[manifests.Document]) -> dict[str, Mapping[str, str]]:
    """Labels of the namespaces of the documents."""
    return {
        thing.name: _part(thing.metadata, "labels")
        for document in documents
        for thing in manifests.things(document)
        if thing.kind == "Namespace"
    }


def templates(documents: Iterable[manifests.Document]) -> list[manifests.Template]:
    """Every pod and pod template."""
    found = (
        manifests.template(thing) for document in documents for thing in manifests.things(document)
    )
    return [template for template in found if template]


def key_of(template: manifests.Template, default: str) -> Key:
    """Namespace and name of a template's service account; raises Refused."""
    return template.owner.namespace(default), mutate.account_name(template.pod)


def injected(template: manifests.Template, known: Known, secret: str = "") -> Outcome:
    """What the webhook would do with the pods of ``template``; ``secret``: random, for it alone."""
    try:
        return _injected(template, known, secret)
    except Refused as refused:
        return Outcome(template, refused=_for_files(refused.sentence))


def _injected(template: manifests.Template, known: Known, secret: str) -> Outcome:
    key = key_of(template, known.namespace)
    whose = known.accounts.get(key)
    around = _around(key[0], known, secret)
    label = _part(template.pod, "metadata", "labels").get(contract.USE_LABEL)
    if label is not None and not isinstance(label, str):
        right = str(label).lower()
        raise Refused(f'Label {contract.USE_LABEL} must be text: write "{right}" in quotes.')
    if not mutate.takes_part(template.pod, whose, around, known.settings):
        return Outcome(template, takes_part=False)
    problems = [*_lacking(template, whose, key, known)]
    try:
        admitted = mutate.admit(template.pod, whose, around, known.settings)
    except Refused as refused:
        raise Refused(" ".join([*problems, refused.sentence])) from None
    if problems:
        raise Refused(" ".join(problems))
    plain = json.loads(json.dumps(admitted.patch))  # what was checked (Guid, Port) has a class
    changes = [(template.path, operation) for operation in plain]
    return Outcome(template, changes, admitted.warnings)


def _around(namespace: str, known: Known, secret: str) -> mutate.Surroundings:
    """What decides beside the pod."""
    labels = known.namespaces.get(namespace, {})
    return mutate.Surroundings(namespace, labels, known.minor, secret)


def _for_files(sentence: str) -> str:
    """A refusal of the webhook, with what its configuration is here."""
    hint = " Here: give --proxy-image and --proxy-init-image."
    return sentence + hint * any(f"{name} in" in sentence for name in _IMAGES)


def _lacking(
    template: manifests.Template, whose: mutate.Account | None, key: Key, known: Known
) -> Iterator[str]:
    """What the webhook would know in the cluster, and nobody has said here."""
    annotations = _part(template.pod, "metadata", "annotations")
    if whose is None and contract.IDENTITIES_ANNOTATION not in annotations:
        yield (
            f"Service account {key[0]}/{key[1]}, which says the identity, is in none of the files:"
            " name its file with --service-account-file, or read it with --from-cluster."
        )
    of_account = whose.annotations if whose else {}
    if not known.settings.tenant_id and contract.TENANT_ID_ANNOTATION not in of_account:
        yield "The tenant is not known: give --tenant-id."


def settings(given: Mapping[str, str]) -> Settings:
    """The webhook's settings from variables; raises BadInput with every problem.

    The tenant may be missing, as service accounts may name theirs.
    """
    tenant_id = given.get(contract.TENANT_ID, "").strip()
    placeholder = {contract.TENANT_ID: tenant_id or "none.invalid"}
    try:
        found = load(Settings, {**given, **placeholder})
    except SettingsError as error:
        raise errors.BadInput(" ".join(error.problems), "Correct the flag, or --set.") from error
    return replace(found, tenant_id=tenant_id)

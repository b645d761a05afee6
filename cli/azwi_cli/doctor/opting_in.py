"""Whether the pod asks for an identity in the way that the webhook hears. Pure."""

import difflib
from collections.abc import Iterator

from azwi_cli.checks import Check, Status
from azwi_cli.doctor.facts import Facts, part
from azwi_common import contract

_WHY = "The webhook sees no pod without the label, and the pod gets no token."
_REMEDY = (
    f'Set the label {contract.USE_LABEL}: "true" on the pod; of a workload, on its template'
    " (spec.template.metadata.labels)."
)


def checks(facts: Facts) -> Iterator[Check]:
    """The label, where it stands and how it is spelled."""
    value = facts.labels.get(contract.USE_LABEL)
    if value == "true":
        yield Check("label", Status.PASS, f"The pod has the label {contract.USE_LABEL}.")
    elif facts.was_given or facts.has_sidecar:
        says = "The pod has no label of its own; its namespace or its service account opts in."
        yield Check("label", Status.PASS, says)
    else:
        yield Check("label", Status.FAIL, _wrong(facts, value), _WHY, _REMEDY)


def _wrong(facts: Facts, value: object) -> str:
    if isinstance(value, bool):
        says = str(value).lower()
        return f"The label {contract.USE_LABEL} is {says} without quotes: Kubernetes refuses it."
    if value is not None:
        return f'The label {contract.USE_LABEL} is {str(value)[:40]!r}, not "true".'
    if contract.USE_LABEL in facts.annotations:
        return f"{contract.USE_LABEL} is an annotation of the pod; it must be a label."
    if facts.owner and part(facts.owner, "metadata", "labels").get(contract.USE_LABEL):
        return f"The workload has the label {contract.USE_LABEL}, its pods do not."
    near = difflib.get_close_matches(contract.USE_LABEL, map(str, facts.labels), 1, 0.8)
    if near:
        return f"The pod has the label {near[0]}, not {contract.USE_LABEL}."
    return f"The pod has no label {contract.USE_LABEL}."

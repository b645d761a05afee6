"""The checks in their order, and how their outcome is shown. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from azwi_cli import checks
from azwi_cli.checks import Check, Status
from azwi_cli.doctor import (
    accounts,
    asking,
    credentials,
    federated,
    injected,
    inside,
    opting_in,
    running,
    told,
    webhooks,
)
from azwi_cli.doctor.facts import Facts, Surroundings


@dataclass(frozen=True, slots=True)
class Patient:
    """A pod, or what surrounds pods, and what was found of it."""

    name: str
    checks: tuple[Check, ...]

    @property
    def status(self) -> Status:
        """The worst of its checks."""
        return checks.worst(self.checks)


def cluster(around: Surroundings) -> Patient:
    """What is the same for every pod."""
    found = (*webhooks.checks(around), *webhooks.namespace(around), *credentials.issuer(around))
    return Patient("cluster", found)


def pod(facts: Facts) -> Patient:
    """A pod or a template; where it does not opt in, nothing else matters."""
    if not facts.takes_part:
        return Patient(facts.name, tuple(opting_in.checks(facts)))
    return Patient(facts.name, tuple(_pod(facts)))


def _pod(facts: Facts) -> Iterator[Check]:
    yield from opting_in.checks(facts)
    yield from accounts.checks(facts)
    yield from webhooks.seen(facts)
    yield from asking.checks(facts)
    yield from injected.checks(facts)
    yield from told.checks(facts)
    yield from running.checks(facts)
    found = federated.findings(facts)
    yield from (item.check for item in found)
    yield from credentials.said(facts, {item.refusal for item in found if item.refusal})
    yield from inside.checks(facts)


def every_check(patients: Sequence[Patient]) -> list[Check]:
    """Of all of them."""
    return [check for patient in patients for check in patient.checks]


def as_data(patients: Sequence[Patient]) -> dict[str, Any]:
    """For JSON and YAML."""
    return {
        "status": str(checks.worst(every_check(patients))),
        "objects": [{"name": item.name, **checks.as_data(item.checks)} for item in patients],
    }


def as_text(patients: Sequence[Patient], *, whole: bool) -> str:
    """For people; ``whole``: what passes is said too, else only counted."""
    return "\n\n".join(_text(item, whole) for item in patients)


def _text(patient: Patient, whole: bool) -> str:
    shown = [item for item in patient.checks if whole or item.status is not Status.PASS]
    passed = len(patient.checks) - len(shown)
    head = patient.name + (f": {passed} checks pass" if passed else "")
    return "\n".join([head, *([checks.as_text(shown)] if shown else [])])

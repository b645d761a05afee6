"""Climbs from pods to what made them, and counts their pods. Pure."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from azwi_cli.podidentity.facts import LABEL, Ref, Workload

_HIGHEST: Final = 8
"""Steps to climb: nobody nests that deep, and a circle ends too."""


@dataclass(frozen=True, slots=True)
class Owned:
    """A workload that nobody owns, or whose owner is of a kind that is not known."""

    workload: Workload
    pods: int
    """That carry the label; of a workload that was not read the pods' template stands in."""


def tops(workloads: Iterable[Workload], known: Iterable[str]) -> tuple[Owned, ...]:
    """The topmost owners whose pods ask for an identity, in the order of their names."""
    pods: Counter[Ref] = Counter()
    found: dict[Ref, Workload] = {}
    listed = {item.ref: item for item in workloads}
    for item, top in _climbed(listed, known):
        if top.template is None or (item.ref.kind == "Pod" and not asks(top)):
            top = replace(top, template=item.template)
        found[top.ref] = top
        pods[top.ref] += item.ref.kind == "Pod"
    return tuple(Owned(found[ref], pods[ref]) for ref in sorted(found))


def samples(workloads: Iterable[Workload], known: Iterable[str]) -> list[Workload]:
    """A pod for each topmost owner of which nothing but its pods says what its template is.

    The last one of its pods: ``tops`` takes the template of that one too.
    """
    listed = {item.ref: item for item in workloads}
    climbed = _climbed(listed, known)
    told = {top.ref for item, top in climbed if item.ref.kind != "Pod"}
    found = {
        top.ref: item for item, top in climbed if item.ref.kind == "Pod" and top.ref not in told
    }
    return [found[ref] for ref in sorted(found)]


def asks(workload: Workload) -> bool:
    """Whether its pods carry aad-pod-identity's label."""
    return bool(workload.template and workload.template.labels.get(LABEL))


def _climbed(
    listed: Mapping[Ref, Workload], known: Iterable[str]
) -> list[tuple[Workload, Workload]]:
    """Each one that asks, with its topmost owner; pods come first."""
    kinds = {*known, "Pod"}
    asking = [item for item in listed.values() if asks(item)]
    asking.sort(key=lambda item: (item.ref.kind != "Pod", item.ref))
    return [(item, _top(item, listed, kinds)) for item in asking]


def _top(item: Workload, listed: Mapping[Ref, Workload], kinds: set[str]) -> Workload:
    for _ in range(_HIGHEST):
        if item.owner is None or item.ref.kind not in kinds:
            return item
        owner = listed.get(item.owner)
        # Of a kind that is known its version is too, once it was read; none says that it was not.
        version = "" if item.owner.kind in kinds else item.owner_version
        item = owner or Workload(item.owner, version, None)
    return item


def missing(workloads: Iterable[Workload]) -> set[tuple[Ref, str]]:
    """Owners that are named and were not read, with their apiVersion."""
    listed = {item.ref: item for item in workloads}
    return {
        (item.owner, item.owner_version)
        for item in listed.values()
        if item.owner and item.owner not in listed
    }

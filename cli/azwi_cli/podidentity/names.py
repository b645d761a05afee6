"""Which workloads of a plan have files, and what these are called. Pure."""

from collections.abc import Sequence
from typing import Final

from azwi_cli.podidentity.facts import Ref
from azwi_cli.podidentity.plan import Item, Plan, Status

_CHANGES: Final = (Status.MIGRATES, Status.BY_HAND, Status.ASKS)


def changes(item: Item) -> bool:
    """Whether a workload has files."""
    return item.account is not None and item.status in _CHANGES


def changing(plan: Plan) -> list[Item]:
    """The workloads that have files."""
    return [item for item in plan.items if changes(item)]


class Names:
    """Of the files of a plan; of two workloads with one name the second is told by its kind."""

    def __init__(self, items: Sequence[Item]) -> None:
        self._first: dict[tuple[str, str], Ref] = {}
        for item in filter(changes, items):
            self._first.setdefault((item.ref.namespace, item.ref.name), item.ref)

    def of(self, item: Item) -> dict[str, str]:
        """A workload's files: ``account``, ``patch``, and ``roles`` where there are some."""
        kind, name = item.ref.kind.lower(), item.ref.name
        is_first = self._first.get((item.ref.namespace, name)) == item.ref
        stem = name if is_first else f"{name}-{kind}"
        found = {"account": f"{stem}-serviceaccount.yaml", "patch": f"{kind}-{name}.yaml"}
        if item.role_bindings:
            found["roles"] = f"{stem}-rolebindings.yaml"
        return found

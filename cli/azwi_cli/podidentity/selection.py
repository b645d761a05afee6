"""Which identities a pod gets, as aad-pod-identity's controller decides it. Pure.

Source: its controller (pkg/mic) and its node agent (pkg/nmi), version 1.8. A pod's label
``aadpodidbinding`` equals the selector of bindings, of any namespace; each names an identity of its
own namespace; an identity that is namespaced, by annotation or because all are, is for pods of that
namespace only. A managed identity whose resource id is malformed is passed over.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from azwi_cli.podidentity.facts import LABEL, Binding, Exemption, Identity

_RESOURCE_ID: Final = re.compile(
    r"/subscriptions/[^/]+/resourcegroups/[^/]+/providers/"
    r"microsoft\.managedidentity/userassignedidentities/[^/]+",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Selected:
    """What the bindings give to a pod."""

    identities: tuple[Identity, ...]
    """In the order of namespace and name; each client once."""
    problems: tuple[str, ...]
    """Why a binding that has the selector gives nothing: sentences."""


class Selector:
    """The identities and bindings of a cluster."""

    def __init__(
        self, identities: Iterable[Identity], bindings: Iterable[Binding], *, namespaced: bool
    ) -> None:
        self._identities = {(item.namespace, item.name): item for item in identities}
        self._namespaced = namespaced
        self._bindings: dict[str, list[Binding]] = defaultdict(list)
        for binding in sorted(bindings, key=lambda item: (item.namespace, item.name)):
            self._bindings[binding.selector].append(binding)

    def of(self, namespace: str, labels: Mapping[str, str]) -> Selected:
        """What a pod with these labels gets in this namespace."""
        found: dict[str, Identity] = {}
        problems = []
        for binding in self._bindings.get(labels.get(LABEL) or "", ()):
            identity = self._identities.get((binding.namespace, binding.identity))
            if problem := self._problem(namespace, binding, identity):
                problems.append(problem)
            elif identity:
                found.setdefault(identity.client_id or identity.name, identity)
        return Selected(tuple(found.values()), tuple(problem for problem in problems if problem))

    def _problem(self, namespace: str, binding: Binding, identity: Identity | None) -> str:
        where = f"AzureIdentityBinding {binding.namespace}/{binding.name}"
        name = f"AzureIdentity {binding.namespace}/{binding.identity}"
        if identity is None:
            return f"{where} names {name}, which does not exist."
        if identity.type == 0 and not _RESOURCE_ID.fullmatch(identity.resource_id):
            return f"{name} has no valid resource ID: aad-pod-identity passes it over."
        if (self._namespaced or identity.namespaced) and binding.namespace != namespace:
            return f"{name} is namespaced: pods of {namespace} do not get it."
        return ""


def exempt(namespace: str, labels: Mapping[str, str], all_: Iterable[Exemption]) -> str:
    """The exception of this namespace of which one label is the pod's; empty: there is none."""
    for exemption in all_:
        if exemption.namespace == namespace and any(
            labels.get(name, "").lower() == value.lower() and name in labels
            for name, value in exemption.labels.items()
        ):
            return exemption.name
    return ""

"""Sorts objects into ``facts.Facts``, one by one, wherever they come from. Pure."""

import re
from collections.abc import Mapping
from typing import Any, Final

from azwi_cli import errors
from azwi_cli.podidentity import objects
from azwi_cli.podidentity.facts import (
    Account,
    Binding,
    Exemption,
    Facts,
    Identity,
    Ref,
    RoleBinding,
    SecretProviderClass,
    Workload,
)
from azwi_common import contract

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9.-]*", re.ASCII)
"""Of what is named here later: a folder, a file, a line of a script."""


class Collected:
    """Objects read so far."""

    def __init__(self, namespace: str) -> None:
        self._namespace = namespace
        """Of objects that name none themselves."""
        self._found: dict[type, list[Any]] = {}
        self._seen: set[tuple[str, Ref]] = set()
        self.pod_security: dict[str, str] = {}

    def add(self, thing: Mapping[str, Any]) -> None:
        """Take what matters of an object; of two with one name the first counts."""
        metadata = objects.part(thing, "metadata")
        ref = Ref(
            str(metadata.get("namespace") or self._namespace),
            str(thing.get("kind")),
            objects.name_of(metadata),
        )
        key = str(thing.get("apiVersion", "")).partition("/")[0], ref
        if key in self._seen:
            return
        self._seen.add(key)
        if ref.kind == "Namespace":
            level = objects.part(metadata, "labels").get(contract.POD_SECURITY_LABEL)
            self.pod_security |= {ref.name: str(level)} if level else {}
        elif (found := objects.read(thing, self._namespace)) is not None:
            _require_names(ref, found)
            self.put(found)

    def put(self, found: objects.Read) -> None:
        """Take what was read already."""
        self._found.setdefault(type(found), []).append(found)

    @property
    def workloads(self) -> list[Workload]:
        """Those so far."""
        return self._of(Workload)

    def facts(
        self,
        *,
        source: str,
        issuer: str,
        namespaces: frozenset[str] | None,
        webhook_mode: str | None = "",
        unread: tuple[str, ...] = (),
    ) -> Facts:
        """All of it, and what is known beside it."""
        return Facts(
            source=source,
            issuer=issuer,
            namespaces=namespaces,
            identities=tuple(self._of(Identity)),
            bindings=tuple(self._of(Binding)),
            exemptions=tuple(self._of(Exemption)),
            workloads=tuple(self._of(Workload)),
            accounts=tuple(self._of(Account)),
            role_bindings=tuple(self._of(RoleBinding)),
            secret_provider_classes=tuple(self._of(SecretProviderClass)),
            pod_security=self.pod_security,
            webhook_mode=webhook_mode,
            unread=unread,
        )

    def _of(self, kind: type) -> list[Any]:
        return self._found.get(kind, [])


def _require_names(ref: Ref, found: objects.Read) -> None:
    """Raise BadInput where a name is none; a cluster has no such object, a file may."""
    if isinstance(found, RoleBinding):
        return  # may be called anything, and names no file
    named = [ref.namespace, ref.name]
    if isinstance(found, Workload) and found.template:
        named.append(found.template.service_account)
    for name in named:
        if not _NAME.fullmatch(name):
            raise errors.BadInput(
                f"{ref.kind} {ref.name!r}: no Kubernetes object can have the name {name!r}.",
                "Correct it; a template must be rendered first.",
            )

"""What was chosen on a command line: the groups of a command, and what they want."""

from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Any, Final, TypeVar

from azwi_cli.serviceaccount import options
from azwi_cli.serviceaccount.known import Phase
from azwi_cli.serviceaccount.wanted import Given

T = TypeVar("T")


@dataclass(frozen=True)
class Chosen:
    """Groups that every command has, or does without."""

    auth: options.Auth
    cluster: options.Cluster
    run: options.Run
    issuer: options.Issuer
    wait: options.Wait
    yes: options.Yes


def sorted_out(groups: Iterable[Any]) -> Chosen:
    """What is among the groups of a command, and defaults for what is not."""
    found = {type(group): group for group in groups}

    def one(kind: type[T]) -> T:
        given: T = found.get(kind) or kind()
        return given

    return Chosen(
        one(options.Auth),
        one(options.Cluster),
        one(options.Run),
        one(options.Issuer),
        one(options.Wait),
        one(options.Yes),
    )


_NAMES: Final = {
    "service_account_name": "account",
    "service_account_namespace": "namespace",
    "service_account_issuer_url": "issuer",
    "service_account_token_expiration": "expiration",
    "aad_application_name": "application_name",
    "aad_application_client_id": "application_client_id",
    "aad_application_object_id": "application_object_id",
    "identity_name": "identity_name",
    "identity_resource_group": "identity_group",
    "identity_location": "identity_location",
    "service_principal_name": "principal_name",
    "service_principal_object_id": "principal_id",
    "azure_role": "role",
    "azure_scope": "scope",
    "role_assignment_id": "assignment_id",
}
"""Of flags, by their fields, in ``wanted.Given``."""


def given(*groups: Any, phase: Phase | None = None) -> Given:
    """The flags of the groups that say what is wanted."""
    values: dict[str, Any] = {"phase": phase}
    for group in groups:
        if isinstance(group, options.Skip):
            values["skip"] = tuple(group.skip_phases or ())
        for one in fields(group):
            if one.name in _NAMES:
                values[_NAMES[one.name]] = getattr(group, one.name) or ""
    return Given(**values)

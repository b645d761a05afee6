"""Identities by their client ids, as Entra ID and ARM know them."""

from dataclasses import dataclass
from typing import TypeVar

from azwi_cli import errors, output
from azwi_cli.serviceaccount.known import Account, Credential, Kind, Target
from azwi_cli.serviceaccount.peers import Peers

T = TypeVar("T")


@dataclass(frozen=True)
class Known:
    """An identity, and its federated credentials."""

    target: Target
    credentials: tuple[Credential, ...]


class Directory:
    """Identities by client id, each asked for once; and whoever refuses is not asked again."""

    def __init__(self, peers: Peers) -> None:
        self._peers = peers
        self._known: dict[str, Known | errors.AzwiError | None] = {}
        self._identities: dict[str, Target] | None = None
        self._tenant: str | errors.AzwiError | None = None
        self._no_graph: errors.AzwiError | None = None

    @property
    def tenant_id(self) -> str:
        """Raises AzwiError where nobody is logged in."""
        if self._tenant is None:
            try:
                self._tenant = self._peers.login.tenant_id
            except errors.AzwiError as error:
                self._tenant = error
        return _or_raised(self._tenant)

    def managed(self) -> frozenset[str]:
        """Client ids of the managed identities that were looked up, in lower case."""
        return frozenset(
            client_id.lower()
            for client_id, known in self._known.items()
            if isinstance(known, Known) and known.target.kind is Kind.IDENTITY
        )

    def may_use_binding(self, namespace: str, name: str, client_id: str) -> bool | None:
        """Whether the cluster's rights let a service account use it; None: nobody may say."""
        try:
            return self._peers.accounts.may_use(Account(namespace, name), client_id)
        except errors.AzwiError as error:
            output.debug(f"whether it may use an identity binding cannot be asked: {error}")
            return None

    def look_up(self, client_id: str) -> Known | None:
        """Raises AzwiError where nobody may say whether it exists."""
        if client_id not in self._known:
            try:
                self._known[client_id] = self._asked(client_id)
            except errors.AzwiError as error:
                self._known[client_id] = error
        return _or_raised(self._known[client_id])

    def _asked(self, client_id: str) -> Known | None:
        target = self._of_subscription().get(client_id.lower()) or self._of_graph(client_id)
        return Known(target, self._peers.credentials(target)) if target else None

    def _of_graph(self, client_id: str) -> Target | None:
        if self._no_graph:
            raise self._no_graph
        try:
            graph = self._peers.graph
            if found := graph.by_client_id(client_id):
                return found
            resource_id = graph.managed_identity(client_id)
            is_foreign = not resource_id and graph.has_principal(client_id)
        except errors.AzwiError as error:
            self._no_graph = error
            raise
        if is_foreign:
            raise errors.NotFound(
                f"The application {client_id} is registered in another tenant, which has its"
                " credentials.",
                "Log in there, with --tenant-id.",
            )
        name = resource_id.rpartition("/")[2]
        made = Target(kind=Kind.IDENTITY, id=resource_id, name=name, client_id=client_id)
        return made if resource_id else None

    def _of_subscription(self) -> dict[str, Target]:
        """Managed identities by client id: readable to many who may not read Graph."""
        if self._identities is None:
            self._identities = {}
            if self._peers.login.has_subscription:
                try:
                    listed = self._peers.arm().identities()
                    self._identities = {one.client_id.lower(): one for one in listed}
                except errors.AzwiError as error:
                    output.debug(f"managed identities cannot be listed: {error}")
        return self._identities


def _or_raised(found: T | errors.AzwiError) -> T:
    if isinstance(found, errors.AzwiError):
        raise found
    return found

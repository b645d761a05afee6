"""What reviews need to know of the cluster: service accounts, namespaces, its version."""

import asyncio
import logging
import secrets
from collections.abc import Callable
from typing import Final

from azwi_common import contract
from azwi_webhook import errors, versions
from azwi_webhook.cache import Cache, Result
from azwi_webhook.follow import Follower
from azwi_webhook.held import Wanted
from azwi_webhook.kube import Kube
from azwi_webhook.mutate import Account, Surroundings

VERSION_AGAIN: Final = 300.0  # seconds; an upgraded API server is noticed
VERSION_RETRY: Final = 1.0  # seconds, while it has never been told

log = logging.getLogger("azwi_webhook.cluster")


class Cluster:
    """Two caches and a number."""

    def __init__(
        self, kube: Kube, on_read: Callable[[str, Result], None] = lambda _, __: None
    ) -> None:
        """``on_read`` is told the collection and the result of each single read."""
        self._kube = kube
        self.accounts = Cache(
            kube,
            "/api/v1/namespaces/{namespace}/serviceaccounts/{name}",
            Wanted((contract.ACCOUNT_LABEL,), contract.ACCOUNT_ANNOTATIONS, contract.PREFIX),
            lambda result: on_read("serviceaccounts", result),
        )
        self.namespaces = Cache(
            kube,
            "/api/v1/namespaces/{name}",
            Wanted((contract.NAMESPACE_LABEL, contract.POD_SECURITY_LABEL)),
            lambda result: on_read("namespaces", result),
        )
        self.minor = 0
        """Of the API server's version; 0 until it is known."""

    async def run(self) -> None:
        """Keep everything true until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(Follower(self._kube, "/api/v1/namespaces", self.namespaces).run())
            group.create_task(Follower(self._kube, "/api/v1/serviceaccounts", self.accounts).run())
            group.create_task(self._follow_version())

    async def close(self) -> None:
        """Give up the reads in flight."""
        await self.accounts.close()
        await self.namespaces.close()

    def problem(self) -> str:
        """Why reviews cannot be answered well yet; empty where they can."""
        if not self.minor:
            return "The API server has not told its version yet."
        if not self.accounts.synced:
            return "The list of service accounts is not whole yet."
        if not self.namespaces.synced:
            return "The list of namespaces is not whole yet."
        return ""

    async def about(self, namespace: str, name: str) -> tuple[Account | None, Surroundings]:
        """A service account (None: there is none) and what surrounds it.

        Raises errors.Unavailable where the API server would have to be asked and cannot.
        """
        if not self.minor:
            raise errors.Unavailable("The API server has not told its version yet; try again.")
        known = self.accounts.fresh(namespace, name)
        space = self.namespaces.fresh("", namespace)
        if known is None or space is None:
            known, space = await asyncio.gather(
                self.accounts.find(namespace, name), self.namespaces.find("", namespace)
            )
        account = Account(name, known.labels, known.annotations) if known else None
        labels = space.labels if space else {}
        return account, Surroundings(namespace, labels, self.minor, secrets.token_urlsafe(32))

    async def _follow_version(self) -> None:
        while True:
            try:
                self.minor = versions.minor_of(await self._kube.git_version())
            except (errors.Unavailable, ValueError) as error:
                fields = {"told": str(error)}
                log.warning("the API server's version is not known", extra={"fields": fields})
            await asyncio.sleep(VERSION_AGAIN if self.minor else VERSION_RETRY)

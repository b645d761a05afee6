"""Environment mode: where apps that nobody redirects are told to ask, and with which secret.

Pure. SDKs honour one of two things: where to ask in place of the metadata address, or App
Service's protocol, whose URL and header value belong together. A container that says either of the
two otherwise keeps what it says, and gets neither: its header is not for our URL, and ours not for
its own. Never IMDS_ENDPOINT, which would mean Azure Arc's protocol.
"""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

from azwi_common import contract, sidecar
from azwi_webhook import pods
from azwi_webhook.annotations import Wishes
from azwi_webhook.settings import Settings

Group = tuple[sidecar.Object, ...]
"""Variables that belong together: a container gets what it lacks of all, or none."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """What the containers of one pod are told."""

    header: sidecar.Object | None
    """IDENTITY_HEADER of azwi-proxy; None where somebody has set it empty: no /msi/token then."""
    alone: tuple[Group, ...]
    """Of the metadata endpoint: each says by itself where it is."""
    pairs: tuple[Group, ...]
    """Of App Service's protocol, newer versions first. A container gets no older pair without the
    newer: by MSI_ENDPOINT alone, SDKs of today take azwi-proxy for Azure ML, and fail."""

    def of_proxy(self) -> list[sidecar.Object]:
        """The variables of azwi-proxy."""
        return [self.header] if self.header else []

    def lacking(self, container: pods.Object, wishes: Wishes) -> list[sidecar.Object]:
        """The variables that this container of the pod is still to get."""
        if container.get("name") == contract.PROXY_CONTAINER:
            return self.of_proxy()  # which counts for nothing where it has one already
        if not _is_told(container, wishes):
            return []
        present = pods.items(container, "env")
        alone = [group for group in self.alone if not _others(group, present)]
        pairs = itertools.takewhile(lambda pair: not _others(pair, present), self.pairs)
        return [entry for group in (*alone, *pairs) for entry in group if entry not in present]

    def contradicted(
        self, container: pods.Object, wishes: Wishes
    ) -> Iterator[tuple[tuple[str, ...], str]]:
        """Names that it does not get, since it sets the one behind them otherwise itself."""
        present = pods.items(container, "env") if _is_told(container, wishes) else []
        for place, pair in enumerate(self.pairs):
            if others := _others(pair, present):
                lost = itertools.chain.from_iterable(self.pairs[place:])
                yield tuple(entry["name"] for entry in lost), str(others[0]["name"])
                return


def of(pod: pods.Pod, wishes: Wishes, settings: Settings, secret: str) -> Endpoint:
    """What the containers of ``pod`` are told; ``secret`` where no header's value is said yet."""
    header = _header(pod, settings, secret)
    host = f"http://127.0.0.1:{wishes.port}"
    names = [(contract.IDENTITY_ENDPOINT, contract.IDENTITY_HEADER)]
    if wishes.msi_endpoint:
        names.append((contract.MSI_ENDPOINT, contract.MSI_SECRET))
    pairs = [
        ({"name": url, "value": host + contract.MSI_PATH}, {**(header or {}), "name": value})
        for url, value in names
    ]
    alone = (
        ({"name": contract.POD_IDENTITY_AUTHORITY_HOST, "value": host},),
        ({"name": contract.AZURE_MSI_ENDPOINT, "value": host + contract.TOKEN_PATH},),
    )
    return Endpoint(header, alone, tuple(pairs) if header else ())


def _header(pod: pods.Pod, settings: Settings, secret: str) -> sidecar.Object | None:
    """What azwi-proxy has, by a first pass or by hand; else the configuration's; else a new one.

    An entry whose value comes from elsewhere (a Secret) is passed on as it is.
    """
    places: list[list[pods.Object]] = [
        pods.items(container, "env")
        for container in pod.all_containers()
        if container.get("name") == contract.PROXY_CONTAINER
    ]
    places.append([*settings.proxy_env.items])
    for env in places:
        said = [entry for entry in env if entry.get("name") == contract.IDENTITY_HEADER]
        if said:
            last = dict(said[-1])  # of two, the kubelet takes the last
            return last if last.get("value") or last.get("valueFrom") else None
    return {"name": contract.IDENTITY_HEADER, "value": secret}


def _is_told(container: pods.Object, wishes: Wishes) -> bool:
    name = pods.text(container, "name")
    return name not in pods.OURS and name not in wishes.skip


def _others(group: Group, present: list[pods.Object]) -> list[pods.Object]:
    """The entries of ``present`` that give a variable of ``group`` another value."""
    names = [entry["name"] for entry in group]
    return [entry for entry in present if entry.get("name") in names and entry not in group]

"""What reviews need to know."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from azwi_testing.apiserver import ApiServer, Fault, soon
from azwi_webhook import cluster as module
from azwi_webhook import errors
from azwi_webhook.cluster import Cluster
from azwi_webhook.kube import Kube
from azwi_webhook.mutate import Account, Surroundings


@contextlib.asynccontextmanager
async def running(kube: Kube) -> AsyncIterator[Cluster]:
    cluster = Cluster(kube)
    task = asyncio.create_task(cluster.run())
    try:
        yield cluster
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await cluster.close()


async def test_a_pods_account_and_what_surrounds_it(api: ApiServer, kube: Kube) -> None:
    api.account("shop", "app", client_id="x")
    async with running(kube) as cluster:
        await soon(lambda: not cluster.problem())
        account, around = await cluster.about("shop", "app")
    assert account == Account("app", {}, {"azure.workload.identity/client-id": "x"})
    assert around == Surroundings(
        "shop", {"pod-security.kubernetes.io/enforce": "baseline"}, 33, around.secret
    )


async def test_what_is_random_is_new_each_time_and_not_shown(api: ApiServer, kube: Kube) -> None:
    api.account("shop", "app", client_id="x")
    async with running(kube) as cluster:
        await soon(lambda: not cluster.problem())
        (_, first), (_, second) = [await cluster.about("shop", "app") for _ in range(2)]
    assert first.secret != second.secret
    assert first.secret not in repr(first)


async def test_what_does_not_exist_is_nothing(kube: Kube) -> None:
    async with running(kube) as cluster:
        await soon(lambda: not cluster.problem())
        account, around = await cluster.about("nowhere", "nobody")
    assert account is None
    assert around.namespace_labels == {}


@pytest.mark.parametrize(
    ("path", "sentence"),
    [("/version", "version"), ("/serviceaccounts", "accounts"), ("/namespaces[?]", "namespaces")],
)
async def test_it_says_what_it_still_waits_for(
    api: ApiServer, kube: Kube, path: str, sentence: str
) -> None:
    api.faults.append(Fault(path, 500))
    async with running(kube) as cluster:
        await soon(lambda: sentence in cluster.problem())
        api.faults.clear()
        await soon(lambda: not cluster.problem())


async def test_nothing_is_decided_without_the_version(api: ApiServer, kube: Kube) -> None:
    api.faults.append(Fault("/version", 500))
    async with running(kube) as cluster:
        with pytest.raises(errors.Unavailable, match="version"):
            await cluster.about("shop", "app")


async def test_an_upgraded_api_server_is_noticed(
    api: ApiServer, kube: Kube, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "VERSION_AGAIN", 0.05)
    async with running(kube) as cluster:
        await soon(lambda: cluster.minor == 33)
        api.git_version = "v1.34.0-eks-1"
        await soon(lambda: cluster.minor == 34)
        api.git_version = "nonsense"
        await asyncio.sleep(0.2)
        assert cluster.minor == 34

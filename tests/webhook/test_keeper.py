"""The certificate that the webhook keeps by itself."""

import asyncio
import base64
import contextlib
import ssl
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta

import pytest
from aiohttp import web

from azwi_common.settings import load
from azwi_testing.apiserver import ApiServer, Fault, soon
from azwi_testing.webhooks import CONFIGURATION, CONFIGURATIONS, NAMESPACE, SECRET, SERVER_NAME
from azwi_webhook import authority
from azwi_webhook import keeper as module
from azwi_webhook.certificates import Times, blocks, dns_names
from azwi_webhook.keeper import Keeper
from azwi_webhook.kube import Kube
from azwi_webhook.server import Site
from azwi_webhook.serving import Serving, call_itself
from azwi_webhook.settings import Settings

SETTINGS = load(Settings, {"AZURE_TENANT_ID": "contoso.com"})
NAMES = dns_names(SETTINGS.service, SETTINGS.namespace)
OVERLAP = timedelta(seconds=1)


def bundles(api: ApiServer) -> list[bytes]:
    """What each entry of the configuration makes the API server trust."""
    webhooks = api.get(CONFIGURATIONS, "", CONFIGURATION)["webhooks"]
    return [base64.b64decode(one["clientConfig"].get("caBundle", "")) for one in webhooks]


def stored(api: ApiServer, *, age: timedelta, life: timedelta) -> bytes:
    """Put a pair that was made a while ago into the Secret; its CA."""
    made = authority.make(list(NAMES), datetime.now(UTC) - age, life)
    data = {name: base64.b64encode(text.encode()).decode() for name, text in made.items()}
    api.put("secrets", NAMESPACE, SECRET, type="Opaque", data=data)
    return made["ca.crt"].encode()


class Replica:
    """A keeper and the port that serves what it keeps."""

    def __init__(self, kube: Kube, times: Times) -> None:
        self.serving = Serving("1.3")
        self.keeper = Keeper(kube, SETTINGS, self.serving, times)
        self.site = Site(_ok, self.serving.context)

    async def call(self, trust: bytes) -> float:
        return await call_itself("127.0.0.1", self.site.port, SERVER_NAME, trust)

    async def until_refused(self, trust: bytes) -> None:
        """Return once another CA's certificate is served: a moment after it is stored."""
        with contextlib.suppress(ssl.SSLError):
            async with asyncio.timeout(10):
                while True:
                    await self.call(trust)


async def _ok(request: web.BaseRequest) -> web.Response:
    return web.Response(text="ok\n")


@contextlib.asynccontextmanager
async def replicas(
    kube: Kube, count: int = 1, times: Times | None = None
) -> AsyncIterator[list[Replica]]:
    found = [Replica(kube, times or Times()) for _ in range(count)]
    for one in found:
        await one.site.start("127.0.0.1", 0)
    tasks = [asyncio.create_task(one.keeper.run()) for one in found]
    try:
        yield found
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for one in found:
            await one.site.stop(0.1)


def ready(found: list[Replica]) -> Callable[[], bool]:
    return lambda: all(not one.keeper.problem for one in found)


async def test_an_empty_secret_is_filled_and_the_api_server_trusts_it(
    api: ApiServer, kube: Kube
) -> None:
    async with replicas(kube) as found:
        await soon(ready(found))
        secret = api.secret(NAMESPACE, SECRET)
        assert set(secret) == {"tls.crt", "tls.key", "ca.crt"}
        assert bundles(api) == [secret["ca.crt"]] * 2
        await found[0].call(bundles(api)[0])


async def test_replicas_that_start_together_agree(api: ApiServer, kube: Kube) -> None:
    async with replicas(kube, 5) as found:
        await soon(ready(found))
        await soon(lambda: len({one.serving.trust for one in found}) == 1)
        for one in found:
            await one.call(bundles(api)[0])
        assert len(blocks(bundles(api)[0])) == 1


async def test_what_is_stored_is_served_by_the_next_one_as_it_is(
    api: ApiServer, kube: Kube
) -> None:
    async with replicas(kube) as found:
        await soon(ready(found))
    before = api.secret(NAMESPACE, SECRET)
    async with replicas(kube) as found:
        await soon(ready(found))
    assert api.secret(NAMESPACE, SECRET) == before


async def test_a_bundle_that_somebody_overwrote_is_healed_at_once(
    api: ApiServer, kube: Kube
) -> None:
    async with replicas(kube) as found:
        await soon(ready(found))
        good = bundles(api)[0]
        for wrong in ("", "bm9uc2Vuc2U=", None):
            webhooks = api.get(CONFIGURATIONS, "", CONFIGURATION)["webhooks"]
            webhooks[1]["clientConfig"]["caBundle"] = wrong
            if wrong is None:  # as a template that does not have it
                del webhooks[1]["clientConfig"]["caBundle"]
            api.put(CONFIGURATIONS, "", CONFIGURATION, webhooks=webhooks)
            await soon(lambda: bundles(api) == [good, good])  # POLL alone would take thirty seconds


async def test_entries_that_were_added_or_moved_are_set_too(api: ApiServer, kube: Kube) -> None:
    async with replicas(kube) as found:
        await soon(ready(found))
        names = ("c.azwi-sidecar.io", "a.azwi-sidecar.io", "d.azwi-sidecar.io")
        webhooks = [{"name": name, "clientConfig": {}} for name in names]
        api.put(CONFIGURATIONS, "", CONFIGURATION, webhooks=webhooks)
        await soon(lambda: bundles(api) == [found[0].serving.trust] * 3)


async def test_a_secret_that_somebody_emptied_is_filled_anew(api: ApiServer, kube: Kube) -> None:
    async with replicas(kube) as found:
        await soon(ready(found))
        old = found[0].serving.trust
        api.put("secrets", NAMESPACE, SECRET, type="Opaque", data={"tls.crt": "!", "x": "eA=="})
        await soon(lambda: found[0].serving.trust != old)
        await soon(lambda: bundles(api) == [found[0].serving.trust] * 2)
        await found[0].call(bundles(api)[0])


@pytest.mark.parametrize("name", ["tls.crt", "tls.key", "ca.crt", "next-tls.crt", "next-tls.key"])
@pytest.mark.parametrize("text", [None, "", "!", "/w==", "bm8gUEVN", "half"])
async def test_a_secret_that_is_half_written_is_filled_anew(
    api: ApiServer, kube: Kube, name: str, text: str | None
) -> None:
    """A null in it ended the process; so did bytes that are no UTF-8 in next-tls.crt."""
    made = authority.make(list(NAMES), datetime.now(UTC), timedelta(days=90))
    data: dict[str, str | None] = {
        key: base64.b64encode(value.encode()).decode() for key, value in made.items()
    }
    whole = data.get(name) or data["tls.crt"] or ""
    data[name] = whole[: len(whole) // 8 * 4] if text == "half" else text
    api.put("secrets", NAMESPACE, SECRET, type="Opaque", data=data)
    async with replicas(kube, 1) as (one,):
        await soon(ready([one]))
        await one.call(bundles(api)[0])


@pytest.mark.parametrize("data", [None, {}, {"tls.crt": None, "tls.key": None, "ca.crt": None}])
async def test_a_secret_of_nothing_is_filled_anew(
    api: ApiServer, kube: Kube, data: dict[str, None] | None
) -> None:
    api.put("secrets", NAMESPACE, SECRET, type="Opaque", data=data)
    async with replicas(kube, 1) as (one,):
        await soon(ready([one]))
        await one.call(api.secret(NAMESPACE, SECRET)["ca.crt"])


async def test_rotations_refuse_no_call_at_any_replica(
    api: ApiServer, kube: Kube, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The caller trusts what the configuration said a while ago, as an API server may."""
    monkeypatch.setattr(module, "LEAST", 0.02)
    times = Times(life=timedelta(seconds=24), overlap=OVERLAP)
    stored(api, age=timedelta(seconds=15), life=times.life)
    late = 0.1  # seconds; more than an API server takes to see a change
    calls = 0
    served: set[float] = set()
    async with replicas(kube, 3, times) as found:
        await soon(ready(found))
        while len(served) < 3 or calls < 100:  # by their ends: so many certificates there are
            for one in found:
                trust, looked = bundles(api)[1], asyncio.get_running_loop().time()
                assert len(blocks(trust)) <= 2
                await asyncio.sleep(late)
                for _ in range(4):
                    try:
                        served.add(await one.call(trust))
                    except ssl.SSLError:
                        # Later than the overlap is later than any API server, on a busy machine.
                        if asyncio.get_running_loop().time() - looked < OVERLAP.total_seconds():
                            raise
                        break
                    calls += 1


async def test_a_certificate_of_a_short_life_is_renewed_before_it_ends(
    api: ApiServer, kube: Kube
) -> None:
    """Renewal counts by the certificate's own life, and so does how late a replica may be."""
    first = stored(api, age=timedelta(seconds=30), life=timedelta(seconds=60))
    async with replicas(kube, 2) as found:
        await soon(lambda: "next-tls.crt" in api.secret(NAMESPACE, SECRET))
        await soon(ready(found))
        await found[0].call(first)


async def test_the_trust_of_the_next_ca_lasts_the_overlap_before_it_is_served(
    api: ApiServer, kube: Kube
) -> None:
    first = stored(api, age=timedelta(days=70), life=timedelta(days=90))
    # The API server's trust cannot be set: the certificate must not change meanwhile.
    api.faults.append(Fault(CONFIGURATIONS, 500, method="PATCH"))
    async with replicas(kube, 1, Times(overlap=2 * OVERLAP)) as found:
        await soon(lambda: "next-tls.crt" in api.secret(NAMESPACE, SECRET))
        await asyncio.sleep(2.5)
        await found[0].call(first)
        api.faults.clear()
        await soon(lambda: len(blocks(bundles(api)[0])) == 2)
        await found[0].call(first)
        await soon(lambda: "next-tls.crt" not in api.secret(NAMESPACE, SECRET))
        await found[0].until_refused(first)
        assert ready(found)()
        await found[0].call(bundles(api)[0])


async def test_a_secret_that_is_missing_is_named_and_awaited(api: ApiServer, kube: Kube) -> None:
    api.delete("secrets", NAMESPACE, SECRET)
    async with replicas(kube) as found:
        await soon(lambda: f"{SECRET} does not exist: install the chart" in found[0].keeper.problem)
        api.put("secrets", NAMESPACE, SECRET, type="Opaque")
        await soon(ready(found))


async def test_without_a_configuration_it_is_ready_and_sees_to_it_once_it_comes(
    api: ApiServer, kube: Kube, caplog: pytest.LogCaptureFixture
) -> None:
    """Who applies in waves makes the configuration when the Deployment is ready."""
    api.delete(CONFIGURATIONS, "", CONFIGURATION)
    async with replicas(kube) as found:
        await soon(ready(found))
        await found[0].call(found[0].serving.trust)
        assert caplog.text.count(f"{CONFIGURATION} does not exist: install the chart") == 1
        api.put(CONFIGURATIONS, "", CONFIGURATION, webhooks=[{"name": "a", "clientConfig": {}}])
        await soon(lambda: bundles(api) == [found[0].serving.trust], timeout=5)


async def test_a_change_that_is_refused_again_and_again_is_told(
    api: ApiServer, kube: Kube, caplog: pytest.LogCaptureFixture
) -> None:
    """A policy's refusal has the status of a test in the patch that failed."""
    api.faults.append(Fault(CONFIGURATIONS, 422, method="PATCH"))
    async with replicas(kube) as found:
        await soon(lambda: "422 to PATCH" in found[0].keeper.problem, timeout=20)
        assert caplog.text.count("422 to PATCH") == 1
        api.faults.clear()
        await soon(ready(found))


async def test_an_api_server_that_is_away_makes_a_ready_replica_no_less_ready(
    api: ApiServer, kube: Kube
) -> None:
    async with replicas(kube) as found:
        await soon(ready(found))
        api.stop()
        await asyncio.sleep(0.5)
        assert found[0].keeper.problem == ""
        api.start()
        webhooks = [{"name": "a", "clientConfig": {}}]
        api.put(CONFIGURATIONS, "", CONFIGURATION, webhooks=webhooks)
        await soon(lambda: bundles(api) == [found[0].serving.trust])


async def test_without_the_right_to_watch_it_looks_now_and_then(
    api: ApiServer, kube: Kube, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "POLL", 0.1)
    api.faults.append(Fault("fieldSelector", 403))
    async with replicas(kube) as found:
        await soon(ready(found))
        api.put(CONFIGURATIONS, "", CONFIGURATION, webhooks=[{"name": "a", "clientConfig": {}}])
        await soon(lambda: bundles(api) == [found[0].serving.trust])


async def test_no_private_key_is_logged(kube: Kube, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("DEBUG"):
        async with replicas(kube) as found:
            await soon(ready(found))
    assert "PRIVATE KEY" not in caplog.text


def owners(api: ApiServer) -> list[dict[str, str]]:
    found: list[dict[str, str]] = (
        api.get(CONFIGURATIONS, "", CONFIGURATION)["metadata"].get("ownerReferences") or []
    )
    return found


async def test_the_namespace_owns_the_configuration_beside_its_other_owners(
    api: ApiServer, kube: Kube
) -> None:
    other = {"apiVersion": "v1", "kind": "Node", "name": "n", "uid": "u"}
    webhooks = api.get(CONFIGURATIONS, "", CONFIGURATION)["webhooks"]
    api.put(CONFIGURATIONS, "", CONFIGURATION, webhooks=webhooks, ownerReferences=[other])
    for _ in range(2):
        async with replicas(kube) as found:
            await soon(ready(found))
    uid = api.get("namespaces", "", NAMESPACE)["metadata"]["uid"]
    ours = {"apiVersion": "v1", "kind": "Namespace", "name": NAMESPACE, "uid": uid}
    assert owners(api) == [other, ours]


async def test_a_cluster_that_allows_no_owner_keeps_no_certificate_from_being_trusted(
    api: ApiServer, kube: Kube, caplog: pytest.LogCaptureFixture
) -> None:
    async with replicas(kube) as found:
        await soon(ready(found))
    webhooks = api.get(CONFIGURATIONS, "", CONFIGURATION)["webhooks"]
    api.put(CONFIGURATIONS, "", CONFIGURATION, webhooks=webhooks)
    api.faults.append(Fault(CONFIGURATIONS, status=403, method="PATCH", times=1000))
    async with replicas(kube) as found:
        await soon(ready(found))
        await asyncio.sleep(0)
    assert owners(api) == []
    assert [row.message for row in caplog.records].count("cannot own the configuration") == 1

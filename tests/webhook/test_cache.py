"""What is known, and how what is not known is found out."""

import asyncio
import time
from collections import Counter

import pytest

from azwi_testing.apiserver import ApiServer, Fault, soon
from azwi_webhook import cache as module
from azwi_webhook import errors, held
from azwi_webhook.cache import Cache
from azwi_webhook.held import NOTHING, Known, Wanted
from azwi_webhook.kube import Event, Kube, Metadata, Thing

PREFIX = "azure.workload.identity/"
WANTED = Wanted((), (PREFIX + "client-id",), PREFIX)
READ = "GET /api/v1/namespaces/shop/serviceaccounts/app"


def thing(name: str, **annotations: str) -> Thing:
    return Thing(Metadata(name=name, namespace="shop", annotations=annotations or None))


class Counted(Cache):
    """A cache of service accounts that counts its reads, its watch running."""

    def __init__(self, kube: Kube) -> None:
        path = "/api/v1/namespaces/{namespace}/serviceaccounts/{name}"
        self.reads: Counter[str] = Counter()
        super().__init__(kube, path, WANTED, lambda result: self.reads.update([result]))
        self.healthy = True


@pytest.fixture
def cache(kube: Kube) -> Counted:
    return Counted(kube)


@pytest.fixture
def long_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "GRACE", 5.0)


async def test_only_names_of_ours_are_kept(cache: Counted) -> None:
    given = {PREFIX + "client-id": "x", "meta.helm.sh/release-name": "y"}
    cache.change(Event("ADDED", thing("app", **given)))
    known = await cache.find("shop", "app")
    assert known == Known({}, {PREFIX + "client-id": "x"})


async def test_objects_without_them_share_one_empty_entry(cache: Counted) -> None:
    for name in ("a", "b"):
        cache.change(Event("ADDED", thing(name, helm="x")))
    assert await cache.find("shop", "a") is await cache.find("shop", "b") is NOTHING
    assert cache.size == 2


async def test_what_is_known_is_not_read(api: ApiServer, cache: Counted) -> None:
    cache.change(Event("ADDED", thing("app")))
    assert await cache.find("shop", "app")
    assert not api.asked


async def test_a_change_replaces_and_a_deletion_forgets(cache: Counted) -> None:
    cache.change(Event("ADDED", thing("app", **{PREFIX + "client-id": "x"})))
    cache.change(Event("MODIFIED", thing("app")))
    assert await cache.find("shop", "app") is NOTHING
    cache.change(Event("DELETED", thing("app")))
    cache.change(Event("DELETED", thing("app")))
    assert cache.size == 0
    assert await cache.find("shop", "app") is None


@pytest.mark.usefixtures("long_grace")
async def test_an_object_whose_event_arrives_within_the_grace_is_not_read(
    api: ApiServer, cache: Counted
) -> None:
    finding = asyncio.create_task(cache.find("shop", "app"))
    await asyncio.sleep(0.05)
    cache.change(Event("ADDED", thing("app", **{PREFIX + "client-id": "x"})))
    found = await finding
    assert found is not None
    assert found.annotations == {PREFIX + "client-id": "x"}
    assert not api.asked


@pytest.mark.usefixtures("long_grace")
async def test_a_new_list_within_the_grace_counts_too(api: ApiServer, cache: Counted) -> None:
    finding = asyncio.create_task(cache.find("shop", "app"))
    await asyncio.sleep(0.05)
    cache.begin()
    cache.add(thing("app"))
    cache.finish()
    assert await finding is NOTHING
    assert not api.asked


async def test_a_thousand_that_miss_make_one_read(api: ApiServer, cache: Counted) -> None:
    api.account("shop", "app", client_id="x")
    found = await asyncio.gather(*(cache.find("shop", "app") for _ in range(1000)))
    assert {known and known.annotations[PREFIX + "client-id"] for known in found} == {"x"}
    assert api.asked[READ] == 1
    assert cache.reads == {"found": 1}


async def test_who_stops_waiting_cancels_nothing_for_the_others(
    api: ApiServer, cache: Counted
) -> None:
    api.account("shop", "app")
    first = asyncio.create_task(cache.find("shop", "app"))
    second = asyncio.create_task(cache.find("shop", "app"))
    await asyncio.sleep(0.05)
    first.cancel()
    assert await second is NOTHING
    assert api.asked[READ] == 1


async def test_what_the_api_server_does_not_know_does_not_exist(cache: Counted) -> None:
    assert await cache.find("shop", "app") is None
    assert cache.reads == {"missing": 1}


@pytest.mark.parametrize("name", ["", "..", "a/b", "A", "x" * 300, "a\n", "%2e", "ä"])
async def test_a_name_that_nothing_can_have_is_not_asked_for(
    api: ApiServer, cache: Counted, name: str
) -> None:
    assert await cache.find("shop", name) is None
    assert not api.asked


async def test_a_read_that_fails_is_tried_again(api: ApiServer, cache: Counted) -> None:
    api.account("shop", "app", client_id="x")
    api.faults.append(Fault("serviceaccounts/app", 500, times=1))
    api.faults.append(Fault("serviceaccounts/app", 429, times=1, headers={"Retry-After": "0"}))
    assert await cache.find("shop", "app")
    assert api.asked[READ] == 3


async def test_a_read_that_fails_for_good_is_a_sentence_and_no_absence(
    api: ApiServer, cache: Counted
) -> None:
    api.faults.append(Fault("serviceaccounts/app", 500))
    with pytest.raises(errors.Unavailable, match=r"500.*try again in a moment"):
        await cache.find("shop", "app")
    assert cache.reads == {"failed": 1}


async def test_a_read_that_hangs_is_given_up(
    api: ApiServer, cache: Counted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "READ", 0.2)
    api.faults.append(Fault("serviceaccounts/app", seconds=5))
    with pytest.raises(errors.Unavailable, match="did not answer"):
        await cache.find("shop", "app")


async def test_while_the_watch_is_broken_the_api_server_is_asked_itself(
    api: ApiServer, cache: Counted
) -> None:
    cache.change(Event("ADDED", thing("app", **{PREFIX + "client-id": "old"})))
    api.account("shop", "app", client_id="new")
    cache.healthy = False
    known = await cache.find("shop", "app")
    assert known is not None
    assert known.annotations[PREFIX + "client-id"] == "new"


async def test_what_was_known_last_is_better_than_a_refusal(api: ApiServer, cache: Counted) -> None:
    cache.change(Event("ADDED", thing("app", **{PREFIX + "client-id": "old"})))
    api.faults.append(Fault("serviceaccounts/app", 500))
    cache.healthy = False
    known = await cache.find("shop", "app")
    assert known is not None
    assert known.annotations[PREFIX + "client-id"] == "old"


async def test_what_was_known_last_is_not_waited_for_long(api: ApiServer, cache: Counted) -> None:
    cache.change(Event("ADDED", thing("app", **{PREFIX + "client-id": "old"})))
    api.faults.append(Fault("serviceaccounts/app", seconds=5))
    cache.healthy = False
    started = time.monotonic()
    assert await cache.find("shop", "app")
    assert time.monotonic() - started < 2
    await cache.close()


async def test_reads_in_flight_are_bounded(api: ApiServer, cache: Counted) -> None:
    cache.healthy = False
    api.faults.append(Fault("serviceaccounts/", 500, seconds=1, times=module.AT_ONCE))
    finding = [asyncio.create_task(cache.find("shop", f"a{number}")) for number in range(60)]
    await soon(lambda: sum(api.asked.values()) == module.AT_ONCE)
    await asyncio.sleep(0.2)
    assert sum(api.asked.values()) == module.AT_ONCE
    assert await asyncio.gather(*finding) == [None] * 60


async def test_closing_gives_up_reads(api: ApiServer, cache: Counted) -> None:
    cache.healthy = False
    api.faults.append(Fault("serviceaccounts/app", seconds=5))
    finding = asyncio.create_task(cache.find("shop", "app"))
    await soon(lambda: api.asked[READ])
    await cache.close()
    with pytest.raises(asyncio.CancelledError):
        await finding


async def test_it_lacks_what_the_watch_would_have_told(cache: Counted) -> None:
    cache.change(Event("ADDED", thing("app")))
    assert cache.lacks("shop", "other")
    assert not cache.lacks("shop", "app")
    cache.healthy = False
    assert not cache.lacks("shop", "other")


async def test_an_object_too_large_to_be_held_is_read_without_waiting(
    api: ApiServer, cache: Counted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "GRACE", 60.0)
    monkeypatch.setattr(held, "LARGEST", 100)
    api.account("shop", "app", client_id="x")
    cache.change(Event("ADDED", thing("app", **{PREFIX + "client-id": "x"})))
    assert cache.fresh("shop", "app") is None
    for _ in range(2):
        known = await cache.find("shop", "app")
        assert known is not None
        assert known.annotations[PREFIX + "client-id"] == "x"
    assert api.asked[READ] == 2
    assert not cache.lacks("shop", "app")

"""The watch that heals by itself."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import NoReturn

import pytest

from azwi_testing.apiserver import ApiServer, Fault, soon
from azwi_webhook import errors, follow
from azwi_webhook import kube as kube_module
from azwi_webhook.cache import Cache
from azwi_webhook.follow import Follower
from azwi_webhook.held import Wanted
from azwi_webhook.kube import Kube

ACCOUNTS = "/api/v1/serviceaccounts"
LIST, WATCH = f"GET {ACCOUNTS}", f"WATCH {ACCOUNTS}"


@contextlib.asynccontextmanager
async def following(kube: Kube) -> AsyncIterator[Cache]:
    path = "/api/v1/namespaces/{namespace}/serviceaccounts/{name}"
    cache = Cache(kube, path, Wanted(()))
    task = asyncio.create_task(Follower(kube, ACCOUNTS, cache).run())
    try:
        yield cache
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_it_lists_once_and_then_follows(api: ApiServer, kube: Kube) -> None:
    api.account("shop", "old")
    async with following(kube) as cache:
        await soon(lambda: cache.healthy)
        assert cache.fresh("shop", "old")
        api.account("shop", "new")
        await soon(lambda: cache.fresh("shop", "new"))
        api.delete("serviceaccounts", "shop", "old")
        await soon(lambda: not cache.fresh("shop", "old"))
    assert api.asked[LIST] == 1


@pytest.mark.parametrize("last", [b"", b'{"type":"ADDED","obj', b"nonsense\n"])
async def test_a_watch_that_is_cut_goes_on_where_it_was(
    api: ApiServer, kube: Kube, last: bytes
) -> None:
    async with following(kube) as cache:
        await soon(lambda: cache.healthy)
        api.cut(last)
        await soon(lambda: not api.watches)
        api.account("shop", "meanwhile")
        await soon(lambda: cache.fresh("shop", "meanwhile"))
    assert api.asked[LIST] == 1
    assert api.asked[WATCH] >= 2


async def test_what_is_too_old_to_go_on_from_is_listed_anew(api: ApiServer, kube: Kube) -> None:
    api.account("shop", "gone")
    async with following(kube) as cache:
        await soon(lambda: cache.healthy)
        api.stop()
        api.delete("serviceaccounts", "shop", "gone")
        api.account("shop", "new")
        api.forget()
        api.start()
        await soon(lambda: cache.fresh("shop", "new"))
        assert not cache.fresh("shop", "gone")
    assert api.asked[LIST] == 2


@pytest.mark.parametrize(("code", "lists"), [(400, 2), (429, 1), (500, 1)])
async def test_what_trying_again_does_not_heal_is_listed_anew(
    api: ApiServer, kube: Kube, code: int, lists: int
) -> None:
    """As any client of Kubernetes does; an API server that is busy or failing gets no list more."""
    status = {"kind": "Status", "code": code, "message": "unable to decode an object"}
    async with following(kube) as cache:
        await soon(lambda: cache.healthy)
        api.cut(json.dumps({"type": "ERROR", "object": status}).encode() + b"\n")
        await soon(lambda: api.asked[WATCH] >= 2)
        api.account("shop", "new")
        await soon(lambda: cache.fresh("shop", "new"))
    assert api.asked[LIST] == lists


async def test_a_list_that_goes_stale_between_its_pages_begins_again(
    api: ApiServer, kube: Kube, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kube_module, "PAGE", 2)
    for number in range(4):
        api.account("shop", f"a{number}")
    api.faults.append(Fault("continue=", 410, times=1))
    async with following(kube) as cache:
        await soon(lambda: cache.healthy)
        assert cache.size == 4


async def test_bookmarks_spare_a_quiet_collection_the_new_list(api: ApiServer, kube: Kube) -> None:
    async with following(kube) as cache:
        await soon(lambda: cache.healthy)
        api.forget()
        api.bookmark()
        await asyncio.sleep(0.05)
        api.cut()
        await soon(lambda: api.asked[WATCH] == 2 and cache.healthy)
    assert api.asked[LIST] == 1


async def test_what_is_held_is_not_believed_through_a_long_pause_between_watches(
    api: ApiServer, kube: Kube, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(follow, "FIRST", 60.0)
    monkeypatch.setattr(follow, "MOST", 60.0)
    async with following(kube) as cache:
        await soon(lambda: cache.healthy)
        api.end_watches()  # which is no failure
        await soon(lambda: not cache.healthy)


async def test_an_api_server_that_restarts_is_found_again(api: ApiServer, kube: Kube) -> None:
    async with following(kube) as cache:
        await soon(lambda: cache.healthy)
        api.stop()
        await soon(lambda: not cache.healthy)
        api.start()
        api.account("shop", "new")
        await soon(lambda: cache.fresh("shop", "new"))


@pytest.mark.parametrize("status", [401, 403, 429, 500, 0])
async def test_whatever_is_refused_heals(api: ApiServer, kube: Kube, status: int) -> None:
    api.faults.append(Fault(ACCOUNTS, status, times=2, headers={"Retry-After": "0"}))
    async with following(kube) as cache:
        await soon(lambda: cache.healthy)


async def test_a_throttled_watch_waits_as_long_as_it_is_told(api: ApiServer, kube: Kube) -> None:
    api.faults.append(Fault(ACCOUNTS, 429, times=1, headers={"Retry-After": "1"}))
    async with following(kube) as cache:
        await soon(lambda: api.asked[LIST] == 1)
        await asyncio.sleep(0.7)
        assert api.asked[LIST] == 1
        await soon(lambda: cache.healthy)


async def test_a_watch_whose_answer_does_not_begin_is_given_up(
    api: ApiServer, kube: Kube, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A load balancer took it and nobody is behind: the quiet that a watch may keep comes later."""
    monkeypatch.setattr(kube_module, "BEGIN", 0.2)
    api.faults.append(Fault("watch=true", seconds=60, times=1))
    async with following(kube) as cache:
        await soon(lambda: cache.healthy, timeout=5)
    assert api.asked[WATCH] == 2


async def test_the_log_tells_the_trouble_once_and_its_end(
    api: ApiServer, kube: Kube, caplog: pytest.LogCaptureFixture
) -> None:
    api.faults.append(Fault(ACCOUNTS, 500, times=3))
    with caplog.at_level("INFO"):
        async with following(kube) as cache:
            await soon(lambda: cache.healthy)
    told = [record.message for record in caplog.records if record.name == "azwi_webhook.follow"]
    assert told == ["the watch broke; trying again", "the watch is back"]


def test_pauses_double_up_to_a_bound_and_no_two_clients_agree() -> None:
    for failures in range(40):
        longest = min(follow.FIRST * 2**failures, follow.MOST)
        pauses = [follow._pause(failures) for _ in range(50)]
        assert longest / 2 <= min(pauses) <= max(pauses) <= longest
        assert len(set(pauses)) > 1


@dataclass
class Watches:
    """A Kube whose watches break after so many seconds, and the pauses that follow them."""

    seconds: list[float]
    now: float = 0.0
    failures: list[int] = field(default_factory=list)

    def watch(self, *_: object, **__: object) -> "Watches":
        """The next one."""
        return self

    async def __aenter__(self) -> NoReturn:
        if not self.seconds:
            raise asyncio.CancelledError
        self.now += self.seconds.pop(0)
        raise errors.Unavailable("cut")

    async def __aexit__(self, *_: object) -> None:
        """Never reached."""

    def pause(self, failures: int) -> float:
        self.failures.append(failures)
        return 0.0


async def test_pauses_begin_anew_after_a_watch_that_lasted(
    kube: Kube, monkeypatch: pytest.MonkeyPatch
) -> None:
    watches = Watches([0.1, 0.1, 4.9, 5.1, 0.1, 3600.0, 0.1])
    clock = SimpleNamespace(monotonic=lambda: watches.now)
    monkeypatch.setattr("azwi_webhook.follow.time", clock)
    monkeypatch.setattr(follow, "_pause", watches.pause)
    follower = Follower(watches, ACCOUNTS, Cache(kube, "", ()))  # type: ignore[arg-type]  # its watches
    follower._version = "1"
    with pytest.raises(asyncio.CancelledError):
        await follower.run()
    assert watches.failures == [0, 1, 2, 0, 1, 0, 1]

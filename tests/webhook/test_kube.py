"""The API server's client, against one that has its moods."""

import asyncio
import json
from pathlib import Path

import pytest

from azwi_testing.apiserver import ApiServer, Fault, soon
from azwi_testing.webhooks import NAMESPACE, SECRET
from azwi_webhook import errors
from azwi_webhook import kube as module
from azwi_webhook.kube import Event, Kube

ACCOUNTS = "/api/v1/serviceaccounts"
ONE = "/api/v1/namespaces/shop/serviceaccounts/app"


async def test_a_list_comes_in_pages(
    api: ApiServer, kube: Kube, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PAGE", 3)
    for number in range(8):
        api.account("shop", f"a{number}")
    pages = [page async for page in kube.pages(ACCOUNTS)]
    assert [len(page.things) for page in pages] == [3, 3, 2]
    assert {page.version for page in pages} == {pages[0].version}
    assert pages[0].things[0].metadata.name == "a0"


async def test_a_page_that_is_too_large_is_asked_for_in_smaller_ones(
    api: ApiServer, kube: Kube, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PAGE", 16)
    monkeypatch.setattr(module, "MOST_PAGE", 100_000)
    for number in range(10, 30):
        api.account("shop", f"a{number}", note="x" * 30_000)
    for number in range(30, 60):
        api.account("shop", f"a{number}")
    pages = [page async for page in kube.pages(ACCOUNTS)]
    names = [thing.metadata.name for page in pages for thing in page.things]
    assert names == [f"a{number}" for number in range(10, 60)]
    assert len(pages[0].things) == 1
    assert max(len(page.things) for page in pages) > 4  # and in larger ones again, afterwards


async def test_one_object_that_is_too_large_is_a_sentence(
    api: ApiServer, kube: Kube, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_PAGE", 10_000)
    monkeypatch.setattr(module, "MOST", 10_000)
    api.account("shop", "app", note="x" * 30_000)
    with pytest.raises(errors.TooLarge, match="larger than 10000 bytes"):
        _ = [page async for page in kube.pages(ACCOUNTS)]
    with pytest.raises(errors.TooLarge, match="larger than 10000 bytes"):
        await kube.thing(ONE)


async def test_an_empty_list_of_metadata_has_null_for_its_items(kube: Kube) -> None:
    assert [page.things async for page in kube.pages(ACCOUNTS)] == [[]]


async def test_only_metadata_is_asked_for(api: ApiServer, kube: Kube) -> None:
    api.account("shop", "app")
    _ = [page async for page in kube.pages(ACCOUNTS)]
    await kube.thing(ONE)
    assert [accept.split(";")[1] for accept in api.accepted] == [
        "as=PartialObjectMetadataList",
        "as=PartialObjectMetadata",
    ]


async def test_a_watch_tells_what_happens_and_how_far_it_is(api: ApiServer, kube: Kube) -> None:
    seen: list[Event] = []

    async def watch() -> None:
        async with kube.watch(ACCOUNTS, "1") as events:
            async for event in events:
                seen.append(event)

    task = asyncio.create_task(watch())
    await soon(lambda: api.watches)
    api.account("shop", "app", client_id="x")
    api.delete("serviceaccounts", "shop", "app")
    api.bookmark()
    await soon(lambda: len(seen) == 3)
    assert [event.type for event in seen] == ["ADDED", "DELETED", "BOOKMARK"]
    assert seen[0].object.metadata.annotations == {"azure.workload.identity/client-id": "x"}
    assert seen[2].object.metadata.version == seen[1].object.metadata.version
    task.cancel()


@pytest.mark.parametrize(
    "last", [b'{"type":"ADDED","object":{"metad', b'{"type":"ADDED","object":{"metad\n', b"\xff\n"]
)
async def test_half_a_line_of_a_watch_is_an_error_of_the_api_server(
    api: ApiServer, kube: Kube, last: bytes
) -> None:
    async def watch() -> None:
        async with kube.watch(ACCOUNTS, "1") as events:
            async for _ in events:
                pass

    task = asyncio.create_task(watch())
    await soon(lambda: api.watches)
    api.cut(last)
    with pytest.raises(errors.Unavailable):
        await task


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (404, errors.NotFound),
        (409, errors.Conflict),
        (410, errors.Gone),
        (429, errors.Throttled),
        (503, errors.Throttled),
        (500, errors.Unavailable),
        (403, errors.Unavailable),
        (0, errors.Unavailable),
    ],
)
async def test_what_is_refused_is_told_apart(
    api: ApiServer, kube: Kube, status: int, kind: type[errors.Unavailable]
) -> None:
    api.faults.append(Fault(ONE, status, headers={"Retry-After": "7"}))
    with pytest.raises(errors.Unavailable, match=ONE) as raised:
        await kube.thing(ONE)
    assert type(raised.value) is kind
    if isinstance(raised.value, errors.Throttled):
        assert raised.value.seconds == 7


async def test_an_object_changed_meanwhile_is_a_conflict(api: ApiServer, kube: Kube) -> None:
    path = f"/api/v1/namespaces/{NAMESPACE}/secrets/{SECRET}"
    secret = await kube.get(path)
    await kube.put(path, {**secret, "data": {"a": "YQ=="}})
    with pytest.raises(errors.Conflict):
        await kube.put(path, {**secret, "data": {"a": "Yg=="}})
    assert api.secret(NAMESPACE, SECRET) == {"a": b"a"}


async def test_a_patch_whose_test_fails_is_a_conflict_and_an_invalid_object_is_not(
    api: ApiServer, kube: Kube
) -> None:
    path = f"/api/v1/namespaces/{NAMESPACE}/secrets/{SECRET}"
    with pytest.raises(errors.Conflict):
        await kube.patch(path, [{"op": "test", "path": "/type", "value": "x"}])
    api.faults.append(Fault(path, 422))
    with pytest.raises(errors.Unavailable) as raised:
        await kube.put(path, {})
    assert type(raised.value) is errors.Unavailable


async def test_a_rotated_token_file_is_read_again(api: ApiServer, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("one")
    api.token = "one"
    kube = Kube.connect(api.kubeconfig(tmp_path, token))
    assert await kube.git_version() == "v1.33.1"
    token.write_text("two")
    api.token = "two"
    assert await kube.git_version() == "v1.33.1"
    token.unlink()
    api.token = "three"
    with pytest.raises(errors.Unavailable, match="not found"):
        await kube.git_version()
    await kube.close()


async def test_an_api_server_that_is_away_is_a_sentence(api: ApiServer, kube: Kube) -> None:
    api.stop()
    with pytest.raises(errors.Unavailable, match="did not answer GET /version"):
        await kube.git_version()


async def test_an_answer_that_is_no_json_is_a_sentence(api: ApiServer, kube: Kube) -> None:
    api.git_version = "\ud800"
    with pytest.raises(errors.Unavailable, match="cannot be read"):
        await kube.git_version()


@pytest.mark.parametrize(
    "config",
    [
        None,
        "{}",
        "[]",
        ": :",
        json.dumps({"current-context": "a", "clusters": [], "contexts": [], "users": []}),
    ],
)
def test_no_way_to_an_api_server_names_the_remedy(tmp_path: Path, config: str | None) -> None:
    path = tmp_path / "kubeconfig"
    if config is not None:
        path.write_text(config)
    with pytest.raises(errors.Misconfigured, match="set KUBECONFIG to a file"):
        Kube.connect(str(path))

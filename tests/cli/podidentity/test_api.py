"""The API server of a migration: pages, patience, sentences."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from azwi_cli import errors, kube
from azwi_cli.podidentity import api
from azwi_cli.podidentity.api import Api
from azwi_testing.podidentity import Server, account, pod

PODS = "/api/v1/namespaces/shop/pods"


@pytest.fixture
def peer(server: Server, kubeconfig: Path) -> Iterator[Api]:
    with kube.Cluster(kubeconfig).session() as client:
        yield Api(client, server.url)


def test_paths_are_those_of_kubernetes() -> None:
    assert api.path("v1", "Pod", "shop", "x") == "/api/v1/namespaces/shop/pods/x"
    assert api.path("apps/v1", "Deployment", "shop") == "/apis/apps/v1/namespaces/shop/deployments"
    assert api.collection("batch/v1", "jobs", None) == "/apis/batch/v1/jobs"


def test_a_list_comes_in_pages_of_five_hundred(server: Server, peer: Api) -> None:
    server.put(*(pod(f"p{number:04}") for number in range(1001)))
    assert [len(page) for page in peer.pages(PODS)] == [500, 500, 1]
    assert all("limit=500" in target for _, target in server.asked)


def test_a_list_that_got_too_old_begins_anew(server: Server, peer: Api) -> None:
    server.put(*(pod(f"p{number:04}") for number in range(600)))
    gone = iter([410])
    server.fault = lambda method, path: next(gone, 0) if "continue" in path else 0
    names = {item["metadata"]["name"] for page in peer.pages(PODS) for item in page}
    assert len(names) == 600


def test_labels_choose(server: Server, peer: Api) -> None:
    server.put(pod("a"), pod("b", label=""))
    (page,) = peer.pages(PODS, labels="aadpodidbinding")
    assert [item["metadata"]["name"] for item in page] == ["a"]


@pytest.mark.parametrize("status", [429, 503])
def test_a_busy_server_is_asked_again(
    status: int, server: Server, peer: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []
    monkeypatch.setattr("time.sleep", pauses.append)
    busy = iter([status, status])
    server.fault = lambda method, path: next(busy, 0)
    server.put(pod("a"))
    assert peer.get(f"{PODS}/a")["metadata"]["name"] == "a"
    assert pauses == [1.0, 1.0]


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (401, errors.Denied),
        (403, errors.Denied),
        (404, errors.NotFound),
        (409, errors.Rejected),
        (422, errors.Rejected),
        (429, errors.Unavailable),
        (500, errors.Unavailable),
    ],
)
def test_a_refusal_is_a_sentence_with_the_servers_words(
    status: int,
    kind: type[errors.AzwiError],
    server: Server,
    peer: Api,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    server.fault = lambda method, path: status
    with pytest.raises(kind) as told:
        peer.get(f"{PODS}/a")
    if status != 401:
        assert f"fault {status}" in str(told.value)


def test_objects_are_made_changed_and_deleted(server: Server, peer: Api) -> None:
    where = "/api/v1/namespaces/shop/serviceaccounts"
    peer.create(where, account("app"))
    peer.patch(f"{where}/app", {"metadata": {"labels": {"a": "b"}}})
    assert peer.get(f"{where}/app")["metadata"]["labels"] == {"a": "b"}
    peer.delete(f"{where}/app")
    with pytest.raises(errors.NotFound):
        peer.metadata(f"{where}/app")
    with pytest.raises(errors.NotFound):
        peer.text(f"{where}/app")

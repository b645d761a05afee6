"""Service accounts of a cluster."""

import pytest

from azwi_cli import errors, kube, tokens
from azwi_cli.serviceaccount.accounts import Accounts
from azwi_cli.serviceaccount.known import Account
from azwi_commands.world import World
from azwi_common import contract
from azwi_testing import apiserver

CART = Account("shop", "cart")


def accounts(world: World) -> Accounts:
    return Accounts(lambda: kube.Cluster(world.folder / "kubeconfig"))


def test_one_is_made_changed_and_deleted(world: World) -> None:
    asked = accounts(world)
    assert asked.get(CART) is None
    asked.apply(CART, {"a": "1", "b": "2"}, new=True)
    asked.apply(CART, {"a": "3", "b": None}, new=False)
    found = asked.get(CART)
    assert found is not None
    assert (found.labels, found.annotations) == ({contract.USE_LABEL: "true"}, {"a": "3"})
    asked.delete(CART)
    asked.delete(CART)
    assert asked.get(CART) is None


def test_one_that_was_made_meanwhile_is_changed(world: World) -> None:
    world.cluster.put("serviceaccounts", "shop", "cart", annotations={"note": "y"})
    accounts(world).apply(CART, {"a": "1"}, new=True)
    metadata = world.cluster.get("serviceaccounts", "shop", "cart")["metadata"]
    assert metadata["labels"] == {contract.USE_LABEL: "true"}
    assert metadata["annotations"] == {"note": "y", "a": "1"}


def test_one_that_is_refused_is_told(world: World) -> None:
    world.cluster.faults.append(apiserver.Fault("serviceaccounts$", status=422))
    with pytest.raises(errors.Rejected, match="422"):
        accounts(world).apply(CART, {"a": "1"}, new=True)


def test_what_others_wrote_stays(world: World) -> None:
    fields = {"labels": {"team": "x"}, "annotations": {"note": "y"}}
    world.cluster.put("serviceaccounts", "shop", "cart", secrets=[{"name": "s"}], **fields)
    accounts(world).apply(CART, {"a": "1"}, new=False)
    thing = world.cluster.get("serviceaccounts", "shop", "cart")
    assert thing["secrets"] == [{"name": "s"}]
    assert thing["metadata"]["labels"] == {"team": "x", contract.USE_LABEL: "true"}
    assert thing["metadata"]["annotations"] == {"note": "y", "a": "1"}
    accounts(world).strip(CART, {"a": None})
    thing = world.cluster.get("serviceaccounts", "shop", "cart")
    assert (thing["metadata"]["labels"], thing["metadata"]["annotations"]) == (
        {"team": "x"},
        {"note": "y"},
    )


def test_a_namespace_that_is_missing_is_told_and_one_that_may_not_be_seen_is_not(
    world: World,
) -> None:
    with pytest.raises(errors.NotFound, match="kubectl create namespace nowhere"):
        accounts(world).get(Account("nowhere", "cart"))
    world.cluster.faults.append(apiserver.Fault("namespaces/nowhere$", status=403))
    assert accounts(world).get(Account("nowhere", "cart")) is None


def test_a_cluster_that_is_not_configured_is_not_taken_for_a_missing_namespace(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HOME", "/nonexistent")
    monkeypatch.setenv("KUBECONFIG", "")
    with pytest.raises(errors.NotFound, match="No cluster is configured"):
        Accounts(kube.Cluster).get(CART)


def test_a_list_holds_those_that_take_part_page_by_page(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("azwi_cli.serviceaccount.accounts._PAGE", "2")
    for number in range(5):
        world.cluster.account("shop", f"a{number}", client_id="c")
        world.cluster.put("serviceaccounts", "shop", f"b{number}")
    world.cluster.put("serviceaccounts", "till", "c", labels={contract.USE_LABEL: "true"})
    found = [(one.namespace, one.name) for one in accounts(world).listed()]
    assert found == [*(("shop", f"a{number}") for number in range(5)), ("till", "c")]


def test_a_token_is_for_the_account_and_the_audience(world: World) -> None:
    world.cluster.account("shop", "cart")
    token = tokens.read(accounts(world).token(CART, "api://x").encode(), "it")
    assert (token.subject, token.audiences) == (CART.subject, ("api://x",))
    assert token.issuer == accounts(world).issuer() == world.where.issuer

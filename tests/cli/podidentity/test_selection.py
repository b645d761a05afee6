"""Which identities a pod gets: aad-pod-identity's own rules."""

from typing import Any

import pytest

from azwi_cli.podidentity import objects
from azwi_cli.podidentity.facts import Binding, Exemption, Identity
from azwi_cli.podidentity.selection import Selected, Selector, exempt
from azwi_testing.podidentity import CLIENT, OTHER, Object, binding, identity


def selected(
    *things: Object, namespace: str = "shop", label: str = "cart", forced: bool = False
) -> Selected:
    found = [objects.read(thing, "shop") for thing in things]
    identities = [item for item in found if isinstance(item, Identity)]
    bindings = [item for item in found if isinstance(item, Binding)]
    return Selector(identities, bindings, namespaced=forced).of(
        namespace, {"aadpodidbinding": label}
    )


def names(found: Selected) -> list[str]:
    return [item.name for item in found.identities]


def namespaced(thing: Object) -> Object:
    thing["metadata"]["annotations"] = {"aadpodidentity.k8s.io/Behavior": "namespaced"}
    return thing


def test_the_label_is_compared_with_the_selector_and_its_case_counts() -> None:
    things = identity("one"), binding("b", selector="cart", to="one")
    assert names(selected(*things)) == ["one"]
    assert names(selected(*things, label="Cart")) == []
    assert names(selected(*things, label="")) == []


def test_bindings_reach_across_namespaces() -> None:
    assert names(selected(identity("cart", "a"), binding("cart", "a"), namespace="b")) == ["cart"]


@pytest.mark.parametrize("forced", [True, False])
def test_a_namespaced_identity_stays_in_its_namespace(forced: bool) -> None:
    thing = identity("cart", "a")
    things = thing if forced else namespaced(thing), binding("cart", "a")
    assert names(selected(*things, namespace="a", forced=forced)) == ["cart"]
    elsewhere = selected(*things, namespace="b", forced=forced)
    assert names(elsewhere) == []
    assert elsewhere.problems == ("AzureIdentity a/cart is namespaced: pods of b do not get it.",)


def test_a_binding_names_an_identity_of_its_own_namespace() -> None:
    found = selected(identity("cart", "a"), binding("cart", "b"))
    assert names(found) == []
    assert "which does not exist" in found.problems[0]


def test_several_bindings_of_one_selector_give_several_identities_in_order() -> None:
    found = selected(
        identity("one", "b"),
        identity("two", "a", OTHER),
        binding("x", "b", selector="cart", to="one"),
        binding("y", "a", selector="cart", to="two"),
    )
    assert names(found) == ["two", "one"]


def test_one_client_of_two_names_is_one_identity() -> None:
    found = selected(
        identity("one"),
        identity("two"),
        binding("x", selector="cart", to="one"),
        binding("y", selector="cart", to="two"),
    )
    assert names(found) == ["one"]


@pytest.mark.parametrize("resource_id", ["", "cart", "/subscriptions/x"])
def test_a_managed_identity_without_a_valid_resource_id_is_passed_over(resource_id: str) -> None:
    found = selected(identity("cart", resourceID=resource_id), binding("cart"))
    assert names(found) == []
    assert "no valid resource ID" in found.problems[0]
    assert names(selected(identity("cart", resourceID=resource_id, type=1), binding("cart")))


@pytest.mark.parametrize(
    ("namespace", "labels", "name"),
    [
        ("shop", {"app": "mic"}, "x"),
        ("shop", {"app": "MIC", "other": "1"}, "x"),
        ("shop", {"tier": "node"}, "x"),
        ("shop", {"app": "cart"}, ""),
        ("other", {"app": "mic"}, ""),
        ("shop", {}, ""),
    ],
)
def test_one_label_is_enough_for_an_exception(
    namespace: str, labels: dict[str, Any], name: str
) -> None:
    all_ = [Exemption("shop", "x", {"app": "mic", "tier": "node"}), Exemption("shop", "y", {})]
    assert exempt(namespace, labels, all_) == name


def test_the_client_of_a_selected_identity_is_its_own() -> None:
    assert selected(identity("cart"), binding("cart")).identities[0].client_id == CLIENT

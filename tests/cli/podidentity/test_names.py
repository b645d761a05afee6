"""Names of files."""

from collections.abc import Callable

from azwi_cli.podidentity import names
from azwi_cli.podidentity.plan import Plan
from azwi_testing.podidentity import binding, deployment, identity

Planned = Callable[..., Plan]
KNOWN = (identity("cart"), binding("cart"))


def test_files_are_named_as_the_go_tool_names_them(planned: Planned) -> None:
    found = planned(*KNOWN, deployment("cart"))
    assert names.Names(found.items).of(found.items[0]) == {
        "account": "cart-serviceaccount.yaml",
        "patch": "deployment-cart.yaml",
    }


def test_two_workloads_of_one_name_have_two_files(planned: Planned) -> None:
    twin = {**deployment("cart"), "kind": "StatefulSet"}
    found = planned(*KNOWN, deployment("cart"), twin)
    named = names.Names(found.items)
    assert [named.of(item)["account"] for item in found.items] == [
        "cart-serviceaccount.yaml",
        "cart-statefulset-serviceaccount.yaml",
    ]


def test_what_does_not_migrate_has_no_files_and_takes_no_name(planned: Planned) -> None:
    daemon = {**deployment("cart", hostNetwork=True), "kind": "DaemonSet"}
    found = planned(*KNOWN, daemon, deployment("cart"))
    (item,) = names.changing(found)
    assert item.ref.kind == "Deployment"
    assert names.Names(found.items).of(item)["account"] == "cart-serviceaccount.yaml"

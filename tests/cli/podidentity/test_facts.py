"""Names of objects, as people and files have them."""

from azwi_cli.podidentity.facts import Ref


def test_a_workload_is_named_as_kubectl_names_it() -> None:
    assert Ref("shop", "StatefulSet", "orders").text == "statefulset/orders"


def test_names_are_sorted_by_namespace_kind_and_name() -> None:
    refs = [Ref("b", "A", "a"), Ref("a", "B", "b"), Ref("a", "B", "a"), Ref("a", "A", "z")]
    assert sorted(refs) == [refs[3], refs[2], refs[1], refs[0]]

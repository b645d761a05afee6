"""From pods to what made them."""

from azwi_cli.podidentity import objects, owners
from azwi_cli.podidentity.facts import Ref, Workload
from azwi_testing.podidentity import Object, deployment, pod


def read(*things: Object) -> list[Workload]:
    return [found for thing in things if isinstance(found := objects.read(thing, "shop"), Workload)]


def metadata(kind: str, name: str, owner: str) -> Workload:
    return objects.of_metadata({"metadata": pod(name, owner=owner)["metadata"]}, kind, "apps/v1")


def tops(*workloads: Workload) -> list[tuple[str, int]]:
    found = owners.tops(workloads, objects.TEMPLATES)
    return [(owned.workload.ref.text, owned.pods) for owned in found]


def test_pods_are_counted_at_the_top() -> None:
    pods = read(*(pod(f"cart-1-{n}", owner="ReplicaSet/cart-1") for n in range(3)))
    replica_set = metadata("ReplicaSet", "cart-1", "Deployment/cart")
    assert tops(*pods, replica_set, *read(deployment("cart"))) == [("deployment/cart", 3)]


def test_a_workload_without_pods_is_found_by_its_template() -> None:
    assert tops(*read(deployment("cart"))) == [("deployment/cart", 0)]


def test_who_asks_for_nothing_is_not_found() -> None:
    assert tops(*read(deployment("web", label=""), pod("web", label=""))) == []


def test_a_kind_that_is_not_known_is_where_the_climb_ends() -> None:
    pods = read(pod("x-1-a", owner="ReplicaSet/x-1"))
    rollout = metadata("ReplicaSet", "x-1", "Rollout/x")
    (found,) = owners.tops([*pods, rollout], objects.TEMPLATES)
    assert found.workload.ref == Ref("shop", "Rollout", "x")
    assert found.workload.template == pods[0].template
    assert found.workload.api_version == "apps/v1"


def test_what_an_operator_makes_belongs_to_the_operator() -> None:
    made = deployment("db")
    made["metadata"]["ownerReferences"] = [
        {"apiVersion": "db.example/v1", "kind": "Database", "name": "db", "controller": True}
    ]
    assert tops(*read(made)) == [("database/db", 0)]


def test_a_pod_that_nobody_made_stands_for_itself() -> None:
    assert tops(*read(pod("alone"))) == [("pod/alone", 1)]


def test_a_label_that_only_the_pods_have_counts() -> None:
    owned = read(pod("web-x", owner="Deployment/web"), deployment("web", label=""))
    (found,) = owners.tops(owned, objects.TEMPLATES)
    assert found.workload.template
    assert found.workload.template.labels["aadpodidbinding"] == "cart"
    assert found.workload.api_version == "apps/v1"


def test_a_circle_of_owners_ends() -> None:
    one = metadata("ReplicaSet", "a", "ReplicaSet/b")
    two = metadata("ReplicaSet", "b", "ReplicaSet/a")
    assert len(tops(*read(pod("x", owner="ReplicaSet/a")), one, two)) == 1


def test_one_pod_stands_for_each_owner_whose_template_nothing_else_tells() -> None:
    pods = read(
        pod("cart-a", owner="Deployment/cart"),
        pod("web-a", owner="Deployment/web"),
        pod("x-1-a", owner="ReplicaSet/x-1"),
        pod("x-1-b", owner="ReplicaSet/x-1"),
        pod("alone"),
    )
    rollout = metadata("ReplicaSet", "x-1", "Rollout/x")
    listed = [*pods, rollout, *read(deployment("cart"), deployment("web", label=""))]
    found = [item.ref.name for item in owners.samples(listed, objects.TEMPLATES)]
    assert found == ["web-a", "alone", "x-1-b"]


def test_owners_that_were_not_read_are_named() -> None:
    missing = owners.missing(read(pod("x", owner="ReplicaSet/x-1")))
    assert missing == {(Ref("shop", "ReplicaSet", "x-1"), "apps/v1")}

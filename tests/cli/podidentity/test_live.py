"""What is read of a cluster, and what becomes of it where not everything may be read."""

from collections.abc import Callable
from pathlib import Path

import pytest

from azwi_cli import errors, kube
from azwi_cli.podidentity import api, modes, plan, reading
from azwi_cli.podidentity.facts import Facts
from azwi_cli.podidentity.modes import Mode
from azwi_cli.podidentity.plan import Status
from azwi_common import contract
from azwi_testing.podidentity import Server, binding, deployment, identity, pod

Read = Callable[[str | None], Facts]


@pytest.fixture
def read(server: Server, kubeconfig: Path) -> Read:
    server.put(identity("cart"), binding("cart"), deployment("cart", account="cart"))
    return lambda namespace: reading.of_cluster(kube.Cluster(kubeconfig), namespace)


def results(facts: Facts) -> list[tuple[str, Status]]:
    items = plan.plan(facts, plan.Options()).items
    return [(item.ref.text, item.status) for item in items]


def test_one_namespace_is_read_with_bindings_of_all(server: Server, read: Read) -> None:
    server.put(
        identity("far", "other"),
        binding("far", "other"),
        deployment("far", label="far", account="far"),
        deployment("there", "other"),
    )
    assert results(read("shop")) == [
        ("deployment/cart", Status.MIGRATES),
        ("deployment/far", Status.MIGRATES),
    ]


def test_all_namespaces_are_read(server: Server, read: Read) -> None:
    server.put(deployment("there", "other", account="there"))
    assert [name for name, _ in results(read(None))] == ["deployment/there", "deployment/cart"]


def test_the_issuer_is_the_clusters(read: Read) -> None:
    assert read("shop").issuer == "https://issuer.example"


def test_a_replica_set_without_the_label_is_asked_for_its_owner(server: Server, read: Read) -> None:
    replica_set = pod("cart-1", owner="Deployment/cart", label="")
    server.put({**replica_set, "apiVersion": "apps/v1", "kind": "ReplicaSet"})
    server.put(pod("cart-1-x", owner="ReplicaSet/cart-1"))
    facts = read("shop")
    (item,) = plan.plan(facts, plan.Options()).items
    assert (item.ref.text, item.pods) == ("deployment/cart", 1)


def test_a_replica_set_that_nobody_owns_needs_a_hand(server: Server, read: Read) -> None:
    alone = pod("alone", label="cart")
    server.put({**alone, "apiVersion": "apps/v1", "kind": "ReplicaSet"})
    server.put(pod("alone-x", owner="ReplicaSet/alone"))
    assert ("replicaset/alone", Status.BY_HAND) in results(read("shop"))


def test_pods_are_asked_for_by_the_label_and_none_is_read_whole_without_need(
    server: Server, read: Read
) -> None:
    server.put(pod("cart-x", owner="Deployment/cart"))
    read(None)
    (target,) = (target for _, target in server.asked if "/pods" in target)
    assert "labelSelector=aadpodidbinding" in target
    assert "fieldSelector=status.phase" in target


@pytest.mark.parametrize("count", [1, 51])
def test_pods_that_nobody_made_are_read_whole(count: int, server: Server, read: Read) -> None:
    for number in range(count):
        made = pod(f"alone-{number:02}")
        made["spec"]["hostNetwork"] = True
        server.put(made)
    found = dict(results(read("shop")))
    assert found.pop("deployment/cart") is Status.MIGRATES
    assert list(found.values()) == [Status.BLOCKED] * count


def test_a_pod_that_goes_meanwhile_is_no_failure(server: Server, read: Read) -> None:
    server.put(pod("alone"))
    server.fault = lambda method, path: 404 if path.endswith("/pods/alone") else 0
    assert ("pod/alone", Status.BY_HAND) in results(read("shop"))


def test_the_flag_of_the_controller_is_seen_from_another_namespace(
    server: Server, read: Read
) -> None:
    mic = deployment("mic", "kube-system", label="", containers=[{"args": ["--forceNamespaced"]}])
    mic["metadata"]["labels"] = {"component": "mic"}
    server.put(mic)
    assert any(item.template and item.template.forces_namespaced for item in read("shop").workloads)


def test_without_aad_pod_identity_there_is_a_sentence(server: Server, read: Read) -> None:
    server.absent.add("aadpodidentity.k8s.io")
    with pytest.raises(errors.NotFound, match=r"is not installed in .*--context chooses another"):
        read("shop")


def test_a_namespace_that_is_not_there_is_told(read: Read) -> None:
    with pytest.raises(errors.NotFound, match="There is no namespace nowhere"):
        read("nowhere")


def webhook_of(server: Server, mode: str) -> None:
    """The webhook as the chart installs it."""
    service = {"namespace": contract.WEBHOOK_NAMESPACE, "name": contract.WEBHOOK_SERVICE}
    server.objects[api.WEBHOOK]["webhooks"] = [{"clientConfig": {"service": service}}]
    env = [{"name": contract.PROXY_MODE, "value": mode}]
    containers = [{"name": "webhook", "env": env}]
    server.put(
        deployment(
            contract.WEBHOOK_SERVICE, contract.WEBHOOK_NAMESPACE, label="", containers=containers
        )
    )


def test_the_webhook_says_which_mode_pods_have_that_say_nothing(server: Server, read: Read) -> None:
    assert read("shop").webhook_mode == ""
    webhook_of(server, "environment")
    (item,) = plan.plan(read("shop"), plan.Options()).items
    assert item.annotations[contract.MODE_ANNOTATION] == "environment"


def test_a_webhook_that_may_not_be_read_counts_as_redirect_and_is_told(
    server: Server, read: Read
) -> None:
    webhook_of(server, "environment")
    server.fault = lambda method, path: 403 if contract.WEBHOOK_SERVICE in path else 0
    facts = read("shop")
    found = plan.plan(facts, plan.Options())
    assert found.items[0].mode is Mode.REDIRECT
    assert modes.UNREAD in found.notes
    assert modes.UNREAD not in plan.plan(facts, plan.Options(proxy_mode=Mode.REDIRECT)).notes


@pytest.mark.parametrize(
    ("part", "says"),
    [
        ("azurepodidentityexceptions", "pods that get the node's identities"),
        ("deployments", "deployments without pods are not seen"),
        ("serviceaccounts", "annotations of service accounts"),
        ("rolebindings", "what a new service account must be given"),
        ("namespaces/shop", "pod security"),
    ],
)
def test_what_may_not_be_read_is_said_and_the_rest_is_read(
    part: str, says: str, server: Server, read: Read
) -> None:
    def fault(method: str, path: str) -> int:
        name = path.partition("?")[0]
        return 403 if name.endswith(f"/{part}") else 0

    server.fault = fault
    (note,) = [note for note in read("shop").unread if says in note]
    assert note.startswith("You may not")


def test_who_sees_one_namespace_only_is_told_what_that_means(server: Server, read: Read) -> None:
    server.fault = lambda method, path: 403 if "k8s.io/v1/azureidentit" in path else 0
    facts = read("shop")
    assert results(facts) == [("deployment/cart", Status.MIGRATES)]
    assert any("of other namespaces" in note for note in facts.unread)


@pytest.mark.parametrize("plural", ["pods", "azureidentities"])
def test_what_it_cannot_do_without_is_an_error(plural: str, server: Server, read: Read) -> None:
    server.fault = lambda method, path: 403 if f"/{plural}?" in path else 0
    with pytest.raises(errors.Denied, match=r"does not allow it.*Ask an administrator"):
        read(None)


def test_who_is_not_known_is_told_once(server: Server, read: Read) -> None:
    server.fault = lambda method, path: 401
    with pytest.raises(errors.Denied, match="does not know you"):
        read("shop")

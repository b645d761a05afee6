"""What stands in the way: each reason has a code, and says what to do."""

from collections.abc import Callable

import pytest

from azwi_cli.podidentity.plan import Plan, Status
from azwi_testing.podidentity import Object, binding, deployment, identity, pod

Planned = Callable[..., Plan]
KNOWN = (identity("cart"), binding("cart"))


def job() -> Object:
    made = deployment("job")
    return {**made, "apiVersion": "batch/v1", "kind": "Job"}


def owned(kind: str, version: str = "x.example/v1") -> Object:
    made = deployment("app")
    reference = {"apiVersion": version, "kind": kind, "name": "up", "controller": True}
    made["metadata"]["ownerReferences"] = [reference]
    return made


NAMESPACE = {
    "apiVersion": "v1",
    "kind": "Namespace",
    "metadata": {"name": "shop", "labels": {"pod-security.kubernetes.io/enforce": "baseline"}},
}
EXCEPTION = {
    "apiVersion": "aadpodidentity.k8s.io/v1",
    "kind": "AzurePodIdentityException",
    "metadata": {"name": "x", "namespace": "shop"},
    "spec": {"podLabels": {"app": "app"}},
}
PORT = [{"name": "app", "ports": [{"containerPort": 8000}]}]
USER = [{"name": "app", "securityContext": {"runAsUser": 1501}}]
INIT = [{"name": "migrate"}]


@pytest.mark.parametrize(
    ("code", "status", "things"),
    [
        ("no-binding", Status.NOTHING, (deployment("app", label="nobody"),)),
        ("binding", Status.NOTHING, (deployment("app", label="x"), binding("x", to="gone"))),
        ("service-principal", Status.BLOCKED,
         (deployment("app", label="p"), identity("p", type=1), binding("p"))),
        ("client-id", Status.BLOCKED,
         (deployment("app", label="p"), identity("p", client="no"), binding("p"))),
        ("unknown-owner", Status.BLOCKED, (owned("Rollout"),)),
        ("owner-not-found", Status.BLOCKED, (pod("x", owner="StatefulSet/gone"),)),
        ("by-hand", Status.BY_HAND, (pod("alone"),)),
        ("by-hand", Status.BY_HAND, (job(),)),
        ("exception", Status.BLOCKED, (deployment("app"), EXCEPTION)),
        ("host-network", Status.BLOCKED, (deployment("app", hostNetwork=True),)),
        ("windows", Status.BLOCKED, (deployment("app", os={"name": "windows"}),)),
        ("pod-security", Status.BLOCKED, (deployment("app"), NAMESPACE)),
        ("port", Status.BLOCKED, (deployment("app", containers=PORT),)),
        ("user", Status.BLOCKED, (deployment("app", containers=USER),)),
        ("init-containers", Status.MIGRATES, (deployment("app", initContainers=INIT),)),
        ("job", Status.BY_HAND, (job(),)),
        ("new-account", Status.MIGRATES, (deployment("app"),)),
    ],
)  # fmt: skip
def test_each_obstacle_has_its_code_and_its_weight(
    code: str, status: Status, things: tuple[Object, ...], planned: Planned
) -> None:
    (item,) = planned(*KNOWN, *things).items
    assert item.status is status
    (reason,) = (reason for reason in item.reasons if reason.code == code)
    assert reason.says.endswith(".")


def test_whoever_asks_is_told_what_to_answer(planned: Planned) -> None:
    things = identity("two", client="22222222-2222-4222-8222-222222222222"), binding("b", to="two")
    things[1]["spec"]["selector"] = "cart"
    (item,) = planned(*KNOWN, *things, deployment("app", account="app")).items
    (reason,) = item.reasons
    assert reason.code == "which-default"
    assert "--default and one of shop/two, shop/cart" in reason.remedy


def test_a_binding_that_gives_nothing_beside_one_that_does_is_a_note(planned: Planned) -> None:
    broken = binding("broken", selector="cart", to="gone")
    (item,) = planned(*KNOWN, broken, deployment("app", account="app")).items
    assert item.status is Status.MIGRATES
    assert [(reason.code, str(reason.weight)) for reason in item.reasons] == [("binding", "notes")]

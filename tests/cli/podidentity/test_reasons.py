"""What stands in the way: each reason has a code, and says what to do."""

from collections.abc import Callable

import pytest

from azwi_cli.podidentity.modes import Mode
from azwi_cli.podidentity.plan import Plan, Status
from azwi_common import contract
from azwi_testing import admission
from azwi_testing.podidentity import Object, binding, deployment, identity, pod
from azwi_webhook import mutate
from azwi_webhook.errors import Refused

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


SHUT = {
    **NAMESPACE,
    "metadata": {"name": "shop", "labels": {contract.POD_SECURITY_LABEL: "restricted"}},
}


def test_where_net_admin_is_forbidden_environment_mode_is_named_first_and_not_taken(
    planned: Planned,
) -> None:
    (item,) = planned(*KNOWN, deployment("app", account="app"), SHUT).items
    (reason,) = item.reasons
    assert (item.status, item.mode, reason.code) == (Status.BLOCKED, Mode.REDIRECT, "pod-security")
    assert reason.remedy.startswith("Choose --proxy-mode environment")


@pytest.mark.parametrize("level", [None, "", "privileged", "baseline", "restricted", "Restricted"])
@pytest.mark.parametrize("mode", Mode)
def test_a_level_stands_in_the_way_where_the_webhook_would_refuse(
    level: str | None, mode: Mode, planned: Planned
) -> None:
    labels = {} if level is None else {contract.POD_SECURITY_LABEL: level}
    namespace = {**NAMESPACE, "metadata": {"name": "shop", "labels": labels}}
    (item,) = planned(*KNOWN, deployment("app", account="app"), namespace, proxy_mode=mode).items
    asks = admission.with_sidecar({"proxy-mode": mode})
    around = admission.around(labels=labels)
    try:
        mutate.admit(asks, admission.account(), around, admission.settings())
        admitted = True
    except Refused:
        admitted = False
    assert (item.status is Status.MIGRATES) == admitted


def test_environment_mode_says_who_needs_the_redirect_where_that_is_forbidden(
    planned: Planned,
) -> None:
    found = planned(*KNOWN, deployment("app", account="app"), SHUT, proxy_mode=Mode.ENVIRONMENT)
    (reason,) = found.items[0].reasons
    assert (reason.code, str(reason.weight)) == ("environment-mode", "notes")
    assert "169.254.169.254" in reason.remedy
    assert any("docs/clients.md lists the clients" in note for note in found.notes)


@pytest.mark.parametrize(
    ("spec", "code"),
    [({"hostNetwork": True}, "host-network"), ({"containers": USER}, None)],
)
def test_in_environment_mode_the_nodes_network_is_an_obstacle_and_a_user_is_none(
    spec: Object, code: str | None, planned: Planned
) -> None:
    app = deployment("app", account="app", **spec)
    (item,) = planned(*KNOWN, app, proxy_mode=Mode.ENVIRONMENT).items
    assert [reason.code for reason in item.reasons] == ([code] if code else [])
    assert all("redirect" not in reason.says for reason in item.reasons)


def test_a_forward_proxy_that_takes_loopback_matters_in_environment_mode_alone(
    planned: Planned,
) -> None:
    env = [{"name": "HTTP_PROXY", "valueFrom": {}}, {"name": "NO_PROXY", "value": ".svc"}]
    app = deployment("app", account="app", containers=[{"name": "app", "env": env}])
    (item,) = planned(*KNOWN, app, proxy_mode=Mode.ENVIRONMENT).items
    assert [reason.code for reason in item.reasons] == ["forward-proxy"]
    assert planned(*KNOWN, app).items[0].reasons == ()


def test_an_owner_that_azwi_does_not_change_is_told_the_modes_annotations(
    planned: Planned,
) -> None:
    (item,) = planned(*KNOWN, owned("Rollout"), proxy_mode=Mode.ENVIRONMENT).items
    assert f"{contract.MODE_ANNOTATION}: environment" in item.reasons[0].remedy


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


def test_where_nothing_is_forwarded_no_user_passes_the_redirect(planned: Planned) -> None:
    thing = deployment("app", account="app", containers=USER)
    forward = {"azure.workload.identity/proxy-forward": "none"}
    thing["spec"]["template"]["metadata"]["annotations"] = forward
    (item,) = planned(*KNOWN, thing).items
    assert item.status is Status.MIGRATES


def test_a_manifest_of_an_unknown_kind_is_reported_without_any_pod(planned: Planned) -> None:
    thing = {**deployment("app"), "apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout"}
    (item,) = planned(*KNOWN, thing).items
    assert (item.status, [reason.code for reason in item.reasons]) == (
        Status.BLOCKED,
        ["unknown-owner"],
    )

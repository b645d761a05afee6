"""Kubernetes objects, read into the few fields that decide."""

from typing import Any

import pytest

from azwi_cli.podidentity import objects
from azwi_cli.podidentity.facts import Account, Exemption, Identity, Ref, Template, Workload
from azwi_testing.podidentity import CLIENT, Object, account, deployment, identity, pod, template


def workload(thing: Object) -> Workload:
    found = objects.read(thing, "shop")
    assert isinstance(found, Workload)
    return found


def of(thing: Object) -> Template:
    return objects.template(thing)


@pytest.mark.parametrize("names", [("clientID", "resourceID"), ("clientid", "resourceid")])
def test_fields_of_old_and_new_versions_mean_the_same(names: tuple[str, str]) -> None:
    thing = identity("cart")
    thing["spec"] = {names[0]: CLIENT.upper(), names[1]: "/subscriptions/x", "type": 0}
    found = objects.read(thing, "shop")
    assert found == Identity("shop", "cart", 0, CLIENT, "/subscriptions/x", False)


@pytest.mark.parametrize(("text", "namespaced"), [("namespaced", 1), ("Namespaced", 1), ("", 0)])
def test_an_annotation_keeps_an_identity_in_its_namespace(text: str, namespaced: int) -> None:
    thing = identity("cart")
    thing["metadata"]["annotations"] = {"aadpodidentity.k8s.io/Behavior": text}
    found = objects.read(thing, "shop")
    assert isinstance(found, Identity)
    assert found.namespaced == bool(namespaced)


def test_an_exception_has_labels() -> None:
    thing = {
        "apiVersion": "aadpodidentity.k8s.io/v1",
        "kind": "AzurePodIdentityException",
        "metadata": {"name": "mic"},
        "spec": {"podLabels": {"app": "mic"}},
    }
    assert objects.read(thing, "kube-system") == Exemption("kube-system", "mic", {"app": "mic"})


def test_of_a_service_account_what_a_new_one_needs_is_read() -> None:
    thing = account("app", imagePullSecrets=[{"name": "a"}], automountServiceAccountToken=False)
    thing["metadata"]["annotations"] = {"azure.workload.identity/client-id": "x", "other": "y"}
    thing["metadata"]["labels"] = {"azure.workload.identity/use": "true", "other": "y"}
    assert objects.read(thing, "shop") == Account(
        "shop",
        "app",
        {"azure.workload.identity/client-id": "x"},
        ("a",),
        False,
        {"azure.workload.identity/use": "true"},
    )


@pytest.mark.parametrize(
    "thing",
    [
        {"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": "x"}},
        {"kind": "AzureIdentity", "apiVersion": "other.example/v1", "metadata": {"name": "x"}},
        {"kind": "SecretProviderClass", "apiVersion": "secrets-store.csi.x-k8s.io/v1", "spec": {}},
        {**pod("over"), "status": {"phase": "Succeeded"}},
        {
            "kind": "Job",
            "apiVersion": "batch/v1",
            "metadata": {"name": "over"},
            "status": {"conditions": [{"type": "Complete", "status": "True"}]},
        },
    ],
)
def test_what_does_not_matter_is_passed_over(thing: Object) -> None:
    assert objects.read(thing, "shop") is None


@pytest.mark.parametrize("nonsense", [None, 3, "x", [], [1], {"spec": [1]}])
def test_nonsense_where_a_mapping_should_be_is_nothing(nonsense: Any) -> None:
    thing = {"kind": "Deployment", "apiVersion": "apps/v1", "metadata": nonsense, "spec": nonsense}
    assert workload(thing).template == Template()


def test_every_kind_of_workload_has_its_template() -> None:
    inner = {"spec": {"template": template("cart")}}
    for kind in objects.TEMPLATES:
        spec = {"jobTemplate": inner} if kind == "CronJob" else inner["spec"]
        found = workload({"kind": kind, "apiVersion": "x/v1", "metadata": {}, "spec": spec})
        assert found.template
        assert found.template.labels == {"aadpodidbinding": "cart"}


def test_a_kind_that_nobody_here_knows_has_its_template_where_most_have_it() -> None:
    spec = {"template": template("cart")}
    thing = {"apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout", "spec": spec}
    found = workload({**thing, "metadata": {"name": "cart"}})
    assert (found.ref, found.api_version) == (Ref("shop", "Rollout", "cart"), thing["apiVersion"])
    assert found.template
    assert found.template.labels == {"aadpodidbinding": "cart"}
    assert objects.read({**thing, "spec": {"template": {"spec": {}}}}, "shop") is None


def test_only_a_controller_is_an_owner_where_there_is_one() -> None:
    thing = pod("x", owner="ReplicaSet/x-1")
    other = {"kind": "Node", "name": "n", "apiVersion": "v1"}
    thing["metadata"]["ownerReferences"].insert(0, other)
    assert workload(thing).owner == Ref("shop", "ReplicaSet", "x-1")


@pytest.mark.parametrize(
    ("spec", "field", "value"),
    [
        ({"serviceAccount": "old"}, "service_account", "old"),
        ({"hostNetwork": True}, "host_network", True),
        ({"os": {"name": "windows"}}, "windows", True),
        ({"nodeSelector": {"kubernetes.io/os": "windows"}}, "windows", True),
        (
            {"initContainers": [{"name": "a"}, {"name": "b", "restartPolicy": "Always"}]},
            "init_containers",
            ("a",),
        ),
        (
            {"containers": [{"ports": [{"containerPort": 1},
                                       {"containerPort": 2, "protocol": "UDP"}]}]},
            "ports",
            frozenset({1}),
        ),
        (
            {"securityContext": {"runAsUser": 1501}, "containers": [{"name": "a"}]},
            "proxy_user",
            "a",
        ),
        (
            {"volumes": [{"csi": {"driver": "secrets-store.csi.k8s.io",
                                  "volumeAttributes": {"secretProviderClass": "s"}}}]},
            "secret_provider_classes",
            ("s",),
        ),
        ({"containers": [{"args": ["--forceNamespaced=true"]}]}, "forces_namespaced", True),
        ({"containers": [{"args": ["--forceNameSpaced"]}]}, "forces_namespaced", True),
        ({"containers": [{"args": ["--forceNamespaced=false"]}]}, "forces_namespaced", False),
        (
            {"containers": [{"env": [{"name": "FORCENAMESPACED", "value": "true"}]}]},
            "forces_namespaced",
            True,
        ),
    ],
)  # fmt: skip
def test_of_a_template_what_decides_is_read(spec: Object, field: str, value: object) -> None:
    assert getattr(of({"spec": spec}), field) == value


@pytest.mark.parametrize(
    ("kind", "spec", "says"),
    [
        ("Job", {}, "cannot be changed"),
        ("ReplicaSet", {}, "delete them"),
        ("Deployment", {"paused": True}, "resume it"),
        ("DaemonSet", {"updateStrategy": {"type": "OnDelete"}}, "only when it is deleted"),
        ("StatefulSet", {"updateStrategy": {"rollingUpdate": {"partition": 1}}}, "set it to 0"),
        ("StatefulSet", {"updateStrategy": {"rollingUpdate": {"partition": 0}}}, ""),
        ("Deployment", {}, ""),
    ],
)
def test_what_needs_a_hand_is_told(kind: str, spec: Object, says: str) -> None:
    thing = {"kind": kind, "apiVersion": "x/v1", "metadata": {"name": "x"}, "spec": spec}
    found = workload(thing).needs_hand
    assert says in found
    assert bool(says) == bool(found)


def test_of_metadata_alone_the_owner_is_known() -> None:
    thing = {"metadata": pod("x-1", owner="Deployment/x")["metadata"]}
    found = objects.of_metadata(thing, "ReplicaSet", "apps/v1")
    assert found == Workload(
        Ref("shop", "ReplicaSet", "x-1"),
        "apps/v1",
        None,
        Ref("shop", "Deployment", "x"),
        "apps/v1",
        "a ReplicaSet does not replace its pods: delete them after the change",
    )


def test_a_deployment_is_found_by_its_selector() -> None:
    assert workload(deployment("cart")).selector == {"app": "cart"}

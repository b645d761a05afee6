"""What becomes of a pod, as a whole; ``test_golden`` shows it field by field."""

import copy
import json
import tracemalloc
from typing import Any

import pytest

from azwi_common import contract
from azwi_testing import admission, reference
from azwi_testing.admission import (
    account,
    admitted,
    applied,
    around,
    container,
    pod,
    settings,
    values,
    with_sidecar,
)
from azwi_webhook import mutate
from azwi_webhook.errors import Refused

YES = {contract.NAMESPACE_LABEL: "true"}
ACCOUNT = {contract.ACCOUNT_LABEL: "true"}


@pytest.mark.parametrize(
    ("opt_in", "label", "namespace", "of_account", "takes_part"),
    [
        ("pod", "true", {}, {}, True),
        ("pod", None, YES, ACCOUNT, False),
        ("pod", "True", {}, {}, False),
        ("namespace", None, YES, {}, True),
        ("namespace", None, {contract.NAMESPACE_LABEL: "false"}, {}, False),
        ("namespace", "true", {}, {}, False),
        ("serviceaccount", None, {}, ACCOUNT, True),
        ("serviceaccount", None, {}, {contract.USE_LABEL: "true"}, False),
        ("pod namespace serviceaccount", "false", YES, ACCOUNT, False),
        ("pod namespace serviceaccount", None, {}, {}, False),
    ],
)
def test_who_takes_part(
    opt_in: str, label: str | None, namespace: Any, of_account: Any, takes_part: bool
) -> None:
    given = pod()
    given["metadata"]["labels"] = {contract.USE_LABEL: label} if label else {}
    whose = account(labels=of_account)
    configured = settings(AZWI_OPT_IN=opt_in)
    assert mutate.takes_part(given, whose, around(labels=namespace), configured) is takes_part


def test_a_pod_without_a_known_account_takes_part_by_its_own_label() -> None:
    configured = settings(AZWI_OPT_IN="pod serviceaccount")
    assert mutate.takes_part(pod(), None, around(), configured)
    assert not mutate.takes_part({"metadata": {}}, None, around(), configured)


def test_a_pod_that_names_no_account_has_the_default_one() -> None:
    assert mutate.account_name({"spec": {"serviceAccountName": "mine"}}) == "mine"
    for spec in ({}, {"serviceAccountName": ""}, {"serviceAccountName": None}):
        assert mutate.account_name({"spec": spec}) == "default"


def test_every_container_gets_the_variables_and_the_token() -> None:
    after = admitted(
        pod(initContainers=[{"name": "first"}], containers=[{"name": "a"}, {"name": "b"}])
    )
    for name in ("first", "a", "b"):
        found = container(after, name)
        assert list(values(found)) == [
            "AZURE_CLIENT_ID",
            "AZURE_TENANT_ID",
            "AZURE_FEDERATED_TOKEN_FILE",
            "AZURE_AUTHORITY_HOST",
        ]
        assert found["volumeMounts"][0]["mountPath"] == "/var/run/secrets/azure/tokens"


def test_with_proxy_only_the_app_sees_nothing_of_it() -> None:
    after = admitted(with_sidecar({"proxy-only": "true"}))
    assert container(after, "app") == {"name": "app", "image": "registry.example/app:1"}
    assert values(container(after, "azwi-proxy"))["AZURE_CLIENT_ID"] == admission.CLIENT
    assert after["spec"]["volumes"]


def test_proxy_only_without_a_proxy_leaves_nobody_without_a_token() -> None:
    assert values(container(admitted(pod({"proxy-only": "true"})), "app"))


def test_the_users_first_container_is_kubectls_default() -> None:
    name = "kubectl.kubernetes.io/default-container"
    assert admitted(with_sidecar())["metadata"]["annotations"][name] == "app"
    chosen = with_sidecar()
    chosen["metadata"]["annotations"][name] = "worker"
    assert admitted(chosen)["metadata"]["annotations"][name] == "worker"
    assert name not in admitted(pod())["metadata"]["annotations"]


@pytest.mark.parametrize("containers", [["azwi-proxy"], [None, "app"]])
def test_without_a_first_container_of_the_users_that_has_a_name_there_is_no_default(
    containers: list[str | None],
) -> None:
    given = [{"image": "i", **({"name": name} if name else {})} for name in containers]
    name = "kubectl.kubernetes.io/default-container"
    assert name not in admitted(with_sidecar(containers=given))["metadata"]["annotations"]


def test_a_declined_sidecars_annotation_is_removed() -> None:
    given = pod({"inject-proxy-sidecar": "false", "skip-containers": "x"})
    after = admitted(given)
    assert after["metadata"]["annotations"] == {contract.SKIP_CONTAINERS_ANNOTATION: "x"}
    assert [item["name"] for item in after["spec"]["containers"]] == ["app"]


def test_in_environment_mode_the_references_webhook_finds_nothing_to_inject() -> None:
    """It goes by the annotation's presence, and would bring a privileged azwi-proxy-init."""
    for given, environ in (
        (with_sidecar({"proxy-mode": "environment"}), {}),
        (with_sidecar(), {"AZWI_PROXY_MODE": "environment"}),
    ):
        after = admitted(given, **environ)
        assert contract.INJECT_ANNOTATION not in after["metadata"]["annotations"]
        assert after["metadata"]["annotations"][contract.MODE_ANNOTATION] == "environment"
        theirs = reference.patch_of(after)
        assert not any("initContainers" in operation["path"] for operation in theirs)


def test_a_pod_of_environment_mode_is_completed_whatever_the_setting_is_then() -> None:
    first = admitted(with_sidecar(), AZWI_PROXY_MODE="environment")
    first["spec"]["containers"].append({"name": "later"})
    again = admitted(first, AZWI_PROXY_MODE="redirect")
    assert "azwi-proxy-init" not in str(again)
    assert values(container(again, "later"))["IDENTITY_HEADER"] == admission.SECRET


def test_declining_the_sidecar_declines_its_mode_in_later_passes_too() -> None:
    by_hand = [{"name": "azwi-proxy", "image": "i"}]
    after = admitted(
        pod({"inject-proxy-sidecar": "false", "proxy-mode": "environment"}, initContainers=by_hand)
    )
    assert after["metadata"]["annotations"] == {}
    assert "IDENTITY_ENDPOINT" not in values(container(after, "app"))


@pytest.mark.parametrize("native", ["true", "false"])
@pytest.mark.parametrize("field", ["containers", "initContainers"])
def test_a_container_that_another_webhook_added_is_completed(native: str, field: str) -> None:
    configured = settings(AZWI_NATIVE_SIDECAR=native)
    first = mutate.admit(with_sidecar(), account(), around(), configured)
    after = applied(with_sidecar(), first.patch)
    after["spec"][field].insert(0, {"name": "mesh", "image": "registry.example/mesh:2"})
    second = mutate.admit(after, account(), around(), configured)
    assert {operation["path"] for operation in second.patch} == {
        f"/spec/{field}/0/env",
        f"/spec/{field}/0/volumeMounts",
    }
    assert second.warnings == ()
    completed = applied(after, second.patch)
    assert mutate.admit(completed, account(), around(), configured).patch == []


def test_the_patch_touches_no_array_that_is_there() -> None:
    entry = {"name": "A", "value": "b"}
    mount = {"name": "data", "mountPath": "/data"}
    containers = [{"name": "app", "image": "i", "env": [entry], "volumeMounts": [mount]}]
    given = with_sidecar(
        containers=containers,
        initContainers=[{"name": "own", "image": "i"}],
        volumes=[{"name": "data", "emptyDir": {}}],
    )
    decided = mutate.admit(given, account(), around(), settings())
    paths = [operation["path"] for operation in decided.patch]
    for array in (
        "/spec/volumes",
        "/spec/containers",
        "/spec/initContainers",
        "/spec/containers/0/env",
        "/spec/containers/0/volumeMounts",
    ):
        assert array not in paths
    assert "/spec/initContainers/0" in paths
    assert "/spec/volumes/-" in paths


def test_the_pod_that_was_given_is_not_changed() -> None:
    given = with_sidecar(containers=[{"name": "app", "env": None, "volumeMounts": []}])
    before = copy.deepcopy(given)
    mutate.admit(given, account(), around(), settings())
    assert given == before


def test_a_pod_without_containers_is_left_to_the_api_server() -> None:
    nothing: tuple[Any, ...] = (None, [])
    for containers in nothing:
        decided = mutate.admit(with_sidecar(containers=containers), account(), around(), settings())
        assert (decided.patch, decided.warnings) == ([], ())


@pytest.mark.parametrize(("init", "apps"), [(0, 500), (200, 300)])
def test_a_pod_of_very_many_containers_is_to_be_divided(init: int, apps: int) -> None:
    def of(apps: int) -> Any:
        named = [{"name": f"c{number}"} for number in range(init + apps)]
        return pod(initContainers=named[:init], containers=named[init:])

    assert mutate.admit(of(apps), account(), around(), settings()).patch
    for more in (1, 100):
        with pytest.raises(Refused, match="more than 500 containers: divide it"):
            mutate.admit(of(apps + more), account(), around(), settings())


def test_of_many_problems_the_first_are_told_and_the_others_counted() -> None:
    wrong = [
        *contract.RESOURCE_ANNOTATIONS,
        *contract.PROXY_SETTING_ANNOTATIONS,
        contract.PORT_ANNOTATION,
        contract.MODE_ANNOTATION,
        contract.MSI_ENDPOINT_ANNOTATION,
        contract.INIT_IPTABLES_ANNOTATION,
        contract.PROXY_ONLY_ANNOTATION,
        contract.EXPIRATION_ANNOTATION,
        contract.SKIP_CONTAINERS_ANNOTATION,
        contract.IDENTITIES_ANNOTATION,
    ]
    given = with_sidecar({name.removeprefix(contract.PREFIX): "x" * 17_000 for name in wrong})
    with pytest.raises(Refused) as caught:
        mutate.admit(given, account(client_id="x" * 5000), around(), settings())
    assert str(caught.value).count("bytes: shorten it.") == 20
    assert str(caught.value).endswith(f" There are {len(wrong) + 1 - 20} more problems.")


def test_a_problem_that_quotes_a_long_name_is_cut() -> None:
    named = {"name": "x" * 5000, "ports": [{"containerPort": 8000}]}
    with pytest.raises(Refused) as caught:
        mutate.admit(with_sidecar(containers=[named]), account(), around(), settings())
    told = str(caught.value)
    assert told.startswith("Port 8000 of the sidecar is container xxx")
    assert (len(told), told[-1]) == (mutate.LONGEST + 1, "…")


@pytest.mark.parametrize(
    "spec",
    [
        [],
        {"containers": "app"},
        {"containers": [1]},
        {"containers": [{"name": []}]},
        {"containers": [{"name": "app", "env": {}}]},
        {"containers": [{"name": "app", "env": ["A=b"]}]},
        {"containers": [{"name": "app", "volumeMounts": 7}]},
        {"containers": [{"name": "app", "ports": "8000"}]},
        {"containers": [{"name": "app", "resources": []}]},
        {"containers": [{"name": "app", "resources": {"limits": [1]}}]},
        {"containers": [{"name": "app", "securityContext": "root"}]},
        {"containers": [{"name": "app"}], "volumes": {}},
        {"containers": [{"name": "app"}], "imagePullSecrets": ["a"]},
        {"containers": [{"name": "app"}], "securityContext": 1},
        {"containers": [{"name": "app"}], "nodeSelector": []},
        {"containers": [{"name": "app"}], "os": "linux"},
        {"containers": [{"name": "app"}], "resources": []},
        {"containers": [{"name": "app"}], "serviceAccountName": {}},
    ],
)
def test_nonsense_is_refused_with_the_name_of_the_field(spec: Any) -> None:
    with pytest.raises(Refused, match=r"The pod's field \w+ must be (text|an object|an array of)"):
        mutate.admit({**with_sidecar(), "spec": spec}, account(), around(), settings())


def test_the_secret_of_a_pod_is_in_no_trace_of_what_surrounds_it() -> None:
    assert admission.SECRET not in repr(around())


def test_the_patch_is_json() -> None:
    decided = mutate.admit(with_sidecar(), account(), around(), settings())
    assert json.loads(json.dumps(decided.patch)) == decided.patch


def test_whatever_pods_say_of_themselves_little_of_it_is_remembered() -> None:
    configured = settings()

    def admit(number: int) -> None:
        says = {
            "inject-proxy-sidecar": "true",
            "skip-containers": f"{number}-" + "x" * 4_000,
        }
        limits = {f"{number}-{'y' * 200_000}": "1", "memory": "64Mi"}
        mutate.admit(pod(says, resources={"limits": limits}), account(), around(), configured)
        says["skip-containers"] = f"{number}"
        mutate.admit(pod(says, resources={"limits": limits}), account(), around(), configured)

    admit(0)
    tracemalloc.start()
    try:
        for number in range(1, 100):
            admit(number)
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held < 2_000_000  # of 60 MB

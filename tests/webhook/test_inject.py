"""Where the sidecar's containers go, and what they carry."""

import json
from typing import Any

import pytest

from azwi_common import contract
from azwi_common.proxy_settings import Settings as ProxySettings
from azwi_common.settings import load
from azwi_testing import admission
from azwi_testing.admission import admitted, container, values, with_sidecar
from azwi_webhook import inject, mutate

OWN = {"name": "own", "image": "registry.example/own:1"}


def names(pod: dict[str, Any], field: str) -> list[str]:
    return [item["name"] for item in pod["spec"].get(field, [])]


@pytest.mark.parametrize(
    ("setting", "minor", "native"),
    [
        ("auto", 31, False),
        ("auto", 32, True),
        ("auto", 40, True),
        ("true", 28, False),  # such an API server drops the field that makes a sidecar native
        ("true", 29, True),
        ("false", 40, False),
    ],
)
def test_a_sidecar_is_native_where_every_node_can(setting: str, minor: int, native: bool) -> None:
    assert inject.is_native(admission.settings(AZWI_NATIVE_SIDECAR=setting), minor) is native


def test_the_redirect_comes_first_then_the_proxy_then_the_pods_own() -> None:
    after = admitted(with_sidecar(initContainers=[OWN]))
    assert names(after, "initContainers") == ["azwi-proxy-init", "azwi-proxy", "own"]
    assert names(after, "containers") == ["app"]


def test_without_native_sidecars_the_proxy_is_the_first_container() -> None:
    after = admitted(with_sidecar(initContainers=[OWN]), AZWI_NATIVE_SIDECAR="false")
    assert names(after, "initContainers") == ["azwi-proxy-init", "own"]
    assert names(after, "containers") == ["azwi-proxy", "app"]
    assert "restartPolicy" not in container(after, "azwi-proxy")


@pytest.mark.parametrize("native", ["true", "false"])
def test_in_environment_mode_the_proxy_comes_alone(native: str) -> None:
    given = with_sidecar({"proxy-mode": "environment"}, initContainers=[OWN])
    after = admitted(given, AZWI_NATIVE_SIDECAR=native)
    both = names(after, "initContainers"), names(after, "containers")
    if native == "true":
        assert both == (["azwi-proxy", "own"], ["app"])
    else:
        assert both == (["own"], ["azwi-proxy", "app"])


def test_what_is_injected_in_environment_mode_keeps_the_restricted_level() -> None:
    after = admitted(with_sidecar({"proxy-mode": "environment"}))
    (proxy,) = after["spec"]["initContainers"]
    context = proxy["securityContext"]
    assert context["capabilities"] == {"drop": ["ALL"]}
    assert context["runAsNonRoot"] is context["readOnlyRootFilesystem"] is True
    assert context["privileged"] is context["allowPrivilegeEscalation"] is False
    assert context["seccompProfile"] == {"type": "RuntimeDefault"}
    assert "ports" not in proxy
    assert [next(iter(set(volume) - {"name"})) for volume in after["spec"]["volumes"]] == [
        "projected"
    ]


def test_what_is_forwarded_is_the_proxys_affair_in_environment_mode_too() -> None:
    after = admitted(with_sidecar({"proxy-mode": "environment", "proxy-forward": "none"}))
    assert values(container(after, "azwi-proxy"))["AZWI_FORWARD"] == "none"


@pytest.mark.parametrize("native", ["true", "false"])
def test_what_is_there_is_not_injected_again(native: str) -> None:
    ours = [{"name": name, "image": "i"} for name in ("azwi-proxy-init", "azwi-proxy")]
    given = with_sidecar(initContainers=[OWN, *ours])
    after = admitted(given, AZWI_NATIVE_SIDECAR=native)
    assert names(after, "initContainers") == ["own", "azwi-proxy-init", "azwi-proxy"]
    assert names(after, "containers") == ["app"]


def test_the_proxy_goes_behind_a_redirect_that_is_there() -> None:
    given = with_sidecar(initContainers=[OWN, {"name": "azwi-proxy-init"}, {"name": "other"}])
    after = admitted(given)
    assert names(after, "initContainers") == ["own", "azwi-proxy-init", "azwi-proxy", "other"]


def test_a_missing_redirect_goes_before_a_proxy_that_is_there() -> None:
    after = admitted(with_sidecar(initContainers=[{"name": "azwi-proxy"}, OWN]))
    assert names(after, "initContainers") == ["azwi-proxy-init", "azwi-proxy", "own"]


def test_users_are_pinned_whatever_the_pod_says() -> None:
    after = admitted(with_sidecar(securityContext={"runAsUser": 1000, "runAsGroup": 3000}))
    for name, user in (("azwi-proxy-init", 0), ("azwi-proxy", 1501)):
        context = container(after, name)["securityContext"]
        assert (context["runAsUser"], context["runAsGroup"]) == (user, user)
        assert context["runAsNonRoot"] is (user != 0)
        assert context["privileged"] is context["allowPrivilegeEscalation"] is False
        assert context["readOnlyRootFilesystem"] is True
        assert context["seccompProfile"] == {"type": "RuntimeDefault"}


def test_wishes_come_before_the_configuration_and_that_before_the_identity() -> None:
    extra = {
        "AZWI_FORWARD": "all",
        "AZWI_DRAIN_SECONDS": "9",
        "AZURE_AUTHORITY_HOST": "https://private.example/",
        "HTTPS_PROXY": "http://egress.example",
    }
    configured = json.dumps([{"name": name, "value": text} for name, text in extra.items()])
    after = admitted(with_sidecar({"proxy-forward": "none"}), AZWI_PROXY_ENV=configured)
    env = container(after, "azwi-proxy")["env"]
    assert len(env) == len({entry["name"] for entry in env})
    assert values({"env": env}).items() >= {**extra, "AZWI_FORWARD": "none"}.items()


@pytest.mark.parametrize("by_annotation", [True, False])
def test_both_containers_know_what_is_forwarded(by_annotation: bool) -> None:
    if by_annotation:
        after = admitted(with_sidecar({"proxy-forward": "none"}))
    else:
        env = '[{"name":"AZWI_FORWARD","value":"none"}]'
        after = admitted(with_sidecar(), AZWI_PROXY_ENV=env)
    for name in ("azwi-proxy-init", "azwi-proxy"):
        assert values(container(after, name))["AZWI_FORWARD"] == "none"
    assert "PROXY_UID" not in values(container(after, "azwi-proxy-init"))


def test_both_containers_know_where_the_metadata_service_is() -> None:
    env = json.dumps(
        [{"name": "METADATA_IP", "value": "10.0.0.1"}, {"name": "METADATA_PORT", "value": "8"}]
    )
    after = admitted(with_sidecar(), AZWI_PROXY_ENV=env)
    for name in ("azwi-proxy-init", "azwi-proxy"):
        found = values(container(after, name))
        assert (found["METADATA_IP"], found["METADATA_PORT"]) == ("10.0.0.1", "8")


def test_the_proxy_loads_every_setting_that_a_pod_can_choose() -> None:
    after = admitted(
        with_sidecar(
            {
                "proxy-forward": "all",
                "proxy-strict-identities": "true",
                "proxy-prefetch": "https://a.example https://b.example",
                "proxy-metrics-port": "9464",
                "proxy-drain-seconds": "7",
                "proxy-log-level": "debug",
                "proxy-sidecar-port": "9000",
                "identities": json.dumps([{"clientId": admission.CLIENT}]),
            }
        )
    )
    proxy = container(after, "azwi-proxy")
    flags = dict(argument.split("=") for argument in proxy["args"])
    found = load(ProxySettings, {**values(proxy), "POD_IP": "10.0.0.1"}, flags)
    assert (found.forward, found.strict, found.drain_seconds) == ("all", True, 7)
    assert found.prefetch == ("https://a.example", "https://b.example")
    assert (found.port, found.metrics_port, found.log_level) == (9000, 9464, "debug")
    assert found.identities[0].client_id == found.client_id == admission.CLIENT


def test_a_metrics_port_brings_the_pods_address_and_is_declared() -> None:
    proxy = container(admitted(with_sidecar({"proxy-metrics-port": "9464"})), "azwi-proxy")
    address = {"fieldRef": {"fieldPath": "status.podIP"}}
    assert {"name": "POD_IP", "valueFrom": address} in proxy["env"]
    assert proxy["ports"] == [{"name": "azwi-metrics", "containerPort": 9464}]


def test_the_log_level_of_the_configuration_is_kept_until_the_pod_says_its_own() -> None:
    env = '[{"name":"AZWI_LOG_LEVEL","value":"error"}]'
    for wish, level in (({}, "error"), ({"proxy-log-level": "debug"}, "debug")):
        proxy = container(admitted(with_sidecar(wish), AZWI_PROXY_ENV=env), "azwi-proxy")
        assert f"--log-level={level}" in proxy["args"]
        assert contract.LOG_LEVEL not in values(proxy)


def test_pull_secrets_are_added_where_absent_and_only_with_the_sidecar() -> None:
    secrets = [{"name": "b"}]
    given = with_sidecar(imagePullSecrets=secrets)
    after = admitted(given, AZWI_IMAGE_PULL_SECRETS="a b")
    assert after["spec"]["imagePullSecrets"] == [{"name": "b"}, {"name": "a"}]
    without = admitted(admission.pod(imagePullSecrets=secrets), AZWI_IMAGE_PULL_SECRETS="a b")
    assert without["spec"]["imagePullSecrets"] == secrets


def test_the_configurations_volumes_come_with_the_sidecar_alone() -> None:
    extra = {
        "AZWI_PROXY_VOLUMES": '[{"name":"ca","configMap":{"name":"ca"}}]',
        "AZWI_PROXY_VOLUME_MOUNTS": '[{"name":"ca","mountPath":"/ca"}]',
    }
    after = admitted(with_sidecar(), **extra)
    assert [volume["name"] for volume in after["spec"]["volumes"]] == ["ca", "azure-identity-token"]
    assert {"name": "ca", "mountPath": "/ca"} in container(after, "azwi-proxy")["volumeMounts"]
    without = admitted(admission.pod(), **extra)
    assert [volume["name"] for volume in without["spec"]["volumes"]] == ["azure-identity-token"]


API_TOKEN = {
    "name": "kube-api-access-x7x2p",
    "readOnly": True,
    "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount",
}
VOLUME = {"name": "kube-api-access-x7x2p", "projected": {"sources": []}}


def test_what_the_api_server_would_mount_is_mounted_so_that_it_asks_once() -> None:
    app = {"name": "app", "image": "i", "volumeMounts": [API_TOKEN]}
    after = admitted(with_sidecar(containers=[app], volumes=[VOLUME]))
    for name in ("azwi-proxy-init", "azwi-proxy"):
        assert container(after, name)["volumeMounts"][-1] == API_TOKEN


@pytest.mark.parametrize(
    ("pod", "mount"),
    [
        ({"automountServiceAccountToken": False}, {}),
        ({}, {"name": "tokens"}),
        ({}, {"mountPath": "/elsewhere"}),
        ({}, {"mountPath": "/var/run/secrets/tokens"}),
        ({"volumes": [{"name": "kube-api-access-first"}, VOLUME]}, {}),
        ({"initContainers": [OWN]}, {}),  # mounted by hand: the service account may have said no
    ],
)
def test_what_it_would_not_mount_is_not(pod: dict[str, Any], mount: dict[str, Any]) -> None:
    app = {"name": "app", "image": "i", "volumeMounts": [API_TOKEN | mount]}
    after = admitted(with_sidecar(containers=[app], **{"volumes": [VOLUME], **pod}))
    assert "volumeMounts" not in container(after, "azwi-proxy-init")
    assert len(container(after, "azwi-proxy")["volumeMounts"]) == 1


def test_a_mount_of_the_configurations_at_its_place_stays() -> None:
    app = {"name": "app", "image": "i", "volumeMounts": [API_TOKEN]}
    own = {"name": "own", "mountPath": API_TOKEN["mountPath"]}
    extra = {
        "AZWI_PROXY_VOLUMES": '[{"name":"own","emptyDir":{}}]',
        "AZWI_PROXY_VOLUME_MOUNTS": json.dumps([own]),
    }
    after = admitted(with_sidecar(containers=[app], volumes=[VOLUME]), **extra)
    mounts = container(after, "azwi-proxy")["volumeMounts"]
    assert [mount for mount in mounts if mount["mountPath"] == own["mountPath"]] == [own]


def test_a_guaranteed_pod_stays_guaranteed() -> None:
    limits = {"limits": {"cpu": "1", "memory": "1Gi"}}
    given = with_sidecar(containers=[{"name": "app", "image": "i", "resources": limits}])
    after = admitted(given)
    for name in ("azwi-proxy-init", "azwi-proxy"):
        found = container(after, name)["resources"]
        assert found["requests"] == found["limits"]
        assert found["limits"].keys() == {"cpu", "memory"}


def test_a_pod_with_resources_as_a_whole_shares_them_with_the_sidecar() -> None:
    limits = {"limits": {"cpu": "1", "memory": "1Gi"}}
    containers = [{"name": "app", "image": "i", "resources": limits}]
    after = admitted(with_sidecar(containers=containers, resources=limits))
    for name in ("azwi-proxy-init", "azwi-proxy"):
        assert "resources" not in container(after, name)


def test_what_is_there_already_needs_no_image_of_the_webhooks() -> None:
    decided = mutate.admit(
        with_sidecar(initContainers=[{"name": "azwi-proxy-init"}, {"name": "azwi-proxy"}]),
        admission.account(),
        admission.around(),
        admission.settings(PROXY_IMAGE="", PROXY_INIT_IMAGE=""),
    )
    assert not any("/spec/initContainers/0" in operation["path"] for operation in decided.patch)

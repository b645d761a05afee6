"""The pod that a user writes by hand says what the programs need, in names that they know."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from azwi_common import contract
from azwi_common.proxy_settings import Settings as ProxySettings
from azwi_common.settings import describe, load
from azwi_init.settings import Settings as InitSettings

EXAMPLE = Path(__file__).parents[2] / "manifests/examples/by-hand.yaml"


@pytest.fixture(scope="module")
def pod() -> dict[str, Any]:
    """The Pod of the example."""
    objects = list(yaml.safe_load_all(EXAMPLE.read_text()))
    spec: dict[str, Any] = next(item for item in objects if item["kind"] == "Pod")["spec"]
    return spec


def variables(container: dict[str, Any]) -> dict[str, str]:
    return {entry["name"]: entry["value"] for entry in container["env"]}


def test_the_redirect_comes_first_then_the_proxy_then_the_app(pod: dict[str, Any]) -> None:
    assert [item["name"] for item in pod["initContainers"]] == ["azwi-proxy-init", "azwi-proxy"]
    assert pod["initContainers"][1]["restartPolicy"] == "Always"
    assert [item["name"] for item in pod["containers"]] == ["app"]


def test_the_programs_load_the_variables_that_the_example_sets(pod: dict[str, Any]) -> None:
    init, proxy = map(variables, pod["initContainers"])
    assert load(InitSettings, init).proxy_port == load(ProxySettings, proxy).port
    known = {item.env.name for cls in (InitSettings, ProxySettings) for item in describe(cls)}
    assert {*init, *proxy} <= known


def test_nobody_has_more_privileges_than_needed(pod: dict[str, Any]) -> None:
    init, proxy = (item["securityContext"] for item in pod["initContainers"])
    assert init["capabilities"] == {"drop": ["ALL"], "add": ["NET_ADMIN"]}
    assert proxy["capabilities"] == {"drop": ["ALL"]}
    assert (init["runAsUser"], proxy["runAsUser"]) == (0, contract.DEFAULT_PROXY_UID)
    assert proxy["runAsNonRoot"] is True
    for context in (init, proxy):
        assert context["privileged"] is False
        assert context["allowPrivilegeEscalation"] is False
        assert context["readOnlyRootFilesystem"] is True
        assert context["seccompProfile"] == {"type": "RuntimeDefault"}


def test_the_exempt_user_is_the_proxys_and_not_the_apps(pod: dict[str, Any]) -> None:
    init, proxy = pod["initContainers"]
    assert variables(init)[contract.PROXY_UID] == str(proxy["securityContext"]["runAsUser"])
    assert pod["containers"][0]["securityContext"]["runAsUser"] != contract.DEFAULT_PROXY_UID


def test_only_the_proxy_has_the_service_account_token(pod: dict[str, Any]) -> None:
    (source,) = pod["volumes"][0]["projected"]["sources"]
    assert source["serviceAccountToken"]["audience"] == contract.TOKEN_EXCHANGE_AUDIENCE
    _, proxy = pod["initContainers"]
    mounted = proxy["volumeMounts"][0]["mountPath"] + "/" + source["serviceAccountToken"]["path"]
    assert mounted == variables(proxy)[contract.FEDERATED_TOKEN_FILE] == contract.TOKEN_FILE
    assert "volumeMounts" not in pod["initContainers"][0]
    assert "volumeMounts" not in pod["containers"][0]


def test_both_containers_say_what_they_need_so_that_quotas_admit_them(pod: dict[str, Any]) -> None:
    for container in pod["initContainers"]:
        assert {"cpu", "memory"} <= container["resources"]["requests"].keys()
        assert "memory" in container["resources"]["limits"]

"""Environment mode: what apps are told of azwi-proxy, and that pairs are never mixed."""

import json
from typing import Any

import pytest

from azwi_common import contract
from azwi_common.proxy_settings import Settings as ProxySettings
from azwi_common.settings import load
from azwi_testing import admission
from azwi_testing.admission import SECRET, admitted, container, values, with_sidecar

HOST = "http://127.0.0.1:8000"
URL = HOST + "/msi/token"
OLD = {"MSI_ENDPOINT": URL, "MSI_SECRET": SECRET}
ALONE = {
    "AZURE_POD_IDENTITY_AUTHORITY_HOST": HOST,
    "AZURE_MSI_ENDPOINT": HOST + "/metadata/identity/oauth2/token",
}
NEW = {**ALONE, "IDENTITY_ENDPOINT": URL, "IDENTITY_HEADER": SECRET}
TOLD = {**NEW, **OLD}


def in_mode(annotations: dict[str, str] | None = None, **spec: Any) -> dict[str, Any]:
    return with_sidecar({"proxy-mode": "environment", **(annotations or {})}, **spec)


def told(container: dict[str, Any]) -> dict[str, Any]:
    """What a container has of environment mode."""
    names = (*TOLD, "IMDS_ENDPOINT")
    return {name: text for name, text in values(container).items() if name in names}


def app(**env: str) -> dict[str, Any]:
    entries = [{"name": name, "value": text} for name, text in env.items()]
    return {"name": "app", "image": "i", "env": entries}


def proxy(*env: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"name": "azwi-proxy", "image": admission.PROXY_IMAGE, "env": list(env)}]


def test_every_container_is_told_where_to_ask_and_with_what() -> None:
    after = admitted(in_mode(initContainers=[{"name": "first"}], containers=[app(), app()]))
    assert told(container(after, "first")) == told(container(after, "app")) == TOLD
    assert told(after["spec"]["containers"][1]) == TOLD


def test_the_proxy_takes_the_value_that_it_is_given() -> None:
    given = container(admitted(in_mode()), "azwi-proxy")
    assert told(given) == {"IDENTITY_HEADER": SECRET}
    assert load(ProxySettings, values(given), {}).identity_header == SECRET


def test_in_redirect_mode_nobody_is_told_anything() -> None:
    for mode in ({}, {"proxy-mode": "redirect"}):
        after = admitted(with_sidecar(mode))
        assert told(container(after, "app")) == told(container(after, "azwi-proxy")) == {}


def test_a_pod_without_the_sidecar_is_told_nothing() -> None:
    after = admitted(admission.pod({"proxy-mode": "environment"}), AZWI_PROXY_MODE="environment")
    assert told(container(after, "app")) == {}


@pytest.mark.parametrize(
    ("setting", "annotation", "is_told"),
    [
        ("environment", None, True),
        ("environment", "redirect", False),
        ("redirect", "environment", True),
        ("redirect", None, False),
    ],
)
def test_the_pods_mode_comes_before_the_settings(
    setting: str, annotation: str | None, is_told: bool
) -> None:
    given = with_sidecar({"proxy-mode": annotation} if annotation else {})
    after = admitted(given, AZWI_PROXY_MODE=setting)
    assert bool(told(container(after, "app"))) is is_told


@pytest.mark.parametrize(("annotation", "after"), [("true", TOLD), ("false", NEW)])
def test_the_old_protocol_is_told_of_unless_an_annotation_says_no(
    annotation: str, after: dict[str, str]
) -> None:
    found = admitted(in_mode({"proxy-msi-endpoint": annotation}))
    assert told(container(found, "app")) == after
    assert told(container(found, "azwi-proxy")) == {"IDENTITY_HEADER": SECRET}


def test_the_port_is_the_one_of_the_annotation() -> None:
    found = told(container(admitted(in_mode({"proxy-sidecar-port": "9000"})), "app"))
    assert found["AZURE_POD_IDENTITY_AUTHORITY_HOST"] == "http://127.0.0.1:9000"
    assert found["IDENTITY_ENDPOINT"] == "http://127.0.0.1:9000/msi/token"


def test_with_proxy_only_the_app_has_these_variables_and_no_others() -> None:
    found = container(admitted(in_mode({"proxy-only": "true"})), "app")
    assert values(found) == TOLD
    assert "volumeMounts" not in found


def test_a_skipped_container_is_told_nothing() -> None:
    assert "env" not in container(admitted(in_mode({"skip-containers": "app"})), "app")


@pytest.mark.parametrize(
    ("own", "after"),
    [
        # Half a pair of its own: the other half would be sent to the wrong place, or refused there.
        # And never MSI_ENDPOINT alone: SDKs of today take that for Azure ML's.
        ({"IDENTITY_ENDPOINT": "http://else"}, ALONE),
        ({"IDENTITY_HEADER": "its own"}, ALONE),
        ({"MSI_SECRET": "its own"}, NEW),
        ({"MSI_ENDPOINT": ""}, NEW),
        # Half of ours is completed.
        ({"IDENTITY_ENDPOINT": URL}, TOLD),
        ({"MSI_SECRET": SECRET}, TOLD),
        # Those of the metadata endpoint stand for themselves.
        ({"AZURE_POD_IDENTITY_AUTHORITY_HOST": "http://else"}, TOLD),
        ({"AZURE_MSI_ENDPOINT": "http://else"}, TOLD),
        ({**NEW, "IDENTITY_HEADER": "x"}, {}),
    ],
)
def test_what_a_container_says_itself_stays_and_pairs_are_not_mixed(
    own: dict[str, str], after: dict[str, str]
) -> None:
    given = in_mode(containers=[app(**own)])
    assert told(container(admitted(given), "app")) == {**after, **own}


def test_a_later_container_gets_the_first_passs_value() -> None:
    first = admitted(in_mode())
    first["spec"]["containers"].append({"name": "mesh", "image": "i"})
    again = admission.admitted(first, secret="of-the-second-pass-0123456789")
    assert told(container(again, "mesh")) == TOLD
    assert "of-the-second-pass" not in str(again)


def test_a_proxy_by_hand_without_a_value_gets_the_one_that_apps_have() -> None:
    after = admitted(in_mode(initContainers=proxy()))
    assert told(container(after, "azwi-proxy")) == {"IDENTITY_HEADER": SECRET}
    assert told(container(after, "app")) == TOLD


def test_a_skipped_proxy_by_hand_gets_it_too() -> None:
    after = admitted(in_mode({"skip-containers": "azwi-proxy"}, initContainers=proxy()))
    assert values(container(after, "azwi-proxy")) == {"IDENTITY_HEADER": SECRET}


@pytest.mark.parametrize("by_hand", [True, False])
def test_a_value_from_a_secret_is_passed_on_as_it_is(by_hand: bool) -> None:
    source = {"secretKeyRef": {"name": "app", "key": "header"}}
    entry = {"name": "IDENTITY_HEADER", "valueFrom": source}
    if by_hand:
        after = admitted(in_mode(initContainers=proxy(entry)))
    else:
        configured = json.dumps([entry])
        after = admitted(in_mode(), AZWI_PROXY_ENV=configured)
    env = container(after, "app")["env"]
    assert entry in env
    assert {"name": "MSI_SECRET", "valueFrom": source} in env
    assert container(after, "azwi-proxy")["env"].count(entry) == 1
    assert SECRET not in str(after)


def test_the_value_of_the_hand_comes_before_the_configurations() -> None:
    mine = {"name": "IDENTITY_HEADER", "value": "mine-0123456789abcdef"}
    configured = '[{"name":"IDENTITY_HEADER","value":"theirs-0123456789abcdef"}]'
    after = admitted(in_mode(initContainers=proxy(mine)), AZWI_PROXY_ENV=configured)
    assert told(container(after, "app"))["IDENTITY_HEADER"] == mine["value"]
    after = admitted(in_mode(), AZWI_PROXY_ENV=configured)
    for name in ("app", "azwi-proxy"):
        assert told(container(after, name))["IDENTITY_HEADER"] == "theirs-0123456789abcdef"


def test_where_the_proxys_value_is_empty_only_the_metadata_endpoint_is_told() -> None:
    for entry in ({"name": "IDENTITY_HEADER", "value": ""}, {"name": "IDENTITY_HEADER"}):
        after = admitted(in_mode(initContainers=proxy(entry)))
        assert told(container(after, "app")) == ALONE


def test_of_two_values_the_last_counts_as_for_the_kubelet() -> None:
    two = [{"name": contract.IDENTITY_HEADER, "value": text * 16} for text in ("a", "b")]
    after = admitted(in_mode(initContainers=proxy(*two)))
    assert told(container(after, "app"))["IDENTITY_HEADER"] == "b" * 16

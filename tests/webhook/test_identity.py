"""What a container gets, and what it keeps."""

from typing import Any

import pytest

from azwi_common import contract
from azwi_testing import admission
from azwi_webhook import annotations, identity

ENV = [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]


def wishes(**given: str) -> annotations.Wishes:
    pod = {contract.PREFIX + name.replace("_", "-"): text for name, text in given.items()}
    account = {contract.CLIENT_ID_ANNOTATION: admission.CLIENT}
    return annotations.read(pod, account, "app", "binding")


def completed(container: dict[str, Any]) -> Any:
    operations = identity.complete("/c", container, ENV)
    return admission.applied({"c": container}, [*operations])["c"]


def test_a_container_gets_what_it_lacks() -> None:
    after = completed({"name": "app", "env": [{"name": "B", "value": "mine"}]})
    assert admission.values(after) == {"B": "mine", "A": "1"}
    (mount,) = after["volumeMounts"]
    assert mount == {
        "name": "azure-identity-token",
        "mountPath": "/var/run/secrets/azure/tokens",
        "readOnly": True,
    }


def test_a_container_that_has_everything_is_left_alone() -> None:
    container = completed({"name": "app"})
    assert [*identity.complete("/c", container, ENV)] == []


@pytest.mark.parametrize("path", [contract.TOKEN_MOUNT, contract.TOKEN_MOUNT + "/"])
def test_no_second_mount_is_put_on_one_path(path: str) -> None:
    mounts = [{"name": "mine", "mountPath": path}]
    assert completed({"volumeMounts": mounts})["volumeMounts"] == mounts


@pytest.mark.parametrize(
    "container",
    [
        {"env": [{}, {"name": None}, {"name": ["A"]}], "volumeMounts": [{}, {"mountPath": 1}]},
        {"env": None, "volumeMounts": None},
    ],
)
def test_entries_without_sense_are_kept_and_harm_nobody(container: dict[str, Any]) -> None:
    after = completed(container)
    assert after["env"][-2:] == ENV
    assert all(entry in after["env"] for entry in container["env"] or [])


@pytest.mark.parametrize(
    ("name", "proxy_only", "gets"),
    [
        ("app", False, True),
        ("worker", False, True),
        ("app", True, False),
        ("skipped", False, False),
        ("azwi-proxy", False, True),
        ("azwi-proxy", True, True),
        ("azwi-proxy-init", False, False),
        ("azwi-proxy-init", True, False),
    ],
)
def test_who_gets_an_identity(name: str, proxy_only: bool, gets: bool) -> None:
    asked = wishes(skip_containers="skipped")
    assert identity.gets_identity({"name": name}, asked, proxy_only) is gets


@pytest.mark.parametrize(
    ("names", "mounts"),
    [
        ([], False),
        (["azure-identity"], False),
        (["config", "tokens"], False),
        (["tokens", "azure-identity-token"], True),
    ],
)
def test_our_volume_is_known_by_its_name_wherever_it_is_mounted(
    names: list[str], mounts: bool
) -> None:
    given = [{"name": name, "mountPath": f"/{name}"} for name in names]
    assert identity.mounts_the_token({"volumeMounts": given}) is mounts


def test_the_tenant_is_the_accounts_or_the_webhooks() -> None:
    of_account = annotations.read({}, {contract.TENANT_ID_ANNOTATION: "a.example"}, "app", "")
    for asked, tenant in ((of_account, "a.example"), (wishes(), admission.TENANT)):
        env = identity.environment(asked, admission.settings())
        assert {"name": "AZURE_TENANT_ID", "value": tenant} in env


BINDING = {
    "AZWI_CUSTOM_TOKEN_ENDPOINT_SUFFIX": "binding",
    "AZWI_CUSTOM_TOKEN_ENDPOINT_AUDIENCE": "api://AKSIdentityBinding",
    "AZURE_KUBERNETES_TOKEN_PROXY": "https://p.example",
    "AZURE_KUBERNETES_SNI_NAME": "sni.example",
}


@pytest.mark.parametrize(
    ("given", "variable", "value", "source"),
    [
        ({}, None, None, None),
        ({"AZURE_KUBERNETES_CA_DATA": "PEM"}, "AZURE_KUBERNETES_CA_DATA", "PEM", None),
        (
            {"AZURE_KUBERNETES_CA_CONFIGMAP_NAME": "ca"},
            "AZURE_KUBERNETES_CA_FILE",
            "/var/run/secrets/azure/tokens/ca.crt",
            {"configMap": {"name": "ca", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
        ),
        (
            {"AZURE_KUBERNETES_CA_CTB_SIGNER_NAME": "s.example/ca"},
            "AZURE_KUBERNETES_CA_FILE",
            "/var/run/secrets/azure/tokens/ca.crt",
            {
                "clusterTrustBundle": {
                    "signerName": "s.example/ca",
                    "labelSelector": {},
                    "path": "ca.crt",
                }
            },
        ),
    ],
)
def test_a_binding_brings_its_variables_audience_and_ca(
    given: dict[str, str], variable: str | None, value: str | None, source: Any
) -> None:
    settings = admission.settings(**BINDING, **given)
    asked = wishes(use_binding="true")
    env = admission.values({"env": identity.environment(asked, settings)})
    expected = {
        "AZURE_KUBERNETES_TOKEN_PROXY": "https://p.example",
        "AZURE_KUBERNETES_SNI_NAME": "sni.example",
        **({variable: value} if variable else {}),
    }
    assert {name: text for name, text in env.items() if "KUBERNETES" in name} == expected
    token, *beside = identity.volume(asked, settings)["projected"]["sources"]
    assert token["serviceAccountToken"]["audience"] == "api://AKSIdentityBinding"
    assert beside == ([source] if source else [])


def test_who_does_not_ask_for_the_binding_goes_to_entra_id() -> None:
    settings = admission.settings(**BINDING, AZURE_KUBERNETES_CA_CONFIGMAP_NAME="ca")
    (source,) = identity.volume(wishes(), settings)["projected"]["sources"]
    assert source["serviceAccountToken"]["audience"] == "api://AzureADTokenExchange"
    env = identity.environment(wishes(), settings)
    assert not any("KUBERNETES" in entry["name"] for entry in env)

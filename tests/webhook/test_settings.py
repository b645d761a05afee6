"""What the webhook can be told."""

import json
from typing import Any

import pytest

from azwi_common.settings import SettingsError, load
from azwi_webhook.settings import Address, Json, Resources, Selector, Settings

TENANT = {"AZURE_TENANT_ID": "72f988bf-0000-4000-8000-2d7cd011db47"}


def test_a_tenant_is_all_that_must_be_set() -> None:
    with pytest.raises(SettingsError, match="AZURE_TENANT_ID is not set"):
        load(Settings, {})
    settings = load(Settings, TENANT)
    assert settings.login_host == "https://login.microsoftonline.com/"
    assert settings.token_audience == "api://AzureADTokenExchange"
    assert settings.webhook_address == ("", 9443)


@pytest.mark.parametrize(
    ("environment", "host", "audience"),
    [
        ("AzureUSGovernmentCloud", "login.microsoftonline.us", "api://AzureADTokenExchangeUSGov"),
        ("AzureChinaCloud", "login.chinacloudapi.cn", "api://AzureADTokenExchangeChina"),
    ],
)
def test_a_cloud_brings_its_login_host_and_audience(
    environment: str, host: str, audience: str
) -> None:
    settings = load(Settings, {**TENANT, "AZURE_ENVIRONMENT": environment})
    assert settings.login_host == f"https://{host}/"
    assert settings.token_audience == audience


def test_the_references_flags_are_read() -> None:
    flags = {
        "--audience": "api://other",
        "--webhook-cert-dir": "/somewhere",
        "--disable-cert-rotation": "true",
        "--tls-min-version": "1.2",
        "--health-addr": ":1",
        "--metrics-addr": "127.0.0.1:2",
        "--metrics-backend": "prometheus",
        "--log-level": "debug",
        "--custom-token-endpoint-annotation-suffix": "identity-binding",
        "--custom-token-endpoint-audience": "api://AKSIdentityBinding",
    }
    settings = load(Settings, TENANT, flags)
    assert settings.token_audience == "api://other"
    assert settings.disable_cert_rotation
    assert (settings.health_address, settings.metrics_address) == (("", 1), ("127.0.0.1", 2))
    assert settings.custom_audience == "api://AKSIdentityBinding"


TOKEN_PROXY = "AZURE_KUBERNETES_TOKEN_PROXY"


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        (
            "AZURE_AUTHORITY_HOST",
            "https://login.microsoftonline.com/72f988bf-0000-4000-8000-2d7cd011db47/oauth2",
            "must be a host alone",
        ),
        ("AZURE_AUTHORITY_HOST", "http://login.example", "must be an https:// URL"),
        ("AZURE_AUTHORITY_HOST", "https://login. example", "must be a URL without white space"),
        ("AZURE_TENANT_ID", "my tenant", "must be a tenant's GUID or domain"),
        (TOKEN_PROXY, "http://proxy.example", "must be an https:// URL"),
        ("AZURE_KUBERNETES_SNI_NAME", ".example", "must be the name of a host"),
    ],
)
def test_what_would_make_every_sidecar_fail_ends_the_webhook_at_its_start(
    name: str, value: str, told: str
) -> None:
    with pytest.raises(SettingsError) as caught:
        load(Settings, {**TENANT, name: value})
    assert [problem for problem in caught.value.problems if problem.startswith(f"{name} {told}")]


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("HTTPS_PROXY", "https://me:secret@proxy:3128", "must be the http:// URL"),
        ("https_proxy", "https://me:secret@proxy:3128", "must be the http:// URL"),
        ("HTTPS_PROXY", "http://a%3Ab:secret@proxy", "without a colon"),
        ("AZWI_FORWARD", "some", "must be one of"),
        ("AZWI_METRICS_PORT", "http", "must be a port number"),
        ("AZURE_AUTHORITY_HOST", "https://login.example/tenant", "must be a host alone"),
        ("AZWI_IDENTITIES", "{", "must be a JSON array"),
        ("AZWI_DRAIN_SECONDS", "5s", "must be a whole number"),
        ("SSL_CERT_FILE", "/certs/a\n/certs/b", "without line breaks"),
    ],
)
def test_a_variable_for_the_sidecar_that_it_would_refuse_ends_the_webhook_at_its_start(
    name: str, value: str, told: str
) -> None:
    env = json.dumps([{"name": "OTHER", "value": "x"}, {"name": name, "value": value}])
    with pytest.raises(SettingsError) as caught:
        load(Settings, {**TENANT, "AZWI_PROXY_ENV": env})
    (problem,) = caught.value.problems
    assert problem.startswith(f"AZWI_PROXY_ENV: {name} must")
    assert told in problem
    assert "secret" not in problem


@pytest.mark.parametrize(
    "entry",
    [
        {"name": "HTTPS_PROXY", "value": "http://$(USER):$(PASSWORD)@proxy:3128"},
        {"name": "HTTPS_PROXY", "value": "http://proxy:3128"},
        {"name": "HTTPS_PROXY", "value": ""},
        {"name": "AZWI_DRAIN_SECONDS", "valueFrom": {"configMapKeyRef": {"name": "a", "key": "b"}}},
        {"name": "NOT_OURS", "value": "https://a b"},
    ],
)
def test_what_the_sidecar_may_accept_is_left_to_it(entry: dict[str, Any]) -> None:
    assert load(Settings, {**TENANT, "AZWI_PROXY_ENV": json.dumps([entry])}).proxy_env


def test_everything_wrong_is_told_at_once() -> None:
    with pytest.raises(SettingsError) as caught:
        load(
            Settings,
            {
                "AZURE_ENVIRONMENT": "AzureMoonCloud",
                "AZWI_OPT_IN": "pod node",
                "AZWI_HEALTH_ADDR": "9440",
                "AZWI_PROXY_ENV": '{"name": "A"}',
                "AZWI_PROXY_RESOURCES": '{"memory": "1Mi"}',
                "AZWI_CUSTOM_TOKEN_ENDPOINT_SUFFIX": "identity-binding",
            },
        )
    told = "\n".join(caught.value.problems)
    for part in (
        "AZURE_TENANT_ID is not set",
        "AZURE_ENVIRONMENT must be one of",
        "not node",
        "[host]:port",
        "must be a JSON array of objects",
        '{"requests":{"memory":"48Mi"}}',
        "go together: set both",
    ):
        assert part in told


def test_the_custom_audience_may_not_be_entra_ids_own() -> None:
    given = {
        **TENANT,
        "AZWI_CUSTOM_TOKEN_ENDPOINT_SUFFIX": "identity-binding",
        "AZWI_CUSTOM_TOKEN_ENDPOINT_AUDIENCE": "api://AzureADTokenExchange",
    }
    with pytest.raises(SettingsError, match="must not be Entra ID's own"):
        load(Settings, given)


def test_the_proxys_mode_is_one_of_two() -> None:
    assert load(Settings, TENANT).proxy_mode == "redirect"
    assert load(Settings, {**TENANT, "AZWI_PROXY_MODE": "environment"}).proxy_mode == "environment"
    with pytest.raises(SettingsError, match="must be one of redirect, environment; it is 'env'"):
        load(Settings, {**TENANT, "AZWI_PROXY_MODE": "env"})


def test_an_address_has_a_port_and_may_have_a_host() -> None:
    assert Address.from_text("[::1]:8095") == ("::1", 8095)
    assert Address.from_text(":8095") == ("", 8095)
    with pytest.raises(ValueError, match="port number"):
        Address.from_text("host:70000")


def test_a_list_of_settings_belongs_to_whoever_asked_for_it() -> None:
    variables = Json.from_text('[{"name": "A", "value": "b"}]')
    variables.items.append({"name": "B"})
    assert variables.items == [{"name": "A", "value": "b"}]
    assert Resources.from_text('{"limits": {"memory": "1Gi"}}').value["limits"]["memory"] == "1Gi"


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (Json, '[{"name": ["A"]}]'),
        (Resources, '{"requests": null}'),
        (Resources, '{"requests": ["cpu"]}'),
        (Resources, '{"limits": {"cpu": {"value": 1}}}'),
    ],
)
def test_what_would_break_an_admission_is_refused_at_the_start(kind: Any, text: str) -> None:
    with pytest.raises(ValueError, match="must "):
        kind.from_text(text)


def test_a_number_is_a_quantity_too() -> None:
    assert Resources.from_text('{"limits": {"cpu": 1}}').value == {"limits": {"cpu": "1"}}


def test_a_label_selector_is_json_of_its_two_members_and_may_be_empty() -> None:
    assert Selector("").value == {}
    assert Selector.from_text('{"matchLabels": {"a": "b"}}').value == {"matchLabels": {"a": "b"}}
    for text, told in (("a=b", "must be JSON"), ('{"a": "b"}', "label selector"), ("[]", "label")):
        with pytest.raises(ValueError, match=told):
            Selector.from_text(text)


def test_the_token_proxy_has_one_ca() -> None:
    given = {
        **TENANT,
        "AZURE_KUBERNETES_CA_DATA": "PEM",
        "AZURE_KUBERNETES_CA_CONFIGMAP_NAME": "ca",
    }
    with pytest.raises(SettingsError, match="the token proxy has one CA"):
        load(Settings, given)


def test_what_is_mounted_must_be_a_volume() -> None:
    """Else the API server refuses every pod that gets the sidecar."""
    given = {**TENANT, "AZWI_PROXY_VOLUME_MOUNTS": '[{"name":"ca","mountPath":"/ca"}]'}
    with pytest.raises(SettingsError, match="mounts ca, which AZWI_PROXY_VOLUMES does not have"):
        load(Settings, given)
    load(Settings, {**given, "AZWI_PROXY_VOLUMES": '[{"name":"ca","emptyDir":{}}]'})

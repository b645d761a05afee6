"""Wrong values are told by name, before anything reaches a cluster."""

from pathlib import Path
from typing import Any

import pytest

from azwi_testing import chart
from azwi_testing.chart import LEAST
from azwi_webhook.settings import CLOUDS

pytestmark = pytest.mark.helm


def test_what_has_no_default_is_asked_for_by_name(helm: Path) -> None:
    done = chart.template(helm, {}, least={})
    assert done.returncode != 0
    for part in (
        "missing property 'azureTenantID'",
        "at '/image': missing property 'repository'",
        "at '/image': missing property 'tag'",
        "at '/image': missing property 'release'",
        "at '/image': missing property 'digest'",
    ):
        assert part in done.stderr


@pytest.mark.parametrize(
    "image", [{"tag": "1.0"}, {"release": "v1.0"}, {"digest": "sha256:" + "a" * 64}]
)
def test_a_tag_a_release_or_a_digest_is_enough(helm: Path, image: dict[str, str]) -> None:
    values = {
        "azureTenantID": LEAST["azureTenantID"],
        "image": {"repository": "registry.example/azwi-webhook", **image},
        "proxy": {"image": "registry.example/azwi-proxy:1"},
        "proxyInit": {"image": "registry.example/azwi-proxy-init:1"},
    }
    assert chart.template(helm, values, least={}).returncode == 0


@pytest.mark.parametrize(
    "value",
    ["http://me:p%E2%82%AC@proxy:3128", "proxy:3128", "me:secret@proxy", "http://$(HOST):80", ""],
)
def test_a_forward_proxy_in_any_form_that_the_proxy_reads_is_accepted(
    helm: Path, value: str
) -> None:
    env = [{"name": "HTTPS_PROXY", "value": value}, {"name": "OTHER", "value": "https://a b"}]
    assert chart.template(helm, {"proxy": {"env": env}}).returncode == 0


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"replicas": 3}, "additional properties 'replicas' not allowed"),
    ({"proxy": {"enviroment": []}}, "at '/proxy': additional properties 'enviroment' not allowed"),
    ({"replicaCount": "two"}, "at '/replicaCount': got string, want integer"),
    ({"azureTenantID": "not a tenant"}, "at '/azureTenantID'"),
    ({"azureTenantID": None}, "azureTenantID"),
    ({"azureEnvironment": "AzureMoonCloud"}, "value must be one of 'AzurePublicCloud'"),
    ({"optIn": ["node"]}, "at '/optIn/0': value must be one of 'pod'"),
    ({"optIn": []}, "at '/optIn': minItems"),
    ({"optIn": ["pod", "pod"]}, "at '/optIn'"),
    ({"failurePolicy": "fail"}, "at '/failurePolicy': value must be one of 'Fail', 'Ignore'"),
    ({"timeoutSeconds": 31}, "at '/timeoutSeconds': maximum: got 31, want 30"),
    ({"service": {"targetPort": 70000}}, "at '/service/targetPort'"),
    ({"image": {"tag": 1}}, "at '/image/tag': got number, want string"),
    ({"image": {"repository": "registry.example/azwi-webhook:1"}}, "at '/image/repository'"),
    ({"image": {"digest": "sha256:abc"}}, "at '/image/digest'"),
    ({"iptablesMode": "ebtables"}, "at '/iptablesMode'"),
    ({"nativeSidecar": "yes"}, "at '/nativeSidecar'"),
    ({"metricsAddr": "8095"}, "at '/metricsAddr'"),
    (
        {"proxy": {"mode": "env"}},
        "at '/proxy/mode': value must be one of 'redirect', 'environment'",
    ),
    ({"proxy": {"resources": {"memory": "1Mi"}}}, "at '/proxy/resources'"),
    ({"resources": {"limits": {"memory": "lots"}}}, "at '/resources/limits/memory'"),
    ({"proxy": {"env": [{"value": "a"}]}}, "at '/proxy/env/0': missing property 'name'"),
    ({"proxy": {"env": [{"name": "A", "value": 1}]}}, "at '/proxy/env/0/value': got number"),
    ({"azureAuthorityHost": "https://login.example/tenant"}, "at '/azureAuthorityHost'"),
    ({"customTokenEndpoint": {"sniName": "a b"}}, "at '/customTokenEndpoint/sniName'"),
    *(
        ({"proxy": {"env": [{"name": name, "value": value}]}}, "at '/proxy/env/0/value'")
        for name, value in (
            ("HTTPS_PROXY", "https://proxy:3128"),
            ("https_proxy", "socks5://proxy:1080"),
            ("AZURE_AUTHORITY_HOST", "https://login.example/tenant"),
            ("AZWI_FORWARD", "some"),
            ("AZWI_STRICT_IDENTITIES", "yes"),
            ("AZWI_DRAIN_SECONDS", "5s"),
        )
    ),
    ({"certificates": {"mode": "provided"}}, "at '/certificates/secretName'"),
    ({"clientCertificate": {"names": ["a b"]}}, "at '/clientCertificate/names/0'"),
    ({"clientCertificate": {"names": ["a"]}}, "set clientCertificate.configMapName"),
    ({"certificates": {"mode": "none"}}, "at '/certificates/mode'"),
    (
        {"mutatingWebhookNamespaceSelector": {"matchLabel": {}}},
        "additional properties 'matchLabel' not allowed",
    ),
    (
        {"customTokenEndpoint": {"annotationSuffix": "identity-binding"}},
        "customTokenEndpoint.annotationSuffix and customTokenEndpoint.audience go together",
    ),
    (
        {"customTokenEndpoint": {"caData": "PEM", "caConfigMapName": "ca"}},
        "the token proxy has one CA",
    ),
    *(
        (
            {"customTokenEndpoint": {"annotationSuffix": "a", "audience": audience}},
            "customTokenEndpoint.audience is Entra ID's own",
        )
        for _, audience in CLOUDS.values()
    ),
    (
        {"customTokenEndpoint": {"annotationSuffix": "a", "audience": "api://A"}},
        "set customTokenEndpoint.tokenProxy to its URL",
    ),
    (
        {"proxy": {"extraVolumeMounts": [{"name": "ca", "mountPath": "/ca"}]}},
        "proxy.extraVolumeMounts mounts ca, which proxy.extraVolumes does not have",
    ),
    ({"service": {"targetPort": 9440}}, "three different ports"),
    ({"metricsAddr": ":9443"}, "three different ports"),
    (
        {"certificates": {"mode": "cert-manager", "issuerRef": {"kind": "ClusterIssuer"}}},
        "at '/certificates/issuerRef': missing property 'name'",
    ),
    # Values without an effect: what was meant is something else.
    ({"certificates": {"secretName": "mine"}}, "set certificates.mode to provided"),
    ({"certificates": {"caBundle": chart.PEM}}, "set certificates.mode to provided"),
    ({"certificates": {"issuerRef": {"name": "ca"}}}, "set certificates.mode to cert-manager"),
    (
        {"customTokenEndpoint": {"tokenProxy": "https://token-proxy.example"}},
        "set customTokenEndpoint.annotationSuffix",
    ),
    (
        {
            "customTokenEndpoint": {
                **chart.FULL["customTokenEndpoint"],
                "caCTBSignerName": "",
            }
        },
        "set customTokenEndpoint.caCTBSignerName",
    ),
]


@pytest.mark.parametrize(("values", "told"), WRONG, ids=lambda value: str(value)[:40])
def test_a_wrong_value_is_told_by_its_place(helm: Path, values: dict[str, Any], told: str) -> None:
    done = chart.template(helm, values)
    assert done.returncode != 0
    assert told in done.stderr


def test_a_chart_that_depends_on_it_may_switch_it_by_its_usual_condition(helm: Path) -> None:
    """``condition: azwi-sidecar.enabled``: Helm gives the switch to this chart too."""
    assert chart.template(helm, {"enabled": True}).returncode == 0

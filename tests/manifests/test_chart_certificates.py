"""Who makes the certificate, and what follows from it."""

from pathlib import Path
from typing import Any

import pytest

from azwi_common import contract
from azwi_common.settings import load
from azwi_testing import chart
from azwi_webhook.settings import Settings

pytestmark = pytest.mark.helm


def test_by_itself_neither_ca_bundle_nor_secret_data_is_rendered(helm4: Path) -> None:
    objects = chart.rendered(helm4, {"mutatingWebhookAnnotations": {"a": "b"}})
    assert "caBundle" not in str(chart.one(objects, "MutatingWebhookConfiguration"))
    annotations = chart.one(objects, "MutatingWebhookConfiguration")["metadata"]["annotations"]
    assert annotations == {"a": "b", "admissions.enforcer/disabled": "true"}
    secret = chart.one(objects, "Secret", contract.WEBHOOK_SECRET)
    assert set(secret) == {"apiVersion", "kind", "metadata", "type"}
    assert "volumes" not in chart.pod_of(objects)


@pytest.mark.parametrize("values", [chart.CERT_MANAGER, chart.OWN_ISSUER], ids=["own-ca", "issuer"])
def test_cert_manager_makes_the_certificate_and_keeps_the_ca_bundle(
    helm4: Path, values: dict[str, Any]
) -> None:
    objects = chart.rendered(helm4, values)
    certificate = chart.one(objects, "Certificate", "azwi-sidecar-webhook")
    assert f"{contract.WEBHOOK_SERVICE}.{chart.NAMESPACE}.svc" in certificate["spec"]["dnsNames"]
    configuration = chart.one(objects, "MutatingWebhookConfiguration")
    annotations = configuration["metadata"]["annotations"]
    assert annotations["cert-manager.io/inject-ca-from"] == (
        f"{chart.NAMESPACE}/azwi-sidecar-webhook"
    )
    (volume,) = chart.pod_of(objects)["volumes"]
    assert volume["secret"]["secretName"] == certificate["spec"]["secretName"]
    issuers = {
        item["metadata"]["name"]: item["spec"] for item in objects if item["kind"] == "Issuer"
    }
    reference = certificate["spec"]["issuerRef"]
    if values is chart.OWN_ISSUER:
        assert reference == {"name": "ca", "kind": "ClusterIssuer"}
        assert issuers == {}
    else:
        ca = chart.one(objects, "Certificate", "azwi-sidecar-webhook-ca")
        assert ca["spec"]["isCA"] is True
        assert issuers[reference["name"]] == {"ca": {"secretName": ca["spec"]["secretName"]}}


def test_provided_certificates_are_mounted_and_their_ca_is_told(helm4: Path) -> None:
    objects = chart.rendered(helm4, chart.PROVIDED)
    (volume,) = chart.pod_of(objects)["volumes"]
    assert volume["secret"]["secretName"] == "mine"
    assert not [item for item in objects if item["kind"] in ("Secret", "Certificate", "Issuer")]
    (entry,) = chart.one(objects, "MutatingWebhookConfiguration")["webhooks"]
    assert entry["clientConfig"]["caBundle"].startswith("LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0t")


def test_the_cas_of_client_certificates_are_mounted_where_one_is_needed(helm4: Path) -> None:
    objects = chart.rendered(helm4, {"clientCertificate": {"configMapName": "api-server-ca"}})
    (volume,) = chart.pod_of(objects)["volumes"]
    assert volume["configMap"]["name"] == "api-server-ca"
    (container,) = chart.pod_of(objects)["containers"]
    (mount,) = container["volumeMounts"]
    assert (mount["name"], mount["mountPath"]) == (volume["name"], "/client-ca")
    assert "AZWI_CLIENT_CA_FILE" not in chart.variables(chart.rendered(helm4, {}))


@pytest.mark.parametrize(
    "values", [chart.CERT_MANAGER, chart.PROVIDED], ids=["cert-manager", "provided"]
)
def test_with_certificates_of_others_the_program_only_reads_files(
    helm4: Path, values: dict[str, Any]
) -> None:
    objects = chart.rendered(helm4, values)
    settings = load(Settings, chart.variables(objects))
    assert settings.disable_cert_rotation
    (mount,) = chart.pod_of(objects)["containers"][0]["volumeMounts"]
    assert mount == {"name": "certs", "mountPath": settings.cert_dir, "readOnly": True}
    assert not [item for item in objects if item["kind"] in ("Role", "RoleBinding")]
    assert "mutatingwebhookconfigurations" not in str(chart.one(objects, "ClusterRole")["rules"])


def test_a_provided_certificate_without_its_ca_is_a_sentence(helm: Path) -> None:
    values = {"certificates": {"mode": "provided", "secretName": "mine"}}
    done = chart.template(helm, values)
    assert "set certificates.caBundle to the PEM text of the CA" in done.stderr
    injected = {"mutatingWebhookAnnotations": {"cert-manager.io/inject-ca-from-secret": "a/b"}}
    assert chart.template(helm, {**values, **injected}).returncode == 0

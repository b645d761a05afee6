"""The webhook's own life in a real Kubernetes: renewed, mended, killed; and its neighbours.

``test_chart`` installs, upgrades and removes it.
"""

import base64
import contextlib
import datetime
import json
import re
import subprocess
import time
from collections.abc import Iterator

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from azwi_common import contract
from azwi_testing import cluster, plain_environment
from azwi_testing.cluster import EntraId, Namespace, Object, eventually
from azwi_testing.installed import (
    Webhook,
    account,
    names,
    pod,
    pods_being_created,
    try_kubectl,
)

pytestmark = pytest.mark.timeout(1800)  # the first one builds Kubernetes where nobody has yet

LIFE, LEFT = 300, 95  # seconds of a certificate that is due for renewal; a minute is the overlap
REFERENCE = "azure-wi-webhook-mutating-webhook-configuration"


@pytest.fixture
def home(webhook: Webhook, namespace: Namespace, entra: EntraId) -> Namespace:
    """A namespace with its service account ``app``, annotated; the webhook is whole."""
    webhook.ready()
    namespace.apply(account(client_id=entra.announced["clientId"]))
    return namespace


def test_a_certificate_is_renewed_while_pods_are_created(webhook: Webhook, home: Namespace) -> None:
    data = due_pair(webhook.namespace.name)
    patch = json.dumps([{"op": "replace", "path": "/data", "value": data}])
    webhook.namespace.kubectl(
        "patch", "secret", contract.WEBHOOK_SECRET, "--type=json", f"--patch={patch}"
    )

    def served_anew() -> bool:
        found = webhook.namespace.get("secret", contract.WEBHOOK_SECRET)["data"]
        return bool(found["tls.crt"] != data["tls.crt"])

    eventually("the API server's trust in the pair", lambda: _bundle_has(webhook, data["ca.crt"]))
    eventually("every replica to serve the pair", lambda: max(_ends(webhook)) < time.time() + LEFT)
    with pods_being_created() as counts:
        eventually("the renewal", served_anew, timeout=LEFT)
        time.sleep(5)
    print(f"renewed; meanwhile: {counts}")
    assert counts["mutated"] > 100
    assert (counts["plain"], counts["refused"]) == (0, 0), counts
    webhook.ready()


def due_pair(namespace: str) -> dict[str, str]:
    """A CA and a certificate that two thirds of their life lie behind, as the Secret's data."""
    now = datetime.datetime.now(datetime.UTC)
    since, until = (now + datetime.timedelta(seconds=s) for s in (LEFT - LIFE, LEFT))
    ca_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "due")])
    service = f"{contract.WEBHOOK_SERVICE}.{namespace}.svc"

    def builder(subject: x509.Name, of: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
        made = x509.CertificateBuilder(issuer, subject, of.public_key())
        made = made.serial_number(x509.random_serial_number())
        return made.not_valid_before(since).not_valid_after(until)

    ca = builder(issuer, ca_key).add_extension(x509.BasicConstraints(True, None), critical=True)
    names_of = x509.SubjectAlternativeName(
        [x509.DNSName(service), x509.DNSName(f"{service}.cluster.local")]
    )
    leaf = builder(x509.Name([]), key).add_extension(names_of, critical=True)
    pem = serialization.Encoding.PEM
    written = {
        "ca.crt": ca.sign(ca_key, hashes.SHA256()).public_bytes(pem),
        "tls.crt": leaf.sign(ca_key, hashes.SHA256()).public_bytes(pem),
        "tls.key": key.private_bytes(
            pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ),
    }
    return {name: base64.b64encode(text).decode() for name, text in written.items()}


def _bundle_has(webhook: Webhook, ca: str) -> bool:
    wanted = base64.b64decode(ca).strip()
    bundles = [
        base64.b64decode(entry["clientConfig"].get("caBundle", ""))
        for entry in webhook.configuration()["webhooks"]
    ]
    return all(wanted in bundle for bundle in bundles)


def _ends(webhook: Webhook) -> list[float]:
    """When each replica's certificate ends, by its own metrics."""
    ends = []
    for replica in webhook.pods():
        address = f"http://{replica['status']['podIP']}:8095/metrics"
        said = cluster.run(cluster.SCRIPT, "ns", "curl", "-sS", "--max-time", "5", address)
        found = re.search(r"^azwi_webhook_certificate_expiry\S* (\S+)$", said, re.MULTILINE)
        ends.append(float(found[1]) if found else 0.0)
    return ends


def test_a_ca_bundle_that_somebody_overwrote_is_put_right_within_seconds(
    webhook: Webhook, home: Namespace
) -> None:
    path = "/webhooks/0/clientConfig/caBundle"
    junk = base64.b64encode(base64.b64decode(due_pair("other")["ca.crt"])).decode()
    patch = json.dumps([{"op": "replace", "path": path, "value": junk}])
    kind = ("mutatingwebhookconfiguration", contract.WEBHOOK_CONFIGURATION)
    began = time.monotonic()
    webhook.namespace.kubectl("patch", *kind, "--type=json", f"--patch={patch}")

    def admitted() -> bool:
        create = ("create", "--dry-run=server", "-f", "-")
        return try_kubectl(home.name, *create, text=json.dumps(pod())).code == 0

    eventually("pods to be admitted again", admitted)
    took = time.monotonic() - began
    print(f"a wrong caBundle was put right within {took:.1f} s")
    assert took < 15


def test_while_the_webhook_is_away_pods_are_refused_and_it_comes_back(
    webhook: Webhook, home: Namespace
) -> None:
    for item in webhook.pods():
        webhook.namespace.kill(item["metadata"]["name"], "webhook")
    create = ("create", "--dry-run=server", "-o", "json", "-f", "-")

    def admitted() -> Object | None:
        told = try_kubectl(home.name, *create, text=json.dumps(pod()))
        assert told.code == 0 or "failed calling webhook" in told.err, told.err
        found: Object | None = json.loads(told.out) if told.code == 0 else None
        return found

    made = eventually("a pod to be admitted again", admitted)
    assert names(made["spec"]["initContainers"]) == ["azwi-proxy-init", "azwi-proxy"]
    webhook.ready()


# --- Beside the Go reference ----------------------------------------------------------------------


@pytest.fixture(scope="module")
def reference(webhook: Webhook, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A stand-in for the Go reference's webhook, on the node; its CA for a caBundle."""
    folder = tmp_path_factory.mktemp("reference")
    subject = ["-subj", "/CN=reference", "-addext", f"subjectAltName=IP:{cluster.NODE_IP}"]
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
    out = ["-keyout", str(folder / "key"), "-out", str(folder / "crt")]
    cluster.run("openssl", "req", "-x509", *key, *subject, *out)
    python = cluster.ROOT / ".venv/bin/python"
    files = [str(folder / name) for name in ("crt", "key")]
    inside = [str(cluster.SCRIPT), "ns", str(python), "-m", "azwi_testing.reference"]
    environment = {**plain_environment(), "PYTHONPATH": str(cluster.ROOT / "tests/support")}
    with subprocess.Popen([*inside, "9543", *files], env=environment) as process:
        yield base64.b64encode((folder / "crt").read_bytes()).decode()
        process.terminate()


@contextlib.contextmanager
def configured(name: str, bundle: str, namespace: Namespace) -> Iterator[None]:
    """The stand-in is asked for the pods of this namespace, by a configuration of this name."""
    entry = {
        "name": "mutation.azure-workload-identity.io",
        "clientConfig": {"url": f"https://{cluster.NODE_IP}:9543/", "caBundle": bundle},
        "rules": [
            {
                "apiGroups": [""],
                "apiVersions": ["v1"],
                "operations": ["CREATE"],
                "resources": ["pods"],
            }
        ],
        "objectSelector": {"matchLabels": {contract.USE_LABEL: "true"}},
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace.name}},
        "reinvocationPolicy": "IfNeeded",
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
    }
    kind = "MutatingWebhookConfiguration"
    made = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": kind,
        "metadata": {"name": name},
        "webhooks": [entry],
    }
    cluster.run(cluster.SCRIPT, "kubectl", "apply", "-f", "-", text=json.dumps(made))
    try:
        yield
    finally:
        cluster.run(cluster.SCRIPT, "kubectl", "delete", kind, name)


def shown(namespace: Namespace, made: Object, wanted: str) -> tuple[Object, str]:
    """The pod's spec once the stand-in took part, which takes a moment; the warnings."""
    create = ("create", "--dry-run=server", "-o", "json", "-f", "-")

    def seen() -> tuple[Object, str] | None:
        told = try_kubectl(namespace.name, *create, text=json.dumps(made))
        found = json.loads(told.out)["spec"] if told.code == 0 else {}
        return (found, told.err) if wanted in json.dumps(found) else None

    return eventually(f"{wanted} in the pod", seen)


def test_after_ours_the_references_webhook_leaves_our_containers_alone(
    home: Namespace, reference: str
) -> None:
    made = pod(proxy_only="true")  # so that the stand-in has something of its own to add
    with configured(REFERENCE, reference, home):
        spec, _ = shown(home, made, "of-the-reference")
    images = [container["image"] for container in spec["initContainers"]]
    assert images == ["localhost/azwi-proxy-init:latest", "localhost/azwi-proxy:latest"]


def test_after_ours_the_references_webhook_adds_no_redirect_in_environment_mode(
    home: Namespace, reference: str
) -> None:
    with configured(REFERENCE, reference, home):
        spec, _ = shown(home, pod(proxy_mode="environment", proxy_only="true"), "of-the-reference")
    images = [container["image"] for container in spec["initContainers"]]
    assert images == ["localhost/azwi-proxy:latest"]


def test_false_means_false_whatever_the_reference_makes_of_it(
    home: Namespace, reference: str
) -> None:
    made = pod(inject_proxy_sidecar="false", skip_containers="app")
    with configured(REFERENCE, reference, home):
        spec, warnings = shown(home, made, "of-the-reference")
    assert "initContainers" not in spec
    assert "inject-proxy-sidecar" in warnings


def test_before_ours_its_containers_stay_and_a_warning_names_their_image(
    home: Namespace, reference: str
) -> None:
    with configured("0-before-all", reference, home):
        spec, warnings = shown(home, pod(), "reference.example")
    images = {container["name"]: container["image"] for container in spec["initContainers"]}
    assert images["azwi-proxy"] == "reference.example/proxy"
    assert "reference.example/proxy" in warnings

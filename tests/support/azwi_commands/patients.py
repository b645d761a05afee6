"""A healthy pod and what surrounds it, for tests of ``azwi doctor``; each test breaks one thing."""

import base64
import copy
import dataclasses
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from azwi_cli.doctor.facts import GO_WEBHOOK, Facts, Surroundings
from azwi_common import contract
from azwi_testing import admission
from azwi_webhook import mutate

Object = dict[str, Any]
ISSUER = "https://oidc.example/cluster/"
SUBJECT = "system:serviceaccount:shop:app"
SERVICE = f"{contract.WEBHOOK_NAMESPACE}/{contract.WEBHOOK_SERVICE}"
RESTRICTED = {contract.POD_SECURITY_LABEL: "restricted"}
GO_SERVICE = "azure-workload-identity-system/azure-wi-webhook-webhook-service"


def bundle(days: float = 365) -> str:
    """A caBundle whose certificate ends in ``days``."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1000))
        .not_valid_after(now + timedelta(days=days))
        .sign(key, hashes.SHA256())
    )
    return base64.b64encode(made.public_bytes(serialization.Encoding.PEM)).decode()


BUNDLE = bundle()


def configuration() -> Object:
    """Ours, as the chart installs it."""
    return {
        "metadata": {"name": contract.WEBHOOK_CONFIGURATION},
        "webhooks": [
            {
                "name": "pod.azwi-sidecar.webhook",
                "failurePolicy": "Fail",
                "objectSelector": {"matchLabels": {contract.USE_LABEL: "true"}},
                "namespaceSelector": {
                    "matchExpressions": [
                        {
                            "key": "kubernetes.io/metadata.name",
                            "operator": "NotIn",
                            "values": ["kube-system"],
                        }
                    ]
                },
                "clientConfig": {
                    "caBundle": BUNDLE,
                    "service": {
                        "namespace": contract.WEBHOOK_NAMESPACE,
                        "name": contract.WEBHOOK_SERVICE,
                        "path": contract.MUTATE_PATH,
                    },
                },
            }
        ],
    }


def gos_configuration() -> Object:
    """The Go reference's."""
    found = configuration()
    found["metadata"]["name"] = "azure-wi-webhook-mutating-webhook-configuration"
    entry = found["webhooks"][0]
    entry["name"] = GO_WEBHOOK
    namespace, _, name = GO_SERVICE.partition("/")
    entry["clientConfig"]["service"] |= {"namespace": namespace, "name": name}
    return found


def deployment(ready: int = 2, wanted: int = 2, mode: str = "") -> Object:
    """The webhook's; ``mode``: of pods that say nothing."""
    env = [{"name": contract.PROXY_MODE, "value": mode}] if mode else []
    template = {"spec": {"containers": [{"name": "webhook", "env": env}]}}
    return {
        "metadata": {"name": contract.WEBHOOK_SERVICE},
        "spec": {"replicas": wanted, "template": template},
        "status": {"readyReplicas": ready},
    }


def around(**changed: Any) -> Surroundings:
    """A cluster with our webhook, and the namespace shop."""
    healthy = Surroundings(
        namespace="shop",
        configurations=(configuration(),),
        deployments={SERVICE: deployment()},
        minor=34,
        issuer=ISSUER,
        now=time.time(),
    )
    return dataclasses.replace(healthy, **changed)


def account(**annotations: str) -> Object:
    """The service account; ``_`` for ``-``, no prefix; an empty text leaves one out."""
    given = {"client-id": admission.CLIENT}
    given |= {name.replace("_", "-"): text for name, text in annotations.items()}
    return {
        "metadata": {
            "name": "app",
            "annotations": {contract.PREFIX + name: text for name, text in given.items() if text},
        }
    }


def raw_pod(annotations: Mapping[str, str] | None = None, **spec: Any) -> Object:
    """The pod before the webhook."""
    return admission.with_sidecar(annotations, **spec)


def pod(annotations: Mapping[str, str] | None = None, **spec: Any) -> Object:
    """The pod as it runs, with the sidecar."""
    found: Object = copy.deepcopy(admission.admitted(raw_pod(annotations, **spec)))
    found["metadata"] |= {"name": "app-1", "namespace": "shop"}
    found["status"] = {
        "phase": "Running",
        "conditions": [{"type": "Ready", "status": "True"}],
        "initContainerStatuses": [
            {"name": "azwi-proxy-init", "state": {"terminated": {"exitCode": 0}}, "ready": True},
            {"name": "azwi-proxy", "state": {"running": {}}, "ready": True, "restartCount": 0},
        ],
        "containerStatuses": [{"name": "app", "state": {"running": {}}, "ready": True}],
    }
    return found


def told_pod(
    annotations: Mapping[str, str] | None = None,
    *,
    minor: int = 34,
    environ: Mapping[str, str] | None = None,
    **spec: Any,
) -> Object:
    """The pod as it runs in environment mode, in a namespace that forbids all but that.

    ``environ``: of the webhook; where it is given, the mode is not the pod's own.
    """
    mode = {} if environ else {"proxy-mode": "environment"}
    given = raw_pod({**mode, **(annotations or {})}, **spec)
    decided = mutate.admit(
        given,
        admission.account(),
        admission.around(minor=minor, labels=RESTRICTED),
        admission.settings(**(environ or {})),
    )
    found: Object = copy.deepcopy(admission.applied(given, decided.patch))
    found["metadata"] |= {"name": "app-1", "namespace": "shop"}
    statuses = {
        field: [
            {"name": item["name"], "state": {"running": {}}, "ready": True, "restartCount": 0}
            for item in found["spec"].get(part) or ()
        ]
        for part, field in (
            ("initContainers", "initContainerStatuses"),
            ("containers", "containerStatuses"),
        )
    }
    ready = {"type": "Ready", "status": "True"}
    found["status"] = {"phase": "Running", "conditions": [ready], **statuses}
    return found


def inside(**changed: Any) -> Object:
    """What azwi-proxy --diagnose says in it."""
    now = time.time()
    claims = {"iss": ISSUER, "sub": SUBJECT, "aud": [contract.TOKEN_EXCHANGE_AUDIENCE]}
    found: Object = {
        "now": now,
        "uid": 1501,
        "settings": {"problems": []},
        "token": {"file": contract.TOKEN_FILE, "claims": {**claims, "exp": now + 3000}},
        "login": {"host": "login.example", "tls": "TLSv1.3", "skew": 0.4},
        "redirect": {"address": "169.254.169.254:80", "exempt": True, "reaches": "nobody"},
        "ready": {"port": 8000},
        "exchanges": {"ok": 2, "timeout": 1},
    }
    return found | changed


def credential(**changed: Any) -> Object:
    """The federated credential that fits."""
    fitting = {
        "issuer": ISSUER,
        "subject": SUBJECT,
        "audiences": [contract.TOKEN_EXCHANGE_AUDIENCE],
    }
    return {"name": "app", **fitting, **changed}


def facts(**changed: Any) -> Facts:
    """A healthy pod of which everything is known."""
    healthy = Facts(
        name="pod shop/app-1",
        pod=pod(),
        around=around(),
        account=account(),
        inside=inside(),
        credentials=(credential(),),
    )
    return dataclasses.replace(healthy, **changed)

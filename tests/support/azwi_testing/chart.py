"""What Helm makes of the chart, and values that show all of it."""

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from azwi_testing import plain_environment
from azwi_testing.cluster import Object

CHART = Path(__file__).parents[3] / "manifests/chart"
NAMESPACE = "azwi-sidecar-system"
LEAST: Mapping[str, Any] = {
    "azureTenantID": "72f988bf-0000-4000-8000-2d7cd011db47",
    "image": {"repository": "registry.example/azwi-webhook", "tag": "0.1.0"},
}
"""The values without a default."""

FULL: dict[str, Any] = {
    "image": {"digest": "sha256:" + "0" * 64},
    "imagePullSecrets": [{"name": "pull"}],
    "azureEnvironment": "AzureChinaCloud",
    "azureAuthorityHost": "https://login.example/",
    "audience": "api://Example",
    "optIn": ["pod", "namespace", "serviceaccount"],
    "nativeSidecar": True,
    "gate": "startup-probe",
    "iptablesMode": "legacy",
    "proxy": {
        "image": "registry.example/other/proxy:2",
        "mode": "environment",
        "imagePullPolicy": "Always",
        "imagePullSecrets": ["one", "two"],
        "resources": {"requests": {"cpu": 1, "memory": "64Mi"}, "limits": {"memory": "128Mi"}},
        "env": [{"name": "HTTPS_PROXY", "value": "http://proxy.example:3128"}],
        "envFrom": [{"configMapRef": {"name": "of-the-proxy"}}],
        "extraVolumes": [{"name": "ca", "configMap": {"name": "private-ca"}}],
        "extraVolumeMounts": [{"name": "ca", "mountPath": "/ca", "readOnly": True}],
    },
    "proxyInit": {"image": "registry.example/other/init:2"},
    "customTokenEndpoint": {
        "annotationSuffix": "identity-binding",
        "audience": "api://AKSIdentityBinding",
        "tokenProxy": "https://token-proxy.example",
        "sniName": "token-proxy.example",
        "caCTBSignerName": "example.com/signer",
        "caCTBLabelSelector": {"matchLabels": {"a": "b"}},
    },
    "mutatingWebhookConfigurationName": "10-other-name",
    "mutatingWebhookAnnotations": {"example.com/owner": "platform"},
    "mutatingWebhookNamespaceSelector": {
        "matchLabels": {"team": "a"},
        "matchExpressions": [{"key": "sandbox", "operator": "DoesNotExist"}],
    },
    "mutatingWebhookObjectSelector": {
        "matchExpressions": [{"key": "skip", "operator": "NotIn", "values": ["yes"]}]
    },
    "failurePolicy": "Ignore",
    "timeoutSeconds": 5,
    "replicaCount": 3,
    "priorityClassName": "other",
    "tolerations": [{"operator": "Exists"}],
    "affinity": {"nodeAffinity": {}},
    "topologySpreadConstraints": [
        {"topologyKey": "rack", "maxSkew": 2, "whenUnsatisfiable": "DoNotSchedule"}
    ],
    "podDisruptionBudget": {"maxUnavailable": "50%"},
    "service": {"port": 8443, "targetPort": 10443},
    "podLabels": {"team": "platform"},
    "podAnnotations": {"example.com/note": "a: b"},
    "extraEnv": [{"name": "HTTPS_PROXY", "value": "http://proxy.example:3128"}],
    "extraVolumes": [{"name": "more", "emptyDir": {}}],
    "extraVolumeMounts": [{"name": "more", "mountPath": "/more"}],
    "logLevel": "debug",
    "metricsAddr": "0.0.0.0:9095",
    "clientCertificate": {"configMapName": "api-server-ca", "names": ["kube-apiserver"]},
    "tlsMinVersion": "1.2",
    "podMonitor": {"enabled": True, "labels": {"release": "prometheus"}},
    "serviceMonitor": {"enabled": True},
    "networkPolicy": {
        "enabled": True,
        "metricsFrom": [{"namespaceSelector": {"matchLabels": {"name": "monitoring"}}}],
        "egress": [{"ports": [{"port": 443}]}],
    },
    "namespace": {"create": True},
    "removeFirst": "true",
}
CERT_MANAGER = {"certificates": {"mode": "cert-manager"}}
OWN_ISSUER = {
    "certificates": {"mode": "cert-manager", "issuerRef": {"name": "ca", "kind": "ClusterIssuer"}}
}
PEM = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
PROVIDED = {"certificates": {"mode": "provided", "secretName": "mine", "caBundle": PEM}}
VALUES: dict[str, Mapping[str, Any]] = {
    "least": {},
    "full": FULL,
    "cert-manager": CERT_MANAGER,
    "own-issuer": OWN_ISSUER,
    "provided": PROVIDED,
    "one-replica": {"replicaCount": 1},
    "without-budget": {"podDisruptionBudget": None},
    "by-namespace": {"optIn": ["namespace"]},
    "by-account": {"optIn": ["serviceaccount"]},
}


def merged(base: Mapping[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    """Values over values as Helm lays them: maps are merged, None removes, all else replaces."""
    both = dict(base)
    for name, value in more.items():
        below = both.get(name)
        if isinstance(below, Mapping) and isinstance(value, Mapping):
            both[name] = merged(below, value)
        elif value is None and name in both:
            del both[name]
        else:
            both[name] = value
    return both


def helm(program: Path, *arguments: str, text: str = "") -> subprocess.CompletedProcess[str]:
    """Run Helm, away from its user's settings; whatever it ends with."""
    return subprocess.run(
        [program, *arguments],
        input=text,
        capture_output=True,
        text=True,
        timeout=60,
        env={**plain_environment(), "KUBECONFIG": "/nonexistent"},
    )


def template(
    program: Path, values: Mapping[str, Any], *arguments: str, least: Mapping[str, Any] = LEAST
) -> subprocess.CompletedProcess[str]:
    """``helm template`` with these values over the least ones."""
    command = ["template", "azwi-sidecar", str(CHART), "--namespace", NAMESPACE, "--values", "-"]
    return helm(program, *command, *arguments, text=json.dumps(merged(least, values)))


def rendered(program: Path, values: Mapping[str, Any], *arguments: str) -> list[Object]:
    """The objects that the chart makes of these values."""
    done = template(program, values, *arguments)
    assert done.returncode == 0, done.stderr
    return [item for item in yaml.safe_load_all(done.stdout) if item]


def one(objects: list[Object], kind: str, name: str = "") -> Object:
    """The only object of a kind (and name)."""
    (found,) = (
        item for item in objects if item["kind"] == kind and name in ("", item["metadata"]["name"])
    )
    return found


def variables(objects: list[Object]) -> dict[str, str]:
    """The variables of the webhook's container."""
    container = pod_of(objects)["containers"][0]
    return {item["name"]: item.get("value", "") for item in container["env"]}


def pod_of(objects: list[Object]) -> Object:
    """The spec of the webhook's pods."""
    spec: Object = one(objects, "Deployment")["spec"]["template"]["spec"]
    return spec


def entries(objects: list[Object]) -> dict[str, Object]:
    """The entries of the MutatingWebhookConfiguration by what opts in, in their order."""
    found = next(item for item in objects if item["kind"] == "MutatingWebhookConfiguration")
    return {item["name"].split(".")[0]: item for item in found["webhooks"]}

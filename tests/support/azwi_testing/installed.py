"""The webhook in a real Kubernetes, installed by Helm as a user would, and pods made for it."""

import contextlib
import json
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from azwi_common import contract
from azwi_testing import cluster
from azwi_testing.cluster import EntraId, Namespace, Object, eventually

CHART = cluster.ROOT / "manifests/chart"
LOAD = cluster.ROOT / "tests/cluster/admissions.py"
RELEASE = "azwi-sidecar"
DEPLOYMENT = f"deployment/{contract.WEBHOOK_SERVICE}"
APP_IMAGE = "localhost/app:latest"
CURL = ("curl", "-sS", "--max-time", "20", "-H", "Metadata: true")
URL = "http://169.254.169.254/metadata/identity/oauth2/token?api-version=2018-02-01&resource="
PAUSE = ["sleep", "infinity"]


@dataclass(frozen=True)
class Told:
    """What a command that may fail said."""

    code: int
    out: str
    err: str


def try_kubectl(namespace: str, *arguments: str, text: str = "") -> Told:
    """Run kubectl, whatever it ends with: refusals and warnings are on its standard error."""
    done = subprocess.run(
        [cluster.SCRIPT, "kubectl", "-n", namespace, *arguments],
        input=text,
        capture_output=True,
        text=True,
        timeout=120,
    )
    return Told(done.returncode, done.stdout, done.stderr)


@dataclass(frozen=True)
class Webhook:
    """An installed chart."""

    helm: Path
    values: Mapping[str, Any]
    namespace: Namespace = field(default_factory=lambda: Namespace(contract.WEBHOOK_NAMESPACE))

    def install(self, **more: Any) -> None:
        """Install, or upgrade with further values; waits until it is ready."""
        values = json.dumps({**self.values, **more})
        self.run("upgrade", "--install", RELEASE, str(CHART), "--values=-", "--wait", text=values)

    def uninstall(self) -> None:
        """As a user would; waits for its pods to end."""
        self.run("uninstall", RELEASE, "--wait")

    def run(self, *arguments: str, text: str = "") -> str:
        """Run Helm against the cluster."""
        kubeconfig = f"--kubeconfig={cluster.RUNNING}/admin.kubeconfig"
        where = ["--namespace", self.namespace.name, kubeconfig]
        return cluster.run(cluster.SCRIPT, "ns", self.helm, *arguments, *where, text=text)

    def pods(self, *, ending: bool = False) -> list[Object]:
        """Its pods; those that are ending only if asked for."""
        said = self.namespace.kubectl("get", "pods", "-o", "json")
        found: list[Object] = json.loads(said)["items"]
        return [pod for pod in found if ending or "deletionTimestamp" not in pod["metadata"]]

    def ready(self) -> None:
        """Wait until every replica is ready and no old one is left."""
        self.namespace.kubectl("rollout", "status", DEPLOYMENT, "--timeout=90s")

    def configuration(self) -> Object:
        """Its MutatingWebhookConfiguration."""
        kind = "mutatingwebhookconfiguration"
        found: Object = json.loads(
            self.namespace.kubectl("get", kind, contract.WEBHOOK_CONFIGURATION, "-o", "json")
        )
        return found


@contextlib.contextmanager
def installed(helm: Path, entra: EntraId, **more: Any) -> Iterator[Webhook]:
    """The chart in its own namespace under PodSecurity restricted, for the block."""
    values = {
        "azureTenantID": entra.announced["tenantId"],
        "azureAuthorityHost": entra.announced["authorityHost"],
        "image": {"repository": "localhost/azwi-webhook", "tag": "latest"},
        "topologySpreadConstraints": [],
        "proxy": {
            "env": [{"name": "SSL_CERT_FILE", "value": "/ca/ca.pem"}],
            "extraVolumes": [{"name": "ca", "configMap": {"name": "private-ca"}}],
            "extraVolumeMounts": [{"name": "ca", "mountPath": "/ca", "readOnly": True}],
        },
        **more,
    }
    webhook = Webhook(helm, values)
    name = webhook.namespace.name
    cluster.run(cluster.SCRIPT, "kubectl", "create", "namespace", name)
    level = "pod-security.kubernetes.io/enforce=restricted"
    cluster.run(cluster.SCRIPT, "kubectl", "label", "namespace", name, level)
    try:
        webhook.install()
        yield webhook
    finally:
        with contextlib.suppress(cluster.CommandFailed):  # a test may have done so
            webhook.uninstall()
        cluster.run(cluster.SCRIPT, "kubectl", "delete", "namespace", name, timeout=180)


def account(name: str = "app", **annotations: str) -> Object:
    """A service account; annotations by their names behind the prefix, ``_`` for ``-``."""
    return {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": {"name": name, "annotations": _prefixed(annotations)},
    }


def pod(
    name: str = "app",
    *,
    command: Sequence[str] = PAUSE,
    labelled: bool = True,
    sidecar: bool = True,
    spec: Mapping[str, Any] | None = None,
    **annotations: str,
) -> Object:
    """A pod of service account ``app`` as a user writes it: a label, an annotation, its app."""
    given = {"inject_proxy_sidecar": "true", **annotations} if sidecar else annotations
    container = {
        "name": "app",
        "image": APP_IMAGE,
        "imagePullPolicy": "IfNotPresent",
        "command": list(command),
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "labels": {contract.USE_LABEL: "true"} if labelled else {},
            "annotations": _prefixed(given),
        },
        "spec": {
            "serviceAccountName": "app",
            "terminationGracePeriodSeconds": 1,
            "containers": [container],
            **(spec or {}),
        },
    }


def template_of(made: Object, **more: Any) -> Object:
    """The pod as the template of a workload, with the label by which the workload finds it."""
    metadata = {key: value for key, value in made["metadata"].items() if key != "name"}
    metadata["labels"] = {**metadata["labels"], "app": "app"}
    return {"metadata": metadata, "spec": {**made["spec"], **more}}


def workload(kind: str, made: Object, **more: Any) -> Object:
    """A Deployment, StatefulSet, DaemonSet, Job or CronJob named ``app`` of such pods."""
    template = template_of(made)
    group = "batch/v1" if kind.endswith("Job") else "apps/v1"
    if group == "apps/v1":
        spec: Object = {"selector": {"matchLabels": {"app": "app"}}, "template": template}
    else:
        template["spec"]["restartPolicy"] = "Never"
        spec = {"backoffLimit": 0, "template": template}
    if kind == "CronJob":
        spec = {"schedule": "0 0 1 1 *", "jobTemplate": {"spec": spec}}
    return {
        "apiVersion": group,
        "kind": kind,
        "metadata": {"name": "app"},
        "spec": {**spec, **more},
    }


def _prefixed(annotations: Mapping[str, str]) -> dict[str, str]:
    return {contract.PREFIX + name.replace("_", "-"): text for name, text in annotations.items()}


def names(containers: Sequence[Object]) -> list[str]:
    """Of containers, in their order."""
    return [container["name"] for container in containers]


def env_of(container: Object) -> dict[str, str]:
    """A container's variables that have a value of their own."""
    return {item["name"]: item["value"] for item in container.get("env", ()) if "value" in item}


def asked(
    namespace: Namespace, pod_name: str = "app", port: int = 8000, route: str = "token"
) -> int:
    """How many tokens the pod's own proxy has handed out, by its counter.

    ``route``: ``token`` for the metadata service's endpoint, ``appservice`` for App Service's.
    """
    address = f"http://127.0.0.1:{port}/metrics"
    said = namespace.execute(pod_name, "app", "curl", "-sS", "--max-time", "10", address)
    labels = rf'\{{[^}}]*route="{route}"[^}}]*status="200"[^}}]*\}}'
    pattern = rf"azwi_proxy_requests_total{labels} ([\d.e+]+)"
    return int(sum(float(count) for count in re.findall(pattern, said)))


def token(namespace: Namespace, resource: str, pod_name: str = "app", more: str = "") -> Object:
    """The answer that an unchanged curl gets from the metadata address."""
    said = namespace.execute(pod_name, "app", *CURL, f"{URL}{resource}{more}")
    found: Object = json.loads(said)
    return found


@contextlib.contextmanager
def pods_being_created() -> Iterator[dict[str, Any]]:
    """Some fifty pods a second for the block, dry; what became of them is known after it."""
    counts: dict[str, Any] = {}
    inside = [str(cluster.SCRIPT), "ns", sys.executable]
    command = [*inside, str(LOAD), str(cluster.RUNNING / "pki")]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process:
        try:
            yield counts
        finally:
            told, _ = process.communicate(timeout=30)  # the end of its input is its end
        counts.update(json.loads(told))


def completed(namespace: Namespace, target: str) -> None:
    """Wait until a Job is complete."""
    eventually(
        f"{target} to complete",
        lambda: (
            "True"
            in namespace.kubectl(
                "get", target, "-o", 'jsonpath={.status.conditions[?(@.type=="Complete")].status}'
            )
        ),
    )

"""How long ``azwi podidentity detect -A`` takes for 5,000 pods in 200 namespaces, and its memory.

Against the real API server of tests/cluster: ``make cluster-up``, then
``tests/cluster/cluster.sh ns .venv/bin/python bench/detect.py``. The objects are made, and deleted
with their namespaces; no pod runs, since no node has what they select.
"""

import json
import os
import resource
import ssl
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPSConnection
from pathlib import Path
from threading import local
from typing import Any

NAMESPACES, APPS, PODS = 200, 5, 5
ROUNDS = 3
RUN = Path("/var/lib/azwi-cluster")
ROOT = Path(__file__).parent.parent
CRDS = ROOT / "tests/cluster/pod-identity-crds.yaml"
GROUP = "aadpodidentity.k8s.io/v1"
_own = local()


def connection() -> HTTPSConnection:
    """This thread's connection to the API server, as its administrator."""
    if not hasattr(_own, "server"):
        context = ssl.create_default_context(cafile=RUN / "pki/ca.crt")
        context.load_cert_chain(RUN / "pki/admin.crt", RUN / "pki/admin.key")
        _own.server = HTTPSConnection("127.0.0.1", 6443, context=context, timeout=60)
    server: HTTPSConnection = _own.server
    return server


def asked(method: str, path: str, body: Any = None) -> dict[str, Any]:
    """The API server's answer."""
    text = None if body is None else json.dumps(body)
    connection().request(method, path, text, {"Content-Type": "application/json"})
    response = connection().getresponse()
    found: dict[str, Any] = json.loads(response.read())
    if response.status >= 400 and response.status != 409:
        raise SystemExit(f"{method} {path}: {response.status} {found.get('message')}")
    return found


def fill(number: int) -> None:
    """A namespace with its identity, five Deployments, and five pods of each."""
    name = f"bench-{number}"
    inside = f"/namespaces/{name}"
    asked("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
    account = {"metadata": {"name": "app"}}
    asked("POST", f"/api/v1{inside}/serviceaccounts", account)
    group = f"/apis/{GROUP}{inside}"
    resource_id = (
        "/subscriptions/s/resourceGroups/g/providers/Microsoft.ManagedIdentity"
        f"/userAssignedIdentities/{name}"
    )
    client = f"00000000-0000-4000-8000-{number:012}"
    identity = {"type": 0, "clientID": client, "resourceID": resource_id}
    kind: dict[str, Any] = {"apiVersion": GROUP, "kind": "AzureIdentity"}
    asked(
        "POST", f"{group}/azureidentities", {**kind, "metadata": {"name": "app"}, "spec": identity}
    )
    kind = {"apiVersion": GROUP, "kind": "AzureIdentityBinding"}
    binding = {"azureIdentity": "app", "selector": name}
    body = {**kind, "metadata": {"name": "app"}, "spec": binding}
    asked("POST", f"{group}/azureidentitybindings", body)
    for app in range(APPS):
        deploy(inside, f"app-{app}", name)


def deploy(inside: str, name: str, selector: str) -> None:
    """A paused Deployment without replicas, and pods that name it as their owner."""
    labels = {"app": name, "aadpodidbinding": selector}
    variables = [{"name": f"SETTING_{n}", "value": "x" * 40} for n in range(20)]
    spec = {
        "serviceAccountName": "app",
        "automountServiceAccountToken": False,
        "nodeSelector": {"no": "node"},
        "containers": [{"name": "app", "image": "app", "env": variables}],
    }
    template = {"metadata": {"labels": labels}, "spec": spec}
    wanted = {"replicas": 0, "selector": {"matchLabels": {"app": name}}, "template": template}
    made = asked("POST", f"/apis/apps/v1{inside}/deployments",
                 {"metadata": {"name": name}, "spec": wanted})  # fmt: skip
    owner = {"apiVersion": "apps/v1", "kind": "Deployment", "name": name, "controller": True,
             "uid": made["metadata"]["uid"]}  # fmt: skip
    for number in range(PODS):
        metadata = {"name": f"{name}-{number}", "labels": labels, "ownerReferences": [owner]}
        asked("POST", f"/api/v1{inside}/pods", {"metadata": metadata, "spec": spec})


def measured() -> tuple[float, float, str]:
    """Seconds, peak memory in MB, and the last line of one run."""
    command = [sys.executable, "-m", "azwi_cli", "podidentity", "detect", "-A"]
    start = time.perf_counter()
    with subprocess.Popen(
        [*command, f"--kubeconfig={RUN}/admin.kubeconfig"], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        out = process.stdout.read()
        _, _, usage = os.wait4(process.pid, 0)
        process.returncode = 0
    return time.perf_counter() - start, usage.ru_maxrss / 1024, out.strip().splitlines()[-1]


def main() -> None:
    """Fill the cluster, measure, empty it."""
    kubectl: list[str | Path] = ["kubectl", f"--kubeconfig={RUN}/admin.kubeconfig"]
    subprocess.run([*kubectl, "apply", "-f", CRDS], check=True, stdout=sys.stderr)
    established = "--for=condition=Established"
    subprocess.run([*kubectl, "wait", established, "-f", CRDS], check=True, stdout=sys.stderr)
    start = time.monotonic()
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(fill, range(NAMESPACES)))
    print(f"filled in {time.monotonic() - start:.0f} s", file=sys.stderr)
    for _ in range(ROUNDS):
        seconds, megabytes, said = measured()
        print(f"{seconds:.2f} s, {megabytes:.0f} MB: {said}")


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_NOFILE, (4096, 4096))
    main()

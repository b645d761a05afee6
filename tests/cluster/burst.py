"""Creates many pods at once, or service accounts each with its pod, in the cluster.

Runs inside the cluster's network (cluster.sh ns), with the standard library only:
``burst.py PKI NAMESPACE pods COUNT LABEL=VALUE`` or ``burst.py PKI NAMESPACE accounts COUNT``. PKI
is the folder of the administrator's certificate. Prints one JSON object.
"""

import collections
import http.client
import json
import ssl
import sys
import threading
import time
from pathlib import Path
from typing import Any

AT_ONCE = 16  # connections
OURS = "azure-identity-token"


class Caller:
    """One connection to the API server, and what became of the pods that were sent by it."""

    def __init__(self, pki: Path, namespace: str) -> None:
        context = ssl.create_default_context(cafile=pki / "ca.crt")
        context.load_cert_chain(pki / "admin.crt", pki / "admin.key")
        self.server = http.client.HTTPSConnection("127.0.0.1", 6443, context=context, timeout=30)
        self.folder = f"/api/v1/namespaces/{namespace}/"
        self.counts: collections.Counter[str] = collections.Counter()
        self.sentences: list[str] = []

    def create(self, collection: str, thing: Any) -> tuple[int, Any]:
        """The status and the answer."""
        headers = {"Content-Type": "application/json"}
        self.server.request("POST", self.folder + collection, json.dumps(thing), headers)
        response = self.server.getresponse()
        return response.status, json.loads(response.read())

    def create_pod(self, thing: Any, collection: str = "pods") -> Any:
        """The pod as it was stored; None where it was refused."""
        status, told = self.create(collection, thing)
        if status != 201:
            self.counts["refused"] += 1
            self.sentences.append(str(told.get("message", told)))
            return None
        volumes = [item["name"] for item in told["spec"].get("volumes", ())]
        self.counts["mutated" if OURS in volumes else "plain"] += 1
        return told


def pod(label: str, account: str = "app") -> dict[str, Any]:
    """A pod that asks for the sidecar, and that no node will ever run."""
    name, _, value = label.partition("=")
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "generateName": "burst-",
            "labels": {name: value, "burst": "true"},
            "annotations": {"azure.workload.identity/inject-proxy-sidecar": "true"},
        },
        "spec": {
            "serviceAccountName": account,
            "schedulerName": "nobody",
            "nodeSelector": {"nothing": "matches"},
            "containers": [{"name": "app", "image": "app"}],
        },
    }


def pods(pki: Path, namespace: str, count: int, label: str) -> dict[str, Any]:
    """Create ``count`` pods as fast as ``AT_ONCE`` connections can."""
    callers = [Caller(pki, namespace) for _ in range(AT_ONCE)]

    def work(caller: Caller) -> None:
        for _ in range(count // AT_ONCE):
            caller.create_pod(pod(label))

    threads = [threading.Thread(target=work, args=(caller,)) for caller in callers]
    began = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return {"seconds": time.monotonic() - began, **_sum(callers)}


def accounts(pki: Path, namespace: str, count: int) -> dict[str, Any]:
    """Create a service account and, as soon as that is answered, a pod of it; dry, one by one."""
    caller = Caller(pki, namespace)
    for number in range(count):
        client = f"00000000-0000-4000-8000-{number:012d}"
        made = {
            "metadata": {
                "name": f"quick-{number}",
                "annotations": {"azure.workload.identity/client-id": client},
            }
        }
        caller.create("serviceaccounts", made)
        wanted = pod("azure.workload.identity/use=true", f"quick-{number}")
        stored = caller.create_pod(wanted, "pods?dryRun=All")
        app = stored["spec"]["containers"][0] if stored else {}
        env = {item["name"]: item.get("value") for item in app.get("env", ())}
        caller.counts["identified"] += env.get("AZURE_CLIENT_ID") == client
    return _sum([caller])


def _sum(callers: list[Caller]) -> dict[str, Any]:
    counts = collections.Counter({"mutated": 0, "plain": 0, "refused": 0})
    for caller in callers:
        counts.update(caller.counts)
    return {**counts, "sentences": [told for caller in callers for told in caller.sentences][:5]}


if __name__ == "__main__":
    pki_folder, space, what, amount, *more = sys.argv[1:]
    if what == "pods":
        print(json.dumps(pods(Path(pki_folder), space, int(amount), *more)))
    else:
        print(json.dumps(accounts(Path(pki_folder), space, int(amount))))

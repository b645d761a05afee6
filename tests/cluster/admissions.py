"""Asks the cluster's API server for pods, dry, until its standard input ends.

Runs inside the cluster's network (cluster.sh ns), with the standard library only. The folder of the
administrator's certificate is its argument. Prints one JSON object: how many pods were mutated,
plain (as they were sent) and refused, how often the API server was away, and the first refusals'
sentences.
"""

import http.client
import json
import select
import ssl
import sys
import time
from pathlib import Path

POD = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"generateName": "dry-", "labels": {"azure.workload.identity/use": "true"}},
    "spec": {"containers": [{"name": "app", "image": "app"}]},
}
PATH = "/api/v1/namespaces/default/pods?dryRun=All"
LONGEST = 300.0  # seconds; nobody may be left running


def main(pki: Path) -> None:
    context = ssl.create_default_context(cafile=pki / "ca.crt")
    context.load_cert_chain(pki / "admin.crt", pki / "admin.key")
    server = http.client.HTTPSConnection("127.0.0.1", 6443, context=context, timeout=30)
    counts = {"mutated": 0, "plain": 0, "refused": 0, "away": 0}
    sentences: list[str] = []
    began = time.monotonic()
    end = began + LONGEST
    while not select.select([sys.stdin], [], [], 0.01)[0] and time.monotonic() < end:
        try:
            server.request("POST", PATH, json.dumps(POD), {"Content-Type": "application/json"})
            response = server.getresponse()
            told = json.loads(response.read())
        except (OSError, http.client.HTTPException):
            counts["away"] += 1
            server.close()  # the next request connects anew
            continue
        if response.status != 201:
            counts["refused"] += 1
            since = time.monotonic() - began
            sentences.append(f"after {since:.1f} s: {told.get('message', told)}")
        else:
            volumes = [item["name"] for item in told["spec"].get("volumes", ())]
            counts["mutated" if "azure-identity-token" in volumes else "plain"] += 1
    print(json.dumps({**counts, "sentences": sentences[:50]}), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))

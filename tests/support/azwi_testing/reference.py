"""Injects as azure-workload-identity v1.6.0's webhook does, for tests of what happens beside it.

``python -m azwi_testing.reference PORT CERTIFICATE KEY`` serves it over HTTPS.
What counts here: the mere presence of the annotation injects, containers of its names that are
there already are left alone, and a variable is added where it lacks.
"""

import base64
import json
import ssl
import sys
from typing import Any

from aiohttp import web

PREFIX = "azure.workload.identity/"
IMAGES = {
    "azwi-proxy-init": "reference.example/proxy-init",
    "azwi-proxy": "reference.example/proxy",
}


def patch_of(pod: dict[str, Any]) -> list[dict[str, Any]]:
    """The operations that it would answer with."""
    spec, operations = pod["spec"], []
    annotations = pod["metadata"].get("annotations") or {}
    for number, container in enumerate(spec["containers"]):
        if not any(item["name"] == "AZURE_TENANT_ID" for item in container.get("env") or ()):
            if not container.get("env"):
                operations.append(_add(f"/spec/containers/{number}/env", []))
            variable = {"name": "AZURE_TENANT_ID", "value": "of-the-reference"}
            operations.append(_add(f"/spec/containers/{number}/env/-", variable))
    if PREFIX + "inject-proxy-sidecar" in annotations:
        present = [
            item["name"] for item in (*(spec.get("initContainers") or ()), *spec["containers"])
        ]
        if not spec.get("initContainers"):
            operations.append(_add("/spec/initContainers", []))
        for name, image in IMAGES.items():
            if name not in present:
                extra = {"restartPolicy": "Always"} if name == "azwi-proxy" else {}
                container = {"name": name, "image": image, **extra}
                operations.append(_add("/spec/initContainers/-", container))
    return operations


def _add(path: str, value: Any) -> dict[str, Any]:
    return {"op": "add", "path": path, "value": value}


async def _review(request: web.Request) -> web.Response:
    asked = (await request.json())["request"]
    patch = json.dumps(patch_of(asked["object"])).encode()
    answer = {"uid": asked["uid"], "allowed": True, "patchType": "JSONPatch"}
    return web.json_response(
        {
            "apiVersion": "admission.k8s.io/v1",
            "kind": "AdmissionReview",
            "response": {**answer, "patch": base64.b64encode(patch).decode()},
        }
    )


def main(port: str, certificate: str, key: str) -> None:
    """Serve until ended."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    app = web.Application()
    app.router.add_post("/", _review)
    web.run_app(app, port=int(port), ssl_context=context, print=None)


if __name__ == "__main__":
    main(*sys.argv[1:])

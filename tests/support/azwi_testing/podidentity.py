"""aad-pod-identity for tests: its objects as plain dicts, and an API server with controllers.

The server stores what it is given under the paths of Kubernetes; a workload whose template is
changed gets its new pods at once, with the sidecar where they ask for it. Plain HTTP on loopback.
"""

import copy
import http.server
import json
import re
import threading
import urllib.parse
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

Object = dict[str, Any]

GROUP = "aadpodidentity.k8s.io"
CLIENT = "11111111-1111-4111-8111-111111111111"
OTHER = "22222222-2222-4222-8222-222222222222"
RESOURCE_ID = (
    "/subscriptions/00000000-0000-4000-8000-000000000000/resourceGroups/shop/providers"
    "/Microsoft.ManagedIdentity/userAssignedIdentities/"
)
_WORKLOADS = {"deployments", "statefulsets", "daemonsets", "cronjobs"}
_PATH = re.compile(
    r"(?P<root>/api/v1|/apis/[^/]+/[^/]+)(/namespaces/(?P<namespace>[^/]+))?"
    r"/(?P<plural>[a-z]+)(/(?P<name>[^/]+))?(?P<log>/log)?"
)


def identity(name: str, namespace: str = "shop", client: str = CLIENT, **spec: Any) -> Object:
    """An AzureIdentity, a managed one."""
    given = {"type": 0, "clientID": client, "resourceID": RESOURCE_ID + name, **spec}
    return _object(f"{GROUP}/v1", "AzureIdentity", name, namespace, spec=given)


def binding(name: str, namespace: str = "shop", *, selector: str = "", to: str = "") -> Object:
    """An AzureIdentityBinding to the identity of that name."""
    spec = {"azureIdentity": to or name, "selector": selector or name}
    return _object(f"{GROUP}/v1", "AzureIdentityBinding", name, namespace, spec=spec)


def template(label: str, account: str = "", **spec: Any) -> Object:
    """Of pods that ask for an identity; empty: that ask for none."""
    named = {"serviceAccountName": account} if account else {}
    labels = {"aadpodidbinding": label} if label else {}
    return {
        "metadata": {"labels": labels},
        "spec": {"containers": [{"name": "app", "image": "app"}], **named, **spec},
    }


def deployment(
    name: str, namespace: str = "shop", *, label: str = "cart", account: str = "", **spec: Any
) -> Object:
    """A Deployment of one pod, rolled out."""
    made = template(label, account, **spec)
    made["metadata"]["labels"]["app"] = name
    thing = _object("apps/v1", "Deployment", name, namespace)
    thing["spec"] = {"replicas": 1, "selector": {"matchLabels": {"app": name}}, "template": made}
    thing["status"] = _rolled_out(1)
    thing["metadata"]["generation"] = 1
    return thing


def pod(name: str, namespace: str = "shop", *, label: str = "cart", owner: str = "") -> Object:
    """A pod that runs; ``owner``: ``Kind/name``, of apps/v1."""
    made = template(label)
    thing = _object("v1", "Pod", name, namespace, spec=made["spec"], status={"phase": "Running"})
    thing["metadata"]["labels"] = made["metadata"]["labels"]
    if owner:
        kind, _, owned_by = owner.partition("/")
        reference = {"apiVersion": "apps/v1", "kind": kind, "name": owned_by, "controller": True}
        thing["metadata"]["ownerReferences"] = [reference]
    return thing


def account(name: str, namespace: str = "shop", **more: Any) -> Object:
    """A ServiceAccount."""
    return _object("v1", "ServiceAccount", name, namespace, **more)


def _object(version: str, kind: str, name: str, namespace: str, **more: Any) -> Object:
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": version, "kind": kind, "metadata": metadata, **more}


def _rolled_out(generation: int) -> Object:
    counts = dict.fromkeys(("replicas", "updatedReplicas", "availableReplicas", "readyReplicas"), 1)
    return {"observedGeneration": generation, **counts}


class Server:
    """A running API server; ``objects`` may be read while nobody asks it."""

    def __init__(self) -> None:
        self.objects: dict[str, Object] = {}
        """By path."""
        self.absent: set[str] = {"secrets-store.csi.x-k8s.io"}
        """Groups that are not installed."""
        self.asked: list[tuple[str, str]] = []
        """Method and path with query of every request."""
        self.fault: Callable[[str, str], int] = lambda method, path: 0
        """Asked before each request: a status to answer, 0: none."""
        self.after: Callable[[int], None] = lambda count: None
        """Called after each request was carried out, before its answer, with their number."""
        self.tokens = True
        """Whether new pods get their tokens."""
        self.rolls_out = True
        self.injects = True
        self.lock = threading.RLock()
        self.url = ""
        webhook = {"metadata": {"name": "00-azwi-sidecar"}}
        root = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations"
        self.objects[f"{root}/00-azwi-sidecar"] = webhook
        self.objects["/.well-known/openid-configuration"] = {"issuer": "https://issuer.example"}

    def put(self, *things: Object) -> None:
        """Store objects; their namespaces and service accounts come into being too."""
        for thing in things:
            namespace = thing["metadata"].get("namespace")
            self.objects[place(thing)] = copy.deepcopy(thing)
            if namespace and f"/api/v1/namespaces/{namespace}" not in self.objects:
                self.objects[f"/api/v1/namespaces/{namespace}"] = {"metadata": {"name": namespace}}
                self.objects[place(account("default", namespace))] = account("default", namespace)

    def kubeconfig(self, folder: Path) -> Path:
        """A kubeconfig file for it."""
        document = {
            "clusters": [{"name": "it", "cluster": {"server": self.url}}],
            "users": [{"name": "it", "user": {"token": "s3cret-bearer"}}],
            "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it"}}],
            "current-context": "it",
        }
        path = folder / "kubeconfig"
        path.write_text(json.dumps(document))
        return path

    def stored(self) -> dict[str, Object]:
        """What a migration may change, without what controllers write."""
        kept = {}
        for path, thing in self.objects.items():
            if re.search(r"/(serviceaccounts|deployments|statefulsets|cronjobs)/", path):
                kept[path] = copy.deepcopy(thing)
                kept[path].pop("status", None)
                kept[path]["metadata"].pop("generation", None)
        return kept

    def answer(self, method: str, target: str, body: Any) -> tuple[int, Any]:
        """Status and body for a request."""
        path, _, query = target.partition("?")
        if path in self.objects and method == "GET":
            return 200, self.objects[path]
        match = _PATH.fullmatch(path)
        if match is None or any(f"/{group}/" in path for group in self.absent):
            return _status(404, "the server could not find the requested resource")
        if match["log"]:
            return 200, self._log(path.removesuffix("/log"))
        if method == "POST":
            return self._create(path, body)
        if not match["name"]:
            return 200, self._list(match, dict(urllib.parse.parse_qsl(query)))
        if path not in self.objects:
            return _status(404, f'{match["plural"]} "{match["name"]}" not found')
        if method == "DELETE":
            return 200, self.objects.pop(path)
        self._patch(path, match, body)
        return 200, self.objects[path]

    def _create(self, path: str, body: Any) -> tuple[int, Any]:
        name = f"{path}/{body['metadata']['name']}"
        if name in self.objects:
            return _status(409, "already exists")
        self.objects[name] = body
        return 201, body

    def _list(self, match: re.Match[str], query: dict[str, str]) -> Object:
        inside = rf"(/namespaces/{match['namespace'] or '[^/]+'})?"
        wanted = re.compile(rf"{match['root']}{inside}/{match['plural']}/[^/]+")
        found = [self.objects[path] for path in sorted(self.objects) if wanted.fullmatch(path)]
        found = [thing for thing in found if _selected(thing, query.get("labelSelector", ""))]
        start, limit = int(query.get("continue", 0)), int(query.get("limit", 10**9))
        end = start + limit
        metadata = {"continue": str(end)} if end < len(found) else {}
        return {"kind": "List", "metadata": metadata, "items": found[start:end] or None}

    def _patch(self, path: str, match: re.Match[str], body: Any) -> None:
        before = copy.deepcopy(self.objects[path].get("spec"))
        self.objects[path] = merged(self.objects[path], body)
        thing = self.objects[path]
        if match["plural"] in _WORKLOADS and thing.get("spec") != before:
            thing["metadata"]["generation"] = thing["metadata"].get("generation", 1) + 1
            if self.rolls_out:
                self.roll_out(path)

    def roll_out(self, path: str) -> None:
        """What a controller does with a changed workload."""
        thing = self.objects[path]
        thing["status"] = _rolled_out(thing["metadata"]["generation"])
        self._pods(thing)

    def _pods(self, thing: Object) -> None:
        """The old pods go, and a new one comes."""
        namespace, name = thing["metadata"]["namespace"], thing["metadata"]["name"]
        if "template" not in thing["spec"]:
            return
        root = f"/api/v1/namespaces/{namespace}/pods/{name}-"
        for path in [path for path in self.objects if path.startswith(root)]:
            del self.objects[path]
        made = copy.deepcopy(thing["spec"]["template"])
        asks = made["metadata"]["labels"].get("azure.workload.identity/use") == "true"
        if asks and self.injects:
            made["spec"].setdefault("initContainers", []).append({"name": "azwi-proxy"})
        made["metadata"] |= {"name": f"{name}-{thing['metadata']['generation']}"}
        made["metadata"]["namespace"] = namespace
        owner = {"apiVersion": thing["apiVersion"], "kind": thing["kind"], "name": name}
        made["metadata"]["ownerReferences"] = [{**owner, "controller": True}]
        self.objects[f"{root}{thing['metadata']['generation']}"] = {
            **made,
            "status": {"phase": "Running"},
        }

    def _log(self, path: str) -> str:
        annotations = self.objects[path]["metadata"].get("annotations", {})
        resource = annotations.get("azure.workload.identity/proxy-prefetch", "")
        line: Object = {"msg": "token in advance", "resource": resource}
        if not self.tokens:
            line = {"msg": "no token in advance", "resource": resource, "reason": "AADSTS700213"}
        return f"not JSON\n{json.dumps(line)}\n"


def place(thing: Object) -> str:
    """The path of an object."""
    version, metadata = thing["apiVersion"], thing["metadata"]
    root = "/apis" if "/" in version else "/api"
    inside = f"/namespaces/{metadata['namespace']}" if metadata.get("namespace") else ""
    kind = thing["kind"].lower()
    plural = (
        f"{kind[:-1]}ies" if kind.endswith("y") else f"{kind}{'es' if kind[-1] == 's' else 's'}"
    )
    return f"{root}/{version}{inside}/{plural}/{metadata['name']}"


def _selected(thing: Object, selector: str) -> bool:
    labels = thing["metadata"].get("labels") or {}
    for term in filter(None, selector.split(",")):
        name, equals, value = term.partition("=")
        if name not in labels or (equals and labels[name] != value):
            return False
    return True


def merged(thing: Any, patch: Any) -> Any:
    """A merge patch applied, by RFC 7386."""
    if not isinstance(patch, dict):
        return patch
    found = dict(thing) if isinstance(thing, dict) else {}
    for name, value in patch.items():
        if value is None:
            found.pop(name, None)
        else:
            found[name] = merged(found.get(name), value)
    return found


def _status(code: int, message: str) -> tuple[int, Object]:
    return code, {"kind": "Status", "status": "Failure", "code": code, "message": message}


@contextmanager
def serve(things: Iterable[Object] = ()) -> Iterator[Server]:
    """A server for the block, with these objects in it."""
    server = Server()
    server.put(*things)
    listening = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _handler(server))
    listening.daemon_threads = True
    server.url = f"http://127.0.0.1:{listening.server_address[1]}"
    thread = threading.Thread(target=listening.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        listening.shutdown()
        listening.server_close()
        thread.join()


def _handler(server: Server) -> type[http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def _any(self) -> None:
            data = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            with server.lock:
                server.asked.append((self.command, self.path))
                status = server.fault(self.command, self.path)
                found: tuple[int, Any] = (
                    _status(status, f"fault {status}")
                    if status
                    else server.answer(self.command, self.path, json.loads(data or b"null"))
                )
                server.after(len(server.asked))
            body = found[1].encode() if isinstance(found[1], str) else json.dumps(found[1]).encode()
            self.send_response(found[0])
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_PATCH = do_DELETE = _any

        def log_message(self, *arguments: object) -> None:
            """Nothing: a test's output is its own."""

        def handle(self) -> None:
            """Clients that are killed are what some tests are about."""
            try:
                super().handle()
            except OSError:
                self.close_connection = True

    return Handler

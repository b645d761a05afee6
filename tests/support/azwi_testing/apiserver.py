"""An API server small enough to read: the four collections that the webhook uses, and its moods.

Lists in pages, watches with bookmarks, resource versions, optimistic concurrency, JSON Patch; it
refuses, throttles, cuts watches, forgets history. A thread with its own loop, plain HTTP.
"""

import asyncio
import base64
import contextlib
import copy
import json
import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, TypeVar

import jsonpatch
from aiohttp import web

from azwi_testing import free_port

Object = dict[str, Any]
T = TypeVar("T")

_PREFIX = re.compile(r"^/(api/v1|apis/admissionregistration\.k8s\.io/v1)/")
BREAK, END = b"(break)", b"(end)"
"""In a watch's queue, behind its lines: how it is over."""


@dataclass
class Fault:
    """What happens to requests instead of an answer."""

    path: str
    """A regular expression, searched in the target with its query."""
    status: int = 500
    """0: the connection is closed without an answer."""
    times: int = 1_000_000
    seconds: float = 0
    """Time before it."""
    headers: Mapping[str, str] | None = None
    method: str = ""
    """Empty: any."""


_METADATA = ("labels", "annotations", "ownerReferences")


@dataclass
class _Change:
    version: int
    kind: str
    type: str
    object: Object


class ApiServer:
    """A running API server; use it in a ``with``, every method from any thread."""

    def __init__(self, git_version: str = "v1.33.1") -> None:
        self.git_version = git_version
        self.token = ""
        """Bearer token that requests must carry; empty: none."""
        self.asked: Counter[str] = Counter()
        """Requests by method and path, without the query; a watch is ``WATCH``."""
        self.accepted: list[str] = []
        """Their Accept headers."""
        self.faults: list[Fault] = []
        self._objects: dict[str, dict[tuple[str, str], Object]] = {}
        self._version = 1
        self._history: list[_Change] = []
        self._forgotten = 0
        self._watches: set[asyncio.Queue[bytes]] = set()
        self._kinds: dict[asyncio.Queue[bytes], tuple[str, str]] = {}
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self.port = free_port()

    def __enter__(self) -> Self:
        self._thread.start()
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def start(self) -> None:
        """Listen; at the same port again after ``stop``."""
        asyncio.run_coroutine_threadsafe(self._start(), self._loop).result(10)

    def stop(self) -> None:
        """End every connection and listen no more; what is stored stays."""
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result(10)

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    def kubeconfig(self, folder: Path, token_file: Path | None = None) -> str:
        """The path of a kubeconfig file for it."""
        user = {"tokenFile": str(token_file)} if token_file else {"token": self.token or "any"}
        entry = {"context": {"cluster": "it", "user": "it"}, "name": "it"}
        config = {
            "current-context": "it",
            "clusters": [
                {"name": "it", "cluster": {"server": self.url, "insecure-skip-tls-verify": True}}
            ],
            "users": [{"name": "it", "user": user}],
            "contexts": [entry],
        }
        path = folder / "kubeconfig"
        path.write_text(json.dumps(config))
        return str(path)

    # --- what is stored ---------------------------------------------------------------------------

    def put(self, kind: str, namespace: str, name: str, **fields: Any) -> None:
        """Create or replace; ``fields``: labels and annotations, others beside the metadata."""
        metadata: Object = {"name": name, "namespace": namespace}
        metadata |= {key: fields.pop(key) for key in _METADATA if key in fields}
        thing: Object = {"metadata": metadata, **fields}
        self._do(lambda: self._store(kind, thing))

    def fill(self, kind: str, things: Iterable[Object]) -> None:
        """Put many objects, without events."""

        def run() -> None:
            held = self._objects.setdefault(kind, {})
            for thing in things:
                metadata = thing["metadata"]
                metadata["resourceVersion"] = str(self._version)
                held[metadata.get("namespace") or "", metadata["name"]] = thing

        self._do(run)

    def account(self, namespace: str, name: str, **annotations: str) -> None:
        """Put a service account with annotations under azure.workload.identity/ (- for _)."""
        prefixed = {
            f"azure.workload.identity/{key.replace('_', '-')}": value
            for key, value in annotations.items()
        }
        self.put("serviceaccounts", namespace, name, annotations=prefixed)

    def delete(self, kind: str, namespace: str, name: str) -> None:
        """Remove an object."""

        def remove() -> None:
            self._version += 1
            thing = self._objects[kind].pop((namespace, name))
            thing["metadata"]["resourceVersion"] = str(self._version)
            self._tell(kind, "DELETED", thing)

        self._do(remove)

    def get(self, kind: str, namespace: str, name: str) -> Object:
        """A stored object, as a copy."""
        return self._do(lambda: copy.deepcopy(self._objects[kind][namespace, name]))

    def secret(self, namespace: str, name: str) -> dict[str, bytes]:
        """A Secret's data."""
        data = self.get("secrets", namespace, name).get("data") or {}
        return {key: base64.b64decode(text) for key, text in data.items()}

    # --- its moods --------------------------------------------------------------------------------

    def cut(self, last: bytes = b"") -> None:
        """Break every watch off, after these bytes."""
        self._put(last, BREAK)

    def end_watches(self) -> None:
        """End every watch as when its time is over."""
        self._put(END)

    def _put(self, *lines: bytes) -> None:
        def run() -> None:
            for queue in list(self._watches):
                for line in lines:
                    queue.put_nowait(line)

        self._do(run)

    def forget(self) -> None:
        """Compact: a watch or a list that goes on from before now is 410 Gone."""

        def run() -> None:
            self._version += 1
            self._forgotten = self._version
            self._history.clear()

        self._do(run)

    def bookmark(self) -> None:
        """Tell every watch how far it is."""

        def run() -> None:
            thing = {"metadata": {"resourceVersion": str(self._version)}}
            for queue in self._watches:
                queue.put_nowait(_line("BOOKMARK", thing))

        self._do(run)

    @property
    def watches(self) -> int:
        """Watches that are open."""
        return len(self._watches)

    # --- inside -----------------------------------------------------------------------------------

    def _do(self, act: Callable[[], T]) -> T:
        done: Future[T] = Future()

        def run() -> None:
            try:
                done.set_result(act())
            except BaseException as error:  # noqa: BLE001  # raised where it was asked for
                done.set_exception(error)

        self._loop.call_soon_threadsafe(run)
        return done.result(30)

    async def _start(self) -> None:
        self._runner = web.ServerRunner(
            web.Server(self._handle, access_log=None, handler_cancellation=True),
            shutdown_timeout=0.1,
        )
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port, reuse_address=True)
        await site.start()

    async def _stop(self) -> None:
        await self._runner.cleanup()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    def _store(self, kind: str, thing: Object) -> None:
        metadata = thing["metadata"]
        key = metadata.get("namespace") or "", metadata["name"]
        held = self._objects.setdefault(kind, {})
        self._version += 1
        metadata["resourceVersion"] = str(self._version)
        metadata.setdefault("uid", f"uid-{self._version}")
        type_ = "MODIFIED" if key in held else "ADDED"
        held[key] = thing
        self._tell(kind, type_, thing)

    def _tell(self, kind: str, type_: str, thing: Object) -> None:
        self._history.append(_Change(self._version, kind, type_, copy.deepcopy(thing)))
        for queue, (watched, name) in self._kinds.items():
            if watched == kind and name in ("", thing["metadata"]["name"]):
                queue.put_nowait(_line(type_, thing))

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        watching = request.query.get("watch") == "true"
        self.asked[f"{'WATCH' if watching else request.method} {request.path}"] += 1
        self.accepted.append(request.headers["Accept"])
        for fault in self.faults:
            meant = fault.times > 0 and fault.method in ("", request.method)
            if meant and re.search(fault.path, request.path_qs):
                fault.times -= 1
                await asyncio.sleep(fault.seconds)
                if fault.status == 0 and request.transport:
                    request.transport.close()
                return _status(fault.status or 500, "a fault", fault.headers)
        if self.token and request.headers.get("Authorization") != f"Bearer {self.token}":
            return _status(401, "Unauthorized")
        return await self._answer(request)

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.path == "/version":
            return web.json_response({"major": "1", "minor": "x", "gitVersion": self.git_version})
        kind, namespace, name = _read(request.path)
        if name:
            return await self._one(request, kind, namespace, name)
        if request.query.get("watch") == "true":
            return await self._watch(request, kind)
        return self._list(request, kind)

    async def _one(
        self, request: web.BaseRequest, kind: str, namespace: str, name: str
    ) -> web.StreamResponse:
        found = self._objects.get(kind, {}).get((namespace, name))
        if found is None:
            return _status(404, f'{kind} "{name}" not found')
        if request.method == "PUT":
            given = json.loads(await request.read())
            if given["metadata"].get("resourceVersion") != found["metadata"]["resourceVersion"]:
                return _status(409, "the object has been modified")
            self._store(kind, given)
        if request.method == "PATCH":
            try:
                patched = jsonpatch.apply_patch(found, json.loads(await request.read()))
            except jsonpatch.JsonPatchException as error:
                return _status(422, str(error))
            self._store(kind, patched)
        return web.json_response(self._objects[kind][namespace, name])

    def _list(self, request: web.BaseRequest, kind: str) -> web.StreamResponse:
        version, _, start = request.query.get("continue", "").partition(":")
        if version and int(version) < self._forgotten:
            return _status(410, "The provided continue parameter is too old")
        keys = sorted(self._objects.get(kind, {}))
        if only := _only(request):
            keys = [key for key in keys if key[1] == only]
        first = int(start or 0)
        last = first + int(request.query.get("limit", len(keys) or 1))
        metadata = {"resourceVersion": version or str(self._version)}
        if last < len(keys):
            metadata["continue"] = f"{metadata['resourceVersion']}:{last}"
        items = [self._objects[kind][key] for key in keys[first:last]]
        return web.json_response({"kind": "List", "metadata": metadata, "items": items or None})

    async def _watch(self, request: web.BaseRequest, kind: str) -> web.StreamResponse:
        response = web.StreamResponse()
        response.enable_chunked_encoding()
        await response.prepare(request)
        since, only = int(request.query["resourceVersion"]), _only(request)
        if since < self._forgotten:
            gone = {"kind": "Status", "code": 410, "message": "too old resource version"}
            await response.write(_line("ERROR", gone))
            return response
        queue: asyncio.Queue[bytes] = asyncio.Queue()
        for change in self._history:
            same = change.kind == kind and only in ("", change.object["metadata"]["name"])
            if change.version > since and same:
                queue.put_nowait(_line(change.type, change.object))
        self._watches.add(queue)
        self._kinds[queue] = kind, only
        try:
            with contextlib.suppress(ConnectionError):
                while (line := await queue.get()) not in (BREAK, END):
                    await response.write(line)
                if line == BREAK and request.transport:
                    request.transport.close()
        finally:
            self._watches.discard(queue)
            self._kinds.pop(queue, None)
        return response


def _read(path: str) -> tuple[str, str, str]:
    """Kind, namespace and name of a path; empty where it has none."""
    parts = _PREFIX.sub("", path).split("/")
    if parts[0] == "namespaces" and len(parts) > 2:
        return parts[2], parts[1], parts[3] if len(parts) > 3 else ""
    return parts[0], "", parts[1] if len(parts) > 1 else ""


def _only(request: web.BaseRequest) -> str:
    return request.query.get("fieldSelector", "").removeprefix("metadata.name=")


def _line(type_: str, thing: Object) -> bytes:
    return json.dumps({"type": type_, "object": thing}).encode() + b"\n"


def _status(code: int, message: str, headers: Mapping[str, str] | None = None) -> web.Response:
    body = {"kind": "Status", "status": "Failure", "code": code, "message": message}
    return web.json_response(body, status=code, headers=headers)


def until(ask: Callable[[], T], timeout: float = 20.0) -> T:
    """The first answer that is not empty; AssertionError after ``timeout`` seconds."""
    end = time.monotonic() + timeout
    while not (found := ask()):
        if time.monotonic() > end:
            raise AssertionError(f"not within {timeout} s")
        time.sleep(0.01)
    return found


async def soon(ask: Callable[[], T], timeout: float = 20.0) -> T:
    """`until`, for what happens on the test's own loop."""
    end = time.monotonic() + timeout
    while not (found := ask()):
        if time.monotonic() > end:
            raise AssertionError(f"not within {timeout} s")
        await asyncio.sleep(0.005)
    return found

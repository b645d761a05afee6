"""An API server whose service accounts are made, changed and deleted, and get tokens.

The tokens are those of a running azwi-emulator's issuer, which Entra ID's emulator believes.
"""

import asyncio
import json
from typing import Any

from aiohttp import web

from azwi_emulator.client import Control
from azwi_emulator.messages import ServiceAccountTokenRequest
from azwi_testing.apiserver import ApiServer, Object, _read, _status

DISCOVERY = "/.well-known/openid-configuration"
KIND = "serviceaccounts"


class AccountsServer(ApiServer):
    """Use it in a ``with``; ``issuer`` is what its discovery document says."""

    def __init__(self, issuer: str, control: Control) -> None:
        super().__init__()
        self.issuer, self._control = issuer, control
        self.bound: set[tuple[str, str]] = set()
        """Users and the client ids that they may use by an AKS identity binding."""

    def clear(self) -> None:
        """Forget every object."""
        self._do(self._objects.clear)
        self.bound.clear()

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.path == DISCOVERY:
            return web.json_response({"issuer": self.issuer})
        if request.method != "GET":
            return await self._write(request)
        kind, namespace, name = _read(request.path)
        if kind == KIND and namespace and not name:
            mine = [
                thing
                for key, thing in sorted(self._objects.get(kind, {}).items())
                if key[0] == namespace
            ]
            return web.json_response({"metadata": {}, "items": mine})
        return await super()._answer(request)

    async def _write(self, request: web.BaseRequest) -> web.StreamResponse:
        kind, namespace, name = _read(request.path)
        held = self._objects.setdefault(kind, {})
        body = json.loads(await request.read() or "{}")
        if request.path.endswith("/subjectaccessreviews"):
            spec = body["spec"]
            asked = (spec["user"], spec["resourceAttributes"]["resource"])
            is_right = spec["resourceAttributes"]["verb"] == "use-managed-identity"
            status = {"allowed": is_right and asked in self.bound}
            return web.json_response({**body, "status": status}, status=201)
        if request.path.endswith("/token"):
            return await self._token(namespace, name, body)
        if request.method == "POST":
            if ("", namespace) not in self._objects.get("namespaces", {}):
                return _status(404, f'namespaces "{namespace}" not found')
            if (namespace, body["metadata"]["name"]) in held:
                return _status(409, "already exists")
            self._store(kind, body)
            return web.json_response(body, status=201)
        if (namespace, name) not in held:
            return _status(404, f'{kind} "{name}" not found')
        if request.method == "DELETE":
            del held[namespace, name]
            return web.json_response({"kind": "Status", "status": "Success"})
        merged = _merged(held[namespace, name], body)
        self._store(kind, merged)
        return web.json_response(merged)

    async def _token(self, namespace: str, name: str, body: Object) -> web.StreamResponse:
        if (namespace, name) not in self._objects.get(KIND, {}):
            return _status(404, f'serviceaccounts "{name}" not found')
        wanted = ServiceAccountTokenRequest(
            namespace=namespace, name=name, audience=body["spec"]["audiences"][0]
        )
        token = await asyncio.to_thread(self._control.service_account_token, wanted)
        return web.json_response({**body, "status": {"token": token}}, status=201)


def _merged(old: Any, patch: Any) -> Any:
    """RFC 7396."""
    if not isinstance(patch, dict):
        return patch
    new = dict(old) if isinstance(old, dict) else {}
    for key, value in patch.items():
        if value is None:
            new.pop(key, None)
        else:
            new[key] = _merged(new.get(key), value)
    return new

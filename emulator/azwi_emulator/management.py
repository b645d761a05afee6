"""Microsoft Graph and ARM over HTTP: below a path of their own each, at Entra ID's port.

What a request means is decided by pure functions (``routes`` says which); here are the token, the
body, and the one thing that takes time: an identity bears one write of its credentials at a time.
"""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

from aiohttp import web

from azwi_emulator import api, arm, arm_credentials, errors, graph, keys, resource, routes
from azwi_emulator.api import Call, Name, Problem, Reply
from azwi_emulator.messages import Fault
from azwi_emulator.state import State

STATE: Final = web.AppKey("state", State)
PATHS: Final[dict[Name, str]] = {"graph": "/graph", "arm": "/arm"}
"""Below the authority; SDKs take a base URL with a path."""

WRITE_SECONDS: Final = 0.05  # a real write takes a second; long enough that two at once meet
RETRY_AFTER: Final = "10"

_ROUTES: Final[dict[Name, api.Routes]] = {"graph": routes.GRAPH, "arm": routes.ARM}
_AUDIENCES: Final = {"graph": graph.AUDIENCES, "arm": arm.AUDIENCES}
_ARM_CODES: Final[dict[errors.Why, str]] = {
    "missing": "AuthenticationFailed",
    "invalid": "InvalidAuthenticationToken",
    "audience": "InvalidAuthenticationTokenAudience",
    "expired": "ExpiredAuthenticationToken",
}


def served() -> list[web.AbstractRouteDef]:
    """The routes of both; their names are places of faults."""
    return [
        web.get(PATHS["arm"] + "/metadata/endpoints", endpoints, name="arm-metadata"),
        web.route("*", PATHS["graph"] + "/{path:.*}", graph_call, name="graph"),
        web.route("*", PATHS["arm"] + "/{path:.*}", arm_call, name="arm"),
    ]


def base_url(authority: str, name: Name) -> str:
    """Of an API, without a trailing slash; ``authority`` ends with one."""
    return authority.rstrip("/") + PATHS[name]


async def endpoints(request: web.Request) -> web.Response:
    """What a client of a custom cloud asks for first; needs no token."""
    authority = request.app[STATE].authority
    login = {
        "loginEndpoint": authority.rstrip("/"),
        "audiences": ["https://management.core.windows.net/", "https://management.azure.com/"],
        "tenant": "common",
        "identityProvider": "AAD",
    }
    cloud = {
        "name": "azwi-emulator",
        "authentication": login,
        "resourceManager": base_url(authority, "arm") + "/",
        "microsoftGraphResourceId": base_url(authority, "graph") + "/",
        "suffixes": {},
    }
    return web.json_response([cloud])


async def graph_call(request: web.Request) -> web.Response:
    """Any request to Microsoft Graph."""
    return await _decided(request, "graph")


async def arm_call(request: web.Request) -> web.Response:
    """Any request to Azure Resource Manager."""
    return await _decided(request, "arm")


def name_of(request: web.Request) -> Name | None:
    """The API that a request is for."""
    match request.match_info.route.name:
        case "graph":
            return "graph"
        case "arm":
            return "arm"
    return None


def path_of(request: web.Request, name: Name) -> str:
    """A request's path below the API's URL."""
    return api.normal(request.path.removeprefix(PATHS[name]))


def is_serial_write(request: web.Request) -> bool:
    """Whether it writes a federated credential of a managed identity."""
    if name_of(request) != "arm":
        return False
    found = api.find(routes.ARM, request.method, path_of(request, "arm"))
    return found is not None and found[0].handler in routes.SERIAL_WRITES


def is_report(request: web.Request) -> bool:
    """Whether it reads a report of Graph."""
    if name_of(request) != "graph":
        return False
    found = api.find(routes.GRAPH, request.method, path_of(request, "graph"))
    return found is not None and found[0].handler in routes.REPORTS


def faulty(request: web.Request, fault: Fault) -> Problem | None:
    """The API's own refusal for a fault that has one."""
    name = name_of(request)
    if name and fault.kind == "throttle":
        code = arm.THROTTLED if name == "arm" else graph.THROTTLED
        retry = {"Retry-After": fault.retry_after or RETRY_AFTER}
        return Problem(429, code, "Too many requests: wait, and try again.", headers=retry)
    if name and fault.kind == "concurrent":
        return arm_credentials.concurrent(path_of(request, name).rpartition("/federated")[0])
    return None


def refused(request: web.Request, problem: Problem) -> web.Response:
    """The answer to a request that ended in ``problem``."""
    request_id, client_id = str(uuid.uuid4()), _client_id(request)
    if name_of(request) == "graph":
        now = request.app[STATE].now()
        body = graph.error_body(problem, now=now, request_id=request_id, client_id=client_id)
    else:
        body = arm.error_body(problem)
    return web.json_response(
        body, status=problem.status, headers={**_ids(request, request_id), **problem.headers}
    )


async def _decided(request: web.Request, name: Name) -> web.Response:
    state, path = request.app[STATE], path_of(request, name)
    tenant_id = _tenant_of(request, name)
    if name == "arm":
        arm.check_version(request.query)
    found = api.find(_ROUTES[name], request.method, path)
    if found is None:
        unknown = graph.unknown_path if name == "graph" else arm.unknown_path
        raise unknown(path, api.allowed(_ROUTES[name], path))
    route, at = found
    body = await _body(request, name)
    async with _alone(state, path, route):
        call = Call(
            method=request.method,
            path=path,
            query=dict(request.query),
            body=body,
            tenant_id=tenant_id,
            now=state.now(),
            lag=state.lag(),
            base_url=base_url(state.authority, name),
            page_size=state.page_size,
            new_id=lambda: str(uuid.uuid4()),
            prefer=request.headers.get("Prefer", ""),
        )
        reply = route.handler(state.cloud, call, at)
        if request.method not in ("GET", "HEAD"):
            state.keep()
    return _answer(request, reply)


def _tenant_of(request: web.Request, name: Name) -> str:
    state = request.app[STATE]
    own = base_url(state.authority, name)
    try:
        claims = resource.claims_of(
            request.headers.get("Authorization", ""),
            keys.read_jwks(state.entra_keys.jwks()),
            authority=state.authority,
            audience=_AUDIENCES[name] | {own, own + "/"},
            now=state.now(),
        )
    except errors.TokenRefused as error:
        if name == "graph":
            raise graph.unauthorized(str(error), authority=state.authority) from error
        code = _ARM_CODES[error.why]
        raise arm.unauthorized(str(error), authority=state.authority, code=code) from error
    return str(claims["tid"])


async def _body(request: web.Request, name: Name) -> Any:
    raw = await request.read()
    try:
        return json.loads(raw) if raw else None
    except (ValueError, RecursionError) as error:
        sentence = f"The body is not JSON: {error}."
        bad = graph.bad_request if name == "graph" else arm.bad_request
        code = "BadRequest" if name == "graph" else "InvalidRequestContent"
        raise bad(sentence, code) from error


@asynccontextmanager
async def _alone(state: State, path: str, route: api.Route) -> AsyncIterator[None]:
    """Hold an identity for a write of its credentials; raises Problem where it is held already."""
    if route.handler not in routes.SERIAL_WRITES:
        yield
        return
    identity = path.lower().rpartition("/federatedidentitycredentials/")[0]
    if identity in state.written:
        raise arm_credentials.concurrent(identity)
    state.written.add(identity)
    try:
        await asyncio.sleep(WRITE_SECONDS)
        yield
    finally:
        state.written.discard(identity)


def _answer(request: web.Request, reply: Reply) -> web.Response:
    headers = {**_ids(request, str(uuid.uuid4())), "Cache-Control": "no-cache", **reply.headers}
    if reply.body is None:
        return web.Response(status=reply.status, headers=headers)
    return web.json_response(reply.body, status=reply.status, headers=headers)


def _ids(request: web.Request, request_id: str) -> dict[str, str]:
    if name_of(request) == "graph":
        return {"request-id": request_id, "client-request-id": _client_id(request)}
    return {"x-ms-request-id": request_id, "x-ms-correlation-request-id": request_id}


def _client_id(request: web.Request) -> str:
    try:
        return str(uuid.UUID(request.headers.get("client-request-id", "")))
    except ValueError:
        return str(uuid.uuid4())

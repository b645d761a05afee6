"""Around every handler of the TLS port: the record, the faults, and errors that become answers."""

import hashlib
import logging
import time
import uuid
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from aiohttp import web

from azwi_common import logs
from azwi_emulator import aadsts, answers, api, federation, management, misbehaviour
from azwi_emulator.federation import Door
from azwi_emulator.messages import ApiCall, Exchange, Fault, Place
from azwi_emulator.state import State

log = logging.getLogger(__name__)

STATE: Final = web.AppKey("state", State)
DOOR: Final[web.AppKey[Door]] = web.AppKey("door")
NO_STORE: Final = {"Cache-Control": "no-store, no-cache", "Pragma": "no-cache"}

_LONGEST_FIELD = 300  # characters of a request that are remembered; 10,000 requests are

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Seen = Exchange | ApiCall

# Which faults reach which route; routes without a name are beyond faults.
_PLACES: Final[dict[str, tuple[Place, ...]]] = {
    "token": ("token",),
    "openid-configuration": ("metadata",),
    "instance": ("metadata",),
    "keys": ("keys",),
    "issuer-configuration": ("issuer",),
    "issuer-keys": ("issuer",),
    "graph": ("graph",),
    "arm": ("arm",),
    "arm-metadata": ("arm",),
}


@web.middleware
async def answer_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn what went wrong into an answer."""
    try:
        return await _answered(request, handler)
    except ConnectionError:  # nobody is there any more: cut off by a fault, or gone
        return web.Response()


@web.middleware
async def misbehave(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Record requests, and act out the faults that a request meets."""
    places = _PLACES.get(request.match_info.route.name or "", ())
    if not places:
        return await handler(request)
    if management.is_serial_write(request):
        places = (*places, "credentials")
    if management.is_report(request):
        places = (*places, "reports")
    faults, started = request.app[STATE].faults, time.monotonic()
    seen = await _seen(request)
    met = faults.take(
        *places,
        tenant_id=request.match_info.get("tenant", ""),
        client_id=seen.client_id if isinstance(seen, Exchange) else "",
    )
    if seen:
        seen.faults = tuple(met)
    try:
        response = await _acted(request, handler, met, seen)
        if seen:
            seen.status = response.status
    finally:
        if isinstance(seen, Exchange):
            _log(seen, time.monotonic() - started)
    return response


async def _answered(
    request: web.Request, handler: Handler, seen: Seen | None = None
) -> web.StreamResponse:
    try:
        return await handler(request)
    except aadsts.Refusal as refusal:
        if isinstance(seen, Exchange):
            seen.aadsts = refusal.code
        return _refused(request, refusal)
    except api.Problem as problem:
        if isinstance(seen, ApiCall):
            seen.code = problem.code
        return management.refused(request, problem)
    except ConnectionError:
        raise  # no error of the handler's: see answer_errors
    except Exception as error:  # noqa: BLE001  # the last resort: logged there, and answered
        return answers.failure(request, error)


def _refused(request: web.Request, refusal: aadsts.Refusal) -> web.Response:
    state, trace_id = request.app[STATE], str(uuid.uuid4())
    body = aadsts.error_body(
        refusal,
        now=state.now(),
        trace_id=trace_id,
        correlation_id=_correlation_id(request),
        authority=state.authority,
    )
    headers = {**NO_STORE, "x-ms-request-id": trace_id}
    return web.json_response(body, status=refusal.kind.status, headers=headers)


def _refusal(
    request: web.Request, met: Mapping[str, Fault], seen: Seen | None
) -> aadsts.Refusal | api.Problem | None:
    """The refusal that a fault asks for, in the words of the place."""
    for fault in met.values():
        if fault.kind == "aadsts":
            facts = {}
            if isinstance(seen, Exchange):
                facts = {"tenant": seen.tenant_id, "client_id": seen.client_id, "scope": seen.scope}
            return aadsts.Refusal(fault.code, **facts)
        problem = management.faulty(request, fault)
        if problem is not None:
            return problem
    return None


async def _acted(
    request: web.Request, handler: Handler, met: Mapping[str, Fault], seen: Seen | None
) -> web.StreamResponse:
    refusal, faults = _refusal(request, met, seen), request.app[STATE].faults
    if refusal is None:
        return await misbehaviour.act(
            request, met, faults, lambda: _answered(request, handler, seen)
        )

    async def refuse(_: web.Request) -> web.StreamResponse:
        raise refusal

    await misbehaviour.delay(met)
    return await _answered(request, refuse, seen)


async def posted(request: web.Request) -> str:
    """The form in the body; empty where it is none."""
    if request.content_type != "application/x-www-form-urlencoded":
        return ""  # Entra ID reads no other form: every field counts as missing
    return (await request.read()).decode("utf-8", "replace")


async def _seen(request: web.Request) -> Seen | None:
    if request.match_info.route.name == "token":
        return await _record(request)
    name = management.name_of(request)
    if name is None:
        return None
    call = ApiCall(
        time=time.time(),
        api=name,
        method=request.method,
        path=management.path_of(request, name)[:_LONGEST_FIELD],
    )
    request.app[STATE].calls.append(call)
    return call


async def _record(request: web.Request) -> Exchange:
    fields = dict(federation.fields_of(await posted(request)))
    assertion = fields.get("client_assertion", "")
    seen = Exchange(
        time=time.time(),
        tenant_id=request.match_info["tenant"][:_LONGEST_FIELD],
        client_id=fields.get("client_id", "")[:_LONGEST_FIELD],
        scope=fields.get("scope", "")[:_LONGEST_FIELD],
        assertion_sha256=hashlib.sha256(assertion.encode()).hexdigest()[:16] if assertion else "",
        via=request.app[DOOR],
    )
    request.app[STATE].record(seen)
    return seen


def _correlation_id(request: web.Request) -> str:
    try:
        return str(uuid.UUID(request.headers.get("client-request-id", "")))
    except ValueError:
        return str(uuid.uuid4())


def _log(seen: Exchange, seconds: float) -> None:
    fields = {
        "tenant": logs.short(seen.tenant_id),
        "client": logs.short(seen.client_id),
        "scope": seen.scope,
        "status": seen.status,
        "aadsts": seen.aadsts,
        "via": seen.via,
        "faults": seen.faults,
        "ms": round(seconds * 1000),
    }
    log.info("token request", extra={"fields": fields})


MIDDLEWARES: Final = (answer_errors, misbehave)

"""READ FIRST: what the emulator serves over TLS, and the one place where errors become answers.

A token request: ``misbehave`` records it and takes the faults that it meets; ``token`` asks
``federation`` for the match, ``discovery`` for the issuer's keys, ``federation`` for the grant, and
``state`` for the signed answer; ``_answered`` turns every refusal into Entra ID's JSON, and every
other error, by ``answers``, into a sentence.
"""

import hashlib
import logging
import time
import uuid
from collections.abc import Awaitable, Callable
from typing import Any, Final
from urllib.parse import quote, urlsplit

from aiohttp import web

from azwi_common import logs
from azwi_emulator import aadsts, answers, errors, federation, keys, misbehaviour, resource
from azwi_emulator.federation import Door
from azwi_emulator.issuer import PATH as ISSUER
from azwi_emulator.messages import Exchange, Fault, Place
from azwi_emulator.state import State

log = logging.getLogger(__name__)

STATE: Final = web.AppKey("state", State)
DOOR: Final[web.AppKey[Door]] = web.AppKey("door")

_LONGEST_FIELD = 300  # characters of a request that are remembered; 10,000 requests are
LARGEST_FORM = 1 << 17  # bytes; an assertion has 1 to 2 KB
DEFAULT_AUDIENCE = "https://vault.azure.net"
_NO_STORE = {"Cache-Control": "no-store, no-cache", "Pragma": "no-cache"}

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

# Which faults reach which route; routes without a name are beyond faults.
_PLACES: Final[dict[str, Place]] = {
    "token": "token",
    "openid-configuration": "metadata",
    "instance": "metadata",
    "keys": "keys",
    "issuer-configuration": "issuer",
    "issuer-keys": "issuer",
}


def make(state: State, *, door: Door = "entra", prefix: str = "") -> web.Application:
    """The application behind one door; ``prefix`` stands before every path of Entra ID."""
    app = web.Application(middlewares=[answer_errors, misbehave], client_max_size=LARGEST_FORM)
    app[STATE], app[DOOR] = state, door
    tenant = prefix + "/{tenant}"
    entra = [
        web.post(tenant + "/oauth2/v2.0/token", token, name="token"),
        web.get(
            tenant + "/v2.0/.well-known/openid-configuration",
            openid_configuration,
            name="openid-configuration",
        ),
        web.get(prefix + "/common/discovery/instance", instance_discovery, name="instance"),
        web.get(tenant + "/discovery/v2.0/keys", entra_keys, name="keys"),
    ]
    cluster = [
        web.get(
            ISSUER + ".well-known/openid-configuration",
            issuer_configuration,
            name="issuer-configuration",
        ),
        web.get(ISSUER + "openid/v1/jwks", issuer_keys, name="issuer-keys"),
        web.get("/whoami", whoami),
        web.get("/healthz", healthy),
    ]
    app.add_routes(entra if door == "token-proxy" else entra + cluster)
    return app


# --- Handlers -------------------------------------------------------------------------------------


async def token(request: web.Request) -> web.Response:
    """The token endpoint: client credentials with a federated assertion."""
    state = request.app[STATE]
    asked = federation.parse(
        request.match_info["tenant"], federation.parse_form(await _posted(request))
    )
    found = federation.match(
        asked,
        state.directory,
        door=request.app[DOOR],
        authority=state.authority,
        now=state.now(),
    )
    federation.check_algorithm(found.assertion)
    issuer_keys = await _keys_of(state, found)
    granted = federation.grant(found, issuer_keys, now=state.now())
    return web.json_response(state.token_answer(granted), headers=_NO_STORE)


async def openid_configuration(request: web.Request) -> web.Response:
    """The tenant's metadata, which msal reads when an application object is made."""
    state, tenant = request.app[STATE], request.match_info["tenant"]
    federation.known_tenant(tenant, state.directory)
    base = f"{state.authority}{tenant}"
    return web.json_response(
        {
            "token_endpoint": f"{base}/oauth2/v2.0/token",
            "token_endpoint_auth_methods_supported": ["private_key_jwt"],
            "jwks_uri": f"{base}/discovery/v2.0/keys",
            "response_types_supported": ["token"],
            "subject_types_supported": ["pairwise"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "issuer": state.entra_issuer(tenant),
            "authorization_endpoint": f"{base}/oauth2/v2.0/authorize",
        }
    )


async def instance_discovery(request: web.Request) -> web.Response:
    """Says that this host is an authority, under its own name only."""
    authority = request.app[STATE].authority
    host = authority.removeprefix("https://").rstrip("/")
    asked = urlsplit(request.query.get("authorization_endpoint", ""))
    tenant = asked.path.strip("/").partition("/")[0] or "common"
    return web.json_response(
        {
            "tenant_discovery_endpoint": (
                f"{authority}{quote(tenant)}/v2.0/.well-known/openid-configuration"
            ),
            "api-version": "1.1",
            "metadata": [{"preferred_network": host, "preferred_cache": host, "aliases": [host]}],
        }
    )


async def entra_keys(request: web.Request) -> web.Response:
    """The keys that verify access tokens."""
    state = request.app[STATE]
    federation.known_tenant(request.match_info["tenant"], state.directory)
    return web.json_response(state.entra_keys.jwks())


async def issuer_configuration(request: web.Request) -> web.Response:
    """Discovery document of the OIDC issuer."""
    return web.json_response(request.app[STATE].issuer.discovery_document())


async def issuer_keys(request: web.Request) -> web.Response:
    """The keys that verify service account tokens."""
    return web.json_response(request.app[STATE].issuer.jwks())


async def whoami(request: web.Request) -> web.Response:
    """A resource that wants a token for ``?audience=``, and answers its claims."""
    state = request.app[STATE]
    claims = resource.claims_of(
        request.headers.get("Authorization", ""),
        keys.read_jwks(state.entra_keys.jwks()),
        authority=state.authority,
        audience=request.query.get("audience", DEFAULT_AUDIENCE),
        now=state.now(),
    )
    return web.json_response(claims, headers=_NO_STORE)


async def healthy(_: web.Request) -> web.Response:
    """For readiness probes."""
    return web.Response(text="ok\n")


# --- Around every handler -------------------------------------------------------------------------


@web.middleware
async def answer_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn what went wrong into an answer."""
    try:
        return await _answered(request, handler)
    except ConnectionError:  # nobody is there any more: cut off by a fault, or gone
        return web.Response()


@web.middleware
async def misbehave(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Record token requests, and act out the faults that a request meets."""
    place = _PLACES.get(request.match_info.route.name or "")
    if place is None:
        return await handler(request)
    faults, started = request.app[STATE].faults, time.monotonic()
    seen = await _record(request) if place == "token" else None
    met = faults.take(
        place,
        tenant_id=request.match_info.get("tenant", ""),
        client_id=seen.client_id if seen else "",
    )
    if seen:
        seen.faults = tuple(met)
    try:
        response = await misbehaviour.act(
            request, met, faults, lambda: _answered(request, _refusing(met, seen) or handler)
        )
        if seen:
            seen.status, seen.aadsts = response.status, request.get("aadsts")
    finally:
        if seen:
            _log(seen, time.monotonic() - started)
    return response


async def _answered(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except aadsts.Refusal as refusal:
        return _refused(request, refusal)
    except ConnectionError:
        raise  # no error of the handler's: see answer_errors
    except Exception as error:  # noqa: BLE001  # the last resort: logged there, and answered
        return answers.failure(request, error)


def _refused(request: web.Request, refusal: aadsts.Refusal) -> web.Response:
    state, trace_id = request.app[STATE], str(uuid.uuid4())
    request["aadsts"] = refusal.code
    body = aadsts.error_body(
        refusal,
        now=state.now(),
        trace_id=trace_id,
        correlation_id=_correlation_id(request),
        authority=state.authority,
    )
    headers = {**_NO_STORE, "x-ms-request-id": trace_id}
    return web.json_response(body, status=refusal.kind.status, headers=headers)


def _refusing(met: dict[str, Fault], seen: Exchange | None) -> Handler | None:
    code = next((fault.code for fault in met.values() if fault.kind == "aadsts"), None)
    if code is None:
        return None
    facts = {}
    if seen:
        facts = {"tenant": seen.tenant_id, "client_id": seen.client_id, "scope": seen.scope}

    async def refuse(_: web.Request) -> web.StreamResponse:
        raise aadsts.Refusal(code, **facts)

    return refuse


async def _keys_of(state: State, found: federation.Match) -> dict[str, Any]:
    try:
        return await state.issuer_keys.get(found.credential.issuer, found.assertion.key_id)
    except errors.IssuerUnreachable as error:
        raise aadsts.Refusal(90061, reason=str(error)) from error
    except errors.BadKeys as error:
        raise aadsts.Refusal(900612, reason=str(error)) from error


async def _posted(request: web.Request) -> str:
    if request.content_type != "application/x-www-form-urlencoded":
        return ""  # Entra ID reads no other form: every field counts as missing
    return (await request.read()).decode("utf-8", "replace")


async def _record(request: web.Request) -> Exchange:
    fields = dict(federation.fields_of(await _posted(request)))
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

"""READ FIRST: what the emulator serves over TLS.

A token request: ``around`` records it, takes the faults that it meets, and turns errors into
answers; ``token`` asks ``federation`` for the match, ``discovery`` for the issuer's keys,
``federation`` for the grant, and ``state`` for the signed answer. Graph and ARM: ``management``.
"""

from typing import Any
from urllib.parse import quote, urlsplit

from aiohttp import web

from azwi_emulator import (
    aadsts,
    around,
    client_certificates,
    errors,
    federation,
    keys,
    management,
    resource,
)
from azwi_emulator.around import DOOR, NO_STORE, STATE
from azwi_emulator.federation import Door
from azwi_emulator.issuer import PATH as ISSUER
from azwi_emulator.state import State

LARGEST_FORM = 1 << 17  # bytes; an assertion has 1 to 2 KB
DEFAULT_AUDIENCE = "https://vault.azure.net"


def make(state: State, *, door: Door = "entra", prefix: str = "") -> web.Application:
    """The application behind one door; ``prefix`` stands before every path of Entra ID."""
    app = web.Application(middlewares=around.MIDDLEWARES, client_max_size=LARGEST_FORM)
    app[STATE], app[DOOR] = state, door
    app[management.STATE] = state
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
    app.add_routes(entra if door == "token-proxy" else entra + cluster + management.served())
    return app


# --- Handlers -------------------------------------------------------------------------------------


async def token(request: web.Request) -> web.Response:
    """The token endpoint: client credentials, by federated assertion, certificate or secret."""
    state = request.app[STATE]
    asked = federation.parse(
        request.match_info["tenant"], federation.parse_form(await around.posted(request))
    )
    if asked.secret:
        granted = federation.grant_by_secret(
            asked, state.directory, door=request.app[DOOR], now=state.now()
        )
        return web.json_response(state.token_answer(granted), headers=NO_STORE)
    if request.app[DOOR] == "entra" and client_certificates.is_own(asked):
        granted = client_certificates.grant(
            asked, state.directory, authority=state.authority, now=state.now()
        )
        return web.json_response(state.token_answer(granted), headers=NO_STORE)
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
    return web.json_response(state.token_answer(granted), headers=NO_STORE)


async def openid_configuration(request: web.Request) -> web.Response:
    """The tenant's metadata, which msal reads when an application object is made."""
    state, tenant = request.app[STATE], request.match_info["tenant"]
    federation.known_tenant(tenant, state.directory)
    base = f"{state.authority}{tenant}"
    return web.json_response(
        {
            "token_endpoint": f"{base}/oauth2/v2.0/token",
            "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt"],
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
    return web.json_response(claims, headers=NO_STORE)


async def healthy(_: web.Request) -> web.Response:
    """For readiness probes."""
    return web.Response(text="ok\n")


async def _keys_of(state: State, found: federation.Match) -> dict[str, Any]:
    try:
        return await state.issuer_keys.get(found.credential.issuer, found.assertion.key_id)
    except errors.IssuerUnreachable as error:
        raise aadsts.Refusal(90061, reason=str(error)) from error
    except errors.BadKeys as error:
        raise aadsts.Refusal(900612, reason=str(error)) from error

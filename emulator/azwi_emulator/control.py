"""The control endpoint: registers, breaks, heals and inspects a running emulator. HTTP and JSON.

Off limits for browsers: a request with an ``Origin``, or for a host name that is not this
machine's, is refused, so that no web page can steer a developer's emulator (DNS rebinding).
"""

import ipaddress
import json
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Final, TypeVar

from aiohttp import web

from azwi_emulator import answers, errors, messages, wire
from azwi_emulator.state import State

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

T = TypeVar("T", bound="DataclassInstance")
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

STATE: Final = web.AppKey("state", State)
ANNOUNCEMENT: Final = web.AppKey("announcement", messages.Announcement)
NAMES: Final[web.AppKey[frozenset[str]]] = web.AppKey("names")
"""Host names under which it may be called, beside any address."""

CHANGED: Final[web.AppKey[Callable[[], Awaitable[None]]]] = web.AppKey("changed")
"""Called after every change of faults, keys or registrations: listeners and files follow."""


def _routes() -> list[web.RouteDef]:
    return [
        web.get("/", announce),
        web.get("/clients", list_clients),
        web.put("/clients", put_client),
        web.delete("/clients/{tenant}/{client}", delete_client),
        web.get("/credentials", list_credentials),
        web.post("/credentials", add_credential),
        web.delete("/credentials/{id}", delete_credential),
        web.put("/issuers", put_issuer),
        web.post("/service-account-tokens", mint),
        web.post("/issuer/rotate", rotate),
        web.get("/access-tokens", show_access_tokens),
        web.put("/access-tokens", put_access_tokens),
        web.get("/faults", list_faults),
        web.put("/faults/{name}", put_fault),
        web.delete("/faults/{name}", clear_fault),
        web.delete("/faults", clear_faults),
        web.get("/exchanges", list_exchanges),
        web.get("/calls", list_calls),
        web.post("/reset", reset),
    ]


def make(
    state: State,
    announcement: messages.Announcement,
    *,
    names: frozenset[str],
    changed: Callable[[], Awaitable[None]],
) -> web.Application:
    """The control endpoint's application."""
    app = web.Application(middlewares=[answer_errors])
    app[STATE], app[ANNOUNCEMENT], app[NAMES], app[CHANGED] = state, announcement, names, changed
    app.add_routes(_routes())
    return app


async def announce(request: web.Request) -> web.Response:
    """Where everything is."""
    return web.json_response(wire.write(request.app[ANNOUNCEMENT]))


async def list_clients(request: web.Request) -> web.Response:
    """Every registered client."""
    clients = request.app[STATE].directory.clients()
    return web.json_response({"clients": [wire.write(client) for client in clients]})


async def put_client(request: web.Request) -> web.Response:
    """Register a client, or replace it."""
    request.app[STATE].add_client(await _body(request, messages.ClientRegistration))
    return await _done(request)


async def delete_client(request: web.Request) -> web.Response:
    """Forget a client and its credentials."""
    where = request.match_info
    request.app[STATE].directory.remove_client(where["tenant"], where["client"])
    return await _done(request)


async def list_credentials(request: web.Request) -> web.Response:
    """Every federated credential, with its id."""
    known = request.app[STATE].directory.all_credentials()
    listed = [{"id": name, **wire.write(credential)} for name, credential in known.items()]
    return web.json_response({"credentials": listed})


async def add_credential(request: web.Request) -> web.Response:
    """Register a federated credential."""
    name = request.app[STATE].add_credential(await _body(request, messages.CredentialRegistration))
    return await _done(request, id=name)


async def delete_credential(request: web.Request) -> web.Response:
    """Forget a federated credential."""
    request.app[STATE].directory.remove_credential(request.match_info["id"])
    return await _done(request)


async def put_issuer(request: web.Request) -> web.Response:
    """Hand in the keys of an issuer that cannot be reached."""
    request.app[STATE].add_issuer(await _body(request, messages.ExternalIssuer))
    return await _done(request)


async def mint(request: web.Request) -> web.Response:
    """Sign a service account token."""
    asked = await _body(request, messages.ServiceAccountTokenRequest)
    return web.json_response({"token": request.app[STATE].issuer.mint(asked, now=time.time())})


async def rotate(request: web.Request) -> web.Response:
    """Change the issuer's signing key."""
    rotation = await _body(request, messages.Rotation)
    return await _done(request, kids=request.app[STATE].issuer.rotate(keep_old=rotation.keep_old))


async def show_access_tokens(request: web.Request) -> web.Response:
    """What access tokens look like."""
    return web.json_response(wire.write(request.app[STATE].access_tokens))


async def put_access_tokens(request: web.Request) -> web.Response:
    """Change what access tokens look like."""
    request.app[STATE].access_tokens = await _body(request, messages.AccessTokenShape)
    return await _done(request)


async def list_faults(request: web.Request) -> web.Response:
    """Every fault that is set, by name, with the requests that it still applies to."""
    listed = request.app[STATE].faults.listed()
    return web.json_response(
        {"faults": {name: {**wire.write(f), "left": left} for name, (f, left) in listed.items()}}
    )


async def put_fault(request: web.Request) -> web.Response:
    """Set a fault."""
    fault = await _body(request, messages.Fault)
    request.app[STATE].faults.put(request.match_info["name"], fault)
    return await _done(request)


async def clear_fault(request: web.Request) -> web.Response:
    """Heal one fault."""
    request.app[STATE].faults.clear(request.match_info["name"])
    return await _done(request)


async def clear_faults(request: web.Request) -> web.Response:
    """Heal every fault."""
    request.app[STATE].faults.clear_all()
    return await _done(request)


async def list_exchanges(request: web.Request) -> web.Response:
    """Token requests since the start or the last reset: how many, and the last 10,000."""
    state = request.app[STATE]
    kept = state.exchanges_of(request.query.get("clientId"))
    return web.json_response(
        {"count": state.exchange_count, "exchanges": [wire.write(seen) for seen in kept]}
    )


async def list_calls(request: web.Request) -> web.Response:
    """Requests to Graph and ARM since the start or the last reset: the last 10,000."""
    kept = request.app[STATE].calls_of(request.query.get("api"))
    return web.json_response({"calls": [wire.write(seen) for seen in kept]})


async def reset(request: web.Request) -> web.Response:
    """Back to how the emulator started."""
    request.app[STATE].reset()
    return await _done(request)


@web.middleware
async def answer_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """The one place where the control endpoint's errors become answers: a JSON sentence each."""
    try:
        _refuse_browsers(request)
        return await handler(request)
    except ConnectionError:
        raise  # the caller is gone
    except Exception as error:  # noqa: BLE001  # the last resort: logged there, and answered
        return answers.failure(request, error)


def _refuse_browsers(request: web.Request) -> None:
    if "Origin" in request.headers:
        raise errors.RequestRefused("The control endpoint is not for web pages.", status=403)
    host = (request.url.host or "").lower()
    if host not in request.app[NAMES] and not _is_address(host):
        raise errors.RequestRefused(
            f"The control endpoint is not known as {host!r}: use its address,"
            " or give the name to the emulator by --names.",
            status=403,
        )


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


async def _body(request: web.Request, cls: type[T]) -> T:
    body = await request.read()
    try:
        decoded = json.loads(body) if body else {}
    except ValueError as error:
        raise errors.BadMessage(f"The body is not JSON: {error}.") from error
    return wire.read(cls, decoded)


async def _done(request: web.Request, **answer: Any) -> web.Response:
    await request.app[CHANGED]()
    return web.json_response({"ok": True, **answer})

"""READ FIRST: every request of the proxy enters at `App.handle`, and every answer is built here.

`_routes` is the table of contents: ``paths`` says what a request is, one short handler answers it.
Whatever is raised as an errors.ProxyError becomes an answer in `handle`, and nowhere else.
"""

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable, Mapping

from aiohttp import web

from azwi_common import contract
from azwi_common.logs import short
from azwi_proxy import appservice, errors, imds, paths, tokens
from azwi_proxy.entra import Entra, read_assertion
from azwi_proxy.identities import Identities, Identity
from azwi_proxy.metrics import CONTENT_TYPE, Metrics
from azwi_proxy.paths import Route
from azwi_proxy.replay import Replay
from azwi_proxy.settings import Settings
from azwi_proxy.upstream import Upstream, invite

MAX_FORM = 16 * 1024  # bytes; a token request's form is some 200
PREFETCH_SPREAD = 2.0  # seconds at most before each: many pods start at once
FORM_TIME = 5.0  # seconds for the form to arrive
_SERVER = {"Server": contract.SERVER_NAME}
_JSON = {"Content-Type": imds.CONTENT_TYPE, **_SERVER}

_SPELLED = {Route.APP_SERVICE: appservice.error_answer}

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]
Spelling = Callable[[errors.ProxyError], bytes]
"""How a protocol writes an error."""

log = logging.getLogger("azwi_proxy")


class StoredAnswer(web.Response):
    """A token out of the store; its bytes answer the same request for the rest of its second."""

    def __init__(self, body: bytes, second: int) -> None:
        super().__init__(body=body, headers=_JSON)
        self.token_body = body
        self.second = second
        """Unix time; what the body says of expiry is right in this second."""


class App:
    """The proxy's one site on loopback."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._identities = Identities(
            default_client=settings.client_id or "",
            default_tenant=settings.tenant_id or "",
            mapped=settings.identities,
            strict=settings.strict,
        )
        self.metrics = Metrics()
        self.replay = Replay()
        self._entra = Entra(settings)
        self._store = tokens.TokenStore(self._exchange, on_hit=self.metrics.hits.inc)
        self._upstream = Upstream(settings.metadata_ip, settings.metadata_port)
        self.metrics.watch(self._store.least_remaining, self.replay.take_count)
        self._routes: Mapping[Route, Handler] = {
            Route.TOKEN: self._token,
            Route.IDENTITY_INFO: self._info,
            Route.IDENTITY: self._no_such_identity_endpoint,
            Route.APP_SERVICE: self._app_service,
            Route.METADATA_ROOT: self._root,
            Route.INSTANCE: self._forward,
            Route.AZURE: self._forward,
            Route.FOREIGN: self._forward,
            Route.READY: self._ready,
            Route.HEALTH: self._healthy,
            Route.METRICS: self._metrics,
            Route.UNREADABLE: self._unreadable,
        }

    async def start(self) -> None:
        """Open the sessions to the peers; raises errors.Unavailable where a CA file is unusable."""
        await self._entra.start()
        await self._upstream.start()

    async def close(self) -> None:
        """Give up exchanges in flight, and close the sessions."""
        await self._store.close()
        await self._entra.close()
        await self._upstream.close()

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request; the one place where errors become answers."""
        route = paths.route(request.raw_path)
        reason = "ok"
        try:
            if request.method == "CONNECT":  # whatever follows it would be a tunnel's
                raise errors.MethodNotAllowed("GET")
            response = await self._routes[route](request)
        except errors.ProxyError as error:
            error.forget_frames()  # the store may remember it
            reason = error.reason
            response = _error(error, _SPELLED.get(route, imds.error_answer))
            log.log(_level(route, error), "request", extra={"fields": _fields(route, error)})
        except Exception:  # a bug: ``server`` logs it, and answers with `broken`
            self.metrics.requests.labels(route.value, 500, errors.Broken.reason).inc()
            raise
        self.metrics.requests.labels(route.value, response.status, reason).inc()
        return response

    async def _token(self, request: web.BaseRequest) -> web.Response:
        if request.method not in ("GET", "POST"):
            raise errors.MethodNotAllowed("GET, POST")
        _guard(request)
        form = await _form(request) if request.method == "POST" else ""
        asked = imds.token_request(paths.split(request.raw_path)[1], form)
        _, token = await self._held(asked)
        moment = tokens.now()
        body = imds.token_answer(
            token.text,
            asked.resource,
            expires_in=int(token.remaining(moment)),
            expires_on=token.expiry(moment),
            not_before=token.not_before,
        )
        if log.isEnabledFor(logging.DEBUG):  # every answer has its line then: none is sent again
            return _json(200, body)
        return StoredAnswer(body, int(moment.wall))

    async def _app_service(self, request: web.BaseRequest) -> web.Response:
        """The same tokens, by App Service's protocol."""
        secret = self._settings.identity_header
        if not secret:
            raise errors.NotHere(
                f"{contract.MSI_PATH} does not exist here: {contract.IDENTITY_HEADER} is not set"
            )
        if request.method != "GET":
            raise errors.MethodNotAllowed("GET")
        query = paths.split(request.raw_path)[1]
        spoken, headers = appservice.version(query), request.headers
        values = headers.getall(spoken.value, ())
        appservice.guard(spoken, values, secret, "X-Forwarded-For" in headers)
        asked = appservice.token_request(query)
        identity, token = await self._held(asked)
        moment = tokens.now()
        body = appservice.token_answer(
            spoken,
            token.text,
            asked.resource,
            identity.client_id,
            expires_in=int(token.remaining(moment)),
            expires_on=token.expiry(moment),
        )
        return _json(200, body)

    async def _held(self, asked: imds.TokenRequest) -> tuple[Identity, tokens.Token]:
        """Whom a request means, and the token for it, out of the store or through it."""
        identity = self._identities.resolve(asked.parameter, asked.value)
        scope = imds.scope(asked.resource)
        token = self._store.fresh(identity, scope) or await self._store.get(identity, scope)
        if log.isEnabledFor(logging.DEBUG):
            log.debug("token", extra={"fields": {"client": short(identity.client_id)}})
        return identity, token

    async def _exchange(self, identity: Identity, scope: str) -> tokens.Token:
        """The store's way to Entra ID: timed and logged, once however many wait for it."""
        started = time.monotonic()
        fields: dict[str, object] = {"client": short(identity.client_id), "scope": scope}
        result = errors.Broken.reason
        try:
            token = await self._entra.exchange(identity, scope)
            result = "ok"
            return token
        except asyncio.CancelledError:
            result = "given_up"  # the proxy ends
            raise
        except errors.ProxyError as error:
            result = error.reason
            told = error.description.replace(identity.client_id, short(identity.client_id))
            fields |= {"status": error.status, "told": told}
            raise
        finally:
            seconds = time.monotonic() - started
            self.metrics.exchanges.labels(result).observe(seconds)
            fields |= {"reason": result, "ms": round(seconds * 1000)}
            level = logging.INFO if result == "ok" else logging.WARNING
            log.log(level, "token exchange", extra={"fields": fields})

    async def _ready(self, request: web.BaseRequest) -> web.Response:
        """Settings were valid, the port listens; the token file is read. Never asks Entra ID."""
        try:
            read_assertion(self._settings.token_file)
        except errors.Unavailable as error:
            return _text(error.description + "\n", status=503)
        return _text("ok\n")

    async def _healthy(self, request: web.BaseRequest) -> web.Response:
        return _text("ok\n")

    async def _metrics(self, request: web.BaseRequest) -> web.Response:
        return metrics_answer(request, self.metrics)

    async def _no_such_identity_endpoint(self, request: web.BaseRequest) -> web.Response:
        raise errors.NotHere("This identity endpoint does not exist here")

    async def _unreadable(self, request: web.BaseRequest) -> web.Response:
        raise errors.BadRequest("The request's target cannot be read safely")

    async def _info(self, request: web.BaseRequest) -> web.Response:
        _only_get(request)
        _guard(request)
        tenant = self._identities.default_tenant or self._identities.resolve("", "").tenant_id
        return _json(200, imds.info_answer(tenant))

    async def _root(self, request: web.BaseRequest) -> web.Response:
        """What old Terraform providers ask to see whether IMDS is there."""
        _only_get(request)
        _guard(request)
        return web.Response(body=imds.ROOT_LISTING, content_type="text/plain", headers=_SERVER)

    async def _forward(self, request: web.BaseRequest) -> web.StreamResponse:
        if not self._may_forward(paths.route(request.raw_path), request.method):
            raise errors.NotForwarded(
                f"This metadata is not passed on in this pod ({contract.FORWARD}="
                f"{self._settings.forward})"
            )
        return await self._upstream.forward(request)

    def _may_forward(self, route: Route, method: str) -> bool:
        match self._settings.forward:
            case "all":
                return True
            case "none":
                return False
            case _:
                return route is Route.FOREIGN or (route is Route.INSTANCE and method == "GET")

    async def prefetch(self, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        """Get the tokens that AZWI_PREFETCH names, one by one; failures are only logged."""
        for resource in self._settings.prefetch:
            await sleep(random.uniform(0, PREFETCH_SPREAD))
            try:
                identity = self._identities.resolve("", "")
                await self._store.get(identity, imds.scope(resource), remember=False)
                log.info(contract.TOKEN_IN_ADVANCE, extra={"fields": {"resource": resource}})
            except errors.ProxyError as error:
                fields = {"resource": resource, "reason": error.reason}
                fields["description"] = error.description
                log.warning(contract.NO_TOKEN_IN_ADVANCE, extra={"fields": fields})


def metrics_answer(request: web.BaseRequest, metrics: Metrics) -> web.Response:
    """The answer to GET /metrics, on either site."""
    _only_get(request)
    headers = {"Content-Type": CONTENT_TYPE, **_SERVER}
    return web.Response(body=metrics.exposition(), headers=headers)


async def metrics_site(request: web.BaseRequest, metrics: Metrics) -> web.Response:
    """The second site, on the pod's address: metrics, and never anything else."""
    try:
        if paths.route(request.raw_path) is not Route.METRICS:
            raise errors.NotHere("There is only /metrics here")
        return metrics_answer(request, metrics)
    except errors.ProxyError as error:
        return _error(error)


def bad_message() -> web.Response:
    """The answer to bytes that are not HTTP."""
    return _error(errors.BadRequest("The request cannot be parsed as HTTP"))


def broken() -> web.Response:
    """The answer where this program has a bug; the log has the traceback."""
    return _error(errors.Broken())


def _level(route: Route, error: errors.ProxyError) -> int:
    """Refusals are logged; probes are not, and what an exchange said has a line already."""
    quiet = isinstance(error, errors.HeaderMissing | errors.TokenError)
    return logging.DEBUG if quiet or route in (Route.READY, Route.HEALTH) else logging.INFO


def _fields(route: Route, error: errors.ProxyError) -> dict[str, object]:
    """Nothing of the request itself: a target may hold what is not ours to write down."""
    return {"route": route.value, "status": error.status, "reason": error.reason}


def _guard(request: web.BaseRequest) -> None:
    headers = request.headers
    imds.guard(headers.getall("Metadata", ()), "X-Forwarded-For" in headers)


def _only_get(request: web.BaseRequest) -> None:
    if request.method not in ("GET", "HEAD"):
        raise errors.MethodNotAllowed("GET, HEAD")


async def _form(request: web.BaseRequest) -> str:
    """The form of a POST, as text; an empty body is an empty form."""
    body = bytearray()
    await invite(request)
    try:
        async with asyncio.timeout(FORM_TIME):
            async for chunk in request.content.iter_any():
                body += chunk
                if len(body) > MAX_FORM:
                    raise errors.BodyTooLarge(f"The form is larger than {MAX_FORM} bytes")
    except TimeoutError as error:
        raise errors.SlowClient(f"The form did not arrive within {FORM_TIME:.0f} s") from error
    if body and request.content_type != imds.FORM_TYPE:
        raise errors.BadRequest(f"The body must be a form ({imds.FORM_TYPE})")
    try:
        return body.decode()
    except UnicodeDecodeError as error:
        raise errors.BadRequest("The form is not UTF-8") from error


def _json(status: int, body: bytes) -> web.Response:
    return web.Response(status=status, body=body, headers=_JSON)


def _text(text: str, status: int = 200) -> web.Response:
    return web.Response(status=status, text=text, headers=_SERVER)


def _error(error: errors.ProxyError, spell: Spelling = imds.error_answer) -> web.Response:
    response = _json(error.status, spell(error))
    if error.retry_after is not None:
        response.headers["Retry-After"] = str(error.retry_after)
    if isinstance(error, errors.MethodNotAllowed):
        response.headers["Allow"] = error.allow
    return response

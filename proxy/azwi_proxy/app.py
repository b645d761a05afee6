"""READ FIRST: every request of the proxy enters at `App.handle`, and every answer is built here.

`_routes` is the table of contents: ``paths`` says what a request is, one short handler answers it.
Whatever is raised as an errors.ProxyError becomes an answer in `handle`, and nowhere else.
"""

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable, Mapping
from urllib.parse import unquote

from aiohttp import HttpVersion11, web

from azwi_common import contract
from azwi_common.log_share import Share
from azwi_common.logs import short
from azwi_common.proxy_settings import Settings
from azwi_proxy import appservice, callers, errors, headers, imds, paths, tokens
from azwi_proxy.deadline import Deadline
from azwi_proxy.entra import Entra, read_assertion
from azwi_proxy.identities import Identities, Identity
from azwi_proxy.metrics import CONTENT_TYPE, Metrics
from azwi_proxy.paths import Route
from azwi_proxy.principals import Principals
from azwi_proxy.replay import Replay
from azwi_proxy.upstream import Upstream, invite

MAX_FORM = 16 * 1024  # bytes; a token request's form is some 200
PREFETCH_SPREAD = 2.0  # seconds at most before each: many pods start at once
FORM_TIME = 5.0  # seconds for the form to arrive
LONGEST_NAME = 64  # characters of an identity's id that a log line shows
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
        self._own = self._identities.own()
        self._principals = Principals(
            self._own,
            {
                imds.OBJECT_ID: self._identities.by_object_id(),
                imds.RESOURCE_ID: self._identities.by_resource_id(),
            },
        )
        self._refusals = Share(log, _later)
        # What Entra ID says of the pod's own identities has a share of its own.
        self._exchanged = {
            one: Share(log, _later, kinds=16 * (1 + len(self._own)), burst=20)
            for one in (True, False)
        }
        self.metrics = Metrics()
        self.replay = Replay()
        self._entra = Entra(settings)
        self._store = tokens.TokenStore(self._exchange, self._own, on_hit=self.metrics.hits.inc)
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
        for share in (self._refusals, *self._exchanged.values()):
            share.tell()

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request; the one place where errors become answers."""
        route = paths.route(request.raw_path)
        reason = "ok"
        try:
            self._check_caller(request)
            if request.method == "CONNECT":  # whatever follows it would be a tunnel's
                raise errors.MethodNotAllowed("GET")
            response = await self._routes[route](request)
        except errors.ProxyError as error:
            error.forget_frames()  # the store may remember it
            reason = error.reason
            response = refusal(error, spell=_SPELLED.get(route, imds.error_answer))
            kind = {"route": route.value, "status": error.status, "reason": reason}
            self._refusals.log(_level(route, error), "request", kind, error.details)
        except Exception:  # a bug: ``server`` logs it, and answers with `broken`
            self.metrics.requests.labels(route.value, 500, errors.Broken.reason).inc()
            raise
        self.metrics.requests.labels(route.value, response.status, reason).inc()
        return response

    def refuse(self, error: errors.ProxyError, exc: BaseException | None) -> web.Response:
        """Answer what never reached `handle`, or broke in it; logged and counted here."""
        kind: dict[str, object] = {"status": error.status, "reason": error.reason}
        if exc is None:
            self.metrics.requests.labels("unparsed", error.status, error.reason).inc()
            self._refusals.log(logging.INFO, "request", {"route": "unparsed", **kind})
        else:
            self._refusals.log(logging.ERROR, "a request broke", kind, error=exc)
        return refusal(error)

    def _check_caller(self, request: web.BaseRequest) -> None:
        given = request.headers
        callers.check(
            given.getall(headers.HOST, ()),
            request.raw_path,
            self._settings.hosts,
            must_name_host=request.version >= HttpVersion11,
            from_browser=headers.ORIGIN in given
            or headers.FETCH_SITE in given
            or headers.FETCH_DEST in given,
        )

    async def _token(self, request: web.BaseRequest) -> web.Response:
        if request.method not in ("GET", "POST"):
            raise errors.MethodNotAllowed("GET, POST")
        _guard(request)
        _refuse_elsewhere(request)
        form = await _form(request) if request.method == "POST" else ""
        asked = imds.token_request(paths.split(request.raw_path)[1], form)
        identity, token = await self._held(asked)
        moment = tokens.now()
        body = imds.token_answer(
            token.text,
            asked.resource,
            identity.client_id,
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
        spoken, given = appservice.version(query), request.headers
        values = given.getall(spoken.value, ())
        appservice.guard(spoken, values, secret, headers.FORWARDED_FOR in given)
        _refuse_elsewhere(request)
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
        """Return the requested identity and its token, exchanging one if needed."""
        scope = imds.scope(asked.resource)
        identity = await self._meant(asked, scope)
        token = self._store.fresh(identity, scope) or await self._store.get(identity, scope)
        if log.isEnabledFor(logging.DEBUG):
            log.debug("token", extra={"fields": {"client": short(identity.client_id)}})
        return identity, token

    async def _meant(self, asked: imds.TokenRequest, scope: str) -> Identity:
        """Return the identity that a request names; raises errors.IdentityNotFound and others."""
        try:
            if asked.parameter in ("", imds.CLIENT_ID):
                return self._identities.resolve(asked.value)
            return await self._principals.find(
                asked.parameter, asked.value, lambda own: self._store.get(own, scope)
            )
        except errors.IdentityNotFound as error:
            error.details = self._asked_for(asked)
            raise

    def _asked_for(self, asked: imds.TokenRequest) -> dict[str, object]:
        """What the log says of an identity that was not found."""
        if not asked.parameter:
            return {"asked": "no identity, and the pod has no default"}
        details: dict[str, object] = {"asked": asked.parameter, "value": asked.value[:LONGEST_NAME]}
        clients = {identity.client_id for identity in self._own}
        if asked.parameter != imds.CLIENT_ID and asked.value.lower() in clients:
            details["hint"] = "this is the client id of one of the pod's identities"
        return details

    async def _exchange(self, identity: Identity, scope: str) -> tokens.Token:
        """The store's way to Entra ID: timed and logged, once however many wait for it."""
        started = time.monotonic()
        kind: dict[str, object] = {"client": short(identity.client_id)}
        fields: dict[str, object] = {"scope": scope}
        is_own = identity in self._own
        if not is_own:
            kind, fields = {}, {**kind, **fields}
        result = errors.Broken.reason
        try:
            token = await self._entra.exchange(identity, scope)
            result = "ok"
            self._principals.learn(identity, token.said)
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
            fields["ms"] = round(seconds * 1000)
            level = logging.INFO if result == "ok" else logging.WARNING
            self._exchanged[is_own].log(level, "token exchange", {**kind, "reason": result}, fields)

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
        tenant = self._identities.default_tenant or self._identities.resolve("").tenant_id
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
                identity = self._identities.resolve("")
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
        return refusal(error)


def refusal(
    error: errors.ProxyError,
    exc: BaseException | None = None,
    spell: Spelling = imds.error_answer,
) -> web.Response:
    """The answer that says ``error``."""
    response = _json(error.status, spell(error))
    if error.retry_after is not None:
        response.headers["Retry-After"] = str(error.retry_after)
    if isinstance(error, errors.MethodNotAllowed):
        response.headers["Allow"] = error.allow
    return response


def _later(seconds: float, act: Callable[[], None]) -> None:
    asyncio.get_running_loop().call_later(seconds, act)


def _level(route: Route, error: errors.ProxyError) -> int:
    """Refusals are logged; probes are not, and what an exchange said has a line already."""
    quiet = isinstance(error, errors.HeaderMissing | errors.TokenError)
    return logging.DEBUG if quiet or route in (Route.READY, Route.HEALTH) else logging.INFO


def _guard(request: web.BaseRequest) -> None:
    given = request.headers
    imds.guard(given.getall(headers.METADATA, ()), headers.FORWARDED_FOR in given)


def _refuse_elsewhere(request: web.BaseRequest) -> None:
    """Refuse parameters in the path, and a GET with a body: an identity there would go unseen."""
    if "=" in unquote(paths.split(request.raw_path)[0]):
        raise errors.BadRequest("Parameters belong behind the question mark, and not into the path")
    if request.method == "GET" and request.can_read_body:
        raise errors.BadRequest("A GET has no body here: send parameters in the query, or by POST")


def _only_get(request: web.BaseRequest) -> None:
    if request.method not in ("GET", "HEAD"):
        raise errors.MethodNotAllowed("GET, HEAD")


async def _form(request: web.BaseRequest) -> str:
    """The form of a POST, as text; an empty body is an empty form."""
    body = bytearray()
    await invite(request)
    try:
        async with Deadline(FORM_TIME):
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

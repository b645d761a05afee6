"""READ FIRST: every call of the webhook enters at `App.handle`, and every answer is built here.

POST /mutate-v1-pod: ``review`` reads the call, ``cluster`` knows the pod's service account and
namespace, ``mutate`` decides. A wrong call is an HTTP status of the 4xx class; whatever is wrong
with a pod, with the API server or with this program is a review that denies, with one sentence.
`health_site` and `metrics_site` answer on ports of their own, in plain HTTP.
"""

import asyncio
import contextlib
import logging
import time
import traceback
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from aiohttp import web

from azwi_common import contract
from azwi_common.log_share import Share
from azwi_webhook import errors, mutate, pods, review
from azwi_webhook.callers import SECRET_HEADER, Callers
from azwi_webhook.cluster import Cluster
from azwi_webhook.metrics import CONTENT_TYPE, Metrics
from azwi_webhook.review import Call
from azwi_webhook.settings import Settings
from azwi_webhook.shares import Shares

MAX_BODY: Final = 4 * 1024 * 1024  # bytes; the API server itself takes objects of 3 MB
SMALL_BODY: Final = 64 * 1024  # bytes that need no share: every connection may have as many
BODIES: Final = 12 * 1024 * 1024  # bytes of larger bodies at a time
PARSED: Final = 32 * 1024 * 1024  # bytes of memory of all pods that are being decided
PART: Final = 160  # bytes of memory of a value, at most
SELF_PATH: Final = "/healthz"  # what `serving.Proof` asks of the site itself
BODY_TIME: Final = 5.0  # seconds for the body to arrive; an API server waits 10 for the answer

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]

log = logging.getLogger("azwi_webhook")


@dataclass(frozen=True, slots=True)
class Decision:
    """What becomes of a call."""

    result: str
    """mutated, unchanged, refused, unavailable or broken: the label of the metric."""
    body: bytes
    status: int = 200


class App:
    """The site that the API server calls."""

    def __init__(
        self,
        settings: Settings,
        cluster: Cluster,
        metrics: Metrics,
        callers: Callers = Callers(required=False),  # noqa: B008  # frozen
    ) -> None:
        self._settings = settings
        self._callers = callers
        self._cluster = cluster
        self._metrics = metrics
        self._bodies = Shares(BODIES)
        self._parsed = Shares(PARSED)
        self._share = Share(log, asyncio.get_running_loop().call_later)

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one call; the one place where errors become answers."""
        started = time.perf_counter()
        async with contextlib.AsyncExitStack() as held:
            try:
                self._check_caller(request)
                if request.method == "GET" and request.path == SELF_PATH:
                    return _text("ok\n")
                _check_head(request)
                call = await self._call(request, held)
            except errors.BadCall as error:
                return self._bad_call(request, error)
            decision = await self._decide(call)
        self._note(call, decision, time.perf_counter() - started)
        content_type = review.CONTENT_TYPE if decision.status == 200 else "text/plain"
        return web.Response(status=decision.status, body=decision.body, content_type=content_type)

    def _check_caller(self, request: web.BaseRequest) -> None:
        if self._callers.required:
            certificate = request.get_extra_info("peercert")
            self._callers.check(certificate, request.headers.get(SECRET_HEADER))

    def _bad_call(self, request: web.BaseRequest, error: errors.BadCall) -> web.Response:
        self._metrics.reviews.labels("bad_call").inc()
        self._metrics.refused.labels(str(error.status)).inc()
        kind = {"status": error.status, "told": error.description}
        self._share.log(logging.INFO, "bad call", kind, {"peer": request.remote})
        return _refused_call(error)

    async def _call(self, request: web.BaseRequest, held: contextlib.AsyncExitStack) -> Call:
        """The call; ``held`` keeps the share of memory that it takes until it is answered."""
        peer = request.remote or ""
        length = MAX_BODY if request.content_length is None else request.content_length
        if length <= SMALL_BODY:
            body = await _body(request)
        else:
            await held.enter_async_context(self._bodies.take(peer, length))
            body = await _body(request)
        memory = len(body) + review.parts(body) * PART
        await held.enter_async_context(self._parsed.take(peer, memory))
        return review.parse(body)

    async def _decide(self, call: Call) -> Decision:
        if not call.creates_pod:
            return Decision("unchanged", review.allow(call))
        try:
            return await self._mutate(call)
        except errors.Refused as error:
            return Decision("refused", review.deny(call, error.sentence))
        except errors.Unavailable as error:
            return self._unavailable(call, error)
        except Exception as error:  # noqa: BLE001  # a bug of ours, at this pod: the others go on
            _log_bug(call, error)
            sentence = "azwi-webhook has a fault that this pod brings out; its log says where."
            return Decision("broken", review.deny(call, sentence, review.BROKEN))

    async def _mutate(self, call: Call) -> Decision:
        pod = pods.read(call.object)
        if mutate.is_mirror(pod):
            known = self._cluster.namespaces.fresh("", call.namespace)
            labels = known.labels if known else {}
            around = mutate.Surroundings(call.namespace, labels, self._cluster.minor, secret="")
            left = mutate.admit_mirror(pod, around, self._settings)
            return Decision("unchanged", review.allow(call, left.patch, left.warnings))
        account, around = await self._cluster.about(call.namespace, mutate.account_name(pod))
        if not mutate.takes_part(pod, account, around, self._settings):
            return Decision("unchanged", review.allow(call))
        admitted = mutate.admit(pod, account, around, self._settings)
        result = "mutated" if admitted.patch else "unchanged"
        return Decision(result, review.allow(call, admitted.patch, admitted.warnings))

    def _unavailable(self, call: Call, error: errors.Unavailable) -> Decision:
        """Never admit a pod without its identity, nor hold up one that may not want any.

        A pod that says itself that it takes part is denied. For any other the call fails, so that
        the failurePolicy of its webhook entry decides: Ignore where every pod is seen.
        """
        kind, details = {"namespace": call.namespace}, {"told": error.sentence}
        self._share.log(logging.ERROR, "a review could not be answered", kind, details)
        around = mutate.Surroundings(call.namespace, {}, self._cluster.minor, secret="")
        if mutate.takes_part(call.object, None, around, self._settings):
            body = review.deny(call, error.sentence, review.UNAVAILABLE)
            return Decision("unavailable", body)
        return Decision("unavailable", error.sentence.encode(), status=503)

    def _note(self, call: Call, decision: Decision, seconds: float) -> None:
        self._metrics.reviews.labels(decision.result).inc()
        if not call.creates_pod:
            return
        known = self._cluster.namespaces.fresh("", call.namespace) is not None
        self._metrics.requests.observe(call.namespace if known else "", seconds)
        kind = {"namespace": call.namespace, "result": decision.result}
        details = {"uid": call.uid, "ms": round(seconds * 1000, 1)}
        if decision.result == "refused":
            self._share.log(logging.INFO, "review", kind, details)
        elif log.isEnabledFor(logging.DEBUG):
            log.debug("review", extra={"fields": {**kind, **details}})


async def health_site(request: web.BaseRequest, problem: Callable[[], str]) -> web.Response:
    """/healthz: this program runs. /readyz: it can be called; ``problem`` says why not."""
    match request.method, request.path:
        case "GET" | "HEAD", "/healthz":
            return _text("ok\n")
        case "GET" | "HEAD", "/readyz":
            found = problem()
            return _text(f"{found}\n", status=503) if found else _text("ok\n")
        case _:
            return _text("There are only GET /healthz and GET /readyz here.\n", status=404)


async def metrics_site(request: web.BaseRequest, metrics: Metrics) -> web.Response:
    """/metrics, and nothing else."""
    if request.method not in ("GET", "HEAD") or request.path != "/metrics":
        return _text("There is only GET /metrics here.\n", status=404)
    return web.Response(body=metrics.exposition(), headers={"Content-Type": CONTENT_TYPE})


def _check_head(request: web.BaseRequest) -> None:
    if request.method != "POST":
        raise errors.BadCall("Reviews are sent by POST.", status=405)
    if request.path != contract.MUTATE_PATH:
        raise errors.BadCall(f"Reviews are sent to {contract.MUTATE_PATH}.", status=404)
    if request.content_type != review.CONTENT_TYPE:
        raise errors.BadCall(f"The content type must be {review.CONTENT_TYPE}.", status=415)
    if request.headers.get("Content-Encoding", "identity") != "identity":
        raise errors.BadCall("The body must not be compressed.", status=415)
    if (request.content_length or 0) > MAX_BODY:
        raise errors.BadCall(f"The body is larger than {MAX_BODY} bytes.", status=413)


async def _body(request: web.BaseRequest) -> bytes | bytearray:
    content = request.content
    if content.is_eof():  # it came with the head, as it does nearly always
        return _bounded(content.read_nowait())
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_TIME):
            async for chunk in content.iter_any():
                body += _bounded(chunk, len(body))
    except TimeoutError as error:
        sentence = f"The body did not arrive within {BODY_TIME:.0f} s."
        raise errors.BadCall(sentence, status=408) from error
    return body


def _bounded(chunk: bytes, before: int = 0) -> bytes:
    if before + len(chunk) > MAX_BODY:
        raise errors.BadCall(f"The body is larger than {MAX_BODY} bytes.", status=413)
    return chunk


def _log_bug(call: Call, error: Exception) -> None:
    """Where it happened, without what the exception quotes: that may be the pod's."""
    frames = traceback.extract_tb(error.__traceback__)
    fields = {
        "namespace": call.namespace,
        "uid": call.uid,
        "type": type(error).__name__,
        "where": [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames],
    }
    log.error("a review broke", extra={"fields": fields})


def _refused_call(error: errors.BadCall) -> web.Response:
    response = _text(f"{error.description}\n", status=error.status)
    if error.status == 405:
        response.headers["Allow"] = "POST"
    if error.status in (403, 408, 413, 503):
        response.force_close()  # the rest of the body is not worth reading
    return response


def _text(text: str, status: int = 200) -> web.Response:
    return web.Response(status=status, text=text)

"""Talks to the API server: single objects, paged lists, watches. Foreign errors become ours here.

lightkube reads the kubeconfig or the pod's service account, and knows TLS and credentials (a token
file that was rotated is read again at a 401). Lists and watches are decoded here rather than by
lightkube's models: of an object only what a cache needs is ever built in memory.
"""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final, Self, TypeVar

import httpx2 as httpx
import msgspec
from lightkube.config import client_adapter
from lightkube.config.kubeconfig import KubeConfig
from lightkube.core.exceptions import ConfigError

from azwi_webhook import errors

PAGE: Final = 500  # objects; some megabyte of JSON
MOST_PAGE: Final = 4 * 1024 * 1024  # bytes; a page that is larger is asked for in smaller ones
MOST: Final = 4 * 1024 * 1024  # bytes of one object; the API server stores 1.5 MB at most
_SMALLER: Final = 4  # by what a page is divided that was too large
_MOST_REFUSAL: Final = 64 * 1024  # bytes of an error's body that are read
WATCH_SECONDS: Final = 290  # the server ends a watch then; of itself after 30 to 60 minutes
ANSWER: Final = 10.0  # seconds for an answer to begin, and between its parts
BEGIN: Final = 30.0
"""Seconds for a watch's answer to begin: a busy API server may let it queue for 15.

httpx has one limit for this and for the quiet that comes after, which may be much longer."""
_SILENCE: Final = 60.0
"""Seconds without a byte after the end of a watch's time until it is given up."""

# Only metadata is sent for these; an API server that cannot (a stand-in) sends whole objects.
_ONE = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json"
_LIST = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json"

# A peer that is gone without a word (a node that died) is noticed within half a minute.
_SOCKET_OPTIONS = [
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 15),
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 5),
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3),
    (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 30_000),
]


T = TypeVar("T")


class Metadata(msgspec.Struct, gc=False):
    """An object's metadata, as far as anybody here asks."""

    name: str = ""
    namespace: str = ""
    labels: dict[str, str] | None = None
    annotations: dict[str, str] | None = None
    version: str = msgspec.field(name="resourceVersion", default="")


class Thing(msgspec.Struct):
    """An object of which only the metadata counts; or the Status of a watch's error."""

    metadata: Metadata = msgspec.field(default_factory=Metadata)
    code: int = 0
    message: str = ""


class Event(msgspec.Struct):
    """One line of a watch."""

    type: str
    """ADDED, MODIFIED, DELETED, BOOKMARK or ERROR."""
    object: Thing


class _PageMetadata(msgspec.Struct):
    version: str = msgspec.field(name="resourceVersion", default="")
    rest: str = msgspec.field(name="continue", default="")


class _Page(msgspec.Struct):
    metadata: _PageMetadata
    items: list[Thing] | None = None
    """None where there are none: an API server spells an empty list of metadata as null."""


class _Version(msgspec.Struct):
    git: str = msgspec.field(name="gitVersion")


@dataclass(frozen=True, slots=True)
class Page:
    """Some objects of a list."""

    things: list[Thing]
    version: str
    """Resource version of the whole list, to watch from."""


_page = msgspec.json.Decoder(_Page).decode
_event = msgspec.json.Decoder(Event).decode
_thing = msgspec.json.Decoder(Thing).decode
_version = msgspec.json.Decoder(_Version).decode
_object = msgspec.json.Decoder(dict[str, Any]).decode
_encode = msgspec.json.Encoder().encode


class Kube:
    """One API server, as its clients see it."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    @classmethod
    def connect(cls, kubeconfig: str) -> Self:
        """For the file ``kubeconfig``, else the pod's service account, else ~/.kube/config.

        Connects at the first request only; raises errors.Misconfigured.
        """
        try:
            found = KubeConfig.from_file(kubeconfig) if kubeconfig else KubeConfig.from_env()
            config = found.get()
            if config is None or config.user is None:
                raise ConfigError("the context names no user")
            given = client_adapter.ConnectionParams().httpx_params(config)
        except (ConfigError, OSError) as error:
            raise _no_way(kubeconfig, str(error)) from error
        except Exception as error:  # noqa: BLE001  # a file can be wrong in any way; none is checked
            # The message may quote the file, which has credentials.
            raise _no_way(kubeconfig, f"it cannot be read ({type(error).__name__})") from None
        transport = httpx.AsyncHTTPTransport(verify=given["verify"], socket_options=_SOCKET_OPTIONS)
        timeout = httpx.Timeout(ANSWER, connect=5.0)
        return cls(
            httpx.AsyncClient(
                base_url=given["base_url"],
                auth=given["auth"],
                verify=given["verify"],  # for the way through HTTPS_PROXY, a transport of its own
                transport=transport,
                timeout=timeout,
                headers={"Accept-Encoding": "identity", "User-Agent": "azwi-webhook"},
            )
        )

    async def close(self) -> None:
        """End every connection."""
        await self._client.aclose()

    async def git_version(self) -> str:
        """The server's gitVersion, such as ``v1.31.2-gke.1``."""
        body = await self._ask("GET", "/version")
        return _decoded(_version, body, "/version").git

    async def thing(self, path: str) -> Thing:
        """An object's metadata; errors.NotFound where there is none."""
        return _decoded(_thing, await self._ask("GET", path, accept=_ONE), path)

    async def get(self, path: str) -> dict[str, Any]:
        """A whole object; errors.NotFound where there is none."""
        return _decoded(_object, await self._ask("GET", path), path)

    async def put(self, path: str, value: dict[str, Any]) -> None:
        """Replace an object; errors.Conflict where its resourceVersion is not the newest."""
        headers = {"Content-Type": "application/json"}
        await self._ask("PUT", path, content=_encode(value), headers=headers)

    async def patch(self, path: str, operations: list[dict[str, Any]]) -> None:
        """Change an object by a JSON Patch; a ``test`` that fails is errors.Conflict."""
        headers = {"Content-Type": "application/json-patch+json"}
        await self._ask("PATCH", path, content=_encode(operations), headers=headers)

    async def pages(self, path: str, **parameters: str) -> AsyncIterator[Page]:
        """A list, page by page: never all of it in memory, and never more than MOST_PAGE.

        Anybody who may create 500 service accounts may make a page of 120 MB.
        """
        rest, limit = "", PAGE
        while True:
            asked = {"limit": str(limit), **parameters, **({"continue": rest} if rest else {})}
            try:
                body = await self._ask("GET", path, accept=_LIST, most=MOST_PAGE, params=asked)
            except errors.TooLarge:
                if limit == 1:
                    raise
                limit = max(1, limit // _SMALLER)
                continue
            if len(body) < MOST_PAGE // (2 * _SMALLER):
                limit = min(PAGE, limit * 2)
            page = _decoded(_page, body, path)
            del body
            yield Page(page.items or [], page.metadata.version)
            rest = page.metadata.rest
            if not rest:
                return

    @contextlib.asynccontextmanager
    async def watch(
        self, path: str, version: str, **parameters: str
    ) -> AsyncIterator[AsyncIterator[Event]]:
        """Events after ``version``, once the server has agreed to send them.

        The iterator ends where the server ends the watch; errors.Unavailable where it is cut.
        """
        asked = {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": version,
            "timeoutSeconds": str(WATCH_SECONDS),
            **parameters,
        }
        timeout = httpx.Timeout(ANSWER, read=WATCH_SECONDS + _SILENCE)
        answer = self._answer("GET", path, _ONE, params=asked, timeout=timeout)
        async with contextlib.AsyncExitStack() as opened:
            with _ours(f"GET {path} (a watch)"):
                async with asyncio.timeout(BEGIN):
                    response = await opened.enter_async_context(answer)
            yield _events(response, path)

    async def _ask(
        self,
        method: str,
        path: str,
        accept: str = "application/json",
        most: int = 0,
        **given: Any,
    ) -> bytearray:
        async with self._answer(method, path, accept, **given) as response:
            return await _body(response, most or MOST, f"{method} {path}")

    @contextlib.asynccontextmanager
    async def _answer(
        self, method: str, path: str, accept: str, **given: Any
    ) -> AsyncIterator[httpx.Response]:
        """An answer of the 2xx class, its body not read yet."""
        headers = {"Accept": accept, **given.pop("headers", {})}
        with _ours(f"{method} {path}"):
            request = self._client.build_request(method, path, headers=headers, **given)
            response = await self._client.send(request, stream=True)
        try:
            if not response.is_success:
                body = await _body(response, _MOST_REFUSAL, f"{method} {path}")
                raise _refusal(response, body, f"{method} {path}")
            yield response
        finally:
            await response.aclose()


def _no_way(kubeconfig: str, told: str) -> errors.Misconfigured:
    where = kubeconfig or "this pod and ~/.kube/config"
    return errors.Misconfigured(
        f"No way to the API server was found in {where}: {told}."
        " Run it in a pod with a service account, or set KUBECONFIG to a file."
    )


@contextlib.contextmanager
def _ours(asked: str) -> Iterator[None]:
    """Foreign errors in, errors.Unavailable out."""
    try:
        yield
    except (httpx.HTTPError, httpx.StreamError, ConfigError, OSError) as error:
        told = str(error) or type(error).__name__
        raise errors.Unavailable(f"The API server did not answer {asked}: {told}.") from error


async def _body(response: httpx.Response, most: int, asked: str) -> bytearray:
    """The whole body; errors.TooLarge as soon as it has more than ``most`` bytes."""
    body = bytearray()
    with _ours(asked):
        async for data in response.aiter_bytes():
            body += data
            if len(body) > most:
                raise errors.TooLarge(
                    f"The API server's answer to {asked} is larger than {most} bytes."
                )
    return body


def _refusal(response: httpx.Response, body: bytearray, asked: str) -> errors.Unavailable:
    try:
        told = _thing(body).message
    except msgspec.DecodeError:
        told = ""
    status = response.status_code
    sentence = f"The API server answered {status} to {asked}: {told[:300] or 'no reason given'}."
    match status:
        case 404:
            return errors.NotFound(sentence)
        case 409:
            return errors.Conflict(sentence)
        case 422 if asked.startswith("PATCH"):  # a ``test`` of the JSON Patch failed
            return errors.Conflict(sentence)
        case 410:
            return errors.Gone(sentence)
        case 429 | 503:
            seconds = response.headers.get("Retry-After", "1")
            wait = float(seconds) if seconds.isascii() and seconds.isdigit() else 1.0
            return errors.Throttled(sentence, seconds=min(wait, 30.0))
        case _:
            return errors.Unavailable(sentence)


async def _events(response: httpx.Response, path: str) -> AsyncIterator[Event]:
    rest = b""
    with _ours(f"GET {path} (a watch)"):
        async for data in response.aiter_bytes():
            *lines, rest = (rest + data).split(b"\n")
            for line in lines:
                if line.strip():
                    yield _decoded(_event, line, path)
            if len(rest) > MOST:
                raise errors.Unavailable(f"The API server sent a line without an end for {path}.")
    if rest.strip():
        raise errors.Unavailable(f"The API server ended the watch of {path} within a line.")


def _decoded(decode: Callable[[bytes | bytearray], T], body: bytes | bytearray, path: str) -> T:
    try:
        return decode(body)
    except (msgspec.DecodeError, RecursionError) as error:
        raise errors.Unavailable(
            f"The API server's answer for {path} cannot be read: {error}."
        ) from error

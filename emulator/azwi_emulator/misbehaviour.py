"""Acts a request's faults out on its connection; which faults it meets is decided in ``faults``."""

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable, Mapping

from aiohttp import web

from azwi_emulator.faults import Faults
from azwi_emulator.messages import Fault

Answer = Callable[[], Awaitable[web.StreamResponse]]
"""The right answer."""

_LOOKS = 0.02  # seconds between two looks whether a hanging request may go
_ABORT_AT_ONCE = struct.pack("ii", 1, 0)  # SO_LINGER on, 0 s: closing sends RST in place of FIN


class NoAnswer(ConnectionResetError):
    """The connection has been cut on purpose; to be treated as a client that went away."""


async def act(
    request: web.Request, met: Mapping[str, Fault], faults: Faults, answer: Answer
) -> web.StreamResponse:
    """Answer ``request`` as the faults that it ``met`` want; raises NoAnswer where none is sent."""
    await delay(met)
    for name, fault in met.items():
        match fault.kind:
            case "answer" | "throttle" | "garbage":
                return _instead(fault)
            case "hang":
                await _hang(request, name, fault, faults)
            case "reset":
                _reset(request)
            case "trickle":
                return await _trickle(request, await answer(), fault.seconds)
            case "truncate":
                return await _truncate(request, await answer())
    return await answer()


async def delay(met: Mapping[str, Fault]) -> None:
    """Wait as long as the faults that a request ``met`` want."""
    await asyncio.sleep(sum(map(_delay, met.values())))


def _delay(fault: Fault) -> float:
    return fault.latency + (fault.seconds if fault.kind == "latency" else 0.0)


def _instead(fault: Fault) -> web.Response:
    if fault.kind == "throttle":  # contract: plain text, and a minute
        headers = {"Retry-After": fault.retry_after or "60"}
        return web.Response(status=429, text="Too Many Requests", headers=headers)
    if fault.kind == "garbage":
        return web.Response(
            body=b'{"token_type":"Bearer","expi\x00', content_type="application/json"
        )
    headers = {"Content-Type": fault.content_type}
    if fault.retry_after is not None:
        headers["Retry-After"] = fault.retry_after
    return web.Response(status=fault.status, body=fault.body.encode(), headers=headers)


async def _hang(request: web.Request, name: str, fault: Fault, faults: Faults) -> None:
    while faults.holds(name, fault):  # noqa: ASYNC110  # the state has no asyncio in it, and need not
        await asyncio.sleep(_LOOKS)
    _close(request)


def _reset(request: web.Request) -> None:
    if request.transport is not None:
        connection: socket.socket = request.transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _ABORT_AT_ONCE)
        request.transport.abort()
    raise NoAnswer


def _close(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.close()
    raise NoAnswer


async def _trickle(
    request: web.Request, right: web.StreamResponse, pause: float
) -> web.StreamResponse:
    stream, body = await _started(request, right)
    for byte in body:
        await stream.write(bytes((byte,)))
        await asyncio.sleep(pause)
    await stream.write_eof()
    return stream


async def _truncate(request: web.Request, right: web.StreamResponse) -> web.StreamResponse:
    stream, body = await _started(request, right)
    await stream.write(body[: len(body) // 2])
    _close(request)
    return stream


async def _started(
    request: web.Request, right: web.StreamResponse
) -> tuple[web.StreamResponse, bytes]:
    """A response with the right one's head, promising its whole length, and the body to be sent."""
    whole = right.body if isinstance(right, web.Response) else None
    body = whole if isinstance(whole, bytes) else b""
    stream = web.StreamResponse(status=right.status, headers=right.headers)
    stream.content_length = len(body)
    await stream.prepare(request)
    return stream, body

"""Answers for what goes wrong outside Entra ID's own refusals: a JSON object with one sentence."""

import logging

from aiohttp import web

from azwi_emulator import errors

log = logging.getLogger(__name__)


def failure(request: web.Request, error: Exception) -> web.Response:
    """The answer to ``request`` that ended in ``error``; a defect of ours is logged."""
    if isinstance(error, errors.EmulatorError):
        return _sentence(str(error), error.status)
    if isinstance(error, web.HTTPException):
        sentence = f"{request.method} {request.path} cannot be served: {error.reason}."
        return _sentence(sentence, error.status, allow=error.headers.get("Allow"))
    log.error("a request failed by a defect of the emulator", exc_info=error)
    return _sentence("The emulator has a defect: its log says where.", 500)


def _sentence(sentence: str, status: int, allow: str | None = None) -> web.Response:
    headers = {"Allow": allow} if allow else {}
    return web.json_response({"error": sentence}, status=status, headers=headers)

"""Microsoft Graph: its routes, its errors, and what its answers have in common. Pure.

Source: learn.microsoft.com/graph/errors, and error bodies in public issue threads.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from azwi_emulator import odata
from azwi_emulator.api import Call, Problem, Reply

AUDIENCES: Final = frozenset(
    {
        "00000003-0000-0000-c000-000000000000",
        *(
            host + slash
            for host in (
                "https://graph.microsoft.com",
                "https://microsoftgraph.chinacloudapi.cn",
                "https://graph.microsoft.us",
            )
            for slash in ("", "/")
        ),
    }
)
"""Of tokens that may be used here, in any cloud."""

THROTTLED: Final = "TooManyRequests"


def error_body(problem: Problem, *, now: float, request_id: str, client_id: str) -> dict[str, Any]:
    """The JSON of a refusal; ``client_id`` is the caller's own id of the request."""
    error: dict[str, Any] = {"code": problem.code, "message": problem.message}
    if problem.details:
        error["details"] = problem.details
    error["innerError"] = {
        "date": moment(now).rstrip("Z"),
        "request-id": request_id,
        "client-request-id": client_id,
    }
    return {"error": error}


def unauthorized(sentence: str, *, authority: str) -> Problem:
    """No token, or none that may be used here; ``authority`` ends with a slash."""
    challenge = (
        f'Bearer realm="", authorization_uri="{authority}common/oauth2/authorize",'
        ' client_id="00000003-0000-0000-c000-000000000000"'
    )
    return Problem(
        401, "InvalidAuthenticationToken", sentence, headers={"WWW-Authenticate": challenge}
    )


def bad_request(sentence: str, code: str = "Request_BadRequest", **more: Any) -> Problem:
    """The request cannot be granted as it is."""
    return Problem(400, code, sentence, **more)


def not_found(what: str) -> Problem:
    """No such object, or not replicated yet."""
    return Problem(404, "Request_ResourceNotFound", f"There is no resource {what!r} here (yet).")


def duplicate(sentence: str) -> Problem:
    """Another object has the same key."""
    return Problem(409, "Request_MultipleObjectsWithSameKeyValue", sentence)


def unknown_path(path: str, methods: Sequence[str]) -> Problem:
    """No route: a wrong path (no ``methods``), or a wrong method."""
    if methods:
        return Problem(405, "Request_BadRequest", f"{path} takes only {', '.join(methods)}.")
    return bad_request(f"The path {path} names no resource that is known here.", "BadRequest")


def required(call: Call, name: str) -> str:
    """A member of the body that must be a string and not empty."""
    value = call.object().get(name)
    if not isinstance(value, str) or not value:
        raise bad_request(f"The property {name!r} must be a string that is not empty.")
    return value


def entity(call: Call, segment: str, item: Mapping[str, Any], status: int = 200) -> Reply:
    """One object; ``segment`` is its collection's, as in ``$metadata``."""
    body = {"@odata.context": f"{_metadata(call)}#{segment}/$entity", **item}
    return Reply(status, odata.select(body, call.query.get("$select", "")))


def collection(call: Call, segment: str, items: Sequence[Mapping[str, Any]]) -> Reply:
    """A page of the objects that pass the call's ``$filter``."""
    try:
        if call.query.get("$filter"):
            wanted = odata.parse_filter(call.query["$filter"])
            items = [item for item in items if wanted.holds(item)]
        here, link = odata.page(
            items,
            call.query,
            size=call.page_size,
            link=lambda token: odata.next_link(call.base_url, call.path, call.query, token),
        )
    except odata.BadQuery as error:
        raise bad_request(str(error), "Request_UnsupportedQuery") from error
    body: dict[str, Any] = {"@odata.context": f"{_metadata(call)}#{segment}"}
    if link:
        body["@odata.nextLink"] = link
    fields = call.query.get("$select", "")
    return Reply(200, {**body, "value": [odata.select(item, fields) for item in here]})


def moment(now: float) -> str:
    """A time as Graph writes it."""
    return datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _metadata(call: Call) -> str:
    return f"{call.base_url}/{call.path.split('/')[1]}/$metadata"

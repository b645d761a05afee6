"""Azure Resource Manager: its errors, ``api-version``, pages, and what a path must name. Pure.

Source: learn.microsoft.com/azure/azure-resource-manager/troubleshooting/common-deployment-errors,
and error bodies in public issue threads.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from azwi_emulator import odata
from azwi_emulator.api import Call, Problem, Reply
from azwi_emulator.cloud import Cloud, Group, Subscription, group_key

AUDIENCES: Final = frozenset(
    host + slash
    for host in (
        "https://management.azure.com",
        "https://management.core.windows.net",
        "https://management.chinacloudapi.cn",
        "https://management.core.chinacloudapi.cn",
        "https://management.usgovcloudapi.net",
        "https://management.core.usgovcloudapi.net",
    )
    for slash in ("", "/")
)
"""Of tokens that may be used here, in any cloud."""

THROTTLED: Final = "SubscriptionRequestsThrottled"

_API_VERSION: Final = re.compile(r"\d{4}-\d{2}-\d{2}(-\w+)?", re.ASCII)


def error_body(problem: Problem) -> dict[str, Any]:
    """The JSON of a refusal."""
    return {"error": {"code": problem.code, "message": problem.message}}


def unauthorized(
    sentence: str, *, authority: str, code: str = "InvalidAuthenticationToken"
) -> Problem:
    """No token, or none that may be used here; ``authority`` ends with a slash."""
    challenge = (
        f'Bearer authorization_uri="{authority}common", error="invalid_token",'
        ' error_description="The access token is missing or cannot be used here."'
    )
    return Problem(401, code, sentence, headers={"WWW-Authenticate": challenge})


def check_version(query: Mapping[str, str]) -> None:
    """Refuse a call without ``api-version``, or with one that is no date; any date will do."""
    version = query.get("api-version", "")
    if not version:
        raise Problem(
            400,
            "MissingApiVersionParameter",
            "Every request needs the query parameter 'api-version'.",
        )
    if not _API_VERSION.fullmatch(version):
        raise Problem(
            400, "InvalidApiVersionParameter", f"The api-version {version!r} is no such version."
        )


def bad_request(sentence: str, code: str = "BadRequest") -> Problem:
    """The request cannot be granted as it is."""
    return Problem(400, code, sentence)


def not_found(sentence: str, code: str = "ResourceNotFound") -> Problem:
    """No such resource."""
    return Problem(404, code, sentence)


def unknown_path(path: str, methods: Sequence[str]) -> Problem:
    """No route: a wrong path (no ``methods``), or a wrong method."""
    if methods:
        return Problem(405, "HttpMethodNotSupported", f"{path} takes only {', '.join(methods)}.")
    return not_found(
        f"The path {path} names no resource type that is known here.", "InvalidResourceType"
    )


def subscription(cloud: Cloud, call: Call, at: Mapping[str, str]) -> Subscription:
    """The subscription that a path names, of the token's tenant; raises Problem."""
    known = cloud.subscriptions.get(at["subscription"].lower())
    if known is None:
        raise not_found(
            f"The subscription {at['subscription']!r} is not known.", "SubscriptionNotFound"
        )
    if known.tenant_id.lower() != call.tenant_id.lower():
        raise Problem(
            401,
            "InvalidAuthenticationTokenTenant",
            f"The token is of the tenant {call.tenant_id}, and the subscription of"
            f" {known.tenant_id}.",
        )
    return known


def group(cloud: Cloud, call: Call, at: Mapping[str, str]) -> Group:
    """The resource group that a path names; raises Problem."""
    known = cloud.groups.get(group_key(subscription(cloud, call, at).id, at["group"]))
    if known is None:
        raise not_found(
            f"The resource group {at['group']!r} does not exist.", "ResourceGroupNotFound"
        )
    return known


def text(body: Mapping[str, Any], name: str, *, code: str = "BadRequest") -> str:
    """A member that must be a string and not empty; raises Problem with ``code``."""
    value = body.get(name)
    if not isinstance(value, str) or not value:
        raise bad_request(f"The property {name!r} must be a string that is not empty.", code)
    return value


def tags(call: Call) -> dict[str, str]:
    """The tags in the body; raises Problem where a value is no string."""
    given = call.object("tags")
    if not all(isinstance(value, str) for value in given.values()):
        raise bad_request("The values of 'tags' must be strings.", "InvalidRequestContent")
    return given


def listed(call: Call, items: Sequence[dict[str, Any]]) -> Reply:
    """A page of a list."""
    try:
        here, link = odata.page(
            items,
            call.query,
            size=call.page_size,
            link=lambda token: odata.next_link(call.base_url, call.path, call.query, token),
        )
    except odata.BadQuery as error:
        raise bad_request(str(error), "InvalidQueryParameter") from error
    body: dict[str, Any] = {"value": list(here)}
    return Reply(200, {**body, "nextLink": link} if link else body)


def terms(call: Call) -> tuple[odata.Term, ...]:
    """The terms of ``$filter``, which must all hold; raises Problem."""
    if not call.query.get("$filter"):
        return ()
    try:
        return odata.parse_filter(call.query["$filter"]).terms()
    except odata.BadQuery as error:
        raise unsupported(str(error)) from error


def unsupported(sentence: str) -> Problem:
    """A filter that this list does not know."""
    return bad_request(sentence, "UnsupportedQuery")

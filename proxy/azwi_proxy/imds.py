"""The wire format of the IMDS token endpoint: requests in, answers and errors out.

Pure: no clock, no I/O. Source: Microsoft's IMDS documentation and what some forty clients really
send and parse; the odd rules below each have a client that breaks without them.
"""

import functools
import json
import re
import unicodedata
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl

from azwi_proxy import bounded, errors

CONTENT_TYPE = "application/json; charset=utf-8"
FORM_TYPE = "application/x-www-form-urlencoded"
CLIENT_ID, OBJECT_ID, RESOURCE_ID = "client_id", "object_id", "msi_res_id"
"""The three ways to name an identity, as TokenRequest has them."""

_NAMES = {
    "clientid": CLIENT_ID,
    "objectid": OBJECT_ID,
    "principalid": OBJECT_ID,  # App Service's name for it
    "msiresid": RESOURCE_ID,
    "miresid": RESOURCE_ID,
    "resourceid": RESOURCE_ID,  # as azure-identity's asynchronous credential passes it on
}
"""Parameters that name an identity, by their letters and digits alone, in lower case: one that is
spelled otherwise must not get the default identity's token."""

_LIKE_THEM = ("client", "object", "principal", "identity", "msi", "miresid")
_OF_THE_SOFTWARE = frozenset(
    ("clientrequestid", "clientinfo", "clientsku", "clientver", "clientcapabilities")
)
"""Begin like names of identities, and only describe who asks."""

ROOT_LISTING = b"identity/\ninstance/\nversions\n"
"""What GET /metadata?format=text lists; old Terraform providers want no more than a 2xx."""

_MAX_RESOURCE = 1024
_MAX_FIELDS = 100
_NOT_PLAIN = re.compile(r"[^a-z0-9]+")


@dataclass(frozen=True, slots=True)
class TokenRequest:
    """What a client asks for; ``parameter`` is empty when it names no identity."""

    resource: str
    parameter: str = ""
    value: str = ""


def guard(metadata: Iterable[str], forwarded_for: bool) -> None:
    """Check the headers that keep forged requests out; comes before anything else is looked at.

    ``metadata``: every value of the Metadata header. Raises errors.HeaderMissing, HeaderForbidden.
    The words of the first are IMDS's own: SDKs' probes recognise the endpoint by them.
    """
    values = list(metadata)
    if not values or any(value.strip().lower() != "true" for value in values):
        raise errors.HeaderMissing("Required metadata header not specified")
    refuse_forwarded(forwarded_for)


def refuse_forwarded(forwarded_for: bool) -> None:
    """Raise errors.HeaderForbidden for a request that somebody else has passed on."""
    if forwarded_for:
        raise errors.HeaderForbidden(
            "Requests with an X-Forwarded-For header are not answered: they come from elsewhere"
        )


@bounded.cached(256)
def token_request(query: str, form: str = "") -> TokenRequest:
    """Parse the raw query, and the raw form of a POST; raises errors.BadRequest.

    Values are percent-decoded exactly once; clients send ``resource`` raw as well. Empty parameters
    count as absent, api-version is not checked. Other parameters are ignored, unless their names
    look like an identity's: an identity that is not understood is not the default one.
    """
    return asked_for(parameters(query) + parameters(form))


def asked_for(given: Collection[tuple[str, str]]) -> TokenRequest:
    """Return what parameters ask for; raises errors.BadRequest."""
    named = [(name, _identity_parameter(name), value) for name, value in given]
    found = [(name, parameter, value) for name, parameter, value in named if parameter]
    for name, *_ in found:
        _refuse_twice(name, sum(other == name for other, *_ in found))
    if len(found) > 1:
        names = [name for name, *_ in found]
        raise errors.BadRequest(f"Only one of {' and '.join(names[:4])} may be given")
    resources = [value for name, value in given if name == "resource"]
    _refuse_twice("resource", len(resources))
    resource = _resource("".join(resources))
    if not found:
        return TokenRequest(resource)
    _, parameter, value = found[0]
    return TokenRequest(resource, parameter, value)


def _refuse_twice(name: str, times: int) -> None:
    if times > 1:
        raise errors.BadRequest(f"The parameter '{name}' is given more than once")


def _identity_parameter(name: str) -> str:
    """The way to name an identity that a parameter's name means; empty where it means none."""
    plain = _NOT_PLAIN.sub("", unicodedata.normalize("NFKD", name).casefold())
    parameter = _NAMES.get(plain, "")
    like_one = plain.startswith(_LIKE_THEM) or plain.endswith(tuple(_NAMES))
    if not parameter and like_one and plain not in _OF_THE_SOFTWARE:
        raise errors.BadRequest(
            f"The parameter '{name[:40]}' is not known:"
            " name an identity by client_id, object_id or msi_res_id"
        )
    return parameter


def parameters(text: str) -> list[tuple[str, str]]:
    """Names and values of a raw query or form, decoded once; raises errors.BadRequest."""
    try:
        return parse_qsl(text, encoding="utf-8", errors="strict", max_num_fields=_MAX_FIELDS)
    except ValueError as error:  # UnicodeDecodeError is one
        raise errors.BadRequest("The parameters cannot be read: not UTF-8, or too many") from error


def _resource(resource: str) -> str:
    if not resource:
        raise errors.BadRequest("Required query variable 'resource' is missing")
    if len(resource) > _MAX_RESOURCE:
        raise errors.BadRequest(
            f"The parameter 'resource' is too long: {_MAX_RESOURCE} characters are the most"
        )
    if " " in resource or not resource.isprintable():  # no-break and zero-width spaces are not
        raise errors.BadRequest(
            "The parameter 'resource' must be one URI or GUID, without spaces or control characters"
        )
    return resource


def scope(resource: str) -> str:
    """The v2 scope of a v1 resource.

    ``https://management.azure.com/`` becomes ``https://management.azure.com//.default``: Entra ID
    takes what stands before the last slash as the audience, so the double slash is right.
    """
    return resource if resource.endswith("/.default") else resource + "/.default"


@functools.lru_cache(maxsize=64)  # spelled once a second for all who ask for the same token
def token_answer(
    access_token: str,
    resource: str,
    client_id: str,
    *,
    expires_in: int,
    expires_on: int,
    not_before: int,
) -> bytes:
    """The success body; times in seconds, ``expires_on`` and ``not_before`` since the epoch.

    One line, no space after ``:`` or ``,``, every value a string, in this order: SqlClient and
    mssql-jdbc search the text, Rust wants strings, MSAL.NET lets the last of the two expiries win.
    ``client_id`` comes last, as in Azure's own answer: scripts read it.
    """
    return compact(
        {
            "access_token": access_token,
            "refresh_token": "",
            "expires_in": str(expires_in),
            "expires_on": str(expires_on),
            "not_before": str(not_before),
            "resource": resource,
            "token_type": "Bearer",
            "client_id": client_id,
        }
    )


def error_answer(error: errors.ProxyError) -> bytes:
    """The body of an error: ``error``, ``error_description``, then what Entra ID said beside it."""
    return compact(error_members(error))


def error_members(error: errors.ProxyError) -> dict[str, object]:
    """The members of an error's body, in their order."""
    return {"error": error.error, "error_description": error.description, **error.fields()}


def info_answer(tenant_id: str) -> bytes:
    """The body of /metadata/identity/info."""
    return compact({"tenantId": tenant_id})


def compact(members: Mapping[str, object]) -> bytes:
    """One line of JSON, without a space after ``:`` or ``,``."""
    return json.dumps(members, separators=(",", ":")).encode()

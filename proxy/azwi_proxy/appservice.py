"""The wire format of App Service's token endpoint, /msi/token: the same tokens, spelled otherwise.

Pure, and beside ``imds``, whose parsing it shares. SDKs speak it where variables tell them to, so a
pod needs no redirect for them: IDENTITY_ENDPOINT and IDENTITY_HEADER for the version of 2019,
MSI_ENDPOINT and MSI_SECRET for that of 2017. Source: Microsoft's documentation of managed
identities in App Service, and what SDKs of six languages really send and parse.
"""

import enum
import hmac
from collections.abc import Iterable
from datetime import UTC, datetime

from azwi_common import contract
from azwi_proxy import bounded, errors, headers, imds
from azwi_proxy.imds import TokenRequest

_OLD = "2017-09-01"
_LAST_DATE = 253_402_300_799  # the last second of the year 9999, in Unix time


class Version(enum.Enum):
    """Of the protocol; the value is the header that keeps forged requests out."""

    OLD = headers.SECRET
    NEW = headers.IDENTITY_HEADER


@bounded.cached(256)
def version(query: str) -> Version:
    """What the raw query's api-version means: the old form is asked for by name alone.

    Never fails, because ``guard`` comes first: `token_request` tells what is wrong with the query.
    """
    try:
        given = imds.parameters(query)
    except errors.BadRequest:
        return Version.NEW
    asked = [value for name, value in given if name == "api-version"]
    return Version.OLD if asked[:1] == [_OLD] else Version.NEW


def guard(spoken: Version, values: Iterable[str], secret: str, forwarded_for: bool) -> None:
    """Check the headers that keep forged requests out; comes before anything else is looked at.

    ``values``: every value of the version's header, of which there must be one, equal to
    ``secret``; the time that the comparison takes tells nothing of it. Raises errors.HeaderWrong,
    HeaderForbidden.
    """
    given = [value.encode(errors="surrogatepass") for value in values]
    if len(given) != 1 or not hmac.compare_digest(given[0], secret.encode()):
        raise errors.HeaderWrong(
            f"The header {spoken.value} must be there once, with the value that the proxy's"
            f" {contract.IDENTITY_HEADER} has"
        )
    imds.refuse_forwarded(forwarded_for)


@bounded.cached(256)
def token_request(query: str) -> TokenRequest:
    """Parse the raw query as ``imds.token_request`` does; raises errors.BadRequest."""
    given = imds.parameters(query)
    if sum(name == "api-version" for name, _ in given) > 1:
        raise errors.BadRequest("The parameter 'api-version' is given more than once")
    return imds.asked_for(given)


def token_answer(
    spoken: Version,
    access_token: str,
    resource: str,
    client_id: str,
    *,
    expires_in: int,
    expires_on: int,
) -> bytes:
    """The success body; times in seconds, ``expires_on`` since the epoch.

    Compact and all strings, as IMDS's. ``expires_in`` is more than App Service says: Terraform and
    early C++ read nothing else. It stands before ``expires_on``: in MSAL.NET the last of them wins.
    """
    return imds.compact(
        {
            "access_token": access_token,
            "expires_in": str(expires_in),
            "expires_on": _date(expires_on) if spoken is Version.OLD else str(expires_on),
            "resource": resource,
            "token_type": "Bearer",
            "client_id": client_id,
        }
    )


def _date(moment: int) -> str:
    """Unix time in the old version's spelling on Linux: ``06/20/2019 02:57:58 +00:00``.

    The one spelling that every SDK of then reads: JavaScript 1.0 wants two digits everywhere, the
    first of Python no AM or PM, and neither JavaScript nor the first of .NET reads Unix time here.
    """
    date = datetime.fromtimestamp(min(moment, _LAST_DATE), UTC)
    return date.strftime("%m/%d/%Y %H:%M:%S +00:00")


def error_answer(error: errors.ProxyError) -> bytes:
    """The body of an error: IMDS's, and App Service's own two members, which msal shows alone."""
    return imds.compact(
        {
            "statusCode": error.status,
            "message": error.description,
            **imds.error_members(error),
        }
    )

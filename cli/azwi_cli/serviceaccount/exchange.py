"""Proves that a service account's token is taken by Entra ID, by exchanging one; waits for it."""

import re
import time
from collections.abc import Callable
from typing import Any, Final

from azwi_cli import errors, output, tokens
from azwi_cli.serviceaccount import azure, refusals
from azwi_cli.serviceaccount.cloud import Cloud
from azwi_cli.serviceaccount.known import Account

_TYPE: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_HEALS: Final = frozenset(
    {
        "70021",  # no credential of this subject
        "70025",  # no credential at all
        "700016",  # no such application
        "700211",  # no credential of this issuer
        "700212",  # no credential of this audience
        "700213",  # no credential of this subject
        "7000229",  # no service principal
    }
)
"""What a new credential gets until every part of Entra ID knows it."""
TIMEOUT: Final = 10  # seconds for an answer; one that takes longer is asked for again
FIRST_PAUSE: float = 1.0
LONGEST_PAUSE: Final = 10.0  # seconds; asking more often does not make it faster


def wait(
    cloud: Cloud,
    tenant_id: str,
    client_id: str,
    account: Account,
    make_token: Callable[[], str],
    *,
    seconds: float,
) -> None:
    """Return when an exchange succeeds; raises Unavailable where none does in time.

    Raises AzwiError at once for what does not heal; a connection that breaks may.
    """
    _check(make_token(), account)
    until, pause = time.monotonic() + seconds, FIRST_PAUSE
    while True:
        try:
            refused = _refusal(cloud, tenant_id, client_id, make_token())
        except errors.Unavailable as error:  # minutes of waiting are not over by one of its ends
            refused = error.says
        if not refused:
            return
        if time.monotonic() + pause > until:
            raise errors.Unavailable(
                f"After {seconds:.0f} s Entra ID still takes no token of {account}: {refused}",
                "Everything is made; run the command again to go on waiting.",
            )
        output.debug(f"{refused} Again in {pause:.0f} s.")
        time.sleep(pause)
        pause = min(pause * 1.5, LONGEST_PAUSE)


def _check(raw: str, account: Account) -> None:
    token = tokens.read(raw.encode(), "The answer of the TokenRequest API")
    if account.issuer and token.issuer != account.issuer:
        raise errors.BadInput(
            f"The cluster's tokens are of the issuer {token.issuer}, and the credential is for"
            f" {account.issuer}.",
            "Give the first as --service-account-issuer-url, to the letter.",
        )


def _refusal(cloud: Cloud, tenant_id: str, client_id: str, token: str) -> str:
    """Why Entra ID refuses for now; empty where it grants."""
    from azure.core import PipelineClient
    from azure.core.pipeline import policies
    from azure.core.rest import HttpRequest

    form = {
        "grant_type": "client_credentials",
        "client_id": client_id,
        "scope": cloud.graph_scope,
        "client_assertion_type": _TYPE,
        "client_assertion": token,
    }
    url = f"{cloud.login}/{tenant_id}/oauth2/v2.0/token"
    peer = refusals.Peer("Entra ID", cloud.login, "")
    with azure.translated(peer):
        given = {**azure.options(), "read_timeout": TIMEOUT}
        client: Any = PipelineClient(url, policies=[policies.UserAgentPolicy("azwi")], **given)
        with client:
            response = client.send_request(HttpRequest("POST", url, data=form))
    output.debug(f"POST {url}: {response.status_code}")
    if response.status_code == 200:
        return "" if _has_token(response) else "It answers 200 without a token."
    return _judged(response.status_code, _said(response))


def _has_token(response: Any) -> bool:
    try:
        return bool(response.json()["access_token"])
    except (ValueError, KeyError, TypeError):
        return False


def _said(response: Any) -> str:
    try:
        return str(response.json()["error_description"])
    except (ValueError, KeyError, TypeError):
        return f"It answers {response.status_code}."


def _judged(status: int, says: str) -> str:
    """The sentence of a refusal that heals; raises AzwiError for any other."""
    sentence = re.split(r"\s*Trace ID:", says)[0].splitlines()[0].strip()
    code = re.match(r"AADSTS(\d+)", sentence)
    heals = status == 429 or status >= 500 or (code is not None and code[1] in _HEALS)
    if not heals:
        raise errors.AzwiError(
            f"Entra ID refuses the token of the service account: {sentence}",
            "'azwi oidc check ISSUER' says whether it can read the cluster's keys.",
        )
    return sentence

"""What Graph and ARM have in common as peers: timeouts, retries, and their errors as ours.

azure-core tries again what is safe to repeat, and honours Retry-After. What it does not know is
here: errors that heal when a new object has replicated, or when another write has ended.
"""

import os
import random
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, TypeVar

from azwi_cli import connection_faults, errors, output
from azwi_cli.serviceaccount import refusals
from azwi_common import contract

if TYPE_CHECKING:
    from azure.core.exceptions import AzureError, HttpResponseError

T = TypeVar("T")

BACKOFF: float = 0.8  # seconds: azure-core's own factor
PATIENCE: float = (
    90.0  # seconds in which new objects replicate; Microsoft says a few minutes at most
)
FIRST_PAUSE: float = 1.0
LONGEST_PAUSE: Final = 10.0
_QUIET: Final = 3  # tries, some three seconds; then whoever waits is told why


def options() -> dict[str, Any]:
    """For every client of azure-core, so that none waits for ever."""
    authorities = os.environ.get(contract.REQUESTS_CA_BUNDLE) or os.environ.get(
        contract.SSL_CERT_FILE
    )
    return {
        # requests knows the first of the two variables only, the rest of azwi only the second.
        **({"connection_verify": authorities} if authorities else {}),
        "connection_timeout": 10,
        "read_timeout": 60,  # ARM writes take seconds
        "retry_total": 4,
        "retry_backoff_factor": BACKOFF,
        "retry_backoff_max": 20,
        "timeout": 120,  # of one request with everything that is tried again
    }


def again_while(act: Callable[[], T], heals: Callable[["HttpResponseError"], bool]) -> T:
    """The result of ``act``, tried again while its error is one that ``heals`` by itself.

    Raises the last error after PATIENCE seconds.
    """
    from azure.core.exceptions import HttpResponseError

    until, usual, tries = time.monotonic() + PATIENCE, FIRST_PAUSE, 0
    while True:
        tries += 1
        try:
            return act()
        except HttpResponseError as error:
            # Jitter, because the other writer of a 409 may have started at the same moment.
            pause = max(usual * (0.75 + random.random() / 2), _retry_after(error))
            if not heals(error) or time.monotonic() + pause > until:
                raise
            output.debug(f"{code_of(error)}: again in {pause:.1f} s")
            if tries == _QUIET:
                output.note(f"Azure is not ready ({code_of(error)}): trying again for a while …")
        time.sleep(pause)
        usual = min(usual * 2, LONGEST_PAUSE)


def _retry_after(error: "HttpResponseError") -> float:
    """Seconds that the answer asks to wait; 0 where it asks for none."""
    response: Any = error.response  # its declared type knows no headers
    text = response.headers.get("Retry-After", "") if response else ""
    return float(text) if text.isdecimal() else 0.0


def code_of(error: "HttpResponseError") -> str:
    """The error code in the answer's body, empty where there is none."""
    return str(getattr(error.error, "code", None) or "")


def details_of(error: "HttpResponseError") -> list[str]:
    """Codes of the details of an error, such as ``NoBackingApplicationObject``."""
    return [str(detail.code) for detail in getattr(error.error, "details", None) or ()]


@contextmanager
def translated(peer: refusals.Peer) -> Iterator[None]:
    """What azure-core and azure-identity raise, as errors of ours."""
    from azure.core.exceptions import AzureError, DeserializationError

    try:
        yield
    except AzureError as error:
        raise _ours(error, peer) from error
    except DeserializationError as error:
        raise refusals.strange(peer) from error


def _ours(error: "AzureError", peer: refusals.Peer) -> errors.AzwiError:
    from azure.core.exceptions import (
        AzureError,
        ClientAuthenticationError,
        DecodeError,
        HttpResponseError,
    )
    from azure.identity import CredentialUnavailableError

    if isinstance(error, CredentialUnavailableError):
        return refusals.no_credential(str(error.message))
    if isinstance(error, ClientAuthenticationError) and not code_of(error):
        cause = error.__cause__
        # azure-identity calls every failure one of authentication, also a broken connection.
        if isinstance(cause, AzureError) and not isinstance(cause, ClientAuthenticationError):
            return _ours(cause, refusals.LOGIN)
        return refusals.no_token(str(error.message))
    if isinstance(error, DecodeError) and error.status_code:
        return refusals.strange(peer)
    if isinstance(error, HttpResponseError) and error.status_code:
        says = getattr(error.error, "message", None) or error.reason or ""
        return refusals.refused(peer, error.status_code, code_of(error), str(says))
    return _unreachable(error, peer)


def _unreachable(error: "AzureError", peer: refusals.Peer) -> errors.AzwiError:
    text = f"{error} {error.__cause__ or ''}"
    says, _ = connection_faults.explained(peer.url, text)
    if "IncompleteRead" in text:
        says = "Its answer breaks off."
    return errors.Unavailable(
        f"{peer.name} cannot be asked. {says}",
        "Run the command again: it goes on where it stopped.",
    )


def _read(response: Any) -> dict[str, Any]:
    from azure.core.exceptions import DecodeError

    try:
        answer: Any = response.json() if response.content else {}
    except ValueError:
        answer = None
    if not isinstance(answer, dict):
        raise DecodeError("no JSON object", response=response)
    return answer


def _is_throttled(error: "HttpResponseError") -> bool:
    return error.status_code == 429


class Rest:
    """JSON requests to one API, with a token; for what no kept library covers."""

    def __init__(self, url: str, credential: Any, scope: str) -> None:
        from azure.core import PipelineClient
        from azure.core.pipeline import policies

        chosen = options()
        self._client: Any = PipelineClient(
            url,
            policies=[
                policies.RequestIdPolicy(),
                policies.UserAgentPolicy("azwi"),
                policies.RetryPolicy(**chosen),
                policies.BearerTokenCredentialPolicy(credential, scope),
            ],
            **chosen,
        )
        self._url = url

    def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> dict[str, Any]:
        """The answer's JSON object, empty where there is none; ``path`` may be a whole URL.

        Raises HttpResponseError for every other status than 2xx, and where it is no JSON object.
        """
        url = path if path.startswith(self._url) else self._url + path
        if method == "POST":
            return again_while(lambda: self._sent(method, url, body, query, headers), _is_throttled)
        return self._sent(method, url, body, query, headers)

    def _sent(
        self,
        method: str,
        url: str,
        body: Any,
        query: Mapping[str, str] | None,
        headers: Mapping[str, str] | None,
    ) -> dict[str, Any]:
        from azure.core.exceptions import HttpResponseError
        from azure.core.rest import HttpRequest

        request = HttpRequest(method, url, params=query, json=body, headers=dict(headers or {}))
        # A POST that may have been done already is not sent twice: it makes a second application.
        once = {"retry_status": 0, "retry_read": 0} if method == "POST" else {}
        response = self._client.send_request(request, **once)
        output.debug(f"{method} {url.partition('?')[0]}: {response.status_code}")
        if response.status_code >= 300:
            response.read()
            raise HttpResponseError(response=response)
        return _read(response)

    def pages(
        self, path: str, query: Mapping[str, str] | None = None, link: str = "@odata.nextLink"
    ) -> Iterator[dict[str, Any]]:
        """The items of a list, of all its pages."""
        answer = self.ask("GET", path, query=query)
        while True:
            yield from answer.get("value", ())
            if not answer.get(link):
                return
            answer = self.ask("GET", answer[link])

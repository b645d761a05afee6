"""Talks to Entra ID, or to an AKS token proxy in its place: one exchange, from file to token.

msal writes the request and reads the answer; ``transport`` sends the one and receives the other, by
aiohttp. msal would wait for its HTTP client: so it is asked twice, the first time to hear what it
would send, and once the answer is there (``transport.Client``). No thread, and one TLS stack.
"""

import asyncio
import base64
import binascii
import contextlib
import json
import logging
import traceback
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import msal

from azwi_common import contract
from azwi_common.proxy_settings import Settings
from azwi_proxy import aadsts, deadline, errors, files, tokens, transport
from azwi_proxy.identities import Identity

WHOLE = 10.0  # seconds for an exchange, retry and name resolution included: SDKs give up at 30
RETRY_LEFT = 3.0  # seconds that must be left for a second try to make sense
AT_ONCE = 256  # exchanges; 20 new ones a second that hang for 10 s each are 200
NOT_BEFORE = 300  # seconds: IMDS dates its tokens back by five minutes
SAME_CLOCK = 60  # seconds that Entra ID's clock may differ for a token's own times to be believed

_OF_MSAL = ", ".join((contract.AUTHORITY_HOST, contract.TENANT_ID, contract.CLIENT_ID))

log = logging.getLogger("azwi_proxy.entra")


class Entra:
    """Exchanges the pod's service account token for access tokens."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._transport = transport.Transport(settings)
        self._busy = 0

    async def start(self) -> None:
        """Open the HTTP session, on the running loop."""
        await self._transport.start()

    async def close(self) -> None:
        """Close the session."""
        await self._transport.close()

    async def exchange(self, identity: Identity, scope: str) -> tokens.Token:
        """One token; raises errors.TokenError. Takes 10 s at most, whatever the network does."""
        if self._busy >= AT_ONCE:
            raise errors.Busy(f"{AT_ONCE} tokens are being fetched already: try again")
        self._busy += 1
        try:
            async with deadline.Deadline(WHOLE):
                return await self._exchange(identity, scope)
        except TimeoutError as error:
            raise self._transport.silent(WHOLE) from error
        finally:
            self._busy -= 1

    async def _exchange(self, identity: Identity, scope: str) -> tokens.Token:
        """Two tries at most; the second where a failure says that it may help at once."""
        ends = asyncio.get_running_loop().time() + WHOLE
        for last_try in (False, True):
            try:
                return await self._acquire(identity, scope)
            except (errors.StaleAssertion, transport.Interrupted) as error:
                left = ends - asyncio.get_running_loop().time()
                if last_try or left < RETRY_LEFT:
                    raise
                log.info("one more try", extra={"fields": {"reason": error.reason}})
        raise AssertionError("unreachable")

    async def _acquire(self, identity: Identity, scope: str) -> tokens.Token:
        """Read the file, exchange what it holds, date the token."""
        with _part("the service account token", contract.FEDERATED_TOKEN_FILE):
            assertion = read_assertion(self._settings.token_file)
        http = transport.Client()
        await asyncio.sleep(0)  # here and below: what is stored is answered in between
        with _part("msal's request", _OF_MSAL):
            application = self._application(identity, assertion, http)
            await asyncio.sleep(0)
            with contextlib.suppress(transport.NotYet):
                application.acquire_token_for_client([scope])
            del application  # 25 KB, which an exchange that hangs would hold
            await asyncio.sleep(0)
        sent = tokens.now()
        with _part("the call", self._transport.concerns):
            try:
                http.answer = await self._transport.send(http.request)
            except transport.Answered as said:
                raise self._error_of(said, _asked(identity, scope, assertion)) from None
        with _part("msal's reading of the answer", _OF_MSAL):
            application = self._application(identity, assertion, http)
            return _token(application.acquire_token_for_client([scope]), sent)

    def _error_of(self, said: transport.Answered, asked: aadsts.Asked) -> errors.TokenError:
        asked = replace(asked, host=self._transport.peer, settings=self._transport.concerns)
        given = said.status, said.text, said.retry_after
        error = aadsts.error_of(*given, asked, said.content_type)
        if said.status >= 500 and isinstance(error, errors.Unavailable) and not error.hold:
            return transport.Interrupted(error.description, reason=error.reason)
        return error

    def _application(
        self, identity: Identity, assertion: str, http: transport.Client
    ) -> msal.ConfidentialClientApplication:
        """One for each question: no cache and no throttle beside the store's own."""
        return msal.ConfidentialClientApplication(
            identity.client_id,
            authority=f"{self._settings.authority}/{identity.tenant_id}",
            client_credential={"client_assertion": lambda: assertion},
            instance_discovery=False,
            azure_region=False,  # MSAL_FORCE_REGION would send the assertion to another host
            http_client=http,
        )


@contextlib.contextmanager
def _part(name: str, settings: str) -> Iterator[None]:
    """Make an unforeseen exception a failure that is remembered, and name part and settings.

    Otherwise each request would raise it again, and burn the allowance of exchanges.
    """
    try:
        yield
    except errors.ProxyError:
        raise
    except Exception as error:
        place = traceback.extract_tb(error.__traceback__)[-1]
        where = f"{Path(place.filename).name}:{place.lineno}"
        raise errors.BrokenExchange(name, settings, type(error).__name__, where) from error


def read_assertion(path: str) -> str:
    """The service account token in ``path``; raises errors.Unavailable that names what is wrong."""
    try:
        with files.regular(path) as file:
            text = file.read(64 * 1024).decode("ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        if files.exhausted(error):
            raise files.no_descriptors() from error
        reason = error.strerror if isinstance(error, OSError) else "it is not a token"
        raise _token_file(path, f"cannot be read: {(reason or str(error)).lower()}") from error
    if not text:
        raise _token_file(path, "is empty")
    if text.count(".") != 2 or not _claims(text):
        raise _token_file(path, "does not hold a JSON Web Token")
    return text


def _token_file(path: str, problem: str) -> errors.Unavailable:
    return errors.Unavailable(
        f"The service account token file {path} {problem}."
        " Check AZURE_FEDERATED_TOKEN_FILE and the projected volume.",
        reason="token_file",
    )


def _claims(token: str) -> Mapping[str, Any]:
    """The claims of a JSON Web Token, unverified; empty where it is opaque."""
    try:
        payload = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except (IndexError, ValueError, binascii.Error, RecursionError):
        return {}
    return claims if isinstance(claims, dict) else {}


def _asked(identity: Identity, scope: str, assertion: str) -> aadsts.Asked:
    claims = _claims(assertion)
    audience = claims.get("aud", "(unknown)")
    return aadsts.Asked(
        client=identity.client_id,
        tenant=identity.tenant_id,
        resource=scope.removesuffix("/.default"),
        issuer=str(claims.get("iss", "(unknown)")),
        subject=str(claims.get("sub", "(unknown)")),
        audience=", ".join(map(str, audience)) if isinstance(audience, list) else str(audience),
    )


def _token(answer: Mapping[str, Any], sent: tokens.Moment) -> tokens.Token:
    """Date a token from when it was asked for, or by its own claims where the clocks agree."""
    text: str = answer["access_token"]
    lifetime: int = answer["expires_in"]
    expires_on = int(sent.wall) + lifetime
    not_before = int(sent.wall) - NOT_BEFORE
    claims = _claims(text)
    exp, nbf = claims.get("exp"), claims.get("nbf")
    if isinstance(exp, int) and abs(exp - expires_on) <= SAME_CLOCK:
        expires_on = exp
        not_before = nbf if isinstance(nbf, int) else not_before
    return tokens.Token(text, sent, float(lifetime), expires_on, not_before, _said(claims))


def _said(claims: Mapping[str, Any]) -> tokens.Said:
    """What a token's claims say of its identity."""
    object_id, resource_id = claims.get("oid"), claims.get("xms_mirid")
    return tokens.Said(
        object_id=object_id.lower() if isinstance(object_id, str) and len(object_id) < 64 else "",
        resource_id=resource_id.rstrip("/").lower()
        if isinstance(resource_id, str) and len(resource_id) < 1024
        else "",
        readable=bool(claims),
    )

"""Whether a token request is granted: Entra ID's checks, in Entra ID's order. Pure.

Two steps, because between them the issuer's keys are fetched: ``match`` finds the federated
credential that the assertion claims, ``grant`` verifies the assertion with the issuer's keys.
Either raises ``aadsts.Refusal``. Thus only issuers that a registered credential names are asked.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, Literal
from urllib.parse import parse_qsl

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from azwi_emulator.aadsts import Refusal
from azwi_emulator.directory import Client, Credential, Directory
from azwi_emulator.messages import BINDING_AUDIENCE, TENANT

ASSERTION_TYPE: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
DEFAULT_SUFFIX: Final = "/.default"
EARLY_SECONDS: Final = (
    5  # clocks of a cluster and of this machine differ a little; tokens start "now"
)

Door = Literal["entra", "token-proxy"]
"""Where the request came in: an AKS token proxy takes only assertions for its own audience."""

_SIGN_IN = frozenset({"openid", "offline_access", "profile"})
"""Scopes of a user's sign-in, which MSAL Go sends with every request and Entra ID passes over."""
_SHARED_TENANTS = frozenset({"common", "organizations", "consumers"})


@dataclass(frozen=True, slots=True)
class TokenRequest:
    """A form that asks for a token by a federated assertion or a secret, nothing of it verified."""

    tenant_id: str
    client_id: str
    scope: str
    assertion: str
    secret: str = field(default="", repr=False)
    """Empty where the client proves itself by an assertion."""


@dataclass(frozen=True, slots=True)
class Assertion:
    """What an assertion says of itself, unverified, with the types that it must have."""

    text: str
    algorithm: str
    key_id: str
    issuer: str
    subject: str
    audience: tuple[str, ...]
    expires_on: float
    """Unix time, in seconds."""
    not_before: float
    """Unix time, in seconds."""


@dataclass(frozen=True, slots=True)
class Match:
    """A request whose assertion claims to be what a registered credential describes."""

    request: TokenRequest
    client: Client
    credential: Credential
    assertion: Assertion


@dataclass(frozen=True, slots=True)
class Grant:
    """A token may be issued."""

    tenant_id: str
    client_id: str
    resource: str
    """Everything before ``/.default``, so that a resource keeps its own trailing slash."""
    by_secret: bool = False


def fields_of(body: str) -> list[tuple[str, str]]:
    """Names and values of a posted form, whatever they are; for the record, before any check."""
    return parse_qsl(body)


def parse_form(body: str) -> dict[str, str]:
    """The fields of a posted form; empty ones count as absent, one given twice is refused."""
    fields: dict[str, str] = {}
    for name, value in fields_of(body):
        if name in fields:
            raise Refusal(90013, parameter=name)
        fields[name] = value
    return fields


def parse(tenant_id: str, fields: Mapping[str, str]) -> TokenRequest:
    """The token request in a form's ``fields``, posted to the endpoint of ``tenant_id``."""
    grant_type = _required(fields, "grant_type")
    if grant_type != "client_credentials":
        raise Refusal(70003, grant_type=grant_type)
    if "resource" in fields:
        raise Refusal(901002)
    client_id = _required(fields, "client_id")
    if "client_secret" in fields and "client_assertion" not in fields:
        scope = _required(fields, "scope")
        return TokenRequest(tenant_id, client_id, scope, "", fields["client_secret"])
    if fields.get("client_assertion_type") != ASSERTION_TYPE or "client_assertion" not in fields:
        raise Refusal(7000218, type=ASSERTION_TYPE)
    scope = _required(fields, "scope")
    return TokenRequest(tenant_id, client_id, scope, fields["client_assertion"])


def known_tenant(tenant_id: str, directory: Directory, client_id: str = "") -> None:
    """Raise Refusal unless ``tenant_id`` is well formed and has registrations."""
    if tenant_id.lower() in _SHARED_TENANTS:
        raise Refusal(50194, tenant=tenant_id, client_id=client_id)
    if not TENANT.fullmatch(tenant_id):
        raise Refusal(900023, tenant=tenant_id)
    if not directory.has_tenant(tenant_id):
        raise Refusal(90002, tenant=tenant_id)


def match(
    request: TokenRequest, directory: Directory, *, door: Door, authority: str, now: float
) -> Match:
    """The credential that the assertion claims; ``now`` is Unix time in seconds."""
    client = client_of(request, directory, now)
    credentials = [
        credential
        for credential in directory.credentials(client.tenant_id, client.client_id, now)
        if (credential.audience == BINDING_AUDIENCE) == (door == "token-proxy")
    ]
    if not credentials:
        raise Refusal(70025, client_id=request.client_id)
    assertion = read_assertion(request.assertion)
    if assertion.issuer == f"{authority}{client.tenant_id}/v2.0":
        raise Refusal(700222)
    return Match(request, client, _credential_for(assertion, credentials), assertion)


def grant(found: Match, keys: Mapping[str, RSAPublicKey], *, now: float) -> Grant:
    """Verify the matched assertion with the issuer's ``keys`` by kid, then the scope."""
    _verify_signature(found.assertion, keys)
    verify_times(found.assertion, now)
    return Grant(
        found.client.tenant_id, found.client.client_id, resource_of(found.request, found.client)
    )


def grant_by_secret(
    request: TokenRequest, directory: Directory, *, door: Door, now: float
) -> Grant:
    """Verify the client's secret, then the scope; ``now`` is Unix time in seconds."""
    client = client_of(request, directory, now)
    if door == "token-proxy":  # it exchanges assertions, and nothing else
        raise Refusal(7000218, type=ASSERTION_TYPE)
    if not directory.is_secret(client.tenant_id, client.client_id, request.secret):
        raise Refusal(7000215)
    return Grant(client.tenant_id, client.client_id, resource_of(request, client), by_secret=True)


def check_algorithm(assertion: Assertion) -> None:
    """Raise Refusal unless the assertion is signed by RS256, the only algorithm accepted."""
    if assertion.algorithm != "RS256":
        raise Refusal(700027, reason=f"the algorithm is {assertion.algorithm!r}, not RS256")


def read_assertion(text: str) -> Assertion:
    """The assertion's own statements; raises Refusal 50027 where it is no such JWT."""
    try:
        token = jwt.decode_complete(text, options={"verify_signature": False})
    except jwt.PyJWTError as error:
        raise Refusal(50027, reason=str(error)) from error
    header, claims = token["header"], token["payload"]
    audience = claims.get("aud")
    audiences = (audience,) if isinstance(audience, str) else audience
    if not isinstance(audiences, list | tuple) or not all(isinstance(a, str) for a in audiences):
        raise Refusal(50027, reason="'aud' is missing or no string")
    return Assertion(
        text=text,
        algorithm=str(header.get("alg", "")),
        key_id=str(header.get("kid", "")),
        issuer=_text(claims, "iss"),
        subject=_text(claims, "sub"),
        audience=tuple(audiences),
        expires_on=_moment(claims, "exp"),
        not_before=_moment(claims, "nbf", 0.0),
    )


def client_of(request: TokenRequest, directory: Directory, now: float) -> Client:
    """Who asks; raises Refusal for a client that the tenant does not know, or not yet."""
    known_tenant(request.tenant_id, directory, request.client_id)
    client = directory.client(request.tenant_id, request.client_id, now)
    if client is None:
        raise Refusal(700016, client_id=request.client_id, tenant=request.tenant_id)
    if client.principal_from is None or client.principal_from > now:
        raise Refusal(7000229, client_id=request.client_id, tenant=request.tenant_id)
    return client


def _credential_for(assertion: Assertion, credentials: Iterable[Credential]) -> Credential:
    issued = [known for known in credentials if known.issuer == assertion.issuer]
    if not issued:
        raise Refusal(700211, issuer=assertion.issuer)
    named = [known for known in issued if known.subject == assertion.subject]
    if not named:
        nearly = any(known.subject.lower() == assertion.subject.lower() for known in issued)
        raise Refusal(7002138 if nearly else 700213, subject=assertion.subject)
    # Exactly one audience: Entra ID takes no token that is meant for others too.
    meant = [known for known in named if (known.audience,) == assertion.audience]
    if not meant:
        raise Refusal(700212, audience=", ".join(assertion.audience))
    return meant[0]


def _verify_signature(assertion: Assertion, keys: Mapping[str, RSAPublicKey]) -> None:
    check_algorithm(assertion)
    key = keys.get(assertion.key_id)
    if key is None:
        raise Refusal(50013, reason=f"the issuer publishes no key {assertion.key_id!r}")
    try:
        jwt.PyJWS().decode(assertion.text, key, algorithms=["RS256"])
    except jwt.PyJWTError as error:
        raise Refusal(700027, reason="it was not made with the key that it names") from error


def verify_times(assertion: Assertion, now: float) -> None:
    """Raise Refusal unless the assertion holds at ``now``."""
    if not assertion.not_before - EARLY_SECONDS <= now < assertion.expires_on:
        raise Refusal(
            700024,
            now=_written(now),
            start=_written(assertion.not_before),
            end=_written(assertion.expires_on),
        )


def resource_of(request: TokenRequest, client: Client) -> str:
    """What the token is for; raises Refusal for a scope that names none, or an unknown one."""
    asked = [scope for scope in request.scope.split(" ") if scope and scope not in _SIGN_IN]
    if len(asked) > 1:
        raise Refusal(70011, scope=request.scope)
    if not asked or not asked[0].endswith(DEFAULT_SUFFIX):
        raise Refusal(1002012, scope=request.scope)
    resource = asked[0].removesuffix(DEFAULT_SUFFIX)
    if not resource:
        raise Refusal(70011, scope=request.scope)
    if client.resources and resource not in client.resources:
        raise Refusal(500011, resource=resource, tenant=client.tenant_id)
    return resource


def _required(fields: Mapping[str, str], name: str) -> str:
    if name not in fields:
        raise Refusal(900144, parameter=name)
    return fields[name]


def _text(claims: Mapping[str, Any], name: str) -> str:
    value = claims.get(name)
    if not isinstance(value, str):
        raise Refusal(50027, reason=f"{name!r} is missing or no string")
    return value


def _moment(claims: Mapping[str, Any], name: str, default: float | None = None) -> float:
    value = claims.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e11:
        raise Refusal(50027, reason=f"{name!r} is missing or no point in time")
    return float(value)


def _written(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

"""Entra ID's refusals: code, HTTP status, OAuth error and wording. Pure.

Status and ``error`` are those seen in public logs where there are any, else those of the same
family. The wording is ours: it says what the code means and what was compared. Sources:
learn.microsoft.com/entra/identity-platform/reference-error-codes, and public issue threads.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

_LONGEST_FACT = 200  # a caller's text is quoted, but not at any length


@dataclass(frozen=True, slots=True)
class Kind:
    """How one code is answered."""

    status: int
    error: str
    text: str
    """Sentence with {facts} to fill in."""


def _invalid_client(text: str) -> Kind:
    return Kind(401, "invalid_client", text)


def _invalid_request(text: str) -> Kind:
    return Kind(400, "invalid_request", text)


def _unavailable(text: str) -> Kind:
    return Kind(503, "temporarily_unavailable", text)


KINDS: Final[Mapping[int, Kind]] = {
    # --- the request itself -----------------------------------------------------------------------
    70003: Kind(400, "unsupported_grant_type", "The grant type '{grant_type}' is not supported."),
    900144: _invalid_request("The request body must contain the parameter '{parameter}'."),
    90013: _invalid_request("Invalid input: the parameter '{parameter}' is given more than once."),
    901002: _invalid_request("The 'resource' parameter is not supported; use 'scope'."),
    90002: Kind(400, "invalid_tenant", "Tenant '{tenant}' not found."),
    900023: _invalid_request("'{tenant}' is neither a tenant id nor a domain name."),
    50194: _invalid_request(
        "Application '{client_id}' is single-tenant; '/{tenant}' cannot be used."
    ),
    90038: _invalid_request("Tenant '{tenant}' lives in a national cloud."),
    # --- the client -------------------------------------------------------------------------------
    700016: Kind(
        400, "unauthorized_client", "Application '{client_id}' was not found in '{tenant}'."
    ),
    70001: Kind(400, "unauthorized_client", "Application '{client_id}' was not found."),
    7000112: Kind(401, "unauthorized_client", "Application '{client_id}' is disabled."),
    700021: _invalid_client(
        "The assertion's subject '{subject}' is not the application '{client_id}'."
    ),
    700023: _invalid_client("The assertion's audience '{audience}' is not this token endpoint."),
    1000502: _invalid_client("The certificate is outside its validity period."),
    7000215: _invalid_client("The client secret is wrong."),
    7000216: _invalid_client("A client assertion is required."),
    7000218: _invalid_client("The request must contain 'client_assertion' of type '{type}'."),
    7000222: _invalid_client("The client secret has expired."),
    7000229: _invalid_client("Application '{client_id}' has no service principal in '{tenant}'."),
    70052: _invalid_client("The identity must be a managed identity or a single-tenant app."),
    # --- the assertion against the federated credentials ------------------------------------------
    50027: _invalid_request("The assertion is no valid JWT: {reason}."),
    70021: _invalid_client("No federated identity credential matches the assertion."),
    70025: _invalid_client("Application '{client_id}' has no federated identity credentials."),
    700211: _invalid_client("No federated identity credential matches the issuer '{issuer}'."),
    700212: _invalid_client("No federated identity credential matches the audience '{audience}'."),
    700213: _invalid_client("No federated identity credential matches the subject '{subject}'."),
    7002138: _invalid_client(
        "The subject '{subject}' matches a federated identity credential only without regard to"
        " case; the comparison is case-sensitive."
    ),
    700222: _invalid_client("A token issued by Entra ID may not be used as an assertion."),
    700223: _invalid_client("Federated identity credentials are disabled in the tenant."),
    700238: _invalid_client("The tenant does not allow the issuer '{issuer}'."),
    # --- the assertion itself ---------------------------------------------------------------------
    700024: _invalid_client(
        "The assertion is outside its valid time range. Now: {now}, valid {start} to {end}."
    ),
    700027: _invalid_client("The assertion's signature is not valid: {reason}."),
    50012: _invalid_client("Authentication failed: {reason}."),
    50013: _invalid_client("The assertion's signature cannot be verified: {reason}."),
    700229: _invalid_client("This type of token is not allowed."),
    90061: _invalid_request("A call to the external OIDC endpoint failed: {reason}."),
    900612: _invalid_request("The signing keys of the external provider cannot be read: {reason}."),
    # --- scope and resource -----------------------------------------------------------------------
    70011: Kind(400, "invalid_scope", "The scope '{scope}' is not valid."),
    1002012: Kind(400, "invalid_scope", "The scope '{scope}' must end with '/.default'."),
    700022: Kind(400, "invalid_scope", "The scope '{scope}' names several resources."),
    28002: Kind(400, "invalid_scope", "The scope '{scope}' is not valid."),
    500011: Kind(400, "invalid_resource", "The resource '{resource}' is not known in '{tenant}'."),
    50001: Kind(400, "invalid_resource", "The resource '{resource}' is missing or not valid."),
    # --- policy and load --------------------------------------------------------------------------
    53003: Kind(400, "interaction_required", "Access is blocked by Conditional Access."),
    50196: Kind(400, "invalid_grant", "The client is in a request loop."),
    500341: Kind(400, "invalid_grant", "The account has been deleted."),
    90055: Kind(429, "temporarily_unavailable", "The tenant sends too many requests."),
    90006: _unavailable("An external server does not answer."),
    90012: _unavailable("The request timed out."),
    90024: _unavailable("The request budget is used up."),
    90033: _unavailable("A back-end service is unavailable; try again."),
    50033: _unavailable("A transient error; try again."),
    900382: _invalid_request("A confidential client cannot be used across clouds."),
    900432: _invalid_request("A confidential client cannot be used across clouds."),
    100007: _invalid_request("The regional endpoint does not serve this kind of client."),
}


class Refusal(Exception):
    """Entra ID says no: ``code`` and the facts that its sentence quotes."""

    def __init__(self, code: int, **facts: str) -> None:
        self.code = code
        self.kind = KINDS.get(code, _invalid_request("Refused by a fault of the emulator."))
        self.sentence = self.kind.text.format_map(_Facts(facts))
        super().__init__(f"AADSTS{code}: {self.sentence}")


class _Facts(dict[str, str]):
    """Facts by name, cut to a quotable length; one that nobody gave (a fault) shows its name."""

    def __missing__(self, name: str) -> str:
        return f"<{name}>"

    def __getitem__(self, name: str) -> str:
        text = super().__getitem__(name)
        return text if len(text) <= _LONGEST_FACT else text[:_LONGEST_FACT] + "…"


def error_body(
    refusal: Refusal, *, now: float, trace_id: str, correlation_id: str, authority: str
) -> dict[str, Any]:
    """The JSON of a refusal, as the token endpoint sends it; ``authority`` ends with a slash."""
    timestamp = datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
    return {
        "error": refusal.kind.error,
        "error_description": (
            f"AADSTS{refusal.code}: {refusal.sentence} Trace ID: {trace_id}"
            f" Correlation ID: {correlation_id} Timestamp: {timestamp}"
        ),
        "error_codes": [refusal.code],
        "timestamp": timestamp,
        "trace_id": trace_id,
        "correlation_id": correlation_id,
        "error_uri": f"{authority}error?code={refusal.code}",
    }

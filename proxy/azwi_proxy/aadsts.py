"""What Entra ID's answers mean for the app that waits: the table of AADSTS codes.

Pure. Source: Microsoft's list of AADSTS codes and observed answers. Codes that are not in the table
are permanent when Entra ID answers with a 4xx, and transient otherwise.
"""

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from azwi_proxy import errors


class Kind(Enum):
    """What helps against an error."""

    PERMANENT = "a change of configuration"
    PROPAGATION = "a change of configuration, or minutes if it was just made"
    STALE_ASSERTION = "reading the token file again"
    TRANSIENT = "time"
    THROTTLED = "calling less"


@dataclass(frozen=True, slots=True)
class Meaning:
    """One code: its kind, and the remedy as a sentence with placeholders of `Asked`."""

    kind: Kind
    remedy: str


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked of Entra ID, for the sentences; all of it is safe to show."""

    client: str = ""
    tenant: str = ""
    resource: str = ""
    issuer: str = "(unknown)"
    subject: str = "(unknown)"
    audience: str = "(unknown)"
    host: str = "login.microsoftonline.com"
    """Where the exchange was sent."""
    settings: str = "AZURE_AUTHORITY_HOST, HTTPS_PROXY"
    """What decides on that."""


_CREDENTIAL = (
    "Create or correct the federated identity credential of {client}:"
    " issuer {issuer}, subject {subject}, audience {audience}."
)
_ISSUER_KEYS = (
    "Entra ID could not verify the service account token:"
    " publish the cluster's current signing keys at {issuer}."
)
_CLIENT = (
    "Check AZURE_CLIENT_ID {client} and AZURE_TENANT_ID {tenant}, and that both belong together."
)
_RESOURCE = "Check the resource {resource} that the app asks for."
_TENANT = "Check AZURE_TENANT_ID {tenant} and AZURE_AUTHORITY_HOST."
_TYPE = "The identity must be a user-assigned managed identity or a single-tenant application."
_ADMIN = "An administrator of tenant {tenant} must allow this."
_SECRET = "Entra ID did not see a federated credential in the request: report this as a bug."
_WAIT = "It heals by itself; the proxy tries again."
_SOMETHING_ELSE = (
    "Something other than Entra ID answered for {host}: status {status}, content type {kind}."
    " Check {settings}, and the firewall in between."
)

CODES: Mapping[int, Meaning] = {
    70021: Meaning(Kind.PROPAGATION, _CREDENTIAL),
    700211: Meaning(Kind.PROPAGATION, _CREDENTIAL),
    700213: Meaning(Kind.PROPAGATION, _CREDENTIAL),
    70025: Meaning(Kind.PROPAGATION, _CREDENTIAL),
    700016: Meaning(Kind.PROPAGATION, _CLIENT),
    700212: Meaning(Kind.PERMANENT, _CREDENTIAL),
    7002138: Meaning(Kind.PERMANENT, _CREDENTIAL + " Entra ID compares subjects with case."),
    700222: Meaning(Kind.PERMANENT, "The issuer must be the cluster's, not Entra ID: {issuer}."),
    700223: Meaning(Kind.PERMANENT, _ADMIN),
    700238: Meaning(Kind.PERMANENT, _ADMIN),
    70052: Meaning(Kind.PERMANENT, _TYPE),
    700024: Meaning(
        Kind.STALE_ASSERTION,
        "The service account token is outside its validity: check the clocks, and that the kubelet"
        " renews the projected volume.",
    ),
    700027: Meaning(Kind.PERMANENT, _ISSUER_KEYS),
    50012: Meaning(Kind.PERMANENT, _ISSUER_KEYS),
    50013: Meaning(Kind.PERMANENT, _ISSUER_KEYS),
    50027: Meaning(Kind.PERMANENT, "AZURE_FEDERATED_TOKEN_FILE does not hold a valid token."),
    90061: Meaning(Kind.TRANSIENT, "Entra ID could not reach the issuer {issuer}: is it public?"),
    900612: Meaning(Kind.PERMANENT, _ISSUER_KEYS),
    70001: Meaning(Kind.PERMANENT, _CLIENT),
    7000112: Meaning(Kind.PERMANENT, "The application {client} is disabled: enable it."),
    700229: Meaning(Kind.PERMANENT, _TYPE),
    7000229: Meaning(Kind.PERMANENT, "Create the service principal of {client} in {tenant}."),
    90002: Meaning(Kind.PERMANENT, _TENANT),
    900023: Meaning(Kind.PERMANENT, _TENANT),
    50194: Meaning(Kind.PERMANENT, _TENANT),
    500011: Meaning(Kind.PERMANENT, _RESOURCE),
    50001: Meaning(Kind.PERMANENT, _RESOURCE),
    70011: Meaning(Kind.PERMANENT, _RESOURCE),
    1002012: Meaning(Kind.PERMANENT, _RESOURCE),
    700022: Meaning(Kind.PERMANENT, _RESOURCE),
    28002: Meaning(Kind.PERMANENT, _RESOURCE),
    901002: Meaning(Kind.PERMANENT, _RESOURCE),
    7000215: Meaning(Kind.PERMANENT, _SECRET),
    7000222: Meaning(Kind.PERMANENT, _SECRET),
    7000218: Meaning(Kind.PERMANENT, _SECRET),
    7000216: Meaning(Kind.PERMANENT, _SECRET),
    500341: Meaning(Kind.PERMANENT, _CLIENT),
    50196: Meaning(Kind.THROTTLED, "Too many like requests: slow the app down."),
    53003: Meaning(Kind.PERMANENT, "Conditional Access blocks {client}: " + _ADMIN),
    90033: Meaning(Kind.TRANSIENT, _WAIT),
    90006: Meaning(Kind.TRANSIENT, _WAIT),
    90012: Meaning(Kind.TRANSIENT, _WAIT),
    90024: Meaning(Kind.TRANSIENT, _WAIT),
    50033: Meaning(Kind.TRANSIENT, _WAIT),
    90013: Meaning(Kind.PERMANENT, _RESOURCE),
    90038: Meaning(Kind.PERMANENT, "The tenant lives in another cloud: set AZURE_AUTHORITY_HOST."),
    90055: Meaning(Kind.THROTTLED, "The tenant is throttled: " + _WAIT),
    900382: Meaning(Kind.PERMANENT, "The tenant lives in another cloud: set AZURE_AUTHORITY_HOST."),
    900432: Meaning(Kind.PERMANENT, "The tenant lives in another cloud: set AZURE_AUTHORITY_HOST."),
    100007: Meaning(Kind.PERMANENT, "Set AZURE_AUTHORITY_HOST to a global endpoint."),
}

_CODE = re.compile(r"AADSTS(\d{5,7})")
_COPIED = ("error_codes", "timestamp", "trace_id", "correlation_id")
_DEFAULT_HOLD = 5  # seconds: what msal itself waits after a 429 without Retry-After
LONGEST_TEXT = 2000  # characters of Entra ID's sentence that are told, and remembered
_LONGEST_FIELD = 100  # of each other field; trace ids have 36
_MAX_HOLD = 600


def error_of(
    status: int, body: str, retry_after: str, asked: Asked, content_type: str = ""
) -> errors.TokenError:
    """The error for an answer of the token endpoint that is no token.

    ``status`` and the headers as they came (perhaps empty), ``body`` as text: JSON from Entra ID
    itself, anything from a middlebox, and plain text for a 429.
    """
    hold = _seconds(retry_after)
    said = json_object(body)
    code = _code(said)
    if not code and _is_somebody_else(status, said):
        told = _SOMETHING_ELSE.format(
            host=asked.host, status=status, settings=asked.settings, kind=_kind(content_type)
        )
        return errors.Unavailable(told, reason=f"http_{status}", hold=hold)
    meaning = CODES.get(code) or _by_status(status, said)
    description = _description(status, said, meaning, asked)
    if status == 429 or meaning.kind is Kind.THROTTLED:
        return errors.Throttled(description, hold=hold or _DEFAULT_HOLD)
    if meaning.kind is Kind.TRANSIENT:
        reason = f"AADSTS{code}" if code in CODES else f"http_{status}"
        return errors.Unavailable(description, reason=reason, hold=hold)
    return _refused(status, said, code, meaning.kind, description)


def _refused(
    status: int, said: Mapping[str, Any], code: int, kind: Kind, description: str
) -> errors.Refused:
    make = {
        Kind.PROPAGATION: errors.NotYet,
        Kind.STALE_ASSERTION: errors.StaleAssertion,
    }.get(kind, errors.Refused)
    # 404, 408 and 410 are retried by SDKs for minutes, and 403 is read as "no IMDS here".
    told = 400 if status == 400 and kind is not Kind.PROPAGATION else 401
    return make(
        description,
        status=told,
        error=str(said.get("error") or "invalid_request")[:_LONGEST_FIELD],
        code=code if code in CODES else 0,
        details={name: _brief(said[name]) for name in _COPIED if name in said},
    )


def _brief(value: Any) -> Any:
    """A field as it came, if it is as short as Entra ID's; else its beginning as text."""
    return value if len(str(value)) <= _LONGEST_FIELD else str(value)[:_LONGEST_FIELD]


def _by_status(status: int, said: Mapping[str, Any]) -> Meaning:
    """For an answer without a code of the table."""
    if said.get("error") == "temporarily_unavailable" or not 400 <= status < 500:
        return Meaning(Kind.TRANSIENT, _WAIT)
    if status in (408, 429):
        return Meaning(Kind.TRANSIENT, _WAIT)
    return Meaning(Kind.PERMANENT, "")


def _description(status: int, said: Mapping[str, Any], meaning: Meaning, asked: Asked) -> str:
    text = str(said.get("error_description") or "").strip()[:LONGEST_TEXT]
    if not text:
        text = f"Entra ID answered {status}" + (" (too many requests)." if status == 429 else ".")
    fields = {name: getattr(asked, name) for name in asked.__slots__}
    return f"{text} {meaning.remedy.format_map(fields)}".rstrip()


def _code(said: Mapping[str, Any]) -> int:
    codes = said.get("error_codes")
    if isinstance(codes, list) and codes and isinstance(codes[0], int):
        return codes[0]
    match = _CODE.search(str(said.get("error_description") or ""))
    return int(match[1]) if match else 0


def _is_somebody_else(status: int, said: Mapping[str, Any]) -> bool:
    """Whether an answer is a block page, a captive portal or a web server, by its form.

    Entra ID says an OAuth error; its gateways answer 408, 429 and 5xx in any form.
    """
    return status not in (408, 429) and status < 500 and not isinstance(said.get("error"), str)


def _kind(content_type: str) -> str:
    """A content type as a sentence may hold it."""
    found = re.match(r"[\w.+-]{1,40}/[\w.+-]{1,40}", content_type, re.ASCII)
    return found[0] if found else "none"


def json_object(body: str) -> Mapping[str, Any]:
    """The JSON object that an answer is; empty for anything else."""
    try:
        said = json.loads(body, parse_constant=_refuse, parse_float=_finite)
    except (ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}


def _refuse(constant: str) -> None:
    """NaN and Infinity are not JSON, and would make our own answer none."""
    raise ValueError(constant)


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(text)
    return number


def _seconds(retry_after: str) -> float:
    """Retry-After in seconds; Entra ID sends whole seconds, a date counts as absent."""
    return min(int(retry_after), _MAX_HOLD) if re.fullmatch(r"\d{1,9}", retry_after) else 0

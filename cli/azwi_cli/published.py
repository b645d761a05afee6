"""What an issuer's server and discovery document must be for Entra ID to take its tokens. Pure.

Takes answers as ``web`` gives them, or its error, and says what is well and what is not. Sources:
OpenID Connect Discovery 1.0, and Microsoft's pages on federated identity credentials (RS256 alone;
issuer, subject and audience are compared to the letter).
"""

import ipaddress
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

from azwi_cli import discovery
from azwi_cli.checks import Check, Status
from azwi_cli.errors import Unavailable

PASS, WARN, FAIL = Status.PASS, Status.WARN, Status.FAIL

_DAY: Final = 86400
_SOON: Final = 14 * _DAY  # an expiring certificate is told of two weeks ahead
_LONGEST_AGE: Final = _DAY  # a rotation has to wait for caches


class Answer(Protocol):
    """What is needed of an HTTP answer; ``web.Answer`` is one."""

    @property
    def url(self) -> str: ...  # see web.Answer
    @property
    def status(self) -> int: ...
    @property
    def body(self) -> bytes: ...
    @property
    def headers(self) -> Mapping[str, str]: ...
    @property
    def address(self) -> str: ...
    @property
    def certificate_ends(self) -> float: ...


@dataclass(frozen=True, slots=True)
class Document:
    """What the discovery document says."""

    issuer: str
    jwks_uri: str
    members: Mapping[str, Any]


def issuer_url(issuer: str) -> Check:
    """Whether the URL can be an issuer at all."""
    if wrong := discovery.problem(issuer):
        return Check(
            "url",
            FAIL,
            f"{issuer} cannot be an issuer: {wrong}.",
            "Entra ID takes https URLs without query and fragment only.",
            "Give the URL of the API server's --service-account-issuer.",
        )
    return Check("url", PASS, f"{issuer} can be an issuer.")


def reachable(got: Answer | Unavailable, *, own_authority: bool, now: float) -> Iterator[Check]:
    """Whether the discovery document's server is where Entra ID can ask it."""
    if isinstance(got, Unavailable):
        why = "Entra ID reads the keys there before it takes a token."
        yield Check("reachable", FAIL, got.says, why, got.remedy)
        return
    yield _address(got)
    if own_authority:
        yield Check(
            "certificate",
            WARN,
            "The certificate is by an authority of --ca-file.",
            "Entra ID trusts public authorities only.",
            "Check without --ca-file before pods depend on it.",
        )
    elif 0 < got.certificate_ends < now + _SOON:
        days = int((got.certificate_ends - now) / _DAY)
        yield Check(
            "certificate",
            WARN,
            f"The certificate ends in {days} days.",
            "Entra ID reads no keys after that.",
            "Renew it.",
        )
    else:
        yield Check("certificate", PASS, "The certificate is trusted and does not end soon.")


def _address(got: Answer) -> Check:
    if got.address and not ipaddress.ip_address(got.address.partition("%")[0]).is_global:
        return Check(
            "reachable",
            WARN,
            f"The server answers at {got.address}, which is not an address of the internet.",
            "Entra ID asks from the internet.",
            "Publish the documents on a public host, or make sure that the public DNS entry"
            " leads to one.",
        )
    return Check("reachable", PASS, "The server answers over TLS.")


def served(got: Answer | Unavailable, what: str, name: str) -> Iterator[Check]:
    """Whether a document comes as it should: status, content type and caching."""
    if isinstance(got, Unavailable):
        yield Check(name, FAIL, got.says, f"Entra ID needs {what}.", got.remedy)
        return
    if got.status != 200:
        yield _not_served(got, what, name)
        return
    yield Check(name, PASS, f"{got.url} serves {what}.")
    yield _content_type(got, what, name)
    yield _cache(got, what, name)


def _not_served(got: Answer, what: str, name: str) -> Check:
    why = f"Entra ID needs {what} there, with status 200 and for everybody."
    if 300 <= got.status < 400:
        says = f"{got.url} redirects to {got.headers.get('location', 'another address')}."
        return Check(name, FAIL, says, why, "Serve it at the address itself.")
    remedy = {
        401: "Allow anonymous access: an API server wants the cluster role"
        " system:service-account-issuer-discovery bound to system:unauthenticated.",
        403: "Allow anonymous access: an API server wants the cluster role"
        " system:service-account-issuer-discovery bound to system:unauthenticated; a storage"
        " container wants anonymous read access to blobs.",
        404: f"Publish {what} there: azwi oidc generate makes it.",
    }.get(got.status, "Look at the log of that server.")
    return Check(name, FAIL, f"{got.url} answers {got.status}.", why, remedy)


def _content_type(got: Answer, what: str, name: str) -> Check:
    found = got.headers.get("content-type", "")
    kind = found.partition(";")[0].strip().lower()
    if kind in ("application/json", "application/jwk-set+json"):
        return Check(f"{name}-content-type", PASS, f"The content type is {kind}.")
    return Check(
        f"{name}-content-type",
        WARN,
        f"The content type of {what} is {kind or 'missing'}, not application/json.",
        "A strict reader takes no other for JSON.",
        "Set it: az storage blob upload --content-type application/json, or your server's setting.",
    )


def max_age(headers: Mapping[str, str]) -> int | None:
    """For how many seconds others may keep an answer; None where it does not say."""
    control = headers.get("cache-control", "").lower()
    if "no-store" in control or "no-cache" in control:
        return 0
    found = re.search(r"(?:^|[\s,])max-age=(\d{1,10})", control)
    return int(found[1]) if found else None


def _cache(got: Answer, what: str, name: str) -> Check:
    age = max_age(got.headers)
    if age is None:
        return Check(f"{name}-cache", PASS, "There is no Cache-Control: readers decide themselves.")
    if age <= _LONGEST_AGE:
        return Check(f"{name}-cache", PASS, f"It may be kept for {age} s.")
    return Check(
        f"{name}-cache",
        WARN,
        f"Others may keep {what} for {age // 3600} h (Cache-Control).",
        "A new key is not seen before that: a rotation has to wait as long.",
        "Publish it with Cache-Control: max-age=3600.",
    )


def read_document(got: Answer | Unavailable) -> Document | None:
    """The discovery document; None where there is none to read."""
    members = parsed(got)
    if not isinstance(members, dict):
        return None
    return Document(str(members.get("issuer", "")), str(members.get("jwks_uri", "")), members)


def document(found: Document | None, issuer: str) -> Iterator[Check]:
    """Whether the discovery document says what it must of ``issuer``."""
    if found is None:
        yield Check(
            "document",
            FAIL,
            "The discovery document is not a JSON object.",
            "Entra ID finds the keys by it.",
            "Write it anew: azwi oidc generate.",
        )
        return
    yield _same_issuer(found.issuer, issuer)
    yield _jwks_uri(found.jwks_uri)
    yield _algorithms(found.members.get("id_token_signing_alg_values_supported"))


def _same_issuer(found: str, issuer: str) -> Check:
    if found == issuer:
        return Check("issuer", PASS, "The document names the issuer to the letter.")
    if not found:
        says = "The document names no issuer."
    elif found.rstrip("/") == issuer.rstrip("/"):
        has, asked = ("with", "without") if found.endswith("/") else ("without", "with")
        says = f"The document's issuer ends {has} a slash, the one asked for {asked} it."
    else:
        says = f"The document names the issuer {found}."
    return Check(
        "issuer",
        FAIL,
        says,
        "Tokens, document and federated credential must agree to the letter (AADSTS700211).",
        "Use the same text in --service-account-issuer, in the document and in the federated"
        " credentials.",
    )


def _jwks_uri(uri: str) -> Check:
    if uri.startswith("https://"):
        return Check("jwks-uri", PASS, f"The keys are at {uri}.")
    return Check(
        "jwks-uri",
        FAIL,
        f"The document's jwks_uri is {uri or 'missing'}; it must be an https URL.",
        "Entra ID reads the keys there.",
        "Set the API server's --service-account-jwks-uri, or write the document anew: azwi oidc"
        " generate.",
    )


def _algorithms(found: object) -> Check:
    if isinstance(found, list) and "RS256" in found:
        return Check("algorithms", PASS, "The document offers RS256.")
    return Check(
        "algorithms",
        FAIL if isinstance(found, list) else WARN,
        "The document does not offer RS256 (id_token_signing_alg_values_supported).",
        "Entra ID verifies no other signatures.",
        "Sign service account tokens with an RSA key, and write the document anew.",
    )


def parsed(got: Answer | Unavailable) -> Any:
    """The JSON of an answer with status 200; None where it is another, or is none."""
    if isinstance(got, Unavailable) or got.status != 200:
        return None
    try:
        return json.loads(got.body)
    except (ValueError, RecursionError):
        return None

"""Clients that prove themselves by a certificate: assertions that they sign themselves. Pure.

Source: learn.microsoft.com/entra/identity-platform/certificate-credentials (RFC 7523). It asks for
5 to 10 minutes of life, but says that Entra ID sets no limit to ``exp``; so there is none here.
"""

import base64
import hashlib
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Final

import jwt
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import Encoding

from azwi_emulator import errors, federation
from azwi_emulator.aadsts import Refusal
from azwi_emulator.directory import Directory
from azwi_emulator.federation import Assertion, Grant, TokenRequest

ALGORITHMS: Final = ("PS256", "RS256")
"""The one that Microsoft asks for, and that of older libraries."""


def read(pem: str) -> tuple[bytes, ...]:
    """Certificates in PEM form as DER, none for an empty text.

    Raises BadMessage for anything else, for private keys, and for other keys than RSA.
    """
    if not pem:
        return ()
    if "PRIVATE KEY" in pem:
        raise errors.BadMessage(
            "'certificate' holds a private key: hand in the certificate alone, the key stays with"
            " the client."
        )
    try:
        found = x509.load_pem_x509_certificates(pem.encode())
        keys = [certificate.public_key() for certificate in found]
    except ValueError as error:
        raise errors.BadMessage("'certificate' must be a certificate in PEM form.") from error
    if not all(isinstance(key, RSAPublicKey) for key in keys):
        raise errors.BadMessage("'certificate' must have an RSA key, as Entra ID wants it.")
    return tuple(certificate.public_bytes(Encoding.DER) for certificate in found)


def is_own(request: TokenRequest) -> bool:
    """Whether the client says that it signed the assertion itself."""
    try:
        issuer = federation.read_assertion(request.assertion).issuer
    except Refusal:
        return False  # whoever reads it next says what is wrong with it
    return issuer.lower() == request.client_id.lower()


def grant(request: TokenRequest, directory: Directory, *, authority: str, now: float) -> Grant:
    """Verify an assertion of the client's own, then the scope; ``now`` is in Unix seconds."""
    client = federation.client_of(request, directory, now)
    assertion = federation.read_assertion(request.assertion)
    if assertion.subject.lower() != client.client_id.lower():
        raise Refusal(700021, subject=assertion.subject, client_id=request.client_id)
    registered = directory.certificates(client.tenant_id, client.client_id)
    certificate = _named(assertion, registered)
    _verify_signature(assertion, certificate)
    if not certificate.not_valid_before_utc <= _moment(now) < certificate.not_valid_after_utc:
        raise Refusal(1000502)
    _verify_audience(assertion, f"{authority}{request.tenant_id}")
    federation.verify_times(assertion, now)
    return Grant(client.tenant_id, client.client_id, federation.resource_of(request, client))


def _named(assertion: Assertion, registered: Iterable[bytes]) -> x509.Certificate:
    """The certificate whose thumbprint stands in the header."""
    header = jwt.get_unverified_header(assertion.text)
    said = {name: str(header[name]).rstrip("=") for name in ("x5t#S256", "x5t") if name in header}
    if not said:
        raise Refusal(700027, reason="its header has neither 'x5t#S256' nor 'x5t'")
    for der in registered:
        prints = {"x5t#S256": _coded(hashlib.sha256(der)), "x5t": _coded(hashlib.sha1(der))}
        if all(prints[name] == text for name, text in said.items()):
            return x509.load_der_x509_certificate(der)
    raise Refusal(700027, reason="no certificate with its thumbprint is registered for the client")


def _verify_signature(assertion: Assertion, certificate: x509.Certificate) -> None:
    if assertion.algorithm not in ALGORITHMS:
        told = " or ".join(ALGORITHMS)
        raise Refusal(700027, reason=f"the algorithm is {assertion.algorithm!r}, not {told}")
    key = certificate.public_key()
    if not isinstance(key, RSAPublicKey):  # ``read`` lets no other in
        raise TypeError("a registered certificate has no RSA key")
    try:
        jwt.PyJWS().decode(assertion.text, key, algorithms=[assertion.algorithm])
    except jwt.PyJWTError as error:
        raise Refusal(
            700027, reason="it was not made with the key of the certificate that it names"
        ) from error


def _verify_audience(assertion: Assertion, tenant: str) -> None:
    paths = ("/oauth2/v2.0/token", "/oauth2/token", "/v2.0")  # the last: the issuer, as OpenID says
    meant = {tenant.lower() + path for path in paths}
    if len(assertion.audience) != 1 or assertion.audience[0].lower() not in meant:
        raise Refusal(700023, audience=", ".join(assertion.audience))


def _coded(digest: "hashlib._Hash") -> str:
    return base64.urlsafe_b64encode(digest.digest()).decode().rstrip("=")


def _moment(now: float) -> datetime:
    return datetime.fromtimestamp(now, UTC)

"""Clients that prove themselves by a certificate."""

import base64
import datetime
import hashlib
from typing import Any

import jwt
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from azwi_emulator import client_certificates, errors, federation
from azwi_emulator.aadsts import Refusal
from azwi_emulator.directory import Client, Directory
from azwi_emulator.federation import ASSERTION_TYPE, Grant

NOW = 1_700_000_000
TENANT = "11111111-2222-3333-4444-555555555555"
CLIENT = "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee"
OTHER = "bbbbbbbb-bbbb-cccc-dddd-eeeeeeeeeeee"
AUTHORITY = "https://login.example/"
ENDPOINT = f"{AUTHORITY}{TENANT}/oauth2/v2.0/token"

KEY, STRANGER = (rsa.generate_private_key(public_exponent=65537, key_size=2048) for _ in range(2))


def certificate(key: Any = KEY, *, days: int = 1) -> x509.Certificate:
    """Self-signed, valid from yesterday for so many days."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "azwi")])
    start = datetime.datetime.fromtimestamp(NOW - 86400, datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(start)
        .not_valid_after(start + datetime.timedelta(days=days))
        .sign(key, hashes.SHA256())
    )


MINE, EXPIRED = certificate(days=9), certificate()


def der(one: x509.Certificate) -> bytes:
    return one.public_bytes(Encoding.DER)


def pem(*several: x509.Certificate) -> str:
    return "".join(one.public_bytes(Encoding.PEM).decode() for one in several)


def coded(digest: bytes) -> str:
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def header(one: x509.Certificate = MINE) -> dict[str, str]:
    return {"x5t#S256": coded(hashlib.sha256(der(one)).digest())}


def assertion(
    key: Any = KEY, algorithm: str = "PS256", head: dict[str, str] | None = None, **changes: Any
) -> str:
    claims = {
        "iss": CLIENT,
        "sub": CLIENT,
        "aud": ENDPOINT,
        "jti": "1",
        "nbf": NOW,
        "exp": NOW + 600,
        **changes,
    }
    headers = header() if head is None else head
    return jwt.encode(claims, key, algorithm=algorithm, headers=headers)


def request(text: str, tenant: str = TENANT, **changes: str) -> federation.TokenRequest:
    fields = {
        "grant_type": "client_credentials",
        "client_id": CLIENT,
        "scope": "https://vault.azure.net/.default",
        "client_assertion_type": ASSERTION_TYPE,
        "client_assertion": text,
        **changes,
    }
    return federation.parse(tenant, fields)


def decided(text: str, now: float = NOW, **changes: str) -> Grant | int:
    """The grant, or the code of the refusal."""
    known = Directory()
    known.add_client(Client(TENANT, CLIENT))
    known.add_client(Client(TENANT, OTHER))
    known.set_certificates(TENANT, CLIENT, (der(EXPIRED), der(MINE)))
    try:
        asked = request(text, **changes)
        return client_certificates.grant(asked, known, authority=AUTHORITY, now=now)
    except Refusal as refusal:
        return refusal.code


GRANTED = Grant(TENANT, CLIENT, "https://vault.azure.net")


@pytest.mark.parametrize("algorithm", ["PS256", "RS256"])
def test_what_a_registered_certificate_signed_is_granted(algorithm: str) -> None:
    assert decided(assertion(algorithm=algorithm)) == GRANTED


def test_the_older_thumbprint_is_as_good() -> None:
    assert decided(assertion(head={"x5t": coded(hashlib.sha1(der(MINE)).digest())})) == GRANTED


@pytest.mark.parametrize("path", ["/oauth2/token", "/v2.0", "/OAuth2/v2.0/token"])
def test_other_names_of_the_token_endpoint_are_as_good(path: str) -> None:
    assert decided(assertion(aud=f"{AUTHORITY}{TENANT}{path}")) == GRANTED


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (assertion(STRANGER), 700027),
        (assertion(head=header(certificate(STRANGER))), 700027),
        (assertion(head={}), 700027),
        (assertion(head={**header(), "x5t": "another"}), 700027),
        (assertion(algorithm="RS512"), 700027),
        (assertion(head=header(EXPIRED)), 1000502),
        (assertion(sub=OTHER), 700021),
        (assertion(aud=f"{AUTHORITY}other/oauth2/v2.0/token"), 700023),
        (assertion(aud=[ENDPOINT, "https://other/"]), 700023),
        (assertion(aud="api://AzureADTokenExchange"), 700023),
        (assertion(exp=NOW), 700024),
        (assertion(nbf=NOW + 60), 700024),
    ],
    ids=str.split(
        "another-key another-certificate no-thumbprint two-thumbprints RS512 expired-certificate"
        " subject another-tenant two-audiences federated-audience expired not-yet"
    ),
)
def test_what_is_not_right_is_refused(text: str, code: int) -> None:
    assert decided(text) == code


def test_client_and_scope_are_checked_as_everywhere() -> None:
    assert decided(assertion(), scope="x") == 1002012
    assert decided(assertion(), client_id="nobody") == 700016
    assert decided(assertion(iss=OTHER, sub=OTHER), client_id=OTHER) == 700027


def test_an_assertion_is_the_clients_own_by_its_issuer() -> None:
    assert client_certificates.is_own(request(assertion(iss=CLIENT.upper())))
    assert not client_certificates.is_own(request(assertion(iss="https://issuer.example/")))
    assert not client_certificates.is_own(request("no assertion"))


def test_several_certificates_are_read() -> None:
    assert client_certificates.read(pem(MINE, EXPIRED)) == (der(MINE), der(EXPIRED))
    assert client_certificates.read("") == ()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("x", "must be a certificate in PEM form"),
        (pem(certificate(ec.generate_private_key(ec.SECP256R1()))), "RSA"),
        (
            pem(MINE)
            + KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode(),
            "hand in the certificate alone",
        ),
    ],
    ids=["garbage", "elliptic", "private"],
)
def test_what_entra_id_would_not_take_is_told(text: str, told: str) -> None:
    with pytest.raises(errors.BadMessage, match=told):
        client_certificates.read(text)

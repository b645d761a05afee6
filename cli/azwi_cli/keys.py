"""Signing keys as files and as JWKS. Pure, but for cryptography, which parses.

The JWKS is that of the Go reference to the byte, and a ``kid`` that of Kubernetes: base64url of
the SHA-256 of the public key's DER form (SubjectPublicKeyInfo). Private keys go in; only their
public halves come out.
"""

import base64
import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from azwi_cli import errors

_CURVES: Final = {
    "secp256r1": ("P-256", "ES256"),
    "secp384r1": ("P-384", "ES384"),
    "secp521r1": ("P-521", "ES512"),
}
_BLOCK: Final = re.compile(rb"-----BEGIN ([A-Z0-9 ]+)-----.+?-----END \1-----", re.DOTALL)
_PUBLIC: Final = (b"PUBLIC KEY", b"RSA PUBLIC KEY")
_PRIVATE: Final = (b"PRIVATE KEY", b"RSA PRIVATE KEY", b"EC PRIVATE KEY")
_CERTIFICATES: Final = (b"CERTIFICATE", b"X509 CERTIFICATE")
# What else a file of openssl may hold beside its key.
_NO_KEYS: Final = (b"EC PARAMETERS", b"DH PARAMETERS", b"X509 CRL", b"CERTIFICATE REQUEST")
_RSA_PSS: Final = bytes.fromhex("06092a864886f70d01010a")  # its object identifier, as DER
_WANTED: Final = "RSA, or EC on P-256, P-384 or P-521"


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A public key for signatures of service account tokens."""

    kid: str
    algorithm: str
    """RS256, ES256, ES384 or ES512."""
    jwk: Mapping[str, str]
    """In the order in which the members are written."""
    bits: int


def read(content: bytes, name: str) -> list[PublicKey]:
    """The keys of a PEM file, in its order; raises BadInput that calls the file ``name``."""
    found = [
        _key(block.group(), block.group(1), name)
        for block in _BLOCK.finditer(content)
        if block.group(1) not in _NO_KEYS
    ]
    if not found:
        raise errors.BadInput(f"{name} {_what_it_is(content)}")
    return found


def jwks_text(keys: Iterable[PublicKey]) -> str:
    """The JSON Web Key Set as the reference writes it: two spaces, no newline at the end."""
    return json.dumps({"keys": [dict(key.jwk) for key in keys]}, indent=2)


def is_jwks(content: bytes) -> bool:
    """Whether a file is a JSON Web Key Set, or empty: what a new one may take the place of."""
    if not content.strip():
        return True
    try:
        document = json.loads(content)
    except ValueError:
        return False
    return isinstance(document, dict) and isinstance(document.get("keys"), list)


def public_key(key: object, name: str) -> PublicKey:
    """A key of cryptography as ours; raises BadInput that calls it ``name``."""
    if isinstance(key, rsa.RSAPublicKey):
        numbers = key.public_numbers()
        members = {"n": _number(numbers.n), "e": _number(numbers.e)}
        return _spelled(key, "RSA", {}, "RS256", members)
    if isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name in _CURVES:
        curve, algorithm = _CURVES[key.curve.name]
        point, size = key.public_numbers(), (key.curve.key_size + 7) // 8
        members = {"x": _number(point.x, size), "y": _number(point.y, size)}
        return _spelled(key, "EC", {"crv": curve}, algorithm, members)
    kind = (
        f"an EC key on {key.curve.name}"
        if isinstance(key, ec.EllipticCurvePublicKey)
        else f"of type {type(key).__name__.removesuffix('PublicKey')}"
    )
    raise errors.BadInput(f"The key in {name} is {kind}; Kubernetes signs with {_WANTED}.")


def _spelled(
    key: rsa.RSAPublicKey | ec.EllipticCurvePublicKey,
    kind: str,
    curve: Mapping[str, str],
    algorithm: str,
    members: Mapping[str, str],
) -> PublicKey:
    der = key.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    kid = _base64url(hashlib.sha256(der).digest())
    jwk = {"use": "sig", "kty": kind, "kid": kid, **curve, "alg": algorithm, **members}
    return PublicKey(kid, algorithm, jwk, key.key_size)


def _key(pem: bytes, label: bytes, name: str) -> PublicKey:
    if label == b"ENCRYPTED PRIVATE KEY" or b"Proc-Type: 4,ENCRYPTED" in pem:
        raise errors.BadInput(
            f"The private key in {name} is encrypted. Give the public key:"
            f" openssl pkey -in {name} -pubout."
        )
    if label == b"OPENSSH PRIVATE KEY":
        raise errors.BadInput(
            f"{name} is a key of OpenSSH. Convert its public half: ssh-keygen -e -m PKCS8 -f {name}"
        )
    if label not in (*_PUBLIC, *_PRIVATE, *_CERTIFICATES):
        raise errors.BadInput(f"{name} holds '{label.decode()}'; Kubernetes signs with {_WANTED}.")
    return public_key(_parsed(pem, label, name), name)


def _parsed(pem: bytes, label: bytes, name: str) -> object:
    try:
        if label in _CERTIFICATES:
            from cryptography import x509  # a fifth of the time of azwi jwks, rarely needed

            return x509.load_pem_x509_certificate(pem).public_key()
        if _RSA_PSS in base64.b64decode(b"".join(pem.splitlines()[1:-1])):
            raise errors.BadInput(
                f"The key in {name} is for RSA-PSS only; Kubernetes signs with {_WANTED}."
            )
        if label in _PUBLIC:
            return serialization.load_pem_public_key(pem)
        return serialization.load_pem_private_key(pem, None).public_key()
    except UnsupportedAlgorithm as error:
        raise errors.BadInput(
            f"The key in {name} is of a kind that nobody signs tokens with;"
            f" Kubernetes signs with {_WANTED}."
        ) from error
    except (ValueError, TypeError) as error:
        raise errors.BadInput(
            f"The {label.decode().lower()} in {name} is damaged: it cannot be decoded. Copy the"
            " file again, or make it anew from the private key: openssl pkey -in KEY -pubout."
        ) from error


def _what_it_is(content: bytes) -> str:
    if not content.strip():
        return "is empty; a key in PEM form is expected there."
    if content.startswith(b"ssh-"):
        return "is a key of OpenSSH. Convert it: ssh-keygen -e -m PKCS8 -f FILE."
    if _BLOCK.search(content):
        return "holds no key, only what may stand beside one. Copy the whole file again."
    if b"-----BEGIN" in content:
        return "holds no whole key: a BEGIN line lacks its END line. Copy the file again."
    if content[:1] == b"\x30":
        return "is DER, not PEM. Convert it: openssl pkey -inform DER -in FILE -pubout."
    return "holds no key in PEM form (-----BEGIN PUBLIC KEY-----). Is it another file?"


def _number(value: int, size: int = 0) -> str:
    return _base64url(value.to_bytes(size or (value.bit_length() + 7) // 8, "big"))


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def from_jwk(jwk: Mapping[str, Any]) -> PublicKey:
    """A member of a JWKS, parsed; raises ValueError that says what is wrong with it.

    The kid is the one that it is published with, even where Kubernetes would give another one.
    """
    import jwt

    try:
        key = jwt.PyJWK(dict(jwk)).key
    except (jwt.PyJWTError, ValueError, TypeError, KeyError) as error:
        raise ValueError("its numbers do not make a key") from error
    try:
        parsed = public_key(key, "the set")
    except errors.BadInput as error:
        raise ValueError("is of a kind that Kubernetes does not sign with") from error
    return PublicKey(str(jwk.get("kid", "")), parsed.algorithm, jwk, parsed.bits)

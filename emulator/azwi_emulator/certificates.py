"""The emulator's CA and its serving certificates.

The CA may sign only for the names that the emulator serves (name constraints), lives 30 days at
most, and its private key stays in memory: whoever trusts its file by mistake trusts very little.
ECDSA P-256, because it is made in no time.
"""

import ipaddress
import os
import ssl
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from azwi_emulator import errors

LIFETIME: Final = timedelta(days=30)
_EARLY: Final = timedelta(minutes=5)  # clients' clocks lag; within the 30 days, not on top of them

_PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


@dataclass(frozen=True, slots=True)
class Names:
    """What a certificate is for."""

    dns: tuple[str, ...]
    addresses: tuple[ipaddress.IPv4Address | ipaddress.IPv6Address, ...] = ()

    @classmethod
    def of(cls, texts: Iterable[str]) -> Self:
        """Sort names from addresses, without duplicates and without the address that means all."""
        dns: dict[str, None] = {}
        addresses: dict[ipaddress.IPv4Address | ipaddress.IPv6Address, None] = {}
        for text in filter(None, texts):
            try:
                address = ipaddress.ip_address(text)
            except ValueError:
                dns[text.lower()] = None
            else:
                if not address.is_unspecified:
                    addresses[address] = None
        return cls(tuple(dns), tuple(addresses))

    def general_names(self) -> list[x509.GeneralName]:
        """As a certificate's subject alternative names."""
        try:
            dns: list[x509.GeneralName] = [x509.DNSName(name) for name in self.dns]
        except ValueError as error:
            raise errors.StartFailed(
                f"A name for the certificate is not valid: {error}."
            ) from error
        return [*dns, *(x509.IPAddress(address) for address in self.addresses)]

    def constraints(self) -> x509.NameConstraints:
        """These names and nothing else; no addresses at all where none is named."""
        permitted: list[x509.GeneralName] = [x509.DNSName(name) for name in self.dns]
        permitted += [x509.IPAddress(ipaddress.ip_network(address)) for address in self.addresses]
        everything = ("0.0.0.0/0", "::/0")
        none = [x509.IPAddress(ipaddress.ip_network(network)) for network in everything]
        return x509.NameConstraints(permitted, None if self.addresses else none)


@dataclass(frozen=True, slots=True)
class ServingCertificate:
    """A certificate chain and its private key, as PEM."""

    chain: bytes
    key: bytes

    def load_into(self, context: ssl.SSLContext, scratch: Path) -> None:
        """Use it for new connections; through a file in ``scratch``, as ``ssl`` reads no bytes."""
        with tempfile.NamedTemporaryFile(dir=scratch, prefix=".serving-") as file:  # mode 0600
            file.write(self.key + self.chain)
            file.flush()
            context.load_cert_chain(file.name)


class Authority:
    """A CA: its certificate and, in memory, its key."""

    def __init__(self, certificate: x509.Certificate, key: _PrivateKey) -> None:
        self._certificate = certificate
        self._key = key

    @classmethod
    def make(cls, names: Names, *, now: datetime, title: str = "azwi-emulator CA") -> Self:
        """A new CA that may sign for ``names`` only."""
        key = ec.generate_private_key(ec.SECP256R1())
        title = f"{title} {os.urandom(4).hex()}"  # two CAs of one name confuse chain building
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, title)])
        usage = _key_usage(key_cert_sign=True, crl_sign=True)
        certificate = (
            _builder(name, key, now - _EARLY, now - _EARLY + LIFETIME)
            .issuer_name(name)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(usage, critical=True)
            .add_extension(names.constraints(), critical=True)
            .sign(key, hashes.SHA256())
        )
        return cls(certificate, key)

    @classmethod
    def read(cls, certificate_file: str, key_file: str) -> Self:
        """A CA that the user brings; raises StartFailed with a sentence."""
        try:
            certificate = x509.load_pem_x509_certificate(Path(certificate_file).read_bytes())
            key = serialization.load_pem_private_key(Path(key_file).read_bytes(), password=None)
        except (OSError, ValueError, TypeError) as error:
            raise errors.StartFailed(
                f"The CA in {certificate_file} and {key_file} cannot be read: {error}."
                " Give a PEM certificate and its unencrypted PEM key."
            ) from error
        if not isinstance(key, _PrivateKey) or key.public_key() != certificate.public_key():
            raise errors.StartFailed(
                f"{key_file} is not the private key (RSA or ECDSA) of the CA in {certificate_file}."
            )
        return cls(certificate, key)

    @property
    def pem(self) -> str:
        """The certificate, for those who are to trust it."""
        return self._certificate.public_bytes(serialization.Encoding.PEM).decode()

    def key_pem(self) -> bytes:
        """The private key, for the user who asked for it."""
        return _pem(self._key)

    def issue(self, names: Names, *, now: datetime) -> ServingCertificate:
        """A certificate for a TLS server, valid as long as the CA but no longer than 30 days."""
        key = ec.generate_private_key(ec.SECP256R1())
        first = (names.dns or tuple(map(str, names.addresses)))[0]
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, first[:64])])
        start = max(now - _EARLY, self._certificate.not_valid_before_utc)
        end = min(start + LIFETIME, self._certificate.not_valid_after_utc)
        if end <= now:
            raise errors.StartFailed("The CA has expired: give a valid one, or none for a new one.")
        authority_key = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        certificate = (
            _builder(subject, key, start, end)
            .issuer_name(self._certificate.subject)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(digital_signature=True), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(x509.SubjectAlternativeName(names.general_names()), critical=False)
            .add_extension(authority_key, critical=False)
            .sign(self._key, hashes.SHA256())
        )
        return ServingCertificate(certificate.public_bytes(serialization.Encoding.PEM), _pem(key))


def server_context() -> ssl.SSLContext:
    """TLS 1.2 and newer, for a server; its certificate is loaded into it afterwards."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # No session tickets: a resumed session would not look at an "untrusted" certificate.
    context.options |= ssl.OP_NO_TICKET
    context.num_tickets = 0
    return context


def now() -> datetime:
    """The moment at which certificates are made."""
    return datetime.now(UTC)


def _builder(
    subject: x509.Name, key: _PrivateKey, start: datetime, end: datetime
) -> x509.CertificateBuilder:
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(end)
        .add_extension(identifier, critical=False)
    )


def _key_usage(
    *, digital_signature: bool = False, key_cert_sign: bool = False, crl_sign: bool = False
) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=digital_signature,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=key_cert_sign,
        crl_sign=crl_sign,
        encipher_only=False,
        decipher_only=False,
    )


def _pem(key: _PrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )

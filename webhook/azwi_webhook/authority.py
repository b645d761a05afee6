"""Makes a CA and one certificate. A program of its own, run for a moment and gone.

``cryptography`` is 8 MB in memory, and the webhook needs it once in two months: so it runs in a
child process (``leaves.make_in_child``), whose end also ends the CA's key.

Imports nothing of azwi: it is run as a file. ``authority.py SECONDS NAME...`` prints JSON.
"""

import json
import sys
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

EARLY = timedelta(days=1)
"""Before it is made. Where this node's clock is an hour ahead, other replicas and the API server
would find the certificate not valid yet, and refuse every pod for that hour."""
_PEM = serialization.Encoding.PEM


def make(names: list[str], now: datetime, life: timedelta) -> dict[str, str]:
    """A certificate for ``names`` (tls.crt), its key (tls.key) and its CA (ca.crt), as PEM.

    Both last to ``now + life``: neither outlives the other. The CA may sign for ``names`` only, and
    its key is forgotten.
    """
    ca_key = ec.generate_private_key(ec.SECP256R1())
    key = ec.generate_private_key(ec.SECP256R1())
    # Two CAs of one name would confuse whoever builds a chain.
    issuer = _name(f"azwi-sidecar-webhook CA {x509.random_serial_number() % 16**8:08x}")
    sans = [x509.DNSName(name) for name in names]
    ca = (
        _builder(issuer, issuer, ca_key.public_key(), now, life)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(ca=True), critical=True)
        .add_extension(x509.NameConstraints(sans, None), critical=True)
        .sign(ca_key, hashes.SHA256())
    )
    certificate = (
        _builder(_name(names[0]), issuer, key.public_key(), now, life)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(ca=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName(sans), critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    form, open_ = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    return {
        "tls.crt": certificate.public_bytes(_PEM).decode(),
        "tls.key": key.private_bytes(_PEM, form, open_).decode(),
        "ca.crt": ca.public_bytes(_PEM).decode(),
    }


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePublicKey,
    now: datetime,
    life: timedelta,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - EARLY)
        .not_valid_after(now + life)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common[:64])])


def _usage(*, ca: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not ca,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=ca,
        crl_sign=ca,
        encipher_only=False,
        decipher_only=False,
    )


if __name__ == "__main__":
    print(json.dumps(make(sys.argv[2:], datetime.now(UTC), timedelta(seconds=float(sys.argv[1])))))

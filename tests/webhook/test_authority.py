"""The certificates that are made."""

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID

from azwi_webhook import authority

NAMES = ["hook.ns.svc", "hook.ns.svc.cluster.local"]
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def _made() -> tuple[x509.Certificate, x509.Certificate]:
    made = authority.make(NAMES, NOW, timedelta(days=90))
    certificate, ca = (made[name].encode() for name in ("tls.crt", "ca.crt"))
    return x509.load_pem_x509_certificate(certificate), x509.load_pem_x509_certificate(ca)


def test_a_certificate_and_its_ca_last_as_long_as_asked_for() -> None:
    for one in _made():
        assert one.not_valid_after_utc == NOW + timedelta(days=90)
        assert one.not_valid_before_utc == NOW - authority.EARLY


def test_the_certificate_is_for_servers_of_these_names() -> None:
    certificate, ca = _made()
    certificate.verify_directly_issued_by(ca)
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == NAMES
    usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usage) == [ExtendedKeyUsageOID.SERVER_AUTH]
    key = certificate.public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    assert key.curve.name == "secp256r1"


def test_the_ca_may_sign_for_these_names_only_and_no_other_ca() -> None:
    _, ca = _made()
    constraints = ca.extensions.get_extension_for_class(x509.NameConstraints)
    assert constraints.critical
    assert constraints.value.permitted_subtrees == [x509.DNSName(name) for name in NAMES]
    basic = ca.extensions.get_extension_for_class(x509.BasicConstraints).value
    assert (basic.ca, basic.path_length) == (True, 0)


def test_two_cas_have_two_names() -> None:
    assert _made()[1].subject != _made()[1].subject


def test_the_cas_key_is_told_to_nobody() -> None:
    made = authority.make(NAMES, NOW, timedelta(days=90))
    assert sum(text.count("PRIVATE KEY-----") for text in made.values()) == 2  # one, its two lines


def test_a_long_name_fits() -> None:
    long = [f"{'a' * 63}.{'b' * 63}.svc"]
    made = authority.make(long, NOW, timedelta(days=1))
    certificate = x509.load_pem_x509_certificate(made["tls.crt"].encode())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == long


def test_as_a_program_it_prints_json(tmp_path: Path) -> None:
    argv = [sys.executable, "-P", str(authority.__file__), "60", *NAMES]
    done = subprocess.run(argv, capture_output=True, check=True, cwd=tmp_path)
    assert set(json.loads(done.stdout)) == {"tls.crt", "tls.key", "ca.crt"}
    assert done.stderr == b""

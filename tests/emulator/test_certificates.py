"""The CA and what it may sign."""

import ssl
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from azwi_emulator import certificates, errors
from azwi_emulator.certificates import Authority, Names, ServingCertificate

NOW = certificates.now()
HERE = Names.of(("localhost", "127.0.0.1", "::1", "login.microsoftonline.com"))
CA = Authority.make(HERE, now=NOW)


def _certificate(pem: bytes | str) -> x509.Certificate:
    return x509.load_pem_x509_certificate(pem.encode() if isinstance(pem, str) else pem)


def _handshake(served: ServingCertificate, ca: Authority, name: str, scratch: Path) -> None:
    """A whole TLS handshake in memory; raises ssl.SSLError as a client would."""
    server_context = certificates.server_context()
    served.load_into(server_context, scratch)
    client_context = ssl.create_default_context(cadata=ca.pem)
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = client_context.wrap_bio(to_client, to_server, server_hostname=name)
    server = server_context.wrap_bio(to_server, to_client, server_side=True)
    done: set[ssl.SSLObject] = set()
    while len(done) < 2:
        for side in (client, server):
            try:
                side.do_handshake()
                done.add(side)
            except ssl.SSLWantReadError:
                continue


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1", "::1", "login.microsoftonline.com"])
def test_clients_that_trust_the_ca_trust_its_certificate(name: str, tmp_path: Path) -> None:
    _handshake(CA.issue(HERE, now=NOW), CA, name, tmp_path)


@pytest.mark.parametrize("name", ["example.com", "graph.microsoft.com", "10.0.0.1", "::2"])
def test_the_name_constraint_refuses_any_other_host(name: str, tmp_path: Path) -> None:
    stolen = CA.issue(Names.of((name,)), now=NOW)
    with pytest.raises(ssl.SSLCertVerificationError, match="permitted subtree violation"):
        _handshake(stolen, CA, name, tmp_path)


@pytest.mark.parametrize("address", ["127.0.0.1", "8.8.8.8", "::1"])
def test_a_ca_for_names_only_may_sign_for_no_address(address: str, tmp_path: Path) -> None:
    only = Authority.make(Names.of(("x.ests.aks",)), now=NOW)
    with pytest.raises(ssl.SSLCertVerificationError, match="excluded subtree violation"):
        _handshake(only.issue(Names.of((address,)), now=NOW), only, address, tmp_path)


def test_another_ca_of_the_same_kind_is_not_trusted(tmp_path: Path) -> None:
    other = Authority.make(HERE, now=NOW)
    with pytest.raises(ssl.SSLCertVerificationError):
        _handshake(other.issue(HERE, now=NOW), CA, "localhost", tmp_path)


def test_the_ca_lives_thirty_days_at_most() -> None:
    ca = _certificate(CA.pem)
    assert ca.not_valid_after_utc - ca.not_valid_before_utc <= timedelta(days=30)
    assert ca.not_valid_before_utc < NOW


def test_the_ca_is_constrained_to_be_a_ca_of_leaves() -> None:
    extensions = _certificate(CA.pem).extensions
    basic = extensions.get_extension_for_class(x509.BasicConstraints)
    usage = extensions.get_extension_for_class(x509.KeyUsage)
    names = extensions.get_extension_for_class(x509.NameConstraints)
    assert (basic.value.ca, basic.value.path_length) == (True, 0)
    assert (usage.value.key_cert_sign, usage.value.digital_signature) == (True, False)
    assert basic.critical
    assert usage.critical
    assert names.critical


def test_a_serving_certificate_lives_no_longer_than_its_ca() -> None:
    later = NOW + timedelta(days=20)
    served = _certificate(CA.issue(HERE, now=later).chain)
    assert served.not_valid_after_utc <= _certificate(CA.pem).not_valid_after_utc


def test_an_expired_ca_signs_nothing() -> None:
    with pytest.raises(errors.StartFailed, match="has expired"):
        CA.issue(HERE, now=NOW + timedelta(days=31))


def test_names_are_sorted_from_addresses_without_duplicates_or_wildcards() -> None:
    names = Names.of(("LocalHost", "localhost", "::1", "0.0.0.0", ""))
    assert (names.dns, [str(address) for address in names.addresses]) == (("localhost",), ["::1"])


def test_a_name_that_no_certificate_can_hold_is_a_sentence() -> None:
    with pytest.raises(errors.StartFailed, match="name for the certificate"):
        CA.issue(Names.of(("bücher.example",)), now=NOW)


def test_no_private_key_stays_on_disk(tmp_path: Path) -> None:
    CA.issue(HERE, now=NOW).load_into(certificates.server_context(), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_ca_that_is_given_signs(tmp_path: Path) -> None:
    (tmp_path / "ca").write_text(CA.pem)
    (tmp_path / "key").write_bytes(CA.key_pem())
    given = Authority.read(str(tmp_path / "ca"), str(tmp_path / "key"))
    _handshake(given.issue(HERE, now=NOW), CA, "localhost", tmp_path)


Spoil = Callable[[Path], object]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda folder: (folder / "ca").unlink(),
        lambda folder: (folder / "ca").write_text("no PEM"),
        lambda folder: (folder / "key").write_text("no PEM"),
        lambda folder: (folder / "key").write_bytes(Authority.make(HERE, now=NOW).key_pem()),
        lambda folder: (folder / "key").write_bytes(_encrypted()),
    ],
)
def test_a_ca_that_cannot_be_used_is_a_sentence_with_both_files(
    spoil: Spoil, tmp_path: Path
) -> None:
    (tmp_path / "ca").write_text(CA.pem)
    (tmp_path / "key").write_bytes(CA.key_pem())
    spoil(tmp_path)
    with pytest.raises(errors.StartFailed) as caught:
        Authority.read(str(tmp_path / "ca"), str(tmp_path / "key"))
    assert str(tmp_path / "ca") in str(caught.value)
    assert str(tmp_path / "key") in str(caught.value)


def _encrypted() -> bytes:
    return ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"secret"),
    )

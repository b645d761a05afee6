"""Certificate authorities: from files that are replaced in place, from text, from the system."""

import os
import ssl
from pathlib import Path

import pytest

from azwi_proxy import errors, trust
from azwi_testing import Emulator


def _subjects(context: ssl.SSLContext) -> int:
    return context.cert_store_stats()["x509_ca"]


@pytest.fixture
def pem(emulator_process: Emulator) -> str:
    return Path(emulator_process.announced["caFile"]).read_text()


@pytest.fixture
def other_pem(emulator_process: Emulator) -> str:
    return Path(emulator_process.announced["tokenProxyCaFile"]).read_text()


def test_a_file_is_read_again_when_its_bytes_change_and_only_then(
    tmp_path: Path, pem: str, other_pem: str
) -> None:
    file = tmp_path / "ca.pem"
    file.write_text(pem)
    trusted = trust.Trust(str(file))
    first = trusted.context()
    file.write_text(pem)
    assert trusted.context() is first
    file.write_text(pem + other_pem)
    second = trusted.context()
    assert second is not first
    assert (_subjects(first), _subjects(second)) == (1, 2)


@pytest.mark.parametrize("broken", ["", "nonsense", "-----BEGIN CERTIFICATE-----\nAAAA\n", None])
def test_a_file_that_breaks_later_keeps_what_worked(
    tmp_path: Path, pem: str, broken: str | None
) -> None:
    file = tmp_path / "ca.pem"
    file.write_text(pem)
    trusted = trust.Trust(str(file))
    good = trusted.context()
    if broken is None:
        file.unlink()
    else:
        file.write_text(broken)
    assert trusted.context() is good


@pytest.mark.parametrize("broken", ["", "nonsense", "-----BEGIN CERTIFICATE-----\nAAAA\n", None])
def test_a_file_that_is_broken_from_the_start_is_named_and_never_replaced_by_the_systems_store(
    tmp_path: Path, broken: str | None
) -> None:
    file = tmp_path / "ca.pem"
    if broken is not None:
        file.write_text(broken)
    with pytest.raises(errors.Unavailable, match=str(file)) as caught:
        trust.Trust(str(file)).context()
    assert caught.value.reason == "ca_file"


def test_a_pipe_in_place_of_a_file_is_named_and_holds_nothing_up(tmp_path: Path) -> None:
    pipe = tmp_path / "ca.pem"
    os.mkfifo(pipe)
    with pytest.raises(errors.Unavailable, match=f"{pipe} cannot be used: is not a regular file"):
        trust.Trust(str(pipe)).context()


def test_text_in_place_of_a_file_is_the_whole_trust(pem: str) -> None:
    trusted = trust.Trust(ca_data=pem)
    assert _subjects(trusted.context()) == 1
    assert trusted.context() is trusted.context()


def test_peers_are_always_verified(pem: str) -> None:
    for trusted in (trust.Trust(), trust.Trust(ca_data=pem)):
        assert trusted.context().verify_mode is ssl.CERT_REQUIRED
        assert trusted.context().check_hostname


def test_company_authorities_that_bend_rfc_5280_are_accepted(pem: str) -> None:
    for trusted in (trust.Trust(), trust.Trust(ca_data=pem)):
        assert not trusted.context().verify_flags & ssl.VERIFY_X509_STRICT


def test_text_that_is_none_is_refused() -> None:
    for text in ("nonsense", "-----BEGIN CERTIFICATE-----\nAAAA\n"):
        with pytest.raises(errors.Unavailable, match="holds no valid PEM certificate"):
            trust.Trust(ca_data=text).context()


def test_comments_in_any_encoding_do_not_matter(tmp_path: Path, pem: str) -> None:
    file = tmp_path / "ca.pem"
    for comment in ("# M\u00fcller".encode("latin-1"), "# M\u00fcller \u2713".encode(), b"# plain"):
        file.write_bytes(comment + b"\n" + pem.encode())
        assert _subjects(trust.Trust(str(file)).context()) == 1

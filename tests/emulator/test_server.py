"""A whole emulator in-process, and what its settings change."""

import asyncio
import os
import stat
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from cryptography import x509

from azwi_emulator import errors, files
from azwi_emulator.certificates import Authority, Names, now
from azwi_emulator.client import Control
from azwi_emulator.messages import Fault
from azwi_emulator.server import Emulator
from azwi_emulator.settings import OFF, OptionalPort, Settings

QUIET = Settings(control_port=OFF)


async def test_it_runs_in_process_and_leaves_nothing_behind() -> None:
    async with Emulator(QUIET) as emulator:
        where = emulator.announcement
        assert _is_there(where.token_file)
        port = urlsplit(where.authority_host).port
        await _connect(port)
    assert not _is_there(where.data_dir)
    with pytest.raises(ConnectionRefusedError):
        await _connect(port)


def _is_there(path: str) -> bool:
    return Path(path).exists()


def _files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


async def _connect(port: int | None) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.close()
    await writer.wait_closed()


async def test_the_control_endpoint_and_the_token_proxy_can_be_off() -> None:
    async with Emulator(QUIET) as emulator:
        where = emulator.announcement
        assert where.control_url is None
        assert where.token_proxy_url is None
        assert where.token_proxy_token_file is None


async def test_the_client_steers_it_from_a_thread() -> None:
    async with Emulator() as emulator:
        control = Control(str(emulator.announcement.control_url))
        found = await asyncio.to_thread(control.announcement)
        assert found == emulator.announcement


async def test_two_run_beside_each_other() -> None:
    async with Emulator(QUIET) as one, Emulator(QUIET) as two:
        assert one.announcement.authority_host != two.announcement.authority_host


async def test_a_failed_start_leaves_nothing_behind(tmp_path: Path) -> None:
    async with Emulator(Settings(data_dir=str(tmp_path))) as emulator:
        port = urlsplit(str(emulator.announcement.control_url)).port or 0
        before = len(os.listdir("/proc/self/fd"))
        with pytest.raises(errors.StartFailed, match="for the control endpoint"):
            await Emulator(Settings(control_port=OptionalPort(port))).__aenter__()
        assert len(os.listdir("/proc/self/fd")) <= before


async def test_no_private_key_is_written_unless_asked(tmp_path: Path) -> None:
    async with Emulator(Settings(control_port=OFF, data_dir=str(tmp_path))):
        written = _files(tmp_path)
        assert set(written) == {files.CA, files.TOKEN}
        assert b"PRIVATE" not in b"".join(written.values())
    async with Emulator(Settings(control_port=OFF, data_dir=str(tmp_path), write_ca_key=True)):
        key = tmp_path / files.CA_KEY
        assert b"PRIVATE" in key.read_bytes()
        assert stat.S_IMODE(key.stat().st_mode) == 0o600


async def test_a_ca_that_is_given_is_used(tmp_path: Path) -> None:
    ca = Authority.make(Names.of(("localhost", "127.0.0.1", "::1")), now=now())
    (tmp_path / "given.pem").write_text(ca.pem)
    (tmp_path / "given.key").write_bytes(ca.key_pem())
    settings = Settings(
        control_port=OFF,
        ca_file=str(tmp_path / "given.pem"),
        ca_key_file=str(tmp_path / "given.key"),
    )
    async with Emulator(settings) as emulator:
        assert _files(Path(emulator.announcement.data_dir))[files.CA] == ca.pem.encode()


async def test_further_names_stand_in_the_certificate_and_its_constraints(tmp_path: Path) -> None:
    settings = Settings(
        control_port=OFF, data_dir=str(tmp_path), names=("login.microsoftonline.com", "10.1.2.3")
    )
    async with Emulator(settings):
        ca = x509.load_pem_x509_certificate((tmp_path / files.CA).read_bytes())
        names = ca.extensions.get_extension_for_class(x509.NameConstraints).value
        permitted = [str(name.value) for name in names.permitted_subtrees or ()]
    assert permitted == [
        "localhost",
        "login.microsoftonline.com",
        "127.0.0.1/32",
        "::1/128",
        "10.1.2.3/32",
    ]


@pytest.mark.parametrize(
    ("settings", "authority"),
    [
        (Settings(host="0.0.0.0", control_port=OFF), "https://localhost:"),
        (Settings(host="::1", control_port=OFF), "https://[::1]:"),
        (Settings(public_host="entra.example", control_port=OFF), "https://entra.example:"),
    ],
)
async def test_what_is_announced_can_be_connected_to(settings: Settings, authority: str) -> None:
    async with Emulator(settings) as emulator:
        assert emulator.announcement.authority_host.startswith(authority)
        assert emulator.announcement.issuer.endswith("/issuer/")


async def test_it_stops_although_a_request_hangs() -> None:
    async with asyncio.timeout(5):
        async with Emulator(QUIET) as emulator:
            emulator.state.faults.put("hang", Fault(kind="hang", at=("issuer",)))
            keys = asyncio.create_task(
                emulator.state.issuer_keys.get(emulator.state.issuer.url, "")
            )
            await asyncio.sleep(0.1)
            assert not keys.done()
        with pytest.raises(errors.IssuerUnreachable):
            await keys


async def test_a_trust_file_that_cannot_be_read_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "trust").write_text("no PEM")
    for file in ("trust", "missing"):
        settings = Settings(control_port=OFF, trust_file=str(tmp_path / file))
        with pytest.raises(errors.StartFailed, match="cannot be read"):
            await Emulator(settings).__aenter__()

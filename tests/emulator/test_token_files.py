"""The token files: written, renewed, and made new when the issuer's key changes."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import jwt
import pytest

from azwi_emulator import files
from azwi_emulator.issuer import Issuer
from azwi_emulator.token_files import LIFETIME, TokenFiles


def _claims(path: Path) -> dict[str, object]:
    claims: dict[str, object] = jwt.decode(path.read_text(), options={"verify_signature": False})
    return claims


def test_the_token_is_for_entra_id_and_lives_an_hour(tmp_path: Path) -> None:
    TokenFiles(tmp_path, Issuer("https://i/"), bound=False)
    claims = _claims(tmp_path / files.TOKEN)
    assert claims["aud"] == ["api://AzureADTokenExchange"]
    assert int(str(claims["exp"])) - int(str(claims["iat"])) == LIFETIME
    assert [path.name for path in tmp_path.iterdir()] == [files.TOKEN]


def test_the_token_proxy_has_a_token_of_its_own(tmp_path: Path) -> None:
    TokenFiles(tmp_path, Issuer("https://i/"), bound=True)
    assert _claims(tmp_path / files.TOKEN_PROXY_TOKEN)["aud"] == ["api://AKSIdentityBinding"]


def test_the_files_follow_a_rotation_and_nothing_else(tmp_path: Path) -> None:
    issuer = Issuer("https://i/")
    tokens = TokenFiles(tmp_path, issuer, bound=False)
    first = (tmp_path / files.TOKEN).read_text()
    tokens.follow_rotation()
    assert (tmp_path / files.TOKEN).read_text() == first
    issuer.rotate(keep_old=True)
    tokens.follow_rotation()
    header = jwt.get_unverified_header((tmp_path / files.TOKEN).read_text())
    assert header["kid"] == issuer.key_id


async def _until(happened: Callable[[], bool]) -> None:
    while not happened():  # noqa: ASYNC110  # a file and a log cannot set an event
        await asyncio.sleep(0.005)


async def test_the_files_are_renewed_until_the_end(tmp_path: Path) -> None:
    tokens = TokenFiles(tmp_path, Issuer("https://i/"), bound=False)
    seen = {(tmp_path / files.TOKEN).read_text()}
    async with asyncio.timeout(5), tokens.renewed(every=0.01):
        while len(seen) < 3:
            await asyncio.sleep(0.005)
            seen.add((tmp_path / files.TOKEN).read_text())
    last = (tmp_path / files.TOKEN).read_text()
    await asyncio.sleep(0.03)
    assert (tmp_path / files.TOKEN).read_text() == last


async def test_a_renewal_that_fails_is_logged_and_tried_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder, moved = tmp_path / "a", tmp_path / "b"
    folder.mkdir()
    tokens = TokenFiles(folder, Issuer("https://i/"), bound=False)
    async with asyncio.timeout(5), tokens.renewed(every=0.01):
        folder.rename(moved)
        await _until(lambda: bool(caplog.records))
        moved.rename(folder)
        before = (folder / files.TOKEN).read_text()
        await _until(lambda: (folder / files.TOKEN).read_text() != before)
    assert "not renewed" in caplog.text

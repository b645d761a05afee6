"""Environments are found again by what they are made from, and by nothing else."""

import shutil
from pathlib import Path

import pytest

from azwi_clients import environments
from azwi_clients.plan import Client, Language
from azwi_clients.table import CLIENTS

ONE_OF_EACH: tuple[tuple[Language, str], ...] = (
    ("Python", "python/msal.txt"),
    ("JavaScript", "js/msal-node/package-lock.json"),
    ("Go", "go/calls.go"),
    ("Rust", "rust/object_store/Cargo.lock"),
)


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Another checkout of the clients' sources."""
    copied = tmp_path / "clients"
    shutil.copytree(environments.SOURCES, copied)
    monkeypatch.setattr(environments, "SOURCES", copied)
    return copied


def installed(language: Language, named: str) -> Client:
    environment = named.split("/")[1].removesuffix(".txt")
    found = [c for c in CLIENTS if c.language == language and c.environment]
    return next((c for c in found if c.environment == environment), found[0])


def folder_of(client: Client) -> Path:
    if lacking := environments.missing(client):
        pytest.skip(lacking)
    return environments.folder_of(client)


@pytest.mark.parametrize(("language", "named"), ONE_OF_EACH)
def test_a_clean_clone_finds_the_environment_again_until_an_input_changes(
    language: Language, named: str, request: pytest.FixtureRequest
) -> None:
    client = installed(language, named)
    here = folder_of(client)
    clone: Path = request.getfixturevalue("clone")
    assert folder_of(client) == here
    with (clone / named).open("a") as file:
        file.write("\n")
    assert folder_of(client) != here


def test_what_runs_at_every_make_test_needs_no_installation() -> None:
    quick = [client for client in CLIENTS if client.quick]
    assert {client.library for client in quick} == {"azure-identity", "curl"}
    assert not any(client.environment for client in quick)

"""Fixtures of the command line's tests: keys, an authority, a published issuer."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from azwi_commands import Authority, Site, jwks_of, rsa_key, serve


@pytest.fixture(scope="session")
def signing_key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The private key of a cluster."""
    return rsa_key(tmp_path_factory.mktemp("keys") / "sa.key")


@pytest.fixture(scope="session")
def new_key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The key that a rotation shall bring."""
    return rsa_key(tmp_path_factory.mktemp("keys") / "new.key")


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """The CA of the tests' servers."""
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def site(authority: Authority, signing_key: Path) -> Iterator[Site]:
    """An issuer that is published as it should be, but for its address and authority."""
    with serve(authority.server()) as site:
        site.publish(jwks_of(signing_key))
        yield site

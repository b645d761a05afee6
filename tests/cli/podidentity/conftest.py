"""Fixtures of the migration's tests."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from azwi_cli.podidentity import plan
from azwi_cli.podidentity.collected import Collected
from azwi_cli.podidentity.facts import Facts
from azwi_testing.podidentity import Object, Server, serve

Planned = Callable[..., plan.Plan]


@pytest.fixture
def server() -> Iterator[Server]:
    """An API server of a cluster that has aad-pod-identity."""
    with serve() as running:
        yield running


@pytest.fixture
def kubeconfig(server: Server, tmp_path: Path) -> Path:
    """A kubeconfig for ``server``."""
    return server.kubeconfig(tmp_path)


@pytest.fixture
def facts() -> Callable[..., Facts]:
    """Facts of objects."""

    def made(*things: Object, namespaces: frozenset[str] | None = None, issuer: str = "") -> Facts:
        collected = Collected("shop")
        for thing in things:
            collected.add(thing)
        return collected.facts(source="the test", issuer=issuer, namespaces=namespaces)

    return made


@pytest.fixture
def planned(facts: Callable[..., Facts]) -> Planned:
    """The plan for objects."""

    def made(*things: Object, **options: object) -> plan.Plan:
        return plan.plan(facts(*things), plan.Options(**options))  # type: ignore[arg-type]  # of tests

    return made

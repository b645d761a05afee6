"""The table of clients says what the lock files pin, and docs/clients.md what the table says."""

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from azwi_clients import page
from azwi_clients.environments import SOURCES
from azwi_clients.plan import AZURE_MSI, HOST, IDENTITY, MSI, Client, runs_of, told_runs_of
from azwi_clients.table import CLIENTS
from azwi_demo.pod import ROOT

LOCKS = [
    *SOURCES.glob("python/*.txt"),
    *SOURCES.glob("js/*/package-lock.json"),
    *SOURCES.glob("go/*/go.*"),
]


def _python(client: Client) -> str:
    lock = SOURCES / f"python/{client.environment}.txt"
    text = (lock if client.environment else ROOT / "images/locks/dev.txt").read_text()
    return _found(rf"^{re.escape(client.library)}==(\S+)", text)


def _javascript(client: Client) -> str:
    lock = json.loads((SOURCES / f"js/{client.environment}/package-lock.json").read_text())
    return str(lock["packages"][f"node_modules/{client.library}"]["version"])


def _go(client: Client) -> str:
    text = (SOURCES / f"go/{client.environment}/go.mod").read_text()
    return _found(rf"/{re.escape(client.library)} v(\S+)", text)


def _rust(client: Client) -> str:
    text = (SOURCES / f"rust/{client.environment}/Cargo.lock").read_text()
    return _found(rf'^name = "{client.library}"\nversion = "(.+)"', text)


def _found(pattern: str, text: str) -> str:
    match = re.search(pattern, text, re.MULTILINE)
    return match[1] if match else "not pinned"


PINNED: Mapping[str, Callable[[Client], str]] = {
    "Python": _python,
    "JavaScript": _javascript,
    "Go": _go,
    "Rust": _rust,
}


@pytest.mark.parametrize(
    "client", [c for c in CLIENTS if c.language in PINNED], ids=lambda c: c.slug
)
def test_the_table_names_the_version_that_is_pinned(client: Client) -> None:
    assert PINNED[client.language](client) == client.version


@pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.slug)
def test_the_page_of_clients_has_a_row_for_each_in_each_mode(client: Client) -> None:
    redirected, told = page.FILE.read_text().split("\n## In environment mode\n")
    assert len(rows_of(client, redirected)) == (1 if client.redirected else 0)
    assert len(rows_of(client, told)) == 1


@pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.slug)
def test_the_page_says_which_variables_a_client_honours_or_that_it_needs_the_redirect(
    client: Client,
) -> None:
    told = page.FILE.read_text().split("\n## In environment mode\n")[1]
    _, _, _, *honoured, served = rows_of(client, told)[0][:8]
    assert [cell == "yes" for cell in honoured] == [
        variable in client.honours for variable in (IDENTITY, HOST, MSI, AZURE_MSI)
    ]
    needs_it = not client.honours and not client.option
    assert (served == "**needs the redirect**") == needs_it


def rows_of(client: Client, text: str) -> list[list[str]]:
    start = f"| {client.library} | {client.version} | {client.usage} |"
    found = [line for line in text.splitlines() if line.startswith(start)]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in found]


def test_no_two_runs_share_an_identity() -> None:
    runs = [run for client in CLIENTS for run in (*runs_of(client), *told_runs_of(client))]
    assert len({run.identifier("client_id") for run in runs}) == len(runs)
    assert len({run.slug for run in runs}) == len(runs)


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: "/".join(path.parts[-2:]))
def test_a_lock_names_no_registry_and_no_machine(lock: Path) -> None:
    text = re.sub(r'"url": "[^"]*"', "", lock.read_text())  # npm notes where to send money
    assert "://" not in text
    assert '"resolved"' not in text
    assert "/root" not in text

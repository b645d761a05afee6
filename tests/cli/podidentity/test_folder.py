"""The files of a plan, whole, for the manifests in ``manifests``.

``AZWI_GOLDEN=write pytest tests/cli/podidentity/test_folder.py`` writes ``golden/`` anew: read the
difference before you commit it.
"""

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from azwi_cli.podidentity import folder, plan, reading
from azwi_commands import azwi
from azwi_testing.podidentity import CLIENT, Object, account, binding, deployment, identity

HERE = Path(__file__).parent
GOLDEN = HERE / "golden"
MANIFESTS = "manifests"
"""Named from here, so that what is written names no path of one machine."""
ISSUER = "https://issuer.example/"


def tree(root: Path) -> dict[str, str]:
    files = (path for path in root.rglob("*") if path.is_file())
    return {str(path.relative_to(root)): path.read_text() for path in sorted(files)}


@pytest.fixture
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that detect writes for all namespaces, and what it prints as table.txt."""
    monkeypatch.chdir(HERE)
    out = tmp_path / "out"
    given: list[str | Path] = ["-A", "-f", MANIFESTS, "-o", out, "--issuer", ISSUER]
    ran = azwi("podidentity", "detect", *given, code=3)
    (out / "table.txt").write_text("".join(f"{x.rstrip()}\n" for x in ran.out.splitlines()))
    return out


def test_the_files_are_as_they_should_be(written: Path) -> None:
    if os.environ.get("AZWI_GOLDEN") == "write":
        shutil.rmtree(GOLDEN, ignore_errors=True)
        shutil.copytree(written, GOLDEN)
    assert tree(written) == tree(GOLDEN)


def test_scripts_are_shell_and_manifests_are_yaml(written: Path) -> None:
    for path in written.rglob("*"):
        if path.suffix == ".sh":
            subprocess.run(["sh", "-n", path], check=True, timeout=20)
        if path.suffix == ".yaml":
            assert all(item["kind"] for item in yaml.safe_load_all(path.read_text()))


def test_a_kustomization_names_files_that_are_there(written: Path) -> None:
    found = list(written.rglob("kustomization.yaml"))
    assert found
    for path in found:
        document = yaml.safe_load(path.read_text())
        named = [*document.get("resources", ()), *(item["path"] for item in document["patches"])]
        assert all((path.parent / name).is_file() for name in named)


def test_without_all_namespaces_there_are_no_folders() -> None:
    facts = reading.of_files([HERE / MANIFESTS], "shop", everywhere=False, issuer="")
    planned = plan.plan(facts, plan.Options())
    names = folder.files(planned, facts, by_namespace=False)
    assert "cart-serviceaccount.yaml" in names
    assert "deployment-cart.yaml" in names
    assert not any("/" in name or "alone" in name for name in names)


def test_what_was_written_again_is_the_same_and_something_else_is_not_overwritten(
    written: Path,
) -> None:
    given: list[str | Path] = [
        "podidentity",
        "detect",
        "-A",
        "-f",
        MANIFESTS,
        "-o",
        written,
        "--issuer",
        ISSUER,
    ]
    assert "Wrote 0 files" in azwi(*given, code=3).err
    (written / "shop" / "deployment-cart.yaml").write_text("mine")
    before = tree(written)
    assert "overwrite it with --force" in azwi(*given, code=7).err
    assert tree(written) == before
    assert "Wrote 1 files" in azwi(*given, "--force", code=3).err


def test_the_way_back_keeps_what_a_service_account_had_and_deletes_none_that_was_there(
    planned: Callable[..., plan.Plan],
) -> None:
    found = planned(
        *(identity("cart"), binding("cart")),
        *(had("own"), had("shared"), account("plain")),
        *(deployment("own", account="own"), deployment("plain", account="plain")),
        *(deployment("shared"), deployment("new")),
    )
    script = folder.rollback_script(found)
    for name in ("own", "shared"):
        assert f'"azure.workload.identity/client-id":"{CLIENT}"' in line_of(name, script)
        assert '"azure.workload.identity/use":"true"' in line_of(name, script)
        assert '"azure.workload.identity/service-account-token-expiration":null' in line_of(
            name, script
        )
    assert '"azure.workload.identity/client-id":null' in line_of("plain", script)
    assert " delete serviceaccount/new " in line_of("new", script)


def had(name: str) -> Object:
    """A service account that an app uses already."""
    made = account(name)
    made["metadata"]["annotations"] = {"azure.workload.identity/client-id": CLIENT}
    made["metadata"]["labels"] = {"azure.workload.identity/use": "true"}
    return made


def line_of(name: str, script: str) -> str:
    (line,) = (line for line in script.splitlines() if f"serviceaccount/{name} " in line)
    return line


def test_a_dry_run_writes_nothing(tmp_path: Path) -> None:
    given: list[str | Path] = ["-A", "-f", HERE / MANIFESTS, "-o", tmp_path / "out", "--dry-run"]
    ran = azwi("podidentity", "detect", *given, code=3)
    assert "Would write" in ran.err
    assert not (tmp_path / "out").exists()

"""``pipx install '.[cli]'``: what it does, in an environment that has nothing else."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
UV = Path(sys.executable).with_name("uv")


@pytest.mark.timeout(300)  # packages are fetched where nobody has yet
def test_from_a_clone_azwi_installs_with_its_extra_and_every_command_loads(tmp_path: Path) -> None:
    # The user's own: which index, which certificates, which cache.
    environment = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}

    def run(*argv: str | Path) -> str:
        done = subprocess.run(argv, capture_output=True, text=True, env=environment, timeout=280)
        assert done.returncode == 0, done.stderr
        return done.stdout

    where = tmp_path / "venv"
    run(UV, "venv", "--quiet", "--python", sys.executable, where)
    locks = ROOT / "images/locks/dev.txt"
    python = where / "bin/python"
    run(UV, "pip", "install", "--quiet", "--python", python, "-c", locks, f"{ROOT}[cli]")
    listed = run(UV, "pip", "list", "--quiet", "--python", python)
    assert "azure-identity" in listed
    assert "aiohttp" not in listed  # no other program's
    assert run(where / "bin/azwi", "version").startswith("Version: ")
    names = ("jwks", "oidc", "sa", "podidentity", "doctor", "inject", "uninject", "completion")
    for name in names:
        assert f"Usage: azwi {name}" in run(where / "bin/azwi", name, "--help").replace(
            "serviceaccount", "sa"
        )
    assert run(where / "bin/kubectl-azwi", "--help").startswith("Usage: kubectl azwi")

"""``azwi completion``: the scripts, and what they are answered."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from azwi_commands import azwi
from azwi_testing import plain_environment


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish", "powershell"])
def test_every_shell_has_its_script(shell: str) -> None:
    out = azwi("completion", shell).out
    assert "_AZWI_COMPLETE" in out
    assert "azwi" in out


def test_another_shell_is_refused_with_the_known_ones() -> None:
    assert "bash" in azwi("completion", "tcsh", code=2).err


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("azwi ver", {"version"}),
        ("azwi oidc ", {"generate", "issuer", "check", "rotate"}),
        ("azwi version --form", {"--format"}),
    ],
)
def test_a_real_bash_completes_commands_and_flags(
    typed: str, offered: set[str], tmp_path: Path
) -> None:
    script = tmp_path / "azwi.bash"
    script.write_text(azwi("completion", "bash").out)
    count = len(typed.split(" "))
    program = f"""
        source {script}
        COMP_WORDS=({typed} {'""' if typed.endswith(" ") else ""})
        COMP_CWORD={count - 1}
        _azwi_completion azwi
        printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    folder = Path(sys.executable).parent
    environment = plain_environment()
    environment["PATH"] = f"{folder}:{environment['PATH']}"
    ended = subprocess.run(
        ["bash", "-c", program], capture_output=True, text=True, env=environment, check=True
    )
    assert set(ended.stdout.split()) == offered

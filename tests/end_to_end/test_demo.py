"""`make demo` as a newcomer runs it."""

import contextlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from azwi_demo.pod import ROOT, Pod, may_make_pods
from azwi_testing import admission
from azwi_testing.apiserver import until

DEMO = [sys.executable, "-m", "azwi_demo"]
CLAIM = "appid: c11e47c1-1e47-4c11-8e47-c11e47c11e47"


@pytest.mark.netns
@pytest.mark.skipif(not may_make_pods(), reason="needs root, to make network namespaces")
def test_as_root_the_demo_shows_a_real_redirect_and_leaves_nothing_behind(tmp_path: Path) -> None:
    traces = Traces(tmp_path)
    done = _demo(DEMO, traces.environment)
    assert done.returncode == 0, done.stderr
    assert "redirect to :8000" in done.stdout
    assert "as UID 1501 without any capability" in done.stdout
    assert CLAIM in done.stdout
    assert "\x1b[" not in done.stdout
    traces.check()
    assert _steps(done.stdout) == _steps(_readme()[0])


@pytest.mark.netns
@pytest.mark.skipif(not may_make_pods(), reason="needs root, to make network namespaces")
@pytest.mark.parametrize("umask", [0o022, 0o077])
def test_a_checkout_that_others_may_not_read_is_no_obstacle(tmp_path: Path, umask: int) -> None:
    closed = tmp_path / "closed"
    checkout = closed / "checkout"
    for name in ("common", "proxy", "init", "emulator", "demo"):
        shutil.copytree(ROOT / name, checkout / name)
    for entry in (closed, *closed.rglob("*")):
        entry.chmod(entry.stat().st_mode & ~umask)
    closed.chmod(0o700)
    sources = ":".join(
        str(checkout / name) for name in ("common", "proxy", "init", "emulator", "demo")
    )
    done = _demo(DEMO, {**os.environ, "PYTHONPATH": sources}, cwd=checkout)
    assert done.returncode == 0, done.stderr
    assert f"{checkout}" in done.stdout
    assert CLAIM in done.stdout
    assert closed.stat().st_mode & 0o777 == 0o700


def test_without_namespaces_the_same_story_is_told_and_says_so() -> None:
    code = (
        "import azwi_demo.pod as pod; pod._COMMANDS = ('unshare-that-is-missing',)\n"
        "from azwi_demo.__main__ import main; raise SystemExit(main())"
    )
    done = _demo([sys.executable, "-c", code], os.environ)
    assert done.returncode == 0, done.stderr
    assert "these commands are missing: unshare-that-is-missing" in done.stdout
    assert "the same story without the redirect" in done.stdout
    assert CLAIM in done.stdout


def test_the_story_of_environment_mode_is_told_as_the_readme_shows_it(tmp_path: Path) -> None:
    traces = Traces(tmp_path)
    done = _demo([*DEMO, "environment"], traces.environment)
    assert done.returncode == 0, done.stderr
    assert _steps(done.stdout) == _steps(_readme()[1])
    assert CLAIM in done.stdout
    asks = {"inject-proxy-sidecar": "true", "proxy-only": "true", "proxy-mode": "environment"}
    app = admission.container(admission.admitted(admission.pod(asks)), "app")
    told = re.findall(r"^  ([A-Z_]+)=(?!https)", done.stdout, re.MULTILINE)
    assert told == [entry["name"] for entry in app["env"]]
    assert "/msi/token, status 200: 2\n  /msi/token, status 401: 1\n" in done.stdout
    assert '"statusCode":401' in done.stdout
    assert not re.search(r"eyJ[\w-]{30}", done.stdout)  # no token but its first letters
    assert not re.search(r"\b[0-9a-f]{32}\b", done.stdout)  # nor the pod's IDENTITY_HEADER
    traces.check()


@pytest.mark.netns
@pytest.mark.skipif(not may_make_pods(), reason="needs root, to become another user")
def test_environment_mode_needs_no_privilege_at_all() -> None:
    with Pod() as pod:  # only so that another user may read root's interpreter and this checkout
        needed = sorted({str(ROOT), sys.prefix, sys.base_prefix})
        readable = [sys.executable, "-m", "azwi_demo.readable", *needed]
        pod.run(readable, env={"PYTHONPATH": str(ROOT / "demo")})
        done = pod.run([*DEMO, "environment"], uid=1000, capabilities=(), check=False)
    assert done.returncode == 0, done.stderr
    assert CLAIM in done.stdout
    assert "/msi/token, status 200: 2\n  /msi/token, status 401: 1\n" in done.stdout


@pytest.mark.parametrize("mode", ["sidecar", "Environment", "redirect environment"])
def test_another_mode_is_refused_in_one_sentence(mode: str) -> None:
    done = _demo([*DEMO, mode], os.environ)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr == f"MODE must be redirect or environment, not {mode!r}.\n"


def _steps(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith("●")]


def _readme() -> tuple[str, str]:
    """What it shows of each mode."""
    redirect, environment = (ROOT / "README.md").read_text().split("$ make demo MODE=environment\n")
    return redirect, environment


def _demo(
    argv: list[str], env: dict[str, str] | os._Environ[str], cwd: Path = ROOT
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(argv, env=env, cwd=cwd, capture_output=True, text=True, timeout=60)


class Traces:
    """What a demo could leave behind: folders, processes, rules.

    Other tests run at the same time: their folders go again, and their processes lack the mark.
    """

    def __init__(self, mark: Path) -> None:
        self._mark = str(mark).encode()
        path = os.pathsep.join(filter(None, (str(mark), os.environ.get("PYTHONPATH"))))
        self.environment = {**os.environ, "PYTHONPATH": path}
        """The demo's: PYTHONPATH is handed down to all that it starts."""
        self._before = self._folders(), self._rules()

    def check(self) -> None:
        """Nothing is left, or not for long."""
        folders, rules = self._before
        until(lambda: not self._folders() - folders)
        until(lambda: not self._processes())
        assert self._rules() == rules

    def _folders(self) -> set[str]:
        return {path.name for path in Path("/tmp").glob("azwi-demo-*")}

    def _processes(self) -> list[Path]:
        found = []
        for path in Path("/proc").glob("[0-9]*/environ"):
            with contextlib.suppress(OSError):  # it has ended meanwhile
                if self._mark in path.read_bytes():
                    found.append(path)
        return found

    def _rules(self) -> str:
        return subprocess.run(["nft", "list", "ruleset"], capture_output=True, text=True).stdout

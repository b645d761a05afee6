"""Renews what is pinned by commit or digest (``make renew-pins``): actions, and the base image.

An action takes the newest release of its major version; the base image keeps its tag. Asks git and
skopeo (or docker), so it needs a network. Nothing is written unless everything was found.
"""

import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
ACTION = re.compile(r"uses: (?P<name>[\w.-]+/[\w.-]+)@(?P<commit>\S+) # v(?P<version>[\d.]+)")
IMAGE = re.compile(r"^ARG BASE_IMAGE=(?P<tag>[^@\s]+)@sha256:[0-9a-f]{64}$", re.MULTILINE)
HOST = "https://github.com"  # where actions live


class CannotRenew(Exception):
    """A sentence that says what is missing."""


def files() -> list[Path]:
    """Everything that pins."""
    places = (".github/workflows/*.yaml", "Dockerfile.*", "images/Dockerfile.*")
    return [path for place in places for path in sorted(ROOT.glob(place))]


def renewed(text: str) -> str:
    """A file with its pins renewed."""
    text = ACTION.sub(lambda found: _action(found["name"], found["version"]), text)
    return IMAGE.sub(lambda found: f"ARG BASE_IMAGE={found['tag']}@{_digest(found['tag'])}", text)


def _action(name: str, version: str) -> str:
    major = version.split(".")[0]
    listed = _output("git", "ls-remote", "--tags", f"{HOST}/{name}", f"refs/tags/v{major}.*")
    commits: dict[tuple[int, ...], str] = {}
    for line in listed.splitlines():  # an annotated tag's own commit comes last, as NAME^{}
        found = re.fullmatch(r"([0-9a-f]{40})\trefs/tags/v(\d+)\.(\d+)\.(\d+)(?:\^\{\})?", line)
        if found:
            commits[tuple(map(int, found.groups()[1:]))] = found[1]
    if not commits:
        raise CannotRenew(f"{name} has no release of version {major}.")
    newest = max(commits)
    return f"uses: {name}@{commits[newest]} # v{'.'.join(map(str, newest))}"


def _digest(tag: str) -> str:
    if shutil.which("skopeo"):
        command = ["skopeo", "inspect", "--format", "{{.Digest}}", f"docker://{tag}"]
    elif shutil.which("docker"):
        command = ["docker", "buildx", "imagetools", "inspect", tag, "--format"]
        command.append("{{.Manifest.Digest}}")
    else:
        raise CannotRenew("The digest of the base image needs skopeo or docker: install one.")
    digest = _output(*command).strip()
    if not re.fullmatch(r"sha256:[0-9a-f]{64}", digest):
        raise CannotRenew(f"{command[0]} names no digest of {tag}.")
    return digest


def _output(*command: str) -> str:
    try:
        done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60)
    except FileNotFoundError:
        raise CannotRenew(f"{command[0]} is not installed.") from None
    except subprocess.TimeoutExpired:
        raise CannotRenew(f"'{' '.join(command)}' did not answer within 60 s.") from None
    except subprocess.CalledProcessError as error:
        said = (error.stderr or "").strip().splitlines()[-1:] or [f"exit code {error.returncode}"]
        raise CannotRenew(f"'{' '.join(command)}' failed: {said[0]}") from None
    return done.stdout


def main() -> int:
    """Renew every file; 1 where that is not possible."""
    try:
        new = {path: renewed(path.read_text()) for path in files()}
    except CannotRenew as problem:
        print(f"renew-pins: {problem} Nothing was changed.", file=sys.stderr)
        return 1
    for path, text in new.items():
        if text != path.read_text():
            path.write_text(text)
            print(f"renewed {path.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

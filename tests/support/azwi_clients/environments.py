"""Installs each client in an environment of its own, once: in a cache that clean clones share.

An environment's folder is named after a hash of everything that it is made from. What pip's and
npm's like need to know of this machine (proxies, mirrors, CAs) they take from its environment.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from azwi_clients.plan import Client
from azwi_demo.pod import ROOT

SOURCES = ROOT / "tests/clients"
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "azwi-sidecar/clients"
LONGEST = 1800  # seconds to install one on a busy machine: azure-cli by pip took 158, Rust 200
AT_ONCE = 2

_NEEDED = {
    "Python": (),
    "JavaScript": ("node", "npm"),
    "Go": ("go",),
    "Rust": ("cargo", "cc"),
    "shell": ("curl",),
}
_VERSIONS = {"JavaScript": "node", "Go": "go", "Rust": "cargo"}


class CannotInstall(Exception):
    """A client could not be installed; says what the installer said last."""


def missing(client: Client) -> str:
    """A sentence about the commands that this machine lacks; empty: none."""
    absent = [name for name in _NEEDED[client.language] if shutil.which(name) is None]
    return f"{client.language} clients need {', '.join(absent)} here" if absent else ""


def make(clients: Sequence[Client]) -> dict[Client, Path]:
    """The folder of each client, installed; raises CannotInstall."""
    folders = {client: folder_of(client) for client in clients}
    unlike = {folder: client for client, folder in folders.items()}
    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(_make, unlike, unlike.values()))
    return folders


def folder_of(client: Client) -> Path:
    """Where this client's environment is, or will be."""
    if not client.environment:
        return Path(sys.prefix)
    digest = hashlib.sha256()
    for part in (client.language, _toolchain(client)):
        digest.update(part.encode() + b"\0")
    for file in _inputs(client):
        digest.update(file.name.encode() + b"\0" + file.read_bytes() + b"\0")
    return CACHE / f"{client.language.lower()}-{client.environment}-{digest.hexdigest()[:16]}"


def command(client: Client, folder: Path, request: str) -> list[str]:
    """The command line that runs a client's program."""
    program = str(SOURCES / client.program)
    if client.language in ("Go", "Rust"):
        return [str(folder / "program"), request]
    interpreter = "node" if client.language == "JavaScript" else str(folder / "bin/python")
    return [interpreter, program, request, *filter(None, [client.style])]


def variables(client: Client, folder: Path) -> dict[str, str]:
    """What the command line's process finds its libraries by."""
    if client.language == "JavaScript":
        return {"NODE_PATH": str(folder / "node_modules")}
    return {}


def _toolchain(client: Client) -> str:
    if client.language == "Python":
        return f"{sys.version} {sys.base_prefix}"  # a virtual environment points at it
    tool = _VERSIONS[client.language]
    flag = "version" if tool == "go" else "--version"
    return subprocess.run([tool, flag], capture_output=True, text=True, check=True).stdout


def _inputs(client: Client) -> Iterator[Path]:
    """Every file that an environment is made from; programs of Python and Node are not built in."""
    if client.language == "Python":
        yield SOURCES / f"python/{client.environment}.txt"
    elif client.language == "JavaScript":
        yield from sorted((SOURCES / "js" / client.environment).glob("package*.json"))
    elif client.language == "Go":
        yield from sorted((SOURCES / "go" / client.environment).glob("go.*"))
        yield SOURCES / "go/calls.go"
        yield SOURCES / client.program
    else:
        yield from sorted((SOURCES / "rust" / client.environment).glob("Cargo.*"))
        yield SOURCES / "rust/calls.rs"
        yield SOURCES / client.program


def _make(folder: Path, client: Client) -> None:
    if not client.environment or (folder / ".made").exists():
        return
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / f"{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # another clone may want the same at this moment
        if not (folder / ".made").exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            _INSTALL[client.language](client, folder)
            (folder / ".made").touch()


def _python(client: Client, folder: Path) -> None:
    uv = str(Path(sys.prefix) / "bin/uv")
    python = str(folder / "bin/python")
    _run([uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(folder)], folder)
    # Compiled now: the app's user in the pod may not write here, and az would take 10 s a call.
    how = ["--quiet", "--require-hashes", "--compile-bytecode", "--python", python]
    lock = str(SOURCES / f"python/{client.environment}.txt")
    _run([uv, "pip", "install", *how, "--requirement", lock], folder)


def _javascript(client: Client, folder: Path) -> None:
    for file in _inputs(client):
        shutil.copy(file, folder)
    _run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"], folder)


def _go(client: Client, folder: Path) -> None:
    sources = folder / "sources"
    sources.mkdir()
    for file in _inputs(client):
        shutil.copy(file, sources)
    _run(["go", "build", "-mod=readonly", "-o", str(folder / "program"), "."], sources)


def _rust(client: Client, folder: Path) -> None:
    crate = SOURCES / "rust" / client.environment
    where = ["--manifest-path", str(crate / "Cargo.toml"), "--target-dir", str(folder / "target")]
    _run(["cargo", "build", "--quiet", "--locked", *where], folder, CARGO_PROFILE_DEV_DEBUG="0")
    built = [path for path in (folder / "target/debug").glob("client-*") if not path.suffix]
    shutil.copy(built[0], folder / "program")
    shutil.rmtree(folder / "target")


_INSTALL: dict[str, Callable[[Client, Path], None]] = {
    "Python": _python,
    "JavaScript": _javascript,
    "Go": _go,
    "Rust": _rust,
}


def _run(argv: Sequence[str], folder: Path, **more: str) -> None:
    done = subprocess.run(
        argv,
        cwd=folder,
        env={**os.environ, **more},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=LONGEST,
    )
    if done.returncode:
        said = (done.stderr or done.stdout).strip()[-2000:]
        raise CannotInstall(f"{' '.join(argv[:3])} failed: {said}")

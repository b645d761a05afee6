"""What the demo shows, step by step; each step runs the real thing and prints what it did.

READ FIRST: `tell` is the whole story. With a pod, the redirect is real; without one (no root, no
user namespaces, macOS) the same programs run, and the app is told the proxy's address instead.
"""

import contextlib
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from azwi_common import contract
from azwi_demo import node_imds
from azwi_demo.pod import ROOT, Pod, plain_environment, program

APP_UID = 1000
TOKEN = "/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https://vault.azure.net"
INSTANCE = "/metadata/instance?api-version=2021-02-01"
IMDS = f"http://{contract.DEFAULT_METADATA_IP}"


class StepFailed(Exception):
    """A step that did not show what it should; the sentence says what came instead."""


@dataclass
class Stage:
    """Where the programs run: in a pod, or as ordinary processes."""

    pod: Pod | None
    port: int
    """The proxy's: the default in a pod, a free one where the machine's own network is used."""
    folder: Path
    started: contextlib.ExitStack

    def run(self, argv: list[str], *, uid: int = APP_UID, **env: str) -> str:
        """Run to the end and return standard output; raises StepFailed."""
        try:
            if self.pod:
                return self.pod.run(argv, uid=uid, capabilities=(), env=env).stdout
            done = subprocess.run(
                argv,
                env={**plain_environment(), **env},
                capture_output=True,
                text=True,
                timeout=60,
            )
        except (OSError, RuntimeError, subprocess.TimeoutExpired) as error:
            raise StepFailed(str(error)) from error
        if done.returncode:
            raise StepFailed(done.stderr.strip() or done.stdout)
        return done.stdout

    def start(self, argv: list[str], name: str, *, uid: int = 0, **env: str) -> Path:
        """Start a program; returns the file that its output goes to."""
        out = self.folder / f"{name}.out"
        with out.open("wb") as stdout, (self.folder / f"{name}.log").open("wb") as log:
            if self.pod:
                caps = () if uid else None
                self.pod.start(argv, uid=uid, capabilities=caps, env=env, log=log, stdout=stdout)
            else:
                process = subprocess.Popen(
                    argv, env={**plain_environment(), **env}, stdout=stdout, stderr=log
                )
                self.started.callback(process.wait, 10)
                self.started.callback(process.terminate)
        return out


def tell(pod: Pod | None) -> None:
    """The story; raises StepFailed where it does not go as told."""
    with stage(pod) as on:
        if pod:
            _open_up(pod)
            _before(on)
        announced = _entra(on)
        if pod:
            _redirect(pod)
        _proxy(on, announced)
        _curl(on)
        _app(on, announced)
        if pod:
            _guarded(on)
        _done()


@contextlib.contextmanager
def stage(pod: Pod | None) -> Iterator[Stage]:
    """A folder that other users may read, and an end for what was started."""
    with (
        tempfile.TemporaryDirectory(prefix="azwi-demo-") as name,
        contextlib.ExitStack() as started,
    ):
        folder = Path(name)
        folder.chmod(0o755)
        yield Stage(pod, _port(pod), folder, started)


def _port(pod: Pod | None) -> int:
    if pod:
        return contract.DEFAULT_PROXY_PORT
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _open_up(pod: Pod) -> None:
    needed = sorted({ROOT, Path(sys.prefix), Path(sys.base_prefix)})
    said = pod.run(
        program("azwi_demo.readable", *map(str, needed)), env={"PYTHONPATH": str(ROOT / "demo")}
    )
    for line in said.stdout.splitlines():
        _note(line)


def _before(on: Stage) -> None:
    _step("A pod's network, with the node's metadata service in reach: without us, this answers")
    on.start(program("azwi_demo.node_imds", contract.DEFAULT_METADATA_IP, "80"), "node")
    answer = _retry(lambda: on.run(["curl", "-sS", "-H", "Metadata: true", IMDS + TOKEN]))
    if json.loads(answer)["access_token"] != node_imds.NODE_TOKEN:
        raise StepFailed(f"the node's stand-in answered {answer}")
    _command(f"curl -H 'Metadata: true' '{IMDS}{TOKEN}'")
    _shown(answer)


def _entra(on: Stage) -> Mapping[str, Any]:
    _step("An embedded Entra ID with a federated credential, and the pod's service account token")
    out = on.start(
        program("azwi_emulator", "--json", "--port=0", f"--data-dir={on.folder}"), "emulator"
    )
    announced: dict[str, Any] = json.loads(_retry(lambda: _line(out)))
    _shown(f"{contract.AUTHORITY_HOST}={announced['authorityHost']}")
    _shown(f"subject of the service account token: {announced['subject']}")
    return announced


def _redirect(pod: Pod) -> None:
    _step("azwi-proxy-init, with NET_ADMIN alone, redirects the metadata address and proves it")
    pod.run(program("azwi_init"), capabilities=["net_admin"])
    rules = pod.run(["nft", "list", "table", "ip", "azwi"]).stdout
    for line in rules.splitlines():
        if "redirect" in line or "skuid" in line:
            _shown(line.strip())


def _proxy(on: Stage, announced: Mapping[str, Any]) -> None:
    uid = contract.DEFAULT_PROXY_UID
    who = f"as UID {uid} without any capability" if on.pod else "as this user"
    _step(f"azwi-proxy {who}")
    on.start(
        program("azwi_proxy", f"--proxy-port={on.port}"),
        "proxy",
        uid=uid,
        AZURE_AUTHORITY_HOST=announced["authorityHost"],
        AZURE_TENANT_ID=announced["tenantId"],
        AZURE_CLIENT_ID=announced["clientId"],
        AZURE_FEDERATED_TOKEN_FILE=announced["tokenFile"],
        SSL_CERT_FILE=announced["caFile"],
    )
    started = time.monotonic()
    on.run(program("azwi_proxy", "--probe", f"--proxy-port={on.port}"))
    _shown(f"ready after {time.monotonic() - started:.1f} s")


def _curl(on: Stage) -> None:
    _step("curl asks as any script on a VM does")
    base = IMDS if on.pod else f"http://127.0.0.1:{on.port}"
    timing = "\n%{time_total}"
    argv = ["curl", "-sS", "-H", "Metadata: true", "-w", timing, base + TOKEN]
    (first, cold), (second, warm) = (on.run(argv).split("\n") for _ in range(2))
    answer = json.loads(first)
    if json.loads(second)["access_token"] != answer["access_token"]:
        raise StepFailed("the second answer should come from the proxy's store")
    _command(f"curl -H 'Metadata: true' '{base}{TOKEN}'")
    _shown(first.replace(answer["access_token"], answer["access_token"][:20] + "…"))
    _shown(f"first answer {float(cold) * 1000:.0f} ms, the next {float(warm) * 1000:.1f} ms")


def _app(on: Stage, announced: Mapping[str, Any]) -> None:
    _step("an app with azure-identity's ManagedIdentityCredential, unchanged, uses its token")
    env = {
        "WHOAMI": announced["authorityHost"] + "whoami",
        "WHOAMI_CA": announced["caFile"],
    }
    if not on.pod:
        env["AZURE_POD_IDENTITY_AUTHORITY_HOST"] = f"http://127.0.0.1:{on.port}"
    claims = json.loads(on.run(program("azwi_demo.unchanged_app"), **env))
    if claims.get("appid") != announced["clientId"]:
        raise StepFailed(f"the service saw other claims: {claims}")
    _shown("the service verified the token; its claims:")
    for name in ("iss", "aud", "appid", "tid", "exp"):
        _shown(f"  {name}: {claims[name]}")


def _guarded(on: Stage) -> None:
    _step("What is not a token request passes on to the node; its identity does not")
    instance = on.run(["curl", "-sS", "-H", "Metadata: true", IMDS + INSTANCE])
    _command(f"curl -H 'Metadata: true' '{IMDS}{INSTANCE}'")
    _shown(instance)
    odd = f"{IMDS}/metadata/instance/..%5cidentity/%6fauth2/token2"
    answer = on.run(["curl", "-sS", "--path-as-is", "-H", "Metadata: true", odd])
    _command(f"curl --path-as-is -H 'Metadata: true' '{odd}'")
    _shown(answer)
    if node_imds.NODE_TOKEN in answer:
        raise StepFailed("the node's identity leaked")


def _line(path: Path) -> str:
    text = path.read_text()
    if not text.endswith("\n"):
        raise StepFailed("azwi-emulator did not start")
    return text


def _retry(ask: Any, seconds: float = 10) -> str:
    """Ask until it works: a program just started may not listen yet."""
    until = time.monotonic() + seconds
    while True:
        try:
            answer: str = ask()
        except StepFailed:
            if time.monotonic() > until:
                raise
            time.sleep(0.05)
        else:
            return answer


def _say(text: str, colour: str) -> None:
    if sys.stdout.isatty() and not os.environ.get("NO_COLOR"):
        text = f"\x1b[{colour}m{text}\x1b[0m"
    print(text, flush=True)


def _step(text: str) -> None:
    _say(f"\n● {text}", "1;36")


def _command(text: str) -> None:
    _say(f"  $ {text}", "33")


def _shown(text: str) -> None:
    _say(f"  {text.rstrip()}", "0")


def _note(text: str) -> None:
    _say(f"  {text}", "2")


def _done() -> None:
    _say("\nThe app was not changed, and nothing is left behind.", "1;32")

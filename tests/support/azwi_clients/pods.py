"""The pods that clients run in: proxy, Entra ID, an identity for each run; one with the redirect.

In the other, of environment mode, nothing is redirected: the node's metadata service answers there,
and whoever asks it is seen. Entra ID has its real name in it, because SDKs ask that one whether an
authority is known before they ask the authority itself.
"""

import contextlib
import hashlib
import json
import os
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from azwi_clients import stand_ins
from azwi_clients.plan import ALL_KINDS, AZURE_MSI, HOST, IDENTITY, MSI, Mode, Run, Told
from azwi_common import contract
from azwi_demo.pod import ROOT, Pod, program
from azwi_emulator.client import Control
from azwi_emulator.messages import ServiceAccountTokenRequest

APP_UID = 1000
ENTRA = "login.microsoftonline.com"
_ENTRA_ADDRESS = "127.0.0.2"  # the stand-ins have port 443 of the other
_IN_ENVIRONMENT_MODE = (f"--host={_ENTRA_ADDRESS}", "--port=443", f"--public-host={ENTRA}")
_BASE = f"http://127.0.0.1:{contract.DEFAULT_PROXY_PORT}"


@dataclass(frozen=True)
class ClientPod:
    """The running pod."""

    pod: Pod
    folder: Path
    announced: Mapping[str, Any]
    trusted: Path
    """The CAs of the stand-ins and, in environment mode, of Entra ID."""
    secret: str = ""
    """In environment mode, what IDENTITY_HEADER is."""

    @property
    def control(self) -> Control:
        """Entra ID's control endpoint; use it in ``with self.pod.network()``."""
        return Control(self.announced["controlUrl"])

    def app_token(self, token_file: Path) -> str:
        """Write a service account token that no other app has; what Entra ID records it as."""
        _, _, namespace, name = self.announced["subject"].split(":")
        with self.pod.network():
            token = self.control.service_account_token(
                ServiceAccountTokenRequest(namespace=namespace, name=name)
            )
        token_file.write_text(token)
        return hashlib.sha256(token.encode()).hexdigest()[:16]

    def seen_by_node(self) -> list[str]:
        """In environment mode, the requests that reached the node's metadata service."""
        return (self.folder / "node.out").read_text().splitlines()

    def run(
        self, argv: Sequence[str], env: Mapping[str, str], home: Path, *, timeout: float
    ) -> "subprocess.CompletedProcess[str]":
        """Run as the pod's app: no capability, no variable of workload identity but in ``env``."""
        home.mkdir(mode=0o700)
        os.chown(home, APP_UID, APP_UID)
        trust = dict.fromkeys(
            ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS"), str(self.trusted)
        )
        variables = {"HOME": str(home), "TMPDIR": str(home), "PYTHONPATH": "", **trust, **env}
        return self.pod.run(
            argv, uid=APP_UID, capabilities=(), env=variables, check=False, timeout=timeout
        )


def variables(
    told: Told, announced: Mapping[str, Any], secret: str, token_file: Path
) -> dict[str, str]:
    """An app's variables in environment mode; ``token_file`` is its service account token."""
    url = _BASE + contract.MSI_PATH
    every: Mapping[str, Mapping[str, str]] = {
        HOST: {HOST: _BASE},
        AZURE_MSI: {AZURE_MSI: _BASE + contract.TOKEN_PATH},
        IDENTITY: {IDENTITY: url, contract.IDENTITY_HEADER: secret},
        MSI: {MSI: url, contract.MSI_SECRET: secret},
        "AZURE_*": {
            contract.AUTHORITY_HOST: announced["authorityHost"],
            contract.TENANT_ID: announced["tenantId"],
            contract.CLIENT_ID: announced["clientId"],
            contract.FEDERATED_TOKEN_FILE: str(token_file),
        },
    }
    return {name: value for part in told.value for name, value in every[part].items()}


@contextlib.contextmanager
def client_pod(mode: Mode, runs: Sequence[Run], folders: Iterable[Path]) -> Iterator[ClientPod]:
    """A pod whose proxy knows an identity for each of ``runs``, and whose app may read ``folders``.

    Raises azwi_demo.pod.CannotMakePod.
    """
    with (
        Pod() as pod,
        tempfile.TemporaryDirectory(prefix="azwi-clients-") as name,
        contextlib.ExitStack() as stack,
    ):
        folder = Path(name)
        folder.chmod(0o755)
        _open_up(pod, folders)
        _name_hosts(pod, folder)
        where = _IN_ENVIRONMENT_MODE if mode == "environment" else ("--port=0",)
        announced = _start_emulator(pod, folder, where)
        named = [run for run in runs if run.kind]
        _register(pod, announced, named)
        secret = secrets.token_hex(16) if mode == "environment" else ""
        _redirect_or_watch(pod, folder, mode)
        _start_proxy(pod, folder, announced, named, secret)
        entra, entra_ca = _as_seen_from_outside(mode, announced), announced["caFile"]
        trusted = stack.enter_context(stand_ins.stand_ins(pod, folder, entra, entra_ca))
        if mode == "environment":
            with trusted.open("a") as bundle:
                bundle.write(Path(entra_ca).read_text())
        yield ClientPod(pod, folder, announced, trusted, secret)


def _as_seen_from_outside(mode: Mode, announced: Mapping[str, Any]) -> str:
    """Entra ID's URL for who does not have the pod's hosts file."""
    outside = f"https://{_ENTRA_ADDRESS}/"
    return outside if mode == "environment" else str(announced["authorityHost"])


def _open_up(pod: Pod, folders: Iterable[Path]) -> None:
    needed = {ROOT, Path(sys.prefix), Path(sys.base_prefix), *folders}
    pod.run(
        program("azwi_demo.readable", *sorted(map(str, needed))),
        env={"PYTHONPATH": str(ROOT / "demo")},
        timeout=300,
    )


def _name_hosts(pod: Pod, folder: Path) -> None:
    """Inside, the stand-ins have their services' names; nobody outside sees this file."""
    hosts = folder / "hosts"
    hosts.write_text(
        f"127.0.0.1 localhost {' '.join(stand_ins.AUDIENCES)}\n{_ENTRA_ADDRESS} {ENTRA}\n"
    )
    pod.run(["mount", "--bind", str(hosts), "/etc/hosts"])


def _start_emulator(pod: Pod, folder: Path, where: Sequence[str]) -> Mapping[str, Any]:
    ready = folder / "emulator.json"
    arguments = ("--json", *where, "--control-port=0", f"--data-dir={folder}")
    with ready.open("wb") as out, (folder / "emulator.log").open("wb") as log:
        pod.start(program("azwi_emulator", *arguments), stdout=out, log=log)
    until = time.monotonic() + 30
    while not ready.read_text().endswith("\n"):
        if time.monotonic() > until:
            raise TimeoutError((folder / "emulator.log").read_text())
        time.sleep(0.05)
    announced: dict[str, Any] = json.loads(ready.read_text())
    return announced


def _register(pod: Pod, announced: Mapping[str, Any], runs: Sequence[Run]) -> None:
    control = Control(announced["controlUrl"])
    with pod.network():
        for run in runs:
            client = run.identifier("client_id")
            control.register(announced["tenantId"], client, subject=announced["subject"])


def _redirect_or_watch(pod: Pod, folder: Path, mode: Mode) -> None:
    """Redirect the metadata address; or let the node answer there, and write down who asks."""
    if mode == "redirect":
        pod.run(program("azwi_init", "--outside-kubernetes"), capabilities=["net_admin"])
        return
    with (folder / "node.out").open("wb") as out:
        pod.start(
            program("azwi_demo.node_imds", contract.DEFAULT_METADATA_IP, "80"),
            env={"PYTHONPATH": str(ROOT / "demo")},
            stdout=out,
        )


def _start_proxy(
    pod: Pod, folder: Path, announced: Mapping[str, Any], runs: Sequence[Run], secret: str
) -> None:
    members = {"client_id": "clientId", "object_id": "objectId", "resource_id": "resourceId"}
    # A variable holds 128 KB at most: some 400 of these.
    identities = [{members[kind]: run.identifier(kind) for kind in ALL_KINDS} for run in runs]
    environment = {
        contract.AUTHORITY_HOST: announced["authorityHost"],
        contract.TENANT_ID: announced["tenantId"],
        contract.CLIENT_ID: announced["clientId"],
        contract.FEDERATED_TOKEN_FILE: announced["tokenFile"],
        contract.SSL_CERT_FILE: announced["caFile"],
        contract.IDENTITIES: json.dumps(identities, separators=(",", ":")),
        **({contract.IDENTITY_HEADER: secret} if secret else {}),
    }
    with (folder / "proxy.log").open("wb") as log:
        pod.start(program("azwi_proxy"), uid=1501, capabilities=(), env=environment, log=log)
    pod.run(program("azwi_proxy", "--probe"), uid=1501, capabilities=())

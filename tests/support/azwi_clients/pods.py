"""The pod that the clients run in: redirect, proxy, Entra ID, and an identity for each run."""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from azwi_clients import stand_ins
from azwi_clients.table import ALL_KINDS, Run
from azwi_common import contract
from azwi_demo.pod import ROOT, Pod, program
from azwi_emulator.client import Control

APP_UID = 1000


@dataclass(frozen=True)
class ClientPod:
    """The running pod."""

    pod: Pod
    folder: Path
    announced: Mapping[str, Any]
    trusted: Path
    """The CA file of the stand-ins."""

    @property
    def control(self) -> Control:
        """Entra ID's control endpoint; use it in ``with self.pod.network()``."""
        return Control(self.announced["controlUrl"])

    def run(
        self, argv: Sequence[str], env: Mapping[str, str], home: Path, *, timeout: float
    ) -> "subprocess.CompletedProcess[str]":
        """Run as the pod's app: no capability, no variable of workload identity."""
        home.mkdir(mode=0o700)
        os.chown(home, APP_UID, APP_UID)
        trust = dict.fromkeys(
            ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS"), str(self.trusted)
        )
        variables = {"HOME": str(home), "TMPDIR": str(home), "PYTHONPATH": "", **trust, **env}
        return self.pod.run(
            argv, uid=APP_UID, capabilities=(), env=variables, check=False, timeout=timeout
        )


@contextlib.contextmanager
def client_pod(runs: Sequence[Run], folders: Iterable[Path]) -> Iterator[ClientPod]:
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
        announced = _start_emulator(pod, folder)
        _register(pod, announced, runs)
        _start_proxy(pod, folder, announced, runs)
        authority, trusted = announced["authorityHost"], announced["caFile"]
        trusted = stack.enter_context(stand_ins.stand_ins(pod, folder, authority, trusted))
        yield ClientPod(pod, folder, announced, trusted)


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
    hosts.write_text(f"127.0.0.1 localhost {' '.join(stand_ins.AUDIENCES)}\n")
    pod.run(["mount", "--bind", str(hosts), "/etc/hosts"])


def _start_emulator(pod: Pod, folder: Path) -> Mapping[str, Any]:
    ready = folder / "emulator.json"
    arguments = ("--json", "--port=0", "--control-port=0", f"--data-dir={folder}")
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


def _start_proxy(pod: Pod, folder: Path, announced: Mapping[str, Any], runs: Sequence[Run]) -> None:
    pod.run(program("azwi_init"), capabilities=["net_admin"])
    members = {"client_id": "clientId", "object_id": "objectId", "resource_id": "resourceId"}
    identities = [{members[kind]: run.identifier(kind) for kind in ALL_KINDS} for run in runs]
    environment = {
        contract.AUTHORITY_HOST: announced["authorityHost"],
        contract.TENANT_ID: announced["tenantId"],
        contract.CLIENT_ID: announced["clientId"],
        contract.FEDERATED_TOKEN_FILE: announced["tokenFile"],
        contract.SSL_CERT_FILE: announced["caFile"],
        contract.IDENTITIES: json.dumps(identities, separators=(",", ":")),
    }
    with (folder / "proxy.log").open("wb") as log:
        pod.start(program("azwi_proxy"), uid=1501, capabilities=(), env=environment, log=log)
    pod.run(program("azwi_proxy", "--probe"), uid=1501, capabilities=())

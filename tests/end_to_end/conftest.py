"""A pod as the webhook would make it: redirect, proxy and Entra ID in namespaces of its own."""

import contextlib
import json
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from azwi_common import contract
from azwi_demo.pod import ROOT, Pod, may_make_pods, program
from azwi_emulator.client import Control

APP_UID = 1000


@dataclass
class RunningPod:
    """The pod, and how its parts are asked."""

    pod: Pod
    announced: Mapping[str, Any]
    folder: Path
    node_log: Path

    def app(self, argv: list[str]) -> str:
        """Run something as the pod's app, which has no capability and no AZURE_* variable."""
        return self.pod.run(argv, uid=APP_UID, capabilities=()).stdout

    def curl(self, *arguments: str) -> str:
        """curl as a script would use it."""
        return self.app(["curl", "-sS", "--max-time", "20", *arguments])

    def python(self, code: str) -> Any:
        """Run Python as the app; its last line is JSON."""
        return json.loads(self.app([sys.executable, "-c", code]).splitlines()[-1])

    def exchanges(self) -> int:
        """How many token exchanges Entra ID has seen since its last reset."""
        with self.pod.network():
            return len(self.control().exchanges())

    def control(self) -> Control:
        """Entra ID's control endpoint; use it in ``with self.pod.network()``."""
        return Control(self.announced["controlUrl"])


@pytest.fixture(scope="session")
def running_pod() -> Iterator[RunningPod]:
    """One pod for all tests of this folder, with the node's metadata service in reach."""
    with _pod() as (pod, folder):
        node_log = folder / "node.out"
        with node_log.open("wb") as out:
            pod.start(
                program("azwi_demo.node_imds", contract.DEFAULT_METADATA_IP, "80"), stdout=out
            )
        announced = _start_emulator(pod, folder)
        _start_proxy(pod, folder, announced)
        yield RunningPod(pod, announced, folder, node_log)


@pytest.fixture
def ipv6_only_pod() -> Iterator[RunningPod]:
    """A pod with an IPv6 address alone: no IPv4 route leads anywhere."""
    with _pod() as (pod, folder):
        metadata = f"{contract.DEFAULT_METADATA_IP}/32"
        pod.run(["ip", "address", "delete", metadata, "dev", "lo"])
        pod.run(["ip", "route", "delete", "unreachable", "default"])
        pod.run(["ip", "-6", "address", "add", "fd00::2/64", "dev", "lo"])
        announced = _start_emulator(pod, folder)
        _start_proxy(pod, folder, announced)
        yield RunningPod(pod, announced, folder, folder / "node.out")


@contextlib.contextmanager
def _pod() -> Iterator[tuple[Pod, Path]]:
    """A pod in which every user may read our code, and a folder for its logs."""
    if not may_make_pods():
        pytest.skip("needs root, to make network namespaces of its own")
    with Pod() as pod, tempfile.TemporaryDirectory(prefix="azwi-test-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        paths = sorted({str(ROOT), sys.prefix, sys.base_prefix})
        pod.run(program("azwi_demo.readable", *paths), env={"PYTHONPATH": str(ROOT / "demo")})
        yield pod, folder


def _start_emulator(pod: Pod, folder: Path) -> Mapping[str, Any]:
    ready = folder / "emulator.json"
    arguments = ("--json", "--port=0", "--control-port=0", f"--data-dir={folder}")
    with ready.open("wb") as out, (folder / "emulator.log").open("wb") as log:
        pod.start(program("azwi_emulator", *arguments), stdout=out, log=log)
    until = time.monotonic() + 15
    while not ready.read_text().endswith("\n"):
        assert time.monotonic() < until, (folder / "emulator.log").read_text()
        time.sleep(0.05)
    announced: dict[str, Any] = json.loads(ready.read_text())
    return announced


def _start_proxy(pod: Pod, folder: Path, announced: Mapping[str, Any]) -> None:
    pod.run(program("azwi_init", "--outside-kubernetes"), capabilities=["net_admin"])
    environment = {
        contract.AUTHORITY_HOST: announced["authorityHost"],
        contract.TENANT_ID: announced["tenantId"],
        contract.CLIENT_ID: announced["clientId"],
        contract.FEDERATED_TOKEN_FILE: announced["tokenFile"],
        contract.SSL_CERT_FILE: announced["caFile"],
    }
    with (folder / "proxy.log").open("wb") as log:
        pod.start(program("azwi_proxy"), uid=1501, capabilities=(), env=environment, log=log)
    pod.run(program("azwi_proxy", "--probe"), uid=1501, capabilities=())

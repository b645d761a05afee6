"""A real Kubernetes for tests: typed handles of tests/cluster/cluster.sh and of what runs in it."""

import contextlib
import json
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import pytest

from azwi_testing import plain_environment

ROOT = Path(__file__).parents[3]
SCRIPT = ROOT / "tests/cluster/cluster.sh"
IMAGES = ROOT / "tests/cluster/images.sh"
NODE_IP = "10.88.77.1"
RUNNING = Path("/var/lib/azwi-cluster")  # where cluster.sh keeps the state of a cluster that is up
PATIENCE = 90.0  # seconds; a pod runs after 2 s, and on a busy machine after some more

T = TypeVar("T")
Object = dict[str, Any]
"""A Kubernetes object, as in its YAML."""


class CommandFailed(AssertionError):
    """A command ended with an error; its output."""


def run(*argv: str | Path, text: str = "", timeout: float = 120) -> str:
    """The standard output of a command; CommandFailed with both outputs."""
    done = subprocess.run(
        argv, input=text, capture_output=True, text=True, timeout=timeout, cwd=ROOT
    )
    if done.returncode:
        command = " ".join(map(str, argv))
        raise CommandFailed(f"{command}: {done.returncode}\n{done.stderr}\n{done.stdout}")
    return done.stdout


def eventually(what: str, ask: Callable[[], T | None], *, timeout: float = PATIENCE) -> T:
    """The first answer of ``ask`` that is not empty; asks five times a second."""
    until = time.monotonic() + timeout
    while time.monotonic() < until:
        if answer := ask():
            return answer
        time.sleep(0.2)
    raise AssertionError(f"not within {timeout:.0f} s: {what}")


def missing() -> str:
    """Why no cluster can run here; empty where one can."""
    return run(SCRIPT, "missing").strip()


def do_without(why: str, environment: Mapping[str, str]) -> NoReturn:
    """Skip tests that need what is not here; in CI, where all of them must run, fail."""
    if environment.get("CI") == "true":
        pytest.fail(f"in CI these tests must run, but this machine {why}")
    pytest.skip(f"this machine {why}")


@contextlib.contextmanager
def cluster_up() -> Iterator[None]:
    """A cluster for the block: one that is up already (and stays), or one of its own."""
    if RUNNING.exists():
        yield
        return
    try:
        subprocess.run([SCRIPT, "up"], check=True, timeout=25 * 60)
        yield
    finally:
        subprocess.run([SCRIPT, "down"], check=True, timeout=60)


def build_images(*names: str) -> dict[str, Path]:
    """Archives of these images, built where their files have changed."""
    command = [str(IMAGES), *names]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, timeout=25 * 60)
    return dict(zip(names, map(Path, done.stdout.splitlines()), strict=True))


def import_images(*names: str) -> dict[str, Path]:
    """Build what changed, and hand it to the cluster; the archives."""
    archives = build_images(*names)
    run(SCRIPT, "import", *archives.values())
    return archives


@dataclass(frozen=True)
class EntraId:
    """An azwi-emulator in the cluster's network, which trusts the cluster's issuer."""

    announced: Mapping[str, Any]

    @property
    def ca(self) -> str:
        """The PEM certificate of its CA."""
        return Path(self.announced["caFile"]).read_text()

    def of_azwi(self, folder: Path) -> dict[str, str]:
        """The variables of whoever runs ``azwi`` with this Azure and ``workload_identity``."""
        announced = self.announced
        cloud = {
            "name": "azwi-emulator",
            "authentication": {
                "loginEndpoint": announced["authorityHost"],
                "audiences": ["https://management.azure.com/"],
            },
            "resourceManager": announced["armUrl"],
            "microsoftGraphResourceId": announced["graphUrl"],
        }
        file = folder / "cloud.json"
        file.write_text(json.dumps(cloud))
        return {
            "AZWI_AZURE_ENV_FILE": str(file),
            "AZURE_TENANT_ID": announced["tenantId"],
            "AZURE_SUBSCRIPTION_ID": announced["subscriptionId"],
            "AZURE_CLIENT_ID": announced["clientId"],
            "AZURE_FEDERATED_TOKEN_FILE": announced["tokenFile"],
            "SSL_CERT_FILE": announced["caFile"],
        }

    def exchanges(self) -> list[Mapping[str, Any]]:
        """The token requests seen, oldest first."""
        found: list[Mapping[str, Any]] = self._call("GET", "exchanges")["exchanges"]
        return found

    def trust(self, issuer: str, jwks: Mapping[str, Any]) -> None:
        """Hand in an issuer's public keys."""
        self._call("PUT", "issuers", {"issuer": issuer, "jwks": jwks})

    @contextlib.contextmanager
    def registered(
        self, issuer: str, namespace: str, account: str, *, client_id: str = "", audience: str = ""
    ) -> Iterator[None]:
        """A federated credential for this service account, of the announced client or another.

        For the block: Entra ID allows no more than 20 of one client.
        """
        credential = {
            "tenantId": self.announced["tenantId"],
            "clientId": client_id or self.announced["clientId"],
            "issuer": issuer,
            "subject": f"system:serviceaccount:{namespace}:{account}",
            **({"audience": audience} if audience else {}),
        }
        made = self._call("POST", "credentials", credential)["id"]
        try:
            yield
        finally:
            self._call("DELETE", f"credentials/{made}")

    def _call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """The control endpoint listens inside the cluster's namespaces only."""
        url = self.announced["controlUrl"].rstrip("/") + "/" + path
        curl = ["curl", "-sS", "--fail-with-body", "--noproxy", "*", "-X", method]
        if body is not None:
            curl += ["-H", "Content-Type: application/json", "-d", json.dumps(body)]
        return json.loads(run(SCRIPT, "ns", *curl, url))


@contextlib.contextmanager
def entra_id(folder: Path) -> Iterator[EntraId]:
    """An emulator on the node's address, for the block."""
    python = ROOT / ".venv/bin/python"
    arguments = ["--json", f"--host={NODE_IP}", f"--data-dir={folder}"]
    arguments += ["--control-port=0", "--token-proxy-port=0"]
    with (folder / "emulator.log").open("wb") as log:
        process = subprocess.Popen(
            [SCRIPT, "ns", python, "-m", "azwi_emulator", *arguments],
            stdout=subprocess.PIPE,
            stderr=log,
            env=plain_environment(),
        )
    assert process.stdout is not None
    with process, process.stdout:
        line = process.stdout.readline()
        assert line, (folder / "emulator.log").read_text()
        yield EntraId(json.loads(line))
        process.terminate()


@dataclass(frozen=True)
class Namespace:
    """A namespace of the cluster, and what a test does in it."""

    name: str

    def kubectl(self, *arguments: str, text: str = "", timeout: float = 120) -> str:
        """Run kubectl here."""
        return run(SCRIPT, "kubectl", "-n", self.name, *arguments, text=text, timeout=timeout)

    def apply(self, *objects: Object) -> None:
        """Create these objects here."""
        items = {"apiVersion": "v1", "kind": "List", "items": objects}
        self.kubectl("apply", "-f", "-", text=json.dumps(items))

    def get(self, kind: str, name: str) -> Object:
        """An object as it is now."""
        found: Object = json.loads(self.kubectl("get", kind, name, "-o", "json"))
        return found

    def wait(self, target: str, condition: str, timeout: float = PATIENCE) -> None:
        """Wait for a condition; CommandFailed with what the pods' containers say."""
        try:
            self.kubectl("wait", target, f"--for={condition}", f"--timeout={timeout}s")
        except CommandFailed as error:
            told = self.kubectl("get", "pods,events") + self.kubectl("describe", "pods")
            raise CommandFailed(f"{error}\n{told}") from error

    def logs(self, pod: str, container: str, *arguments: str) -> str:
        """What a container has said."""
        return self.kubectl("logs", pod, "-c", container, *arguments)

    def execute(self, pod: str, container: str, *argv: str) -> str:
        """Run something in a container; its standard output."""
        return self.kubectl("exec", pod, "-c", container, "--", *argv)

    def container(self, pod: str, name: str) -> Object:
        """The status of one container of a pod."""
        status = self.get("pod", pod)["status"]
        listed = [
            *status.get("initContainerStatuses", ()),
            *status.get("containerStatuses", ()),
        ]
        found: Object = next(item for item in listed if item["name"] == name)
        return found

    def kill(self, pod: str, container: str) -> None:
        """End a container's processes at once, as the kernel does at a memory limit."""
        container_id = self.container(pod, container)["containerID"].removeprefix("containerd://")
        run(SCRIPT, "ctr", "tasks", "kill", "--all", "--signal", "SIGKILL", container_id)

    def lose_sandbox(self, pod: str) -> None:
        """End a pod's network namespace, as a node that restarts does: everything starts anew."""
        uid = self.get("pod", pod)["metadata"]["uid"]
        labels = {"io.kubernetes.pod.uid": uid, "io.cri-containerd.kind": "sandbox"}
        asked = ",".join(f'labels."{name}"=={value}' for name, value in labels.items())
        sandbox = run(SCRIPT, "ctr", "containers", "ls", "--quiet", asked).strip()
        run(SCRIPT, "ctr", "tasks", "kill", "--signal", "SIGKILL", sandbox)

    @contextlib.contextmanager
    def following(self, pod: str, container: str) -> Iterator[Path]:
        """A file with what a container says, also after its pod is gone."""
        with tempfile.TemporaryDirectory() as folder:
            log = Path(folder) / "log"
            command = [str(SCRIPT), "kubectl", "-n", self.name, "logs", "-f", pod, "-c", container]
            with log.open("wb") as out, subprocess.Popen(command, stdout=out) as process:
                try:
                    eventually("the log", log.read_text, timeout=20)
                    yield log
                finally:
                    process.terminate()


Example = Callable[[Namespace], list[Object]]
"""The fixture example: by-hand.yaml for a namespace, a ServiceAccount and a Pod named ``app``."""

"""Fixtures of ``azwi doctor``: an Azure, and an API server of one pod with identities there."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from azwi_cli import __main__, output
from azwi_cli.doctor.facts import Object
from azwi_cli.serviceaccount import azure
from azwi_commands import Authority, Ran, Reply, Site, azwi, kubeconfig, patients, serve
from azwi_commands.world import World, furnished
from azwi_common import contract
from azwi_testing import Emulator, admission
from azwi_testing.accounts import AccountsServer


@dataclass
class Clinic:
    """An API server with one pod, whose issuer and identities are those of an Azure."""

    world: World
    api: Site
    variables: dict[str, str]
    noted: str = ""
    """What the last ``run`` wrote beside its result."""

    @property
    def issuer(self) -> str:
        found: str = self.world.where.issuer
        return found

    def admit(self, *client_ids: str, log: bytes = b"", tenant_id: str = "") -> None:
        """The pod has these identities: the default one, then those of a map."""
        default, *more = client_ids
        mapped = json.dumps([{"clientId": one} for one in more])
        pod = patients.pod({"identities": mapped} if more else None)
        ours = {
            admission.CLIENT: default,
            admission.TENANT: tenant_id or self.world.where.tenant_id,
        }
        account = patients.account(client_id=default)
        base = "/api/v1/namespaces/shop"
        self.api.replies |= {
            f"{base}/pods/app-1": Reply(_replaced(pod, ours)),
            f"{base}/serviceaccounts/app": Reply(account),
            f"{base}/pods/app-1/log?container=azwi-proxy&tailLines=200": Reply(log),
        }

    def process(self, *arguments: str, code: int | None = 0, **more: str) -> Ran:
        """``azwi doctor app-1`` as a process."""
        variables = {**self.variables, **more}
        return azwi("doctor", "app-1", "-n", "shop", *arguments, code=code, **variables)

    def run(self, *arguments: str) -> dict[str, Object]:
        """The pod's checks that do not pass, by name; in this process, with a login."""
        login = ("--auth-method", "client_secret", "-o", "json")
        __main__.main(["doctor", "app-1", "-n", "shop", *login, *arguments])
        out, self.noted = self.world.capture()
        assert out, self.noted
        return wrong(json.loads(out))


def wrong(data: Any) -> dict[str, Object]:
    """Of a doctor's JSON: the pod's checks that do not pass."""
    (pod,) = (item for item in data["objects"] if item["name"] != "cluster")
    return {item["name"]: item for item in pod["checks"] if item["status"] != "pass"}


def _replaced(thing: Any, texts: dict[str, str]) -> Any:
    whole = json.dumps(thing)
    for old, new in texts.items():
        whole = whole.replace(old, new)
    return json.loads(whole)


@pytest.fixture(scope="session")
def _accounts(emulator_process: Emulator) -> Iterator[AccountsServer]:
    issuer = emulator_process.announced["issuer"]
    with AccountsServer(issuer, emulator_process.control) as server:
        yield server


@pytest.fixture
def clinic(
    emulator: Emulator,
    authority: Authority,
    _accounts: AccountsServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Iterator[Clinic]:
    """A healthy pod, but for its identities."""

    def capture() -> tuple[str, str]:
        out, err = capsys.readouterr()
        return out, err

    world = furnished(emulator, _accounts, tmp_path, capture)
    with serve(authority.server()) as api:
        file = kubeconfig(tmp_path, api.url, authority.file)
        clinic = Clinic(world, api, {**world.variables, "KUBECONFIG": str(file)})
        home = f"/apis/apps/v1/namespaces/{contract.WEBHOOK_NAMESPACE}/deployments"
        events = "/api/v1/namespaces/shop/events?fieldSelector=type%3DWarning&limit=500"
        api.replies |= {
            "/.well-known/openid-configuration": Reply({"issuer": clinic.issuer}),
            "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations": Reply(
                {"items": [patients.configuration()]}
            ),
            home: Reply({"items": [patients.deployment()]}),
            "/version": Reply({"gitVersion": "v1.34.1"}),
            "/api/v1/namespaces/shop": Reply({"metadata": {"labels": {}}}),
            events: Reply({"items": []}),
        }
        for name, value in clinic.variables.items():
            monkeypatch.setenv(name, value)
        for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "AZURE_ENVIRONMENT"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setattr(output, "_debugging", False)
        monkeypatch.setattr(azure, "BACKOFF", 0.001)
        yield clinic

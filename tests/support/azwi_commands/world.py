"""An Azure and a cluster for ``azwi sa``: the emulator as a custom cloud, and service accounts."""

import json
import ssl
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from azwi_cli import __main__, kube
from azwi_cli.serviceaccount import options
from azwi_cli.serviceaccount.accounts import Accounts
from azwi_cli.serviceaccount.arm import Arm
from azwi_cli.serviceaccount.graph import Graph
from azwi_cli.serviceaccount.login import Login
from azwi_cli.serviceaccount.peers import Peers
from azwi_commands import Ran, azwi
from azwi_emulator.client import Control
from azwi_emulator.messages import ClientRegistration, ServiceAccountTokenRequest
from azwi_testing import Emulator
from azwi_testing.accounts import AccountsServer

SECRET = "hush, hush"


Capture = Callable[[], tuple[str, str]]
"""Standard output and error since the last time."""


@dataclass
class World:
    """An Azure (the emulator), a cluster, and whoever runs azwi there."""

    emulator: Emulator
    cluster: AccountsServer
    folder: Path
    capture: Capture

    @property
    def control(self) -> Control:
        return self.emulator.control

    @property
    def where(self) -> Any:
        return self.control.announcement()

    @property
    def scope(self) -> str:
        """ARM's id of the ready-made resource group."""
        where = self.where
        return f"/subscriptions/{where.subscription_id}/resourceGroups/{where.resource_group}"

    @property
    def variables(self) -> dict[str, str]:
        """Of whoever runs azwi."""
        where = self.where
        return {
            "AZWI_AZURE_ENV_FILE": str(self.folder / "cloud.json"),
            "AZURE_TENANT_ID": where.tenant_id,
            "AZURE_SUBSCRIPTION_ID": where.subscription_id,
            "AZURE_CLIENT_ID": where.client_id,
            "AZURE_CLIENT_SECRET": SECRET,
            "REQUESTS_CA_BUNDLE": where.ca_file,
            "SSL_CERT_FILE": where.ca_file,
            "KUBECONFIG": str(self.folder / "kubeconfig"),
        }

    def anew(self) -> None:
        """Back to when nobody had run azwi; the namespace ``shop`` exists."""
        where = self.where
        self.control.reset()
        self.control.register_client(
            ClientRegistration(tenant_id=where.tenant_id, client_id=where.client_id, secret=SECRET)
        )
        self.cluster.faults.clear()
        self.cluster.clear()
        self.cluster.put("namespaces", "", "shop")

    def process(
        self, *arguments: str, code: int | None = 0, login: bool = True, **more: str
    ) -> Ran:
        """``azwi sa …`` as a process."""
        how = ("--auth-method", "client_secret") if login else ()
        return azwi("sa", *arguments, *how, code=code, **{**self.variables, **more})

    def run(self, *arguments: str, code: int = 0) -> Ran:
        """``azwi sa …`` in this process: quicker, for what is run again and again."""
        ended = __main__.main(["sa", *arguments, "--auth-method", "client_secret"])
        out, err = self.capture()
        assert ended == code, (ended, out, err)
        return Ran(ended, out, err)

    def account(self, name: str = "cart", namespace: str = "shop") -> dict[str, Any] | None:
        """A service account's metadata."""
        try:
            found: dict[str, Any] = self.cluster.get("serviceaccounts", namespace, name)["metadata"]
        except KeyError:
            return None
        return found

    def writes(self) -> list[tuple[str, str]]:
        """Method and path of what was asked of Graph and ARM, but for reading."""
        return [
            (call.method, call.path)
            for call in self.control.calls()
            if call.method not in ("GET", "HEAD")
        ]

    def gets_a_token(self, client_id: str, name: str = "cart", namespace: str = "shop") -> bool:
        """Whether a pod of the service account would get a token."""
        request = ServiceAccountTokenRequest(namespace=namespace, name=name)
        where, token = self.where, self.control.service_account_token(request)
        form = (
            f"grant_type=client_credentials&client_id={client_id}"
            "&scope=https%3A%2F%2Fvault.azure.net%2F.default&client_assertion_type="
            f"urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer&client_assertion={token}"
        )
        url = f"{where.authority_host}{where.tenant_id}/oauth2/v2.0/token"
        trust = ssl.create_default_context(cafile=where.ca_file)
        try:
            with urllib.request.urlopen(url, form.encode(), context=trust, timeout=10) as answer:
                return bool(json.loads(answer.read())["access_token"])
        except urllib.error.HTTPError as error:
            with error:
                return False

    def peers(self) -> Peers:
        """Whom azwi asks, for tests of single modules."""
        auth = options.Auth(
            auth_method=options.AuthMethod.SECRET,
            azure_env_file=self.folder / "cloud.json",
            tenant_id=self.where.tenant_id,
            subscription_id=self.where.subscription_id,
            client_id=self.where.client_id,
            client_secret=SECRET,
        )
        return Peers(Login(auth), Accounts(lambda: kube.Cluster(self.folder / "kubeconfig")))

    @property
    def graph(self) -> Graph:
        return self.peers().graph

    @property
    def arm(self) -> Arm:
        return self.peers().arm()


def furnished(
    emulator: Emulator,
    cluster: AccountsServer,
    folder: Path,
    capture: Callable[[], tuple[str, str]],
) -> World:
    """A world as it is before anybody ran azwi, with the files that ``variables`` name."""
    made = World(emulator, cluster, folder, capture)
    made.anew()
    (folder / "cloud.json").write_bytes(_metadata(made.where))
    cluster.kubeconfig(folder)
    return made


def fake_az(world: World, script: str = "") -> str:
    """A PATH whose ``az`` is this shell script; else it is logged in, as the emulator's client."""
    folder = world.folder / "bin"
    folder.mkdir()
    az = folder / "az"
    az.write_text(f"#!/bin/sh\n{script or _logged_in(world)}\n")
    az.chmod(0o755)
    return f"{folder}:/usr/bin:/bin"


def _logged_in(world: World) -> str:
    where, login = world.where, world.peers().login
    account = json.dumps({"id": where.subscription_id, "tenantId": where.tenant_id})
    answers = {
        api: json.dumps(
            {
                "accessToken": login.credential.get_token(scope).token,
                "expiresOn": "2999-01-01 00:00:00.000000",
                "expires_on": 32472144000,
            }
        )
        for api, scope in (("graph", login.cloud.graph_scope), ("arm", login.cloud.arm_scope))
    }
    return (
        f"case \"$*\" in *get-access-token*graph*) echo '{answers['graph']}';;"
        f" *get-access-token*) echo '{answers['arm']}';; *) echo '{account}';; esac"
    )


def _metadata(where: Any) -> bytes:
    trust = ssl.create_default_context(cafile=where.ca_file)
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=trust)
    )
    url = f"{where.arm_url}/metadata/endpoints?api-version=2022-09-01"
    with opener.open(url, timeout=10) as answer:
        body: bytes = answer.read()
    return body

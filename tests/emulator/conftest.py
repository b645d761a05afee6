"""Fixtures of the emulator's tests: a client of its TLS port that trusts its CA only."""

import contextlib
import http.client
import itertools
import json
import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import pytest
from azure.core.pipeline.transport import RequestsTransport
from azure.identity import ClientSecretCredential
from azure.mgmt.authorization import AuthorizationManagementClient
from azure.mgmt.msi import ManagedServiceIdentityClient

from azwi_emulator import api, ready_made, routes
from azwi_emulator.cloud import Cloud
from azwi_emulator.directory import Directory
from azwi_emulator.federation import ASSERTION_TYPE
from azwi_emulator.messages import Announcement, ClientRegistration
from azwi_testing import Answer, Emulator

VAULT = "https://vault.azure.net/.default"
GRAPH = "https://graph.microsoft.com"
ARM = "https://management.azure.com"
SECRET = "hush, hush"


@dataclass(frozen=True)
class Entra:
    """What a client of the running emulator does, over real sockets and verified TLS."""

    where: Announcement

    @property
    def address(self) -> tuple[str, int]:
        """Of Entra ID's port."""
        parts = urlsplit(self.where.authority_host)
        return str(parts.hostname), parts.port or 443

    def tls(self) -> ssl.SSLContext:
        """Trusts the emulator's CA only."""
        return ssl.create_default_context(cafile=self.where.ca_file)

    def ask(
        self,
        path: str,
        *,
        form: Mapping[str, str] | str | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float = 5,
    ) -> Answer:
        """GET ``path``, or POST ``form`` to it."""
        sent = dict(headers or {})
        if form is not None:
            sent.setdefault("Content-Type", "application/x-www-form-urlencoded")
        body = form if isinstance(form, str) or form is None else urlencode(form)
        return self.send("GET" if form is None else "POST", path, body, sent, timeout=timeout)

    def send(
        self,
        method: str,
        path: str,
        body: str | None = None,
        headers: Mapping[str, str] | None = None,
        *,
        timeout: float = 5,
    ) -> Answer:
        """Any request."""
        connection = http.client.HTTPSConnection(*self.address, timeout=timeout, context=self.tls())
        with contextlib.closing(connection):
            connection.request(method, path, body, dict(headers or {}))
            response = connection.getresponse()
            return Answer(response.status, dict(response.getheaders()), response.read())

    def bearer(self, resource: str) -> dict[str, str]:
        """The header with a token of the ready-made client."""
        token = self.token(scope=f"{resource}/.default").json["access_token"]
        return {"Authorization": f"Bearer {token}"}

    def graph(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        """Ask Microsoft Graph, version 1.0, with a token."""
        sent = {**self.bearer(GRAPH), "Content-Type": "application/json", **headers}
        return self.send(method, f"/graph/v1.0{path}", body and json.dumps(body), sent)

    def arm(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        """Ask ARM, with a token and an api-version."""
        sent = {**self.bearer(ARM), "Content-Type": "application/json", **headers}
        joint = "&" if "?" in path else "?"
        path = f"/arm{quote(path, safe='/?=&$')}{joint}api-version=2024-11-30"
        return self.send(method, path, body and json.dumps(body), sent)

    @property
    def group(self) -> str:
        """ARM's path of the ready-made resource group."""
        where = self.where
        return f"/subscriptions/{where.subscription_id}/resourceGroups/{where.resource_group}"

    def form(self, **changes: str) -> dict[str, str]:
        """A right token request for the ready-made client, but for ``changes``; "" leaves out."""
        fields = {
            "grant_type": "client_credentials",
            "client_id": self.where.client_id,
            "scope": VAULT,
            "client_assertion_type": ASSERTION_TYPE,
            "client_assertion": Path(self.where.token_file).read_text(),
            **changes,
        }
        return {name: value for name, value in fields.items() if value}

    def token(self, *, tenant: str = "", timeout: float = 5, **changes: str) -> Answer:
        """Ask the token endpoint."""
        path = f"/{tenant or self.where.tenant_id}/oauth2/v2.0/token"
        return self.ask(path, form=self.form(**changes), timeout=timeout)


@dataclass
class Desk:
    """Graph and ARM as pure decisions, with a clock that stands still."""

    cloud: Cloud
    now: float = 1_700_000_000.0
    lag: float = 0.0
    page_size: int = 100
    tenant_id: str = ready_made.TENANT_ID
    prefer: str = ""
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def graph(self, method: str, path: str, body: Any = None, **query: str) -> api.Reply:
        """Ask Graph, version 1.0; ``query`` without the dollar signs."""
        return self._ask(routes.GRAPH, method, f"/v1.0{path}", body, query)

    def beta(self, method: str, path: str, body: Any = None, **query: str) -> api.Reply:
        """Ask Graph's beta; ``query`` without the dollar signs."""
        return self._ask(routes.GRAPH, method, f"/beta{path}", body, query)

    def arm(self, method: str, path: str, body: Any = None, **query: str) -> api.Reply:
        """Ask ARM; ``query`` without the dollar signs."""
        return self._ask(routes.ARM, method, path, body, query)

    def _ask(
        self, table: api.Routes, method: str, path: str, body: Any, query: Mapping[str, str]
    ) -> api.Reply:
        found = api.find(table, method, path)
        assert found, f"no route for {method} {path}"
        call = api.Call(
            method=method,
            path=path,
            query={f"${name}": value for name, value in query.items()},
            body=body,
            tenant_id=self.tenant_id,
            now=self.now,
            lag=self.lag,
            base_url="https://host/api",
            page_size=self.page_size,
            new_id=lambda: f"00000000-0000-4000-8000-{next(self.numbers):012}",
            prefer=self.prefer,
        )
        return found[0].handler(self.cloud, call, found[1])


@pytest.fixture
def desk() -> Desk:
    """Graph and ARM with nothing but the ready-made subscription and resource group."""
    cloud = Cloud(Directory())
    ready_made.furnish(cloud)
    return Desk(cloud)


@dataclass
class Sdk:
    """The kept libraries, as an administrator with a client secret uses them."""

    credential: ClientSecretCredential
    msi: ManagedServiceIdentityClient
    authorization: AuthorizationManagementClient


@contextlib.contextmanager
def _sdk(where: Announcement) -> Iterator[Sdk]:
    def over_tls() -> RequestsTransport:
        return RequestsTransport(connection_verify=where.ca_file)

    credential = ClientSecretCredential(
        where.tenant_id,
        where.client_id,
        SECRET,
        authority=where.authority_host,
        disable_instance_discovery=True,
        transport=over_tls(),
    )
    at: dict[str, Any] = {"base_url": where.arm_url, "retry_backoff_factor": 0.01}
    subscription = where.subscription_id
    with (
        credential,
        ManagedServiceIdentityClient(credential, subscription, transport=over_tls(), **at) as msi,
        AuthorizationManagementClient(
            credential, subscription, transport=over_tls(), **at
        ) as authorization,
    ):
        yield Sdk(credential, msi, authorization)


class MakeSdk:
    """Makes the kept libraries' clients for any emulator that knows ``secret``."""

    secret = SECRET

    def __call__(self, where: Announcement) -> contextlib.AbstractContextManager[Sdk]:
        return _sdk(where)


@pytest.fixture
def make_sdk() -> MakeSdk:
    """For an emulator of the test's own."""
    return MakeSdk()


@pytest.fixture
def sdk(emulator: Emulator) -> Iterator[Sdk]:
    """azure-identity, azure-mgmt-msi and azure-mgmt-authorization against the shared emulator."""
    where = emulator.control.announcement()
    emulator.control.register_client(
        ClientRegistration(tenant_id=where.tenant_id, client_id=where.client_id, secret=SECRET)
    )
    with _sdk(where) as made:
        yield made


@pytest.fixture
def entra(emulator: Emulator) -> Entra:
    """A client of the shared emulator, which is as it was at its start."""
    return Entra(emulator.control.announcement())

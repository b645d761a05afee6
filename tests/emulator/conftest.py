"""Fixtures of the emulator's tests: a client of its TLS port that trusts its CA only."""

import http.client
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import pytest

from azwi_emulator.federation import ASSERTION_TYPE
from azwi_emulator.messages import Announcement
from azwi_testing import Answer, Emulator

VAULT = "https://vault.azure.net/.default"


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
        connection = http.client.HTTPSConnection(*self.address, timeout=timeout, context=self.tls())
        try:
            sent = dict(headers or {})
            if form is not None:
                sent.setdefault("Content-Type", "application/x-www-form-urlencoded")
            body = form if isinstance(form, str) or form is None else urlencode(form)
            connection.request("GET" if form is None else "POST", path, body, sent)
            response = connection.getresponse()
            return Answer(response.status, dict(response.getheaders()), response.read())
        finally:
            connection.close()

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


@pytest.fixture
def entra(emulator: Emulator) -> Entra:
    """A client of the shared emulator, which is as it was at its start."""
    return Entra(emulator.control.announcement())

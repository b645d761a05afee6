"""The AKS token proxy: its own name, CA, path and audience."""

import http.client
import json
import socket
import ssl
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlencode, urlsplit

import pytest
from azure.identity import WorkloadIdentityCredential

from azwi_emulator import announce
from azwi_testing import Answer, Emulator

if TYPE_CHECKING:
    from tests.emulator.conftest import Entra


def _connected(entra: "Entra", *, name: str | None = None, ca: str | None = None) -> ssl.SSLSocket:
    where = entra.where
    assert where.token_proxy_url
    parts = urlsplit(where.token_proxy_url)
    context = ssl.create_default_context(cafile=ca or where.token_proxy_ca_file)
    raw = socket.create_connection((parts.hostname, parts.port), timeout=5)
    try:
        return context.wrap_socket(raw, server_hostname=name or where.token_proxy_sni_name)
    except BaseException:
        raw.close()
        raise


def _post(entra: "Entra", path: str, **changes: str) -> Answer:
    where = entra.where
    assert where.token_proxy_token_file
    form = entra.form(
        **{"client_assertion": Path(where.token_proxy_token_file).read_text(), **changes}
    )
    connection = http.client.HTTPConnection("ignored")
    with _connected(entra) as connection.sock:
        connection.request(
            "POST", path, urlencode(form), {"Content-Type": "application/x-www-form-urlencoded"}
        )
        response = connection.getresponse()
        return Answer(response.status, dict(response.getheaders()), response.read())


def _path(entra: "Entra") -> str:
    return f"{urlsplit(entra.where.token_proxy_url).path!s}/{entra.where.tenant_id}"


def test_it_exchanges_a_token_that_is_meant_for_it(entra: "Entra", emulator: Emulator) -> None:
    answer = _post(entra, f"{_path(entra)}/oauth2/v2.0/token")
    assert answer.status == 200
    token = {"Authorization": f"Bearer {answer.json['access_token']}"}
    assert entra.ask("/whoami", headers=token).status == 200
    assert [seen.via for seen in emulator.control.exchanges()] == ["token-proxy"]


def test_azure_identity_gets_a_token_through_it(
    entra: "Entra", emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    where = entra.where
    variables = announce.variables(where) | announce.token_proxy_variables(where)
    # The credential trusts the token proxy by its own variable; Entra ID itself is out of reach.
    del variables["SSL_CERT_FILE"], variables["REQUESTS_CA_BUNDLE"]
    for name, value in (variables | {"AZURE_AUTHORITY_HOST": "login.invalid"}).items():
        monkeypatch.setenv(name, value)
    with WorkloadIdentityCredential(enable_azure_proxy=True) as credential:
        token = credential.get_token("https://vault.azure.net/.default").token
    answer = entra.ask("/whoami", headers={"Authorization": f"Bearer {token}"})
    assert answer.json["azp"] == where.client_id


def test_its_token_is_useless_at_entra_id_and_the_other_way_round(entra: "Entra") -> None:
    assert entra.where.token_proxy_token_file
    bound = Path(entra.where.token_proxy_token_file).read_text()
    assert entra.token(client_assertion=bound).json["error_codes"] == [700212]
    plain = entra.form()["client_assertion"]
    answer = _post(entra, f"{_path(entra)}/oauth2/v2.0/token", client_assertion=plain)
    assert answer.json["error_codes"] == [700212]


def test_a_client_that_loses_the_path_is_told_so(entra: "Entra") -> None:
    answer = _post(entra, f"/{entra.where.tenant_id}/oauth2/v2.0/token")
    assert answer.status == 404


def test_it_serves_the_metadata_that_msal_asks_for(entra: "Entra") -> None:
    connection = http.client.HTTPConnection("ignored")
    with _connected(entra) as connection.sock:
        connection.request("GET", f"{_path(entra)}/v2.0/.well-known/openid-configuration")
        document = json.loads(connection.getresponse().read())
    assert document["token_endpoint"].startswith(entra.where.authority_host)


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost", "other.ests.aks"])
def test_no_other_server_name_is_answered(entra: "Entra", name: str) -> None:
    with pytest.raises(ssl.SSLError):
        _connected(entra, name=name)


def test_its_ca_is_not_entra_ids(entra: "Entra") -> None:
    with pytest.raises(ssl.SSLCertVerificationError):
        _connected(entra, ca=entra.where.ca_file)

"""Environment mode without a cluster: what the webhook writes is all that app and proxy need."""

import json
import re
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from azwi_common import contract
from azwi_testing import Emulator, Proxy, free_port, launch, plain_environment, wait_for_port
from azwi_testing.admission import account, admitted, container, values, with_sidecar

RESOURCE = "https://vault.azure.net"
CLIENT = """
import sys
from azure.identity import ManagedIdentityCredential
print(ManagedIdentityCredential().get_token(sys.argv[1] + "/.default").token.count("."))
"""


@pytest.fixture
def told(emulator: Emulator, tmp_path: Path) -> Iterator[tuple[dict[str, str], Proxy]]:
    """An app's variables, and the proxy; both have what the webhook wrote into their pod."""
    port = free_port()
    wishes = {
        "proxy-mode": "environment",
        "proxy-only": "true",
        "proxy-sidecar-port": str(port),
    }
    whose = account(
        client_id=emulator.announced["clientId"], tenant_id=emulator.announced["tenantId"]
    )
    host = emulator.announced["authorityHost"]
    after = admitted(with_sidecar(wishes), whose, AZURE_AUTHORITY_HOST=host)
    proxy_env = values(container(after, "azwi-proxy"))
    here = {
        contract.FEDERATED_TOKEN_FILE: emulator.announced["tokenFile"],
        contract.SSL_CERT_FILE: emulator.announced["caFile"],
    }
    proxy = launch(tmp_path, {**proxy_env, **here}, port=port)
    with proxy.process:
        try:
            wait_for_port(proxy)
            yield values(container(after, "app")), proxy
        finally:
            proxy.process.terminate()


def asked(proxy: Proxy, route: str) -> int:
    """The tokens that it handed out by this route."""
    with urllib.request.urlopen(f"http://127.0.0.1:{proxy.port}/metrics", timeout=5) as answer:
        text = answer.read().decode()
    rows = re.findall(rf'requests_total\{{[^}}]*route="{route}",status="200"\}} ([\d.]+)', text)
    return int(sum(map(float, rows)))


def test_an_app_that_honours_any_of_the_variables_gets_its_token(
    told: tuple[dict[str, str], Proxy],
) -> None:
    env, proxy = told
    query = f"?resource={RESOURCE}&api-version="
    imds = f"{env['AZURE_POD_IDENTITY_AUTHORITY_HOST']}/metadata/identity/oauth2/token"
    for url, header in (
        (f"{env['IDENTITY_ENDPOINT']}{query}2019-08-01", ("X-IDENTITY-HEADER", "IDENTITY_HEADER")),
        (f"{env['MSI_ENDPOINT']}{query}2017-09-01", ("Secret", "MSI_SECRET")),
        (f"{imds}{query}2018-02-01", ("Metadata", "")),
    ):
        headers = {header[0]: env.get(header[1], "true")}
        request = urllib.request.Request(url, headers=headers)
        with urllib.request.urlopen(request, timeout=20) as answer:
            assert json.loads(answer.read())["resource"] == RESOURCE
    assert (asked(proxy, "appservice"), asked(proxy, "token")) == (2, 1)


def test_azure_identity_needs_these_variables_and_no_others(
    told: tuple[dict[str, str], Proxy],
) -> None:
    env, proxy = told
    done = subprocess.run(
        [sys.executable, "-c", CLIENT, RESOURCE],
        env={**plain_environment(), **env},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stdout == "2\n", done.stderr
    assert asked(proxy, "appservice") == 1

"""Unchanged clients ask 169.254.169.254 in a pod with the real redirect, init and proxy."""

import json
import time
from typing import TYPE_CHECKING, Any

import pytest

from azwi_common import contract
from azwi_demo.pod import Pod, program

if TYPE_CHECKING:
    from tests.end_to_end.conftest import RunningPod

pytestmark = pytest.mark.netns

TOKEN = "http://169.254.169.254/metadata/identity/oauth2/token"
HEADER = ("-H", "Metadata: true")
CLAIMS = """
import base64, json
def claims(token):
    payload = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
"""


def test_curl_gets_a_token_from_the_metadata_address(running_pod: "RunningPod") -> None:
    query = "?api-version=2018-02-01&resource=https://vault.azure.net"
    answer = json.loads(running_pod.curl(*HEADER, TOKEN + query))
    assert list(answer) == [
        "access_token", "refresh_token", "expires_in", "expires_on", "not_before", "resource",
        "token_type", "client_id",
    ]  # fmt: skip
    assert all(isinstance(value, str) for value in answer.values())
    assert answer["resource"] == "https://vault.azure.net"


@pytest.mark.parametrize(
    "arguments",
    [
        (f"{TOKEN}?resource=https://storage.azure.com/",),
        ("-X", "POST", "-d", "resource=https://storage.azure.com/", TOKEN),
        ("--path-as-is", "http://169.254.169.254//metadata/identity/oauth2/token/"
         "?resource=https%3A%2F%2Fstorage.azure.com%2F"),
    ],
    ids=["without api-version", "form POST", "odd spelling"],
)  # fmt: skip
def test_scripts_as_they_are_get_a_token(
    running_pod: "RunningPod", arguments: tuple[str, ...]
) -> None:
    answer = json.loads(running_pod.curl(*HEADER, *arguments))
    assert answer["resource"] == "https://storage.azure.com/"


def test_managed_identity_credential_gets_a_token_with_the_right_claims(
    running_pod: "RunningPod",
) -> None:
    claims = running_pod.python(
        CLAIMS + "from azure.identity import ManagedIdentityCredential\n"
        "token = ManagedIdentityCredential().get_token('https://vault.azure.net/.default').token\n"
        "print(json.dumps(claims(token)))"
    )
    assert claims["aud"] == "https://vault.azure.net"
    assert claims["appid"] == running_pod.announced["clientId"]
    assert claims["tid"] == running_pod.announced["tenantId"]


def test_managed_identity_credential_by_client_id_gets_that_identitys_token(
    running_pod: "RunningPod",
) -> None:
    client = running_pod.announced["clientId"]
    claims = running_pod.python(
        CLAIMS + "from azure.identity import ManagedIdentityCredential\n"
        f"credential = ManagedIdentityCredential(client_id='{client}')\n"
        "print(json.dumps(claims(credential.get_token('https://a.example/.default').token)))"
    )
    assert (claims["appid"], claims["aud"]) == (client, "https://a.example")


def test_default_azure_credential_finds_imds_by_its_probe(running_pod: "RunningPod") -> None:
    found: dict[str, Any] = running_pod.python(
        CLAIMS + "import time\nfrom azure.identity import DefaultAzureCredential\n"
        "start = time.monotonic()\ncredential = DefaultAzureCredential()\n"
        "token = credential.get_token('https://graph.example/.default').token\n"
        "print(json.dumps({'seconds': time.monotonic() - start, **claims(token)}))"
    )
    assert found["appid"] == running_pod.announced["clientId"]
    assert found["seconds"] < 5


def test_a_second_app_makes_no_second_exchange(running_pod: "RunningPod") -> None:
    url = f"{TOKEN}?resource=https://twice.example"
    first = json.loads(running_pod.curl(*HEADER, url))
    seen = running_pod.exchanges()
    second = json.loads(running_pod.curl(*HEADER, url))
    assert second["access_token"] == first["access_token"]
    assert running_pod.exchanges() == seen


def test_a_refused_identity_fails_fast_with_entra_ids_words_and_the_remedy(
    running_pod: "RunningPod",
) -> None:
    started = time.monotonic()
    told: dict[str, str] = running_pod.python(
        "import json\nfrom azure.identity import ManagedIdentityCredential\n"
        "credential = ManagedIdentityCredential(client_id='99999999-9999-9999-9999-999999999999')\n"
        "try:\n    credential.get_token('https://vault.azure.net/.default')\n"
        "except Exception as error:\n    print(json.dumps({'told': str(error)}))"
    )
    assert "AADSTS700016" in told["told"]
    assert "AZURE_CLIENT_ID" in told["told"]
    assert time.monotonic() - started < 10


def test_instance_metadata_passes_on_to_the_node(running_pod: "RunningPod") -> None:
    url = "http://169.254.169.254/metadata/instance?api-version=2021-02-01"
    assert json.loads(running_pod.curl(*HEADER, url))["compute"]["location"] == "westeurope"


@pytest.mark.parametrize(
    "path",
    [
        "/metadata/identity/oauth2/token2?resource=x",
        "/metadata/identity/info",
        "/metadata/instance/../identity/oauth2/x",
        "/metadata/instance/..%5cidentity/oauth2/x",
        "/METADATA//IDENTITY/OAUTH2/TOKEN?resource=https://a.example",
        "/metadata/%2569dentity/x",
    ],
)
def test_no_identity_request_reaches_the_node(running_pod: "RunningPod", path: str) -> None:
    before = running_pod.node_log.read_text()
    answer = running_pod.curl("--path-as-is", *HEADER, f"http://169.254.169.254{path}")
    assert "the-identity-of-the-node" not in answer
    assert running_pod.node_log.read_text() == before


def test_the_init_container_may_run_again_beside_the_running_proxy(
    running_pod: "RunningPod",
) -> None:
    rules = running_pod.pod.run(["nft", "list", "ruleset"]).stdout
    running_pod.pod.run(program("azwi_init", "--outside-kubernetes"), capabilities=["net_admin"])
    assert running_pod.pod.run(["nft", "list", "ruleset"]).stdout == rules


def test_a_proxy_whose_own_traffic_comes_back_says_which_uid_it_needs(
    running_pod: "RunningPod",
) -> None:
    settings = {
        contract.TENANT_ID: running_pod.announced["tenantId"],
        contract.CLIENT_ID: running_pod.announced["clientId"],
        contract.FEDERATED_TOKEN_FILE: running_pod.announced["tokenFile"],
    }
    with Pod() as pod:
        pod.run(program("azwi_init", "--outside-kubernetes"), capabilities=["net_admin"])
        pod.start(program("azwi_proxy"), uid=0, capabilities=(), env=settings)
        pod.run(program("azwi_proxy", "--probe"), uid=0, capabilities=())
        told = pod.run(["curl", "-sS", *HEADER, "http://169.254.169.254/metadata/instance"]).stdout
        assert "PROXY_UID, 1501" in json.loads(told)["error_description"]


def test_in_an_ipv6_only_pod_every_user_gets_tokens_and_instance_metadata_fails_soon(
    ipv6_only_pod: "RunningPod",
) -> None:
    ask = ["curl", "-sS", *HEADER, f"{TOKEN}?resource=https://vault.azure.net"]
    for uid in (0, 1000, 65534):
        answer = json.loads(ipv6_only_pod.pod.run(ask, uid=uid, capabilities=()).stdout)
        assert answer["resource"] == "https://vault.azure.net"

    url = "http://169.254.169.254/metadata/instance?api-version=2021-02-01"
    refused = json.loads(ipv6_only_pod.curl("--max-time", "5", *HEADER, url))
    assert "did not accept a connection within 1 s" in refused["error_description"]


def test_no_secret_stands_in_any_log(running_pod: "RunningPod") -> None:
    running_pod.curl(*HEADER, f"{TOKEN}?resource=https://vault.azure.net")
    for name in ("proxy.log", "emulator.log"):
        text = (running_pod.folder / name).read_text()
        assert '"msg"' in text
        assert "eyJ" not in text
        assert running_pod.announced["clientId"] not in text

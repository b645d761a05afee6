"""Environment mode in a real Kubernetes: a namespace that forbids every privilege, and an app."""

import base64
import json

import pytest
import yaml

from azwi_common import contract
from azwi_testing import cluster
from azwi_testing.cluster import EntraId, Namespace, Object, eventually
from azwi_testing.installed import (
    CURL,
    Webhook,
    account,
    asked,
    env_of,
    names,
    pod,
    try_kubectl,
)

pytestmark = pytest.mark.timeout(1800)  # the first one builds Kubernetes where nobody has yet

EXAMPLE = cluster.ROOT / "manifests/examples/environment-mode.yaml"
RESOURCE = "https://vault.azure.net"
CONFINED = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "runAsNonRoot": True,
    "readOnlyRootFilesystem": True,
    "seccompProfile": {"type": "RuntimeDefault"},
}
CLAIMS = """
import base64, sys, azure.identity
credential = getattr(azure.identity, sys.argv[1])()
payload = credential.get_token(sys.argv[2] + "/.default").token.split(".")[1]
print(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)).decode())
"""
APP_SERVICE = (
    'exec curl -sS --fail --max-time 20 -H "X-IDENTITY-HEADER: $IDENTITY_HEADER"'
    f' "$IDENTITY_ENDPOINT?api-version=2019-08-01&resource={RESOURCE}"'
)
OLD_APP_SERVICE = (
    'exec curl -sS --fail --max-time 20 -H "Secret: $MSI_SECRET"'
    f' "$MSI_ENDPOINT?api-version=2017-09-01&resource={RESOURCE}"'
)
OTHER_HOST = (
    'exec curl -sS --fail --max-time 20 -H "Metadata: true" "$AZURE_POD_IDENTITY_AUTHORITY_HOST'
    f'/metadata/identity/oauth2/token?api-version=2018-02-01&resource={RESOURCE}"'
)
# The same app, with AZURE_* of its own and without.
PODS = {"with-azure": "false", "proxy-only": "true"}


def unprivileged(name: str, *, proxy_only: str) -> Object:
    """A pod as the level restricted wants it, whose init container gets a token first."""
    made = pod(name, proxy_mode="environment", proxy_only=proxy_only)
    (app,) = made["spec"]["containers"]
    app["securityContext"] = CONFINED
    first = {**app, "name": "first", "command": ["sh", "-c", APP_SERVICE]}
    made["spec"]["initContainers"] = [first]
    # An SDK that goes to Entra ID itself must trust this one.
    app["env"] = [{"name": "REQUESTS_CA_BUNDLE", "value": "/ca/ca.pem"}]
    app["volumeMounts"] = [{"name": "ca", "mountPath": "/ca"}]
    return made


@pytest.fixture(scope="module")
def restricted(webhook: Webhook, shared_namespace: Namespace, entra: EntraId) -> Namespace:
    """A namespace that enforces the level restricted, with both pods running."""
    level = f"{contract.POD_SECURITY_LABEL}=restricted"
    shared_namespace.kubectl("label", "namespace", shared_namespace.name, level)
    given = account(client_id=entra.announced["clientId"])
    made = [unprivileged(name, proxy_only=value) for name, value in PODS.items()]
    shared_namespace.apply(given, *made)
    for name in PODS:
        shared_namespace.wait(f"pod/{name}", "condition=Ready")
    return shared_namespace


@pytest.mark.parametrize("name", PODS)
def test_nothing_that_is_injected_needs_a_privilege(restricted: Namespace, name: str) -> None:
    spec = restricted.get("pod", name)["spec"]
    assert names(spec["initContainers"]) == ["azwi-proxy", "first"]
    assert names(spec["containers"]) == ["app"]
    said = restricted.execute(name, "azwi-proxy", "cat", "/proc/1/status")
    status = dict(line.split(":\t", 1) for line in said.splitlines() if ":\t" in line)
    assert status["Uid"].split() == ["1501"] * 4
    assert int(status["CapBnd"], 16) == 0
    assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2")


def test_the_app_and_the_proxy_share_a_value_that_no_other_pod_has(restricted: Namespace) -> None:
    shared = []
    for name, proxy_only in PODS.items():
        spec = restricted.get("pod", name)["spec"]
        app, (proxy, first) = spec["containers"][0], spec["initContainers"]
        value = env_of(proxy)["IDENTITY_HEADER"]
        told = {
            "AZURE_POD_IDENTITY_AUTHORITY_HOST": "http://127.0.0.1:8000",
            "IDENTITY_ENDPOINT": "http://127.0.0.1:8000/msi/token",
            "IDENTITY_HEADER": value,
            "MSI_ENDPOINT": "http://127.0.0.1:8000/msi/token",
            "MSI_SECRET": value,
        }
        for container in (app, first):
            assert env_of(container).items() >= told.items()
            assert ("AZURE_CLIENT_ID" in env_of(container)) is (proxy_only == "false")
        shared.append(value)
    assert len(set(shared)) == 2


@pytest.mark.parametrize("name", PODS)
def test_the_apps_init_container_got_a_token(restricted: Namespace, name: str) -> None:
    assert json.loads(restricted.logs(name, "first"))["token_type"] == "Bearer"


@pytest.mark.parametrize("name", PODS)
@pytest.mark.parametrize(
    ("command", "route"),
    [(APP_SERVICE, "appservice"), (OLD_APP_SERVICE, "appservice"), (OTHER_HOST, "token")],
    ids=["2019-08-01", "2017-09-01", "authority-host"],
)
def test_curl_gets_a_token_where_the_variables_say(
    restricted: Namespace, entra: EntraId, name: str, command: str, route: str
) -> None:
    before = asked(restricted, name, route=route)
    answer = json.loads(restricted.execute(name, "app", "sh", "-c", command))
    assert (answer["resource"], answer["token_type"]) == (RESOURCE, "Bearer")
    payload = answer["access_token"].split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    assert (claims["appid"], claims["aud"]) == (entra.announced["clientId"], RESOURCE)
    assert asked(restricted, name, route=route) == before + 1


@pytest.mark.parametrize(
    ("name", "credential", "through_the_proxy"),
    [
        ("proxy-only", "ManagedIdentityCredential", 1),
        ("proxy-only", "DefaultAzureCredential", 1),
        ("with-azure", "ManagedIdentityCredential", 1),
        ("with-azure", "DefaultAzureCredential", 0),  # it uses workload identity itself
    ],
)
def test_azure_identity_gets_a_token_as_it_is(
    restricted: Namespace, entra: EntraId, name: str, credential: str, through_the_proxy: int
) -> None:
    before = asked(restricted, name, route="appservice")
    said = restricted.execute(name, "app", "python3", "-c", CLAIMS, credential, RESOURCE)
    claims = json.loads(said)
    assert (claims["appid"], claims["aud"]) == (entra.announced["clientId"], RESOURCE)
    assert asked(restricted, name, route="appservice") == before + through_the_proxy


def test_without_the_value_there_is_no_token(restricted: Namespace) -> None:
    url = f"http://127.0.0.1:8000/msi/token?api-version=2019-08-01&resource={RESOURCE}"
    wrong = ("-H", "X-IDENTITY-HEADER: a-guess-of-forty-three-signs-0123456789abc")
    code = ("-o", "/dev/null", "-w", "%{http_code}")
    assert restricted.execute("proxy-only", "app", *CURL, *wrong, *code, url) == "401"


def test_a_redirect_is_refused_there_with_a_sentence_that_names_the_mode(
    restricted: Namespace,
) -> None:
    made = json.dumps(pod("refused"))

    def refusal() -> str:
        create = ("create", "--dry-run=server", "-f", "-")
        told = try_kubectl(restricted.name, *create, text=made).err
        return told if "azwi-proxy-init needs NET_ADMIN" in told else ""

    told = eventually("the webhook to know of the label", refusal)
    remedy = "environment mode, which needs none, by annotation azure.workload.identity/proxy-mode:"
    assert f"{remedy} environment on the pod" in told
    assert f"{contract.POD_SECURITY_LABEL}=restricted" in told


def test_the_example_is_admitted_there(restricted: Namespace) -> None:
    objects = yaml.safe_load_all(EXAMPLE.read_text())
    template = next(item for item in objects if item["kind"] == "Deployment")["spec"]["template"]
    template["metadata"]["name"] = "example"
    made = {"apiVersion": "v1", "kind": "Pod", **template}
    create = ("create", "--dry-run=server", "-o", "json", "-f", "-")
    stored = json.loads(restricted.kubectl(*create, text=json.dumps(made)))
    assert names(stored["spec"]["initContainers"]) == ["azwi-proxy"]

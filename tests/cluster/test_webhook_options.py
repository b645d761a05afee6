"""What an operator may switch on, in a real Kubernetes: identity bindings, other ways to opt in."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from azwi_common import contract
from azwi_testing import cluster, installed, tools
from azwi_testing.cluster import EntraId, Namespace, Object, eventually
from azwi_testing.installed import Webhook, account, asked, env_of, names, pod, token

pytestmark = pytest.mark.timeout(1800)  # the first one builds Kubernetes where nobody has yet

READY = "condition=Ready"
ISSUER = "https://issuer.example"  # of cluster.sh
AUDIENCE = "api://AKSIdentityBinding"
SIGNER = "example.com/token-proxy"


@pytest.fixture(scope="module")
def webhook(entra: EntraId) -> Iterator[Webhook]:
    """The webhook with every way to opt in."""
    cluster.import_images("azwi-webhook")
    ways = ["pod", "namespace", "serviceaccount"]
    with installed.installed(tools.tool("helm3"), entra, optIn=ways) as running:
        yield running


@pytest.fixture
def home(webhook: Webhook, namespace: Namespace, entra: EntraId) -> Namespace:
    """A namespace with its service account ``app``, annotated."""
    namespace.apply(account(client_id=entra.announced["clientId"]))
    return namespace


# --- AKS identity bindings ------------------------------------------------------------------------


@pytest.fixture
def token_proxy_ca(entra: EntraId) -> str:
    """PEM of the CA that the token proxy's certificate is of."""
    return Path(entra.announced["tokenProxyCaFile"]).read_text()


@pytest.mark.parametrize("source", ["data", "ConfigMap", "ClusterTrustBundle"])
def test_an_identity_binding_gives_an_unchanged_app_its_token_through_the_token_proxy(
    webhook: Webhook, home: Namespace, entra: EntraId, token_proxy_ca: str, source: str
) -> None:
    webhook.install(customTokenEndpoint=_endpoint(entra, source, token_proxy_ca))
    eventually("the old replicas to be gone", lambda: len(webhook.pods(ending=True)) == 2)
    home.apply(*_ca_objects(source, token_proxy_ca), pod(use_identity_binding="true"))
    home.wait("pod/app", READY)
    with entra.registered(ISSUER, home.name, "app", audience=AUDIENCE):
        assert token(home, "https://vault.azure.net").get("token_type") == "Bearer"
    assert asked(home) == 1
    seen = entra.exchanges()[-1]
    assert (seen["via"], seen["status"]) == ("token-proxy", 200), seen
    app = home.get("pod", "app")["spec"]["containers"][0]
    assert env_of(app)[contract.KUBERNETES_TOKEN_PROXY] == entra.announced["tokenProxyUrl"]


def _endpoint(entra: EntraId, source: str, ca: str) -> dict[str, Any]:
    """The chart's values of the token proxy."""
    ways: dict[str, dict[str, Any]] = {
        "data": {"caData": ca},
        "ConfigMap": {"caConfigMapName": "token-proxy-ca"},
        "ClusterTrustBundle": {
            "caCTBSignerName": SIGNER,
            "caCTBLabelSelector": {"matchLabels": {"token-proxy": "true"}},
        },
    }
    return {
        "annotationSuffix": "identity-binding",
        "audience": AUDIENCE,
        "tokenProxy": entra.announced["tokenProxyUrl"],
        "sniName": entra.announced["tokenProxySniName"],
        **ways[source],
    }


def _ca_objects(source: str, ca: str) -> list[Object]:
    """What must be in the cluster for that source of the CA."""
    if source == "ConfigMap":
        name = {"name": "token-proxy-ca"}
        data = {"ca.crt": ca}
        return [{"apiVersion": "v1", "kind": "ConfigMap", "metadata": name, "data": data}]
    if source == "ClusterTrustBundle":
        metadata = {"name": "example.com:token-proxy:ca", "labels": {"token-proxy": "true"}}
        return [
            {
                "apiVersion": "certificates.k8s.io/v1beta1",
                "kind": "ClusterTrustBundle",
                "metadata": metadata,
                "spec": {"signerName": SIGNER, "trustBundle": ca},
            }
        ]
    return []


# --- Who opts in ----------------------------------------------------------------------------------


def test_a_namespaces_label_opts_its_pods_in_but_for_those_that_say_no(
    webhook: Webhook, home: Namespace, entra: EntraId
) -> None:
    label = f"{contract.NAMESPACE_LABEL}=true"
    home.kubectl("label", "namespace", home.name, label)
    eventually("the webhook to know of the label", lambda: _takes_part(home))
    home.apply(pod("in", labelled=False), _saying_no(pod("out", labelled=False)))
    spec = home.get("pod", "in")["spec"]
    assert names(spec["initContainers"]) == ["azwi-proxy-init", "azwi-proxy"]
    assert env_of(spec["containers"][0])[contract.CLIENT_ID] == entra.announced["clientId"]
    assert contract.CLIENT_ID not in env_of(home.get("pod", "out")["spec"]["containers"][0])
    home.wait("pod/in", READY)
    assert token(home, "https://vault.azure.net", "in")["token_type"] == "Bearer"


def test_a_service_accounts_label_opts_its_pods_in_but_for_those_that_say_no(
    webhook: Webhook, home: Namespace, entra: EntraId
) -> None:
    home.kubectl("label", "serviceaccount", "app", f"{contract.ACCOUNT_LABEL}=true")
    eventually("the webhook to know of the label", lambda: _takes_part(home))
    other = {**pod("other", labelled=False)["spec"], "serviceAccountName": "default"}
    home.apply(
        pod("in", labelled=False),
        _saying_no(pod("out", labelled=False)),
        pod("other", labelled=False, spec=other),
    )
    app = home.get("pod", "in")["spec"]["containers"][0]
    assert env_of(app)[contract.CLIENT_ID] == entra.announced["clientId"]
    for name in ("out", "other"):
        assert contract.CLIENT_ID not in env_of(home.get("pod", name)["spec"]["containers"][0])


def _takes_part(home: Namespace) -> bool:
    """Whether a pod that says nothing itself would be mutated now, by each replica."""
    create = ("create", "--dry-run=server", "-o", "json", "-f", "-")
    text = json.dumps(pod(labelled=False))
    made = [json.loads(home.kubectl(*create, text=text)) for _ in range(5)]
    return all(contract.CLIENT_ID in env_of(one["spec"]["containers"][0]) for one in made)


def _saying_no(made: Object) -> Object:
    made["metadata"]["labels"][contract.USE_LABEL] = "false"
    return made

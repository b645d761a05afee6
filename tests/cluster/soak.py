"""What takes longer than anyone waits: ``make soak`` runs it, ``make test-cluster`` does not."""

import json
import time
from base64 import urlsafe_b64decode

import pytest

from azwi_testing.cluster import EntraId, Example, Namespace, eventually

URL = "http://169.254.169.254/metadata/identity/oauth2/token?api-version=2018-02-01&resource="
TOKEN_FILE = "/var/run/secrets/azure/tokens/azure-identity-token"
LIFETIME = 600  # seconds; the least that Kubernetes allows


def issued_at(namespace: Namespace) -> int:
    """When the token in the sidecar's volume was issued."""
    payload = namespace.execute("app", "azwi-proxy", "cat", TOKEN_FILE).split(".")[1]
    issued: int = json.loads(urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))["iat"]
    return issued


def new_token(namespace: Namespace) -> str:
    """The answer to a request that nobody has made before."""
    curl = ("curl", "-sS", "--max-time", "20", "-H", "Metadata: true")
    return namespace.execute("app", "app", *curl, f"{URL}https://{time.monotonic_ns()}.example")


@pytest.mark.timeout(2400)
def test_a_token_that_the_kubelet_has_rotated_is_exchanged(
    namespace: Namespace, example: Example, entra: EntraId
) -> None:
    account, pod = example(namespace)
    projected = pod["spec"]["volumes"][0]["projected"]
    projected["sources"][0]["serviceAccountToken"]["expirationSeconds"] = LIFETIME
    namespace.apply(account, pod)
    namespace.wait("pod/app", "condition=Ready")
    first = issued_at(namespace)
    assert "access_token" in new_token(namespace)

    eventually("the rotation", lambda: issued_at(namespace) > first, timeout=LIFETIME)
    print(f"rotated after {issued_at(namespace) - first} s")
    # Entra ID refuses the first token from now on.
    eventually("its end", lambda: time.time() > first + LIFETIME + 5, timeout=LIFETIME)
    before = len(entra.exchanges())
    answer = new_token(namespace)
    assert "access_token" in answer, answer + namespace.logs("app", "azwi-proxy")
    assert [exchange["status"] for exchange in entra.exchanges()[before:]] == [200]
    assert namespace.container("app", "azwi-proxy")["restartCount"] == 0

"""manifests/examples/by-hand.yaml in a real Kubernetes, with the cluster's own tokens."""

import json
import re
import time
from pathlib import Path

import pytest

from azwi_testing.cluster import EntraId, Example, Namespace, Object, eventually

pytestmark = pytest.mark.timeout(1800)  # the first one builds Kubernetes where nobody has yet

URL = "http://169.254.169.254/metadata/identity/oauth2/token?api-version=2018-02-01&resource="
CURL = ("curl", "-sS", "--max-time", "20", "-H", "Metadata: true")
READY = "condition=Ready"
NET_ADMIN = 1 << 12  # capabilities(7)
AZURE_IDENTITY = """
import base64, json
from azure.identity import ManagedIdentityCredential
token = ManagedIdentityCredential().get_token("https://vault.azure.net/.default").token
payload = token.split(".")[1]
print(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)).decode())
"""
LOAD = (Path(__file__).parent / "load.py").read_text()


def with_app(objects: list[Object], *command: str) -> Object:
    """The example's pod with another command as its app."""
    pod = objects[1]
    pod["spec"]["containers"][0]["command"] = list(command)
    return pod


def test_the_examples_own_curl_gets_tokens(app: Namespace) -> None:
    def answers() -> list[str]:
        return app.logs("app", "app").split()

    assert eventually("an answer in the app's log", answers)[0] == "200"


def test_curl_gets_a_token_for_the_kubelets_service_account_token(
    app: Namespace, entra: EntraId
) -> None:
    before = len(entra.exchanges())
    answer = json.loads(app.execute("app", "app", *CURL, URL + "https://storage.azure.com/"))
    assert answer["resource"] == "https://storage.azure.com/"
    (exchange,) = entra.exchanges()[before:]
    assert exchange["status"] == 200


def test_azure_identity_gets_a_token_of_the_pods_identity(app: Namespace, entra: EntraId) -> None:
    claims = json.loads(app.execute("app", "app", "python3", "-c", AZURE_IDENTITY))
    assert claims["aud"] == "https://vault.azure.net"
    assert claims["appid"] == entra.announced["clientId"]
    assert claims["tid"] == entra.announced["tenantId"]


def test_legacy_iptables_work_in_the_image_with_net_raw_beside_net_admin(
    namespace: Namespace, example: Example
) -> None:
    objects = example(namespace)
    init = objects[1]["spec"]["initContainers"][0]
    init["env"].append({"name": "AZWI_IPTABLES_MODE", "value": "legacy"})
    init["securityContext"]["capabilities"]["add"].append("NET_RAW")
    namespace.apply(*objects)
    namespace.wait("pod/app", READY)
    done = json.loads(namespace.logs("app", "azwi-proxy-init"))
    assert (done["backend"], done["proof"]) == ("legacy", "own bytes arrived and came back")
    answer = json.loads(namespace.execute("app", "app", *CURL, URL + "https://vault.azure.net"))
    assert answer["resource"] == "https://vault.azure.net"


def test_another_service_account_gets_no_token(namespace: Namespace, example: Example) -> None:
    account, pod = example(namespace)
    account["metadata"]["name"] = pod["spec"]["serviceAccountName"] = "stranger"
    namespace.apply(account, pod)
    namespace.wait("pod/app", READY)
    answer = json.loads(namespace.execute("app", "app", *CURL, URL + "https://vault.azure.net"))
    assert "AADSTS700213" in answer["error_description"]
    assert f"system:serviceaccount:{namespace.name}:stranger" in answer["error_description"]


def test_a_job_with_the_sidecar_completes(namespace: Namespace, example: Example) -> None:
    objects = example(namespace)
    spec = with_app(objects, *CURL, "--fail", URL + "https://vault.azure.net")["spec"]
    job = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "job"},
        "spec": {"backoffLimit": 0, "template": {"spec": {**spec, "restartPolicy": "Never"}}},
    }
    namespace.apply(objects[0], job)
    namespace.wait("job/job", "condition=Complete")
    assert "access_token" in namespace.kubectl("logs", "job/job", "-c", "app")


def test_the_apps_own_init_container_gets_a_token(namespace: Namespace, example: Example) -> None:
    account, pod = example(namespace)
    spec = pod["spec"]
    command = [*CURL, "--fail", URL + "https://vault.azure.net"]
    spec["initContainers"].append({**spec["containers"][0], "name": "migrate", "command": command})
    namespace.apply(account, pod)
    namespace.wait("pod/app", READY)
    assert "access_token" in namespace.logs("app", "migrate")


def test_the_sidecar_has_a_read_only_root_no_capability_and_a_seccomp_filter(
    app: Namespace,
) -> None:
    said = app.execute("app", "azwi-proxy", "cat", "/proc/1/status", "/proc/1/mounts")
    check_confinement(said, uid=1501, capabilities=0)


def test_the_init_container_has_a_read_only_root_net_admin_alone_and_a_seccomp_filter(
    namespace: Namespace, example: Example
) -> None:
    account, pod = example(namespace)
    look = "cat /proc/self/status /proc/self/mounts && python3 -P -m azwi_init"
    pod["spec"]["initContainers"][0]["command"] = ["sh", "-c", look]
    namespace.apply(account, pod)
    namespace.wait("pod/app", READY)
    check_confinement(namespace.logs("app", "azwi-proxy-init"), uid=0, capabilities=NET_ADMIN)


def check_confinement(said: str, *, uid: int, capabilities: int) -> None:
    """``said``: what the kernel says of a process and its mounts."""
    status = dict(re.findall(r"^(\w+):\s*(.*)$", said, re.MULTILINE))
    assert status["Uid"].split() == [str(uid)] * 4
    assert int(status["CapBnd"], 16) == int(status["CapPrm"], 16) == capabilities
    assert int(status["CapEff"], 16) == capabilities
    assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2")
    assert re.search(r"^\S+ / \S+ ro,", said, re.MULTILINE)


def test_a_killed_sidecar_comes_back_and_the_app_gets_tokens_again(
    namespace: Namespace, example: Example
) -> None:
    namespace.apply(*example(namespace))
    namespace.wait("pod/app", READY)
    namespace.kill("app", "azwi-proxy")
    killed = time.monotonic()

    def restarted() -> bool:
        return bool(namespace.container("app", "azwi-proxy")["restartCount"])

    eventually("the sidecar's restart", restarted)
    retry = ("--retry", "60", "--retry-delay", "1", "--retry-all-errors", "--fail")
    answer = namespace.execute("app", "app", *CURL, *retry, URL + "https://after.example")
    assert json.loads(answer)["resource"] == "https://after.example"
    print(f"killed sidecar: the app has a token {time.monotonic() - killed:.1f} s later")
    assert namespace.container("app", "app")["restartCount"] == 0
    assert namespace.container("app", "azwi-proxy-init")["restartCount"] == 0


def test_a_pod_that_lost_its_network_is_redirected_again(
    namespace: Namespace, example: Example
) -> None:
    account, pod = example(namespace)
    pod["spec"]["terminationGracePeriodSeconds"] = 1  # the example's shell ignores SIGTERM
    namespace.apply(account, pod)
    namespace.wait("pod/app", READY)
    namespace.lose_sandbox("app")

    def started_anew() -> bool:
        names = ("azwi-proxy-init", "app")
        return all(namespace.container("app", name)["restartCount"] for name in names)

    eventually("a new start of everything", started_anew)
    namespace.wait("pod/app", READY)
    answer = namespace.execute("app", "app", *CURL, URL + "https://anew.example")
    assert json.loads(answer)["resource"] == "https://anew.example"


def test_a_pod_deleted_under_load_loses_no_answer_within_its_grace_period(
    namespace: Namespace, example: Example
) -> None:
    objects = example(namespace)
    with_app(objects, "python3", "-c", LOAD, URL)
    namespace.apply(*objects)
    namespace.wait("pod/app", READY)
    eventually("the load", lambda: "working" in namespace.logs("app", "app"))
    with namespace.following("app", "app") as log:
        started = time.monotonic()
        namespace.kubectl("delete", "pod", "app", "--wait=true")
        took = time.monotonic() - started
        said = eventually(
            "the count", lambda: [x for x in log.read_text().split("\n") if x.endswith("}")]
        )
    answers: dict[str, int] = json.loads(said[-1])
    print(f"deleted in {took:.1f} s; answers under load: {answers}")
    assert list(answers) == ["200"]
    assert answers["200"] > 500
    assert 3 < took < 20  # of 30; the app's own 3 s are in it

"""The webhook in a real Kubernetes: what the API server stores, what kubectl prints, what runs."""

import json

import pytest

from azwi_common import contract
from azwi_testing.cluster import EntraId, Namespace, Object, eventually
from azwi_testing.installed import (
    APP_IMAGE,
    CURL,
    PAUSE,
    URL,
    Webhook,
    account,
    asked,
    completed,
    env_of,
    names,
    pod,
    token,
    try_kubectl,
    workload,
)

pytestmark = pytest.mark.timeout(1800)  # the first one builds Kubernetes where nobody has yet

READY = "condition=Ready"
OTHER_CLIENT = "0e1d2c3b-4a59-4687-9bac-d0e1f2a3b4c5"
IDENTITY = """
import base64, sys
from azure.identity import ManagedIdentityCredential
token = ManagedIdentityCredential().get_token(sys.argv[1] + "/.default").token
payload = token.split(".")[1]
print(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)).decode())
"""


def client(entra: EntraId) -> str:
    """The identity that the service account ``app`` of each namespace may use."""
    found: str = entra.announced["clientId"]
    return found


@pytest.fixture
def home(webhook: Webhook, namespace: Namespace, entra: EntraId) -> Namespace:
    """A namespace with its service account ``app``, annotated."""
    namespace.apply(account(client_id=client(entra)))
    return namespace


@pytest.fixture
def running(home: Namespace) -> Namespace:
    """The namespace with a pod that opted in, running."""
    home.apply(pod())
    home.wait("pod/app", READY)
    return home


# --- What is stored and what runs -----------------------------------------------------------------


def test_a_label_and_an_annotation_are_all_that_an_unchanged_app_needs(
    running: Namespace, entra: EntraId
) -> None:
    assert token(running, "https://vault.azure.net")["resource"] == "https://vault.azure.net"
    assert asked(running) == 1
    stored = running.get("pod", "app")
    spec = stored["spec"]
    assert names(spec["initContainers"]) == ["azwi-proxy-init", "azwi-proxy"]
    assert spec["initContainers"][1]["restartPolicy"] == "Always"
    assert names(spec["containers"]) == ["app"]
    assert env_of(spec["containers"][0]) == {
        "AZURE_CLIENT_ID": client(entra),
        "AZURE_TENANT_ID": entra.announced["tenantId"],
        "AZURE_FEDERATED_TOKEN_FILE": contract.TOKEN_FILE,
        "AZURE_AUTHORITY_HOST": entra.announced["authorityHost"],
    }
    assert stored["metadata"]["annotations"][contract.DEFAULT_CONTAINER_ANNOTATION] == "app"
    (volume,) = (item for item in spec["volumes"] if item["name"] == contract.TOKEN_VOLUME)
    assert volume["projected"]["sources"][0]["serviceAccountToken"] == {
        "audience": "api://AzureADTokenExchange",
        "expirationSeconds": 3600,
        "path": "azure-identity-token",
    }


def test_what_the_kubelet_runs_has_no_more_rights_than_it_needs(running: Namespace) -> None:
    said = running.execute("app", "azwi-proxy", "cat", "/proc/1/status")
    status = dict(line.split(":\t", 1) for line in said.splitlines() if ":\t" in line)
    assert status["Uid"].split() == ["1501"] * 4
    assert int(status["CapBnd"], 16) == 0
    assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2")
    container = running.get("pod", "app")["spec"]["initContainers"][0]
    assert container["securityContext"]["capabilities"] == {"add": ["NET_ADMIN"], "drop": ["ALL"]}


def test_without_the_sidecar_the_app_gets_variables_and_the_token(home: Namespace) -> None:
    home.apply(pod(sidecar=False))
    home.wait("pod/app", READY)
    spec = home.get("pod", "app")["spec"]
    assert "initContainers" not in spec
    assert home.execute("app", "app", "cat", contract.TOKEN_FILE).count(".") == 2


def test_a_pod_that_did_not_opt_in_is_as_it_was(home: Namespace) -> None:
    home.apply(pod(labelled=False))
    spec = home.get("pod", "app")["spec"]
    assert "initContainers" not in spec
    assert "env" not in spec["containers"][0]


def test_a_skipped_container_gets_nothing(home: Namespace) -> None:
    made = pod(skip_containers="other")
    made["spec"]["containers"].append({**made["spec"]["containers"][0], "name": "other"})
    home.apply(made)
    app, other = home.get("pod", "app")["spec"]["containers"]
    assert "env" in app
    assert "env" not in other


def test_the_apps_own_init_container_comes_last_and_gets_a_token(home: Namespace) -> None:
    made = pod()
    app = made["spec"]["containers"][0]
    command = [*CURL, "--fail", URL + "https://vault.azure.net"]
    made["spec"]["initContainers"] = [{**app, "name": "migrate", "command": command}]
    home.apply(made)
    home.wait("pod/app", READY)
    stored = home.get("pod", "app")["spec"]["initContainers"]
    assert names(stored) == ["azwi-proxy-init", "azwi-proxy", "migrate"]
    assert "access_token" in home.logs("app", "migrate")


def test_a_dry_run_by_the_server_shows_the_same_pod_and_makes_none(home: Namespace) -> None:
    apply = ("apply", "--dry-run=server", "-o", "json", "-f", "-")
    shown = json.loads(home.kubectl(*apply, text=json.dumps(pod())))
    assert names(shown["spec"]["initContainers"]) == ["azwi-proxy-init", "azwi-proxy"]
    assert "No resources found" in try_kubectl(home.name, "get", "pods").err


def test_an_ephemeral_debug_container_can_be_added(running: Namespace) -> None:
    debug = ("debug", "app", f"--image={APP_IMAGE}", "--image-pull-policy=IfNotPresent")
    running.kubectl(*debug, "--profile=general", "--", *PAUSE)
    (added,) = running.get("pod", "app")["spec"]["ephemeralContainers"]
    assert "env" not in added  # pods are changed when they are created, and never later


# --- Refusals and warnings ------------------------------------------------------------------------

REFUSED: dict[str, tuple[Object, str]] = {
    "host-network": (pod(spec={"hostNetwork": True}), "set hostNetwork to false"),
    "port": (pod(proxy_sidecar_port="70000"), "must be a port number from 1 to 65535"),
    "flag": (pod(inject_proxy_sidecar="yes"), 'must be "true" or "false"'),
    "expiration": (pod(service_account_token_expiration="60"), "seconds from 3600 to 86400"),
    "user": (pod(spec={"securityContext": {"runAsUser": 1501}}), "runs as user 1501"),
}


@pytest.mark.parametrize(("made", "told"), REFUSED.values(), ids=REFUSED.keys())
def test_a_pod_that_cannot_work_is_refused_with_a_sentence_that_names_the_remedy(
    home: Namespace, made: Object, told: str
) -> None:
    answer = try_kubectl(home.name, "create", "-f", "-", text=json.dumps(made))
    assert answer.code != 0
    assert told in answer.err
    assert "Traceback" not in answer.err


def test_everything_that_is_wrong_is_said_at_once(home: Namespace) -> None:
    made = pod(proxy_sidecar_port="0", spec={"hostNetwork": True})
    told = try_kubectl(home.name, "create", "-f", "-", text=json.dumps(made)).err
    assert "port number" in told
    assert "hostNetwork" in told


def test_kubectl_shows_warnings(home: Namespace) -> None:
    home.apply(account("nobody"))
    made = pod(spec={"serviceAccountName": "nobody"}, proxy_sidecar_prt="8001")
    answer = try_kubectl(home.name, "create", "-f", "-", text=json.dumps(made))
    assert answer.code == 0, answer.err
    assert "Warning: " in answer.err
    assert "client-id" in answer.err
    assert "proxy-sidecar-port" in answer.err  # the nearest known name


@pytest.mark.parametrize("level", ["baseline", "restricted"])
def test_a_namespace_that_forbids_net_admin_is_told_so(home: Namespace, level: str) -> None:
    label = f"{contract.POD_SECURITY_LABEL}={level}"
    home.kubectl("label", "namespace", home.name, label, "--overwrite")
    told = eventually(
        "the webhook to know of the label",
        lambda: _refusal(home, "NET_ADMIN"),
    )
    assert f"{contract.POD_SECURITY_LABEL}={level}" in told


def _refusal(home: Namespace, word: str) -> str:
    apply = ("create", "--dry-run=server", "-f", "-")
    told = try_kubectl(home.name, *apply, text=json.dumps(pod())).err
    return told if word in told and "azure.workload.identity" in told else ""


def test_without_the_sidecar_a_pod_passes_podsecurity_restricted(home: Namespace) -> None:
    label = f"{contract.POD_SECURITY_LABEL}=restricted"
    home.kubectl("label", "namespace", home.name, label)
    confined = {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "runAsNonRoot": True,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    made = pod(sidecar=False)
    made["spec"]["containers"][0]["securityContext"] = confined
    home.apply(made)
    home.wait("pod/app", READY)


# --- Namespaces with rules of their own -----------------------------------------------------------


def test_a_quota_of_requests_and_memory_limits_is_kept(home: Namespace) -> None:
    hard = {"requests.cpu": "1", "requests.memory": "1Gi", "limits.memory": "2Gi"}
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "quota"}}
    home.apply({**quota, "spec": {"hard": hard}})
    # Until its status says what is used, the API server refuses every pod.
    eventually(
        "the quota to be counted",
        lambda: home.get("resourcequota", "quota").get("status", {}).get("used"),
    )
    made = pod()
    made["spec"]["containers"][0]["resources"] = {
        "requests": {"cpu": "10m", "memory": "32Mi"},
        "limits": {"memory": "64Mi"},
    }
    home.apply(made)
    home.wait("pod/app", READY)


def test_a_limit_range_changes_nothing_that_the_sidecar_says_itself(home: Namespace) -> None:
    limits = [{"type": "Container", "default": {"memory": "64Mi", "cpu": "500m"}}]
    ranged = {"apiVersion": "v1", "kind": "LimitRange", "metadata": {"name": "limits"}}
    home.apply({**ranged, "spec": {"limits": limits}})
    home.apply(pod())
    home.wait("pod/app", READY)
    proxy = home.get("pod", "app")["spec"]["initContainers"][1]
    assert proxy["resources"]["limits"]["memory"] == "96Mi"
    assert token(home, "https://vault.azure.net")["token_type"] == "Bearer"


# --- Workloads ------------------------------------------------------------------------------------


def test_a_service_account_in_the_same_apply_as_its_pod_counts(
    webhook: Webhook, namespace: Namespace, entra: EntraId
) -> None:
    namespace.apply(account(client_id=client(entra)), pod())
    app = namespace.get("pod", "app")["spec"]["containers"][0]
    assert env_of(app)["AZURE_CLIENT_ID"] == client(entra)


def test_a_deployments_pods_get_tokens(home: Namespace) -> None:
    home.apply(workload("Deployment", pod(), replicas=2))
    home.kubectl("rollout", "status", "deployment/app", "--timeout=90s")
    home.kubectl("rollout", "restart", "deployment/app")
    home.kubectl("rollout", "status", "deployment/app", "--timeout=90s")
    said = home.kubectl("exec", "deployment/app", "-c", "app", "--", "sh", "-c", _curl())
    assert json.loads(said)["token_type"] == "Bearer"


@pytest.mark.parametrize("kind", ["StatefulSet", "DaemonSet"])
def test_other_controllers_pods_get_tokens(home: Namespace, kind: str) -> None:
    more = {"serviceName": "app"} if kind == "StatefulSet" else {}
    home.apply(workload(kind, pod(), **more))
    home.kubectl("rollout", "status", f"{kind}/app", "--timeout=90s")
    said = home.kubectl("exec", f"{kind}/app", "-c", "app", "--", "sh", "-c", _curl())
    assert json.loads(said)["token_type"] == "Bearer"


def test_a_job_completes(home: Namespace) -> None:
    home.apply(workload("Job", pod(command=["sh", "-c", _curl()])))
    completed(home, "job/app")
    assert "access_token" in home.kubectl("logs", "job/app")  # the app is the default container


def test_a_cron_jobs_job_completes(home: Namespace) -> None:
    home.apply(workload("CronJob", pod(command=["sh", "-c", _curl()])))
    home.kubectl("create", "job", "now", "--from=cronjob/app")
    completed(home, "job/now")


def _curl() -> str:
    quoted = " ".join(f"'{part}'" for part in (*CURL, "--fail", URL + "https://vault.azure.net"))
    return f"exec {quoted}"


# --- The whole way, as each kind of app asks ------------------------------------------------------


def with_ca(made: Object) -> Object:
    """The app trusts the private Entra ID as well, which it asks itself where SDKs do."""
    app = made["spec"]["containers"][0]
    app["env"] = [{"name": "REQUESTS_CA_BUNDLE", "value": "/ca/ca.pem"}]
    app["volumeMounts"] = [{"name": "ca", "mountPath": "/ca"}]
    return made


@pytest.mark.parametrize(("proxy_only", "through_the_proxy"), [("true", 1), ("false", 0)])
def test_azure_identity_asks_imds_only_where_the_variables_are_the_proxys_alone(
    home: Namespace, entra: EntraId, proxy_only: str, through_the_proxy: int
) -> None:
    home.apply(with_ca(pod(proxy_only=proxy_only)))
    home.wait("pod/app", READY)
    said = home.execute("app", "app", "python3", "-c", IDENTITY, "https://vault.azure.net")
    claims = json.loads(said)
    assert claims["appid"] == client(entra)
    assert claims["aud"] == "https://vault.azure.net"
    assert asked(home) == through_the_proxy


@pytest.mark.parametrize("proxy_only", ["true", "false"])
def test_curl_asks_imds_with_and_without_variables(home: Namespace, proxy_only: str) -> None:
    home.apply(pod(proxy_only=proxy_only))
    home.wait("pod/app", READY)
    assert token(home, "https://storage.azure.com/")["resource"] == "https://storage.azure.com/"
    assert asked(home) == 1
    app = home.get("pod", "app")["spec"]["containers"][0]
    assert ("env" in app) is (proxy_only == "false")


def test_the_sidecars_port_is_the_one_of_the_annotation(home: Namespace) -> None:
    home.apply(pod(proxy_sidecar_port="18080"))
    home.wait("pod/app", READY)
    assert token(home, "https://vault.azure.net")["token_type"] == "Bearer"
    assert asked(home, port=18080) == 1


def test_a_pod_with_two_identities_gets_the_one_that_it_names(
    home: Namespace, entra: EntraId
) -> None:
    resource = "/subscriptions/s/resourceGroups/g/providers/Microsoft.ManagedIdentity/x/other"
    mapped = json.dumps([{"clientId": OTHER_CLIENT, "resourceId": resource}])
    home.apply(pod(identities=mapped, proxy_only="true"))
    home.wait("pod/app", READY)
    issuer = "https://issuer.example"  # of cluster.sh
    with entra.registered(issuer, home.name, "app", client_id=OTHER_CLIENT):
        for more, wanted in (("", client(entra)), (f"&msi_res_id={resource}", OTHER_CLIENT)):
            answer = token(home, "https://vault.azure.net", more=more)
            assert entra.exchanges()[-1]["clientId"] == wanted
            assert answer["token_type"] == "Bearer"
    assert asked(home) == 2


def test_a_manifest_made_for_the_go_reference_works_as_it_is(
    webhook: Webhook, namespace: Namespace, entra: EntraId
) -> None:
    labels = {contract.USE_LABEL: "true"}
    given = account(
        client_id=client(entra),
        tenant_id=entra.announced["tenantId"],
        service_account_token_expiration="86400",
    )
    given["metadata"]["labels"] = labels
    made = pod(
        inject_proxy_sidecar="true",
        proxy_sidecar_port="8080",
        skip_containers="other; another",
        service_account_token_expiration="7200",
    )
    namespace.apply(given, made)
    namespace.wait("pod/app", READY)
    assert token(namespace, "https://vault.azure.net")["token_type"] == "Bearer"
    assert asked(namespace, port=8080) == 1
    (volume,) = (
        item
        for item in namespace.get("pod", "app")["spec"]["volumes"]
        if item["name"] == contract.TOKEN_VOLUME
    )
    assert volume["projected"]["sources"][0]["serviceAccountToken"]["expirationSeconds"] == 7200

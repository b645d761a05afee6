"""What the author of a pod is warned about."""

import time
from typing import Any

import pytest

from azwi_testing import admission
from azwi_testing.admission import account, pod, with_sidecar
from azwi_webhook import advice, mutate

HAND = {"name": "azwi-proxy", "image": "registry.example/other:1"}


def warnings(given: dict[str, Any], whose: Any = None, **environ: str) -> tuple[str, ...]:
    whose = whose or account()
    around, settings = admission.around(), admission.settings(**environ)
    return mutate.admit(given, whose, around, settings).warnings


def test_an_ordinary_pod_gets_no_warning() -> None:
    assert warnings(pod()) == warnings(with_sidecar()) == ()


def test_no_client_id_is_told_with_the_annotation() -> None:
    (told,) = warnings(pod(), account(client_id=""))
    assert told.startswith(
        "Service account app has no annotation azure.workload.identity/client-id"
    )


def test_an_identity_map_is_enough() -> None:
    mapped = f'[{{"clientId": "{admission.CLIENT}"}}]'
    assert warnings(with_sidecar(), account(client_id="", identities=mapped)) == ()


def test_a_service_account_that_does_not_exist_is_told() -> None:
    decided = mutate.admit(pod(), None, admission.around(), admission.settings())
    (told,) = decided.warnings
    assert told.startswith("Service account app does not exist")
    assert decided.patch


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("inject-proxy-sidecars", "nearest known one is azure.workload.identity/inject-proxy-side"),
        ("proxy-cpu-requests", "nearest known one is azure.workload.identity/proxy-cpu-request"),
        ("skip-container", "nearest known one is azure.workload.identity/skip-containers"),
        ("client-id", "means nothing there: it belongs on the service account"),
        ("use", "means nothing: it is a label"),
        ("use-in-namespace", "means nothing: it is a label"),
        ("use-identity-binding", "the webhook is configured for no such token endpoint"),
    ],
)
def test_an_annotation_that_means_nothing_is_told_with_what_was_meant(name: str, told: str) -> None:
    (warning,) = warnings(pod({name: "true"}))
    assert told in warning
    assert f"Annotation azure.workload.identity/{name} of the pod" in warning


def test_annotations_of_the_service_account_are_read_too() -> None:
    (told,) = warnings(pod(), account(skip_containers="app"))
    assert told.endswith("of service account app means nothing there: it belongs on the pod.")


def test_annotations_of_others_are_nobodys_business() -> None:
    given = pod()
    given["metadata"]["annotations"] = {"azure.workload.identity.example/x": "y"}
    assert warnings(given) == ()


def test_thousands_of_unknown_annotations_cost_little() -> None:
    started = time.process_time()
    told = warnings(pod({f"proxy-cpu-{number:05}": "" for number in range(6000)}))
    assert time.process_time() - started < 1
    assert len(told) == 6
    assert told[-1].startswith("5995 more annotations of the pod")


def test_a_declined_sidecar_is_told() -> None:
    (told,) = warnings(pod({"inject-proxy-sidecar": "false"}))
    assert "no sidecar is injected, and the annotation is removed" in told


def test_annotations_of_a_sidecar_that_is_not_there_are_told() -> None:
    (told,) = warnings(pod({"proxy-only": "true", "identities": "[]"}))
    assert told.endswith("has no effect on a pod without the sidecar.")
    assert warnings(pod({"proxy-only": "true"}, initContainers=[HAND])) == ()


def test_a_container_of_our_name_is_told_with_its_image() -> None:
    given = with_sidecar(initContainers=[HAND, {"name": "azwi-proxy-init", "image": "x" * 500}])
    first, second = warnings(given)
    assert first.startswith("Container azwi-proxy was in the pod already, with the image registry.")
    assert "azwi-proxy-init" in second


def test_our_own_container_of_a_first_pass_is_no_surprise() -> None:
    assert warnings(admission.admitted(with_sidecar())) == ()


def test_what_an_ordinary_sidecar_cannot_do_is_told_once() -> None:
    given = with_sidecar(restartPolicy="Never", initContainers=[{"name": "own"}])
    told = warnings(given, AZWI_NATIVE_SIDECAR="false")
    assert [sentence.split(":")[0] for sentence in told] == [
        "The pod does not complete while azwi-proxy runs",
        "The pod's init containers get no tokens from the metadata address",
    ]
    assert warnings(given) == warnings(with_sidecar(), AZWI_NATIVE_SIDECAR="false") == ()
    after = admission.admitted(given, AZWI_NATIVE_SIDECAR="false")
    assert warnings(after, AZWI_NATIVE_SIDECAR="false") == ()


def test_an_init_container_gets_no_tokens_from_an_ordinary_proxy_in_environment_mode_either() -> (
    None
):
    given = with_sidecar({"proxy-mode": "environment"}, initContainers=[{"name": "own"}])
    (told,) = warnings(given, AZWI_NATIVE_SIDECAR="false")
    assert told.startswith("The pod's init containers get no tokens from azwi-proxy: native")


@pytest.mark.parametrize(
    ("annotation", "mode", "other"),
    [
        ("proxy-init-memory-limit", "environment", "redirect"),
        ("proxy-init-iptables-mode", "environment", "redirect"),
        ("proxy-msi-endpoint", "redirect", "environment"),
    ],
)
def test_an_annotation_of_the_other_mode_is_told(annotation: str, mode: str, other: str) -> None:
    values = {"proxy-init-iptables-mode": "legacy", "proxy-msi-endpoint": "true"}
    value = values.get(annotation, "64Mi")
    (told,) = warnings(with_sidecar({annotation: value, "proxy-mode": mode}))
    assert f"{annotation} has no effect in proxy-mode {mode}." in told
    assert warnings(with_sidecar({annotation: value, "proxy-mode": other})) == ()


def test_a_mode_without_the_sidecar_is_told() -> None:
    (told,) = warnings(pod({"proxy-mode": "environment"}))
    assert "proxy-mode has no effect on a pod without the sidecar" in told


def test_a_redirect_that_is_there_in_environment_mode_is_told() -> None:
    redirect = {"name": "azwi-proxy-init", "image": admission.INIT_IMAGE}
    given = with_sidecar({"proxy-mode": "environment"}, initContainers=[redirect])
    (told,) = warnings(given)
    assert "azwi-proxy-init was in the pod already, and still needs NET_ADMIN: remove it" in told


def test_half_a_pair_of_its_own_is_told_without_its_value() -> None:
    env = [{"name": "IDENTITY_HEADER", "value": "its own"}]
    containers = [{"name": "app", "image": "i", "env": env}, {"name": "other", "image": "i"}]
    (told,) = warnings(with_sidecar({"proxy-mode": "environment"}, containers=containers))
    assert told == (
        "Container app sets IDENTITY_HEADER itself: it gets neither IDENTITY_ENDPOINT nor"
        " IDENTITY_HEADER nor MSI_ENDPOINT nor MSI_SECRET."
    )
    skipping = {"proxy-mode": "environment", "skip-containers": "app"}
    assert warnings(with_sidecar(skipping, containers=containers)) == ()


def test_a_second_pass_in_environment_mode_is_no_surprise() -> None:
    given = with_sidecar({"proxy-mode": "environment"})
    assert warnings(admission.admitted(given, secret="of-the-first-pass-0123456789")) == ()


def test_a_volume_of_our_name_without_a_token_is_told() -> None:
    (told,) = warnings(pod(volumes=[{"name": "azure-identity-token", "emptyDir": {}}]))
    assert "projects no service account token: rename it" in told


@pytest.mark.parametrize(
    ("given", "whose"),
    [
        (pod({"x" * 200: ""}), account("a" * 253, client_id="")),
        (pod({"inject-proxy-sidecar": "false"}), account("a" * 253, client_id="x" * 1000)),
    ],
)
def test_no_warning_is_longer_than_the_api_server_shows(given: Any, whose: Any) -> None:
    told = warnings(given, whose)
    assert told
    assert all(len(sentence) <= advice.LONGEST == 256 for sentence in told)


def test_a_longer_warning_ends_where_the_api_server_would_cut_it() -> None:
    strange = {"azure.workload.identity/" + "x" * 200: "", **account().annotations}
    whose = mutate.Account("app", {}, strange)
    (told,) = warnings(pod(serviceAccountName="a" * 253), whose)
    assert (len(told), told[-1]) == (advice.LONGEST, "…")


def test_the_annotation_of_the_configured_token_endpoint_is_known() -> None:
    endpoint = {
        "AZWI_CUSTOM_TOKEN_ENDPOINT_SUFFIX": "binding",
        "AZWI_CUSTOM_TOKEN_ENDPOINT_AUDIENCE": "api://AKSIdentityBinding",
        "AZURE_KUBERNETES_TOKEN_PROXY": "https://p.example",
    }
    assert warnings(pod({"use-binding": "false"}), **endpoint) == ()
    (told,) = warnings(pod({"use-bindings": "false"}), **endpoint)
    assert "the webhook is configured for no such token endpoint" in told


CA = {
    "AZWI_PROXY_VOLUMES": '[{"name":"ca","configMap":{"name":"private-ca"}}]',
    "AZWI_PROXY_VOLUME_MOUNTS": '[{"name":"ca","mountPath":"/ca"}]',
}


def test_a_volume_that_takes_the_name_of_the_sidecars_is_told() -> None:
    """It stays, and azwi-proxy mounts what the app may have meant for itself."""
    given = with_sidecar(volumes=[{"name": "ca", "emptyDir": {}}])
    (told,) = warnings(given, **CA)
    assert told == (
        "Volume ca was in the pod already: azwi-proxy gets it, and not that of the webhook's"
        " configuration. Rename it, unless this is meant."
    )


def test_the_sidecars_own_volume_is_no_news_to_a_second_pass() -> None:
    around, settings = admission.around(), admission.settings(**CA)
    given = with_sidecar(volumes=[{"name": "ca", "configMap": {"name": "private-ca"}}])
    assert mutate.admit(given, account(), around, settings).warnings == ()
    filled = with_sidecar(volumes=[{"name": "ca", "configMap": {"name": "private-ca", "a": 1}}])
    filled["spec"]["initContainers"] = [{"name": "azwi-proxy", "image": settings.proxy_image}]
    assert mutate.admit(filled, account(), around, settings).warnings == ()


@pytest.mark.parametrize("limit", ["19m", "10m", "0.01", "1e-3"])
def test_a_cpu_limit_with_which_the_proxy_does_not_start_in_time_is_told(limit: str) -> None:
    (told,) = warnings(with_sidecar({"proxy-cpu-limit": limit}))
    assert f"a CPU limit of {limit}: below 20m" in told
    resources = f'{{"requests":{{"cpu":"1m"}},"limits":{{"cpu":"{limit}"}}}}'
    assert told in warnings(with_sidecar(), AZWI_PROXY_RESOURCES=resources)


@pytest.mark.parametrize("limit", ["20m", "0.02", "1"])
def test_a_cpu_limit_that_is_enough_is_not(limit: str) -> None:
    assert warnings(with_sidecar({"proxy-cpu-limit": limit})) == ()


def test_a_cpu_limit_of_the_proxy_that_the_pod_brings_itself_is_its_own() -> None:
    told = warnings(with_sidecar({"proxy-cpu-limit": "1m"}, containers=[HAND]))
    assert not any("CPU limit" in sentence for sentence in told)

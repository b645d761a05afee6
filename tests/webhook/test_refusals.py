"""Pods that cannot have the sidecar as they are."""

from typing import Any

import pytest

from azwi_testing import admission
from azwi_testing.admission import with_sidecar
from azwi_webhook import mutate
from azwi_webhook.errors import Refused


def refusal(pod: dict[str, Any], labels: Any = None, **environ: str) -> str:
    """The sentence, or nothing for a pod that is admitted."""
    try:
        mutate.admit(
            pod, admission.account(), admission.around(labels=labels), admission.settings(**environ)
        )
    except Refused as refused:
        return refused.sentence
    return ""


def app(**fields: Any) -> list[dict[str, Any]]:
    return [{"name": "app", "image": "i", **fields}]


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        ({"hostNetwork": True}, "hostNetwork is true: set hostNetwork to false"),
        ({"os": {"name": "windows"}}, "this is a Windows pod"),
        ({"nodeSelector": {"kubernetes.io/os": "windows"}}, "this is a Windows pod"),
        ({"nodeSelector": {"beta.kubernetes.io/os": "windows"}}, "this is a Windows pod"),
    ],
)
def test_where_no_redirect_can_be_the_sidecar_is_refused_and_nothing_else(
    spec: dict[str, Any], told: str
) -> None:
    sentence = refusal(with_sidecar(**spec))
    assert told in sentence
    assert "leave azure.workload.identity/inject-proxy-sidecar out" in sentence
    assert refusal(admission.pod(**spec)) == ""


ENVIRONMENT = {"proxy-mode": "environment"}


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        ({"hostNetwork": True}, "in the node's network could ask the sidecar for tokens, as"),
        ({"os": {"name": "windows"}}, "this is a Windows pod"),
    ],
)
def test_environment_mode_is_refused_there_too(spec: dict[str, Any], told: str) -> None:
    sentence = refusal(with_sidecar(ENVIRONMENT, **spec))
    assert told in sentence
    assert "redirect" not in sentence


def test_environment_mode_redirects_nobody_and_needs_no_init_image() -> None:
    pod = with_sidecar(ENVIRONMENT, securityContext=POD)
    assert refusal(pod, PROXY_INIT_IMAGE="") == ""
    assert "set PROXY_IMAGE in the webhook's" in refusal(pod, PROXY_IMAGE="")


def test_environment_mode_has_a_port_all_the_same() -> None:
    containers = app(ports=[{"containerPort": 8000}])
    assert "Port 8000 of the sidecar" in refusal(with_sidecar(ENVIRONMENT, containers=containers))


@pytest.mark.parametrize("text", ["env", "Environment", "", "none"])
def test_any_other_mode_is_refused_with_both_named(text: str) -> None:
    assert refusal(with_sidecar({"proxy-mode": text})) == (
        "Annotation azure.workload.identity/proxy-mode of the pod must be one of redirect,"
        f" environment; it is {text!r}."
    )


@pytest.mark.parametrize("level", ["baseline", "restricted"])
def test_a_namespace_that_forbids_net_admin_is_told_of_environment_mode(level: str) -> None:
    labels = {"pod-security.kubernetes.io/enforce": level}
    remedy = "environment mode, which needs none, by annotation azure.workload.identity/proxy-mode:"
    for setting in ("redirect", "environment"):
        pod = with_sidecar({"proxy-mode": "redirect"})
        assert f"{remedy} environment" in refusal(pod, labels, AZWI_PROXY_MODE=setting)
    assert refusal(with_sidecar(ENVIRONMENT), labels) == ""
    assert refusal(with_sidecar(), labels, AZWI_PROXY_MODE="environment") == ""


@pytest.mark.parametrize("level", ["baseline", "restricted"])
def test_a_namespace_that_forbids_net_admin_is_named_with_its_label(level: str) -> None:
    labels = {"pod-security.kubernetes.io/enforce": level}
    sentence = refusal(with_sidecar(), labels)
    assert "needs NET_ADMIN, which namespace shop forbids" in sentence
    assert f"pod-security.kubernetes.io/enforce={level}" in sentence
    assert refusal(admission.pod(), labels) == ""


@pytest.mark.parametrize(
    "labels",
    [
        {"pod-security.kubernetes.io/enforce": "privileged"},
        {"pod-security.kubernetes.io/warn": "restricted"},
    ],
)
def test_a_namespace_that_only_warns_is_no_obstacle(labels: dict[str, str]) -> None:
    assert refusal(with_sidecar(), labels) == ""


@pytest.mark.parametrize("field", ["containers", "initContainers"])
def test_a_port_that_any_container_declares_is_taken(field: str) -> None:
    spec: dict[str, Any] = {field: app(ports=[{"containerPort": 8000}])}
    sentence = refusal(with_sidecar(**spec))
    assert "Port 8000 of the sidecar is container app's containerPort" in sentence
    assert "azure.workload.identity/proxy-sidecar-port" in sentence
    assert refusal(with_sidecar({"proxy-sidecar-port": "8001"}, **spec)) == ""


def test_ports_of_other_protocols_are_free() -> None:
    ports = [{"containerPort": 8000, "protocol": "UDP"}, {"containerPort": None}, {}]
    assert refusal(with_sidecar(containers=app(ports=ports))) == ""


def test_the_metrics_port_is_not_to_be_taken_either() -> None:
    containers = app(ports=[{"containerPort": 9464, "protocol": "TCP"}])
    by_annotation = with_sidecar({"proxy-metrics-port": "9464"}, containers=containers)
    env = '[{"name":"AZWI_METRICS_PORT","value":"9464"}]'
    by_setting = refusal(with_sidecar(containers=containers), AZWI_PROXY_ENV=env)
    for sentence in (refusal(by_annotation), by_setting):
        assert "Port 9464 of the sidecar" in sentence
        assert "azure.workload.identity/proxy-metrics-port" in sentence
    assert "both mean port 8000" in refusal(with_sidecar({"proxy-metrics-port": "8000"}))


POD = {"runAsUser": 1501}


@pytest.mark.parametrize(
    ("of_pod", "of_container", "refused"),
    [
        (POD, {}, True),
        (POD, {"runAsUser": None}, True),
        (POD, {"runAsUser": 1000}, False),
        ({}, {"runAsUser": 1501}, True),
        ({"runAsUser": 1000}, {}, False),
    ],
)
@pytest.mark.parametrize("field", ["containers", "initContainers"])
def test_nobody_else_may_run_as_the_proxys_user(
    of_pod: dict[str, Any], of_container: dict[str, Any], refused: bool, field: str
) -> None:
    both: dict[str, Any] = {"containers": app(securityContext={"runAsUser": 1})}
    both[field] = app(securityContext=of_container)
    sentence = refusal(with_sidecar(securityContext=of_pod, **both))
    assert ("runs as user 1501" in sentence) is refused
    assert ("securityContext.runAsUser" in sentence) is refused


def test_where_nothing_is_forwarded_every_user_is_redirected() -> None:
    pod = with_sidecar({"proxy-forward": "none"}, securityContext=POD)
    assert refusal(pod) == ""
    env = '[{"name":"AZWI_FORWARD","value":"none"}]'
    assert refusal(with_sidecar(securityContext=POD), AZWI_PROXY_ENV=env) == ""
    wish = with_sidecar({"proxy-forward": "all"}, securityContext=POD)
    assert "runs as user 1501" in refusal(wish, AZWI_PROXY_ENV=env)


@pytest.mark.parametrize("name", ["PROXY_IMAGE", "PROXY_INIT_IMAGE"])
def test_an_image_that_the_webhook_does_not_know_is_named(name: str) -> None:
    sentence = refusal(with_sidecar(), **{name: ""})
    assert f"set {name} in the webhook's configuration" in sentence
    assert refusal(admission.pod(), **{name: ""}) == ""


def test_a_binding_needs_a_token_proxy() -> None:
    binding = {
        "AZWI_CUSTOM_TOKEN_ENDPOINT_SUFFIX": "identity-binding",
        "AZWI_CUSTOM_TOKEN_ENDPOINT_AUDIENCE": "api://AKSIdentityBinding",
    }
    pod = admission.pod({"use-identity-binding": "true"})
    assert "set AZURE_KUBERNETES_TOKEN_PROXY in the webhook's" in refusal(pod, **binding)
    assert refusal(pod, **binding, AZURE_KUBERNETES_TOKEN_PROXY="https://p.example") == ""


def test_every_reason_is_told_at_once() -> None:
    pod = with_sidecar({"proxy-only": "x"}, hostNetwork=True, securityContext=POD)
    sentence = refusal(pod, PROXY_IMAGE="")
    for part in ("proxy-only", "hostNetwork", "user 1501", "PROXY_IMAGE"):
        assert part in sentence
    assert sentence.endswith(".")


def test_a_second_pass_checks_what_another_webhook_added() -> None:
    pod = admission.admitted(with_sidecar())
    pod["spec"]["containers"] += app(securityContext=POD)
    assert "runs as user 1501" in refusal(pod)

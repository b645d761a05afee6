"""What annotations ask for."""

import json
from pathlib import Path
from typing import Any, get_args

import pytest

from azwi_common import contract
from azwi_common.proxy_settings import Settings as ProxySettings
from azwi_common.settings import describe
from azwi_webhook import annotations
from azwi_webhook.annotations import Wishes

GUID = "c11e47c1-1e47-4c11-8e47-c11e47c11e47"
OTHER = "22222222-2222-4222-8222-222222222222"
SIDECAR = {"inject-proxy-sidecar": "true"}


def read(
    pod: dict[str, Any] | None = None, account: dict[str, Any] | None = None, suffix: str = ""
) -> Wishes:
    named = [
        {contract.PREFIX + name: text for name, text in (given or {}).items()}
        for given in (pod, account)
    ]
    return annotations.read(named[0], named[1], "app", suffix)


def test_the_same_annotations_get_the_same_object_unless_they_are_long() -> None:
    assert read(SIDECAR, {"client-id": GUID}) is read(SIDECAR, {"client-id": GUID})
    assert read(SIDECAR, {"client-id": GUID}) is not read(SIDECAR, {"client-id": OTHER})
    long = {**SIDECAR, "skip-containers": "x" * annotations.SHORT}
    assert read(long) is not read(long)
    assert not read(long).recurs


def test_one_sign_outside_the_bmp_makes_annotations_long() -> None:
    """Each of the text's signs takes four bytes then: 256 of them would be kept for nobody."""
    wide = {**SIDECAR, "skip-containers": "\U0001f600" + "x" * (annotations.SHORT // 4)}
    assert not read(wide).recurs


@pytest.mark.parametrize("sign", ["x", "ß", "\U0001f600"])
@pytest.mark.parametrize("name", ["client-id", "tenant-id", "identities", "proxy-prefetch"])
def test_a_value_that_is_too_long_refuses_the_pod(name: str, sign: str) -> None:
    most = annotations.longest(contract.PREFIX + name)
    long = sign * (most // len(sign.encode()) + 1)
    (problem,) = read(SIDECAR, {name: long}).problems
    assert problem == (
        f"Annotation {contract.PREFIX}{name} of service account app has more than {most} bytes:"
        " shorten it."
    )
    if name in ("client-id", "tenant-id"):  # without the sidecar a wrong one is a doubt only
        assert read({}, {name: long}).problems


def test_only_the_map_of_identities_may_be_longer_than_the_others() -> None:
    longer = {name for name in contract.ALL_ANNOTATIONS if annotations.longest(name) > 4096}
    assert longer == {contract.IDENTITIES_ANNOTATION}


def test_a_pods_own_value_that_is_too_long_refuses_it_too() -> None:
    assert "of the pod has more than 4096" in read({"skip-containers": "x" * 5000}).problems[0]


def test_without_annotations_there_are_defaults() -> None:
    wishes = read()
    assert wishes.inject is None
    assert (wishes.expiration, wishes.port) == (3600, 8000)
    assert (wishes.proxy_only, wishes.binding, wishes.skip) == (False, False, frozenset())
    assert (wishes.client_id, wishes.problems, wishes.doubts) == ("", (), ())


@pytest.mark.parametrize(("text", "inject"), [("true", True), ("false", False), (" true ", True)])
def test_the_sidecar_is_asked_for_or_declined(text: str, inject: bool) -> None:
    assert read({"inject-proxy-sidecar": text}).inject is inject


@pytest.mark.parametrize("text", ["", "yes", "True", "1", "TRUE", "t\u00adrue", "x" * 999])
def test_any_other_spelling_of_true_and_false_is_a_problem(text: str) -> None:
    for name in ("inject-proxy-sidecar", "proxy-only", "use-identity-binding"):
        (problem,) = read({name: text}, suffix="identity-binding").problems
        assert problem.startswith(f"Annotation azure.workload.identity/{name} of the pod must be")
        assert problem.endswith(f"it is {text[:40]!r}.")


def test_the_pods_expiration_comes_before_the_accounts() -> None:
    name = "service-account-token-expiration"
    assert read({name: "4000"}, {name: "5000"}).expiration == 4000
    assert read({}, {name: "5000"}).expiration == 5000
    assert [read({name: text}).expiration for text in ("3600", "86400")] == [3600, 86400]


@pytest.mark.parametrize(
    "text", ["3599", "86401", "1h", "-3600", "3600.0", "9" * 4000, "00000" + "3600" * 2, "٣٦٠٠"]
)
def test_an_expiration_out_of_range_is_a_problem_that_names_its_owner(text: str) -> None:
    name = "service-account-token-expiration"
    (problem,) = read({}, {name: text}).problems
    assert "of service account app must be seconds from 3600 to 86400" in problem
    assert len(problem) < 256


def test_containers_to_skip_are_trimmed() -> None:
    assert read({"skip-containers": " a;b ; ;c"}).skip == {"a", "b", "c"}


def test_identities_are_the_accounts_until_the_pod_says_its_own() -> None:
    own, home = ({"identities": json.dumps([{"clientId": guid}])} for guid in (GUID, OTHER))
    assert read(SIDECAR, home).identities[0].client_id == OTHER
    assert read({**SIDECAR, **own}, home).identities[0].client_id == GUID


def test_a_wrong_identity_map_is_told_whose_it_is_and_which_entry() -> None:
    (problem,) = read(SIDECAR, {"identities": '[{"clientId": "$(SECRET)"}]'}).problems
    assert "identities of service account app: entry 1: clientId must be a GUID" in problem


def test_what_concerns_the_sidecar_is_not_read_without_one() -> None:
    wishes = read({"proxy-sidecar-port": "x", "proxy-forward": "x"}, {"identities": "x"})
    assert wishes.problems == ()


def test_a_kernel_interface_is_one_of_three_or_the_webhooks() -> None:
    assert read(SIDECAR).init_iptables == ""
    for mode in ("auto", "legacy", "nft"):
        assert read({**SIDECAR, "proxy-init-iptables-mode": f" {mode} "}).init_iptables == mode
    (problem,) = read({**SIDECAR, "proxy-init-iptables-mode": "iptables"}).problems
    assert problem == (
        "Annotation azure.workload.identity/proxy-init-iptables-mode of the pod must be one of"
        " auto, legacy, nft; it is 'iptables'."
    )


def test_a_mode_is_one_of_two_or_the_webhooks() -> None:
    assert read(SIDECAR).mode is None
    for mode in ("redirect", "environment"):
        assert read({**SIDECAR, "proxy-mode": f" {mode} "}).mode == mode
    assert read(SIDECAR).msi_endpoint
    assert not read({**SIDECAR, "proxy-msi-endpoint": "false"}).msi_endpoint
    (problem,) = read({**SIDECAR, "proxy-msi-endpoint": "yes"}).problems
    assert 'proxy-msi-endpoint of the pod must be "true" or "false"' in problem


@pytest.mark.parametrize(
    ("given", "has_proxy", "inject"),
    [
        ({"proxy-mode": "environment"}, True, True),
        ({"proxy-mode": " environment "}, True, True),
        ({"proxy-mode": "environment"}, False, None),
        ({"proxy-mode": "redirect"}, True, None),
        ({}, True, None),
        ({"proxy-mode": "environment", "inject-proxy-sidecar": "false"}, True, False),
    ],
)
def test_environment_mode_beside_a_proxy_asks_for_the_rest_of_it(
    given: dict[str, str], has_proxy: bool, inject: bool | None
) -> None:
    named = {contract.PREFIX + name: text for name, text in given.items()}
    assert annotations.read(named, {}, "app", "", has_proxy=has_proxy).inject is inject


def test_settings_of_the_proxy_become_its_variables() -> None:
    wishes = read(
        {
            **SIDECAR,
            "proxy-forward": "all",
            "proxy-strict-identities": "false",
            "proxy-prefetch": " https://a.example   https://b.example ",
            "proxy-metrics-port": "9464",
            "proxy-drain-seconds": "0",
            "proxy-log-level": "warn",
        }
    )
    assert wishes.settings == {
        "AZWI_FORWARD": "all",
        "AZWI_STRICT_IDENTITIES": "false",
        "AZWI_PREFETCH": "https://a.example https://b.example",
        "AZWI_METRICS_PORT": "9464",
        "AZWI_DRAIN_SECONDS": "0",
        "AZWI_LOG_LEVEL": "warn",
    }


def test_the_proxys_own_settings_have_the_same_types() -> None:
    own = {setting.env.name: setting.type for setting in describe(ProxySettings)}
    for variable, kind in annotations.PROXY_SETTINGS.items():
        assert kind == own[variable] or kind in get_args(own[variable])
    assert set(annotations.PROXY_SETTINGS) == set(contract.PROXY_SETTING_ANNOTATIONS.values())


def test_resources_are_read_for_both_containers() -> None:
    wishes = read({**SIDECAR, "proxy-cpu-request": "5m", "proxy-init-memory-limit": "64Mi"})
    assert wishes.proxy_resources == {("cpu", "requests"): "5m"}
    assert wishes.init_resources == {("memory", "limits"): "64Mi"}


def test_a_request_above_its_own_limit_is_a_problem() -> None:
    (problem,) = read(
        {**SIDECAR, "proxy-init-cpu-request": "1", "proxy-init-cpu-limit": "900m"}
    ).problems
    assert "proxy-init-cpu-request of the pod is more than" in problem


def test_a_wrong_identity_is_a_problem_with_the_sidecar_and_a_doubt_without() -> None:
    account = {"client-id": "me", "tenant-id": "my tenant"}
    assert len(read(SIDECAR, account).problems) == 2
    wishes = read({}, account)
    assert wishes.problems == ()
    assert len(wishes.doubts) == 2
    assert (wishes.client_id, wishes.tenant_id) == ("me", "my tenant")


def test_an_identity_is_trimmed_and_in_lower_case() -> None:
    wishes = read({}, {"client-id": f" {GUID.upper()}\n", "tenant-id": "Contoso.com"})
    assert (wishes.client_id, wishes.tenant_id) == (GUID, "contoso.com")


def test_the_custom_endpoint_is_asked_for_by_its_configured_suffix_alone() -> None:
    given = {"use-identity-binding": "true"}
    assert read(given, suffix="identity-binding").binding
    assert not read(given, suffix="other").binding
    assert not read(given).binding


def test_every_problem_is_told() -> None:
    wishes = read(
        {**SIDECAR, "proxy-only": "x", "proxy-sidecar-port": "0", "proxy-log-level": "loud"}
    )
    assert len(wishes.problems) == 3


@pytest.mark.parametrize("value", [None, 1, [], {"a": 1}, True])
def test_a_value_that_is_no_text_is_no_crash(value: Any) -> None:
    wishes = read({"skip-containers": value, **SIDECAR, "proxy-forward": value})
    assert all("must be text" in problem for problem in wishes.problems)


def test_the_page_names_every_label_and_annotation() -> None:
    page = (Path(__file__).parents[2] / "docs/webhook.md").read_text()
    labels = {contract.USE_LABEL, contract.NAMESPACE_LABEL, contract.ACCOUNT_LABEL}
    for name in contract.ALL_ANNOTATIONS | labels:
        assert f"`{name.removeprefix(contract.PREFIX)}`" in page


def test_resources_to_prefetch_come_from_the_pod_or_else_from_the_service_account() -> None:
    account = {"proxy-prefetch": "https://of-the-account.example", "proxy-drain-seconds": "5"}
    variable = contract.PREFETCH
    assert read(SIDECAR, account).settings == {variable: "https://of-the-account.example"}
    pod = {**SIDECAR, "proxy-prefetch": "https://of-the-pod.example"}
    assert read(pod, account).settings == {variable: "https://of-the-pod.example"}


def test_hosts_are_checked_before_the_sidecar_would_fail_by_them() -> None:
    found = read({**SIDECAR, "proxy-hosts": "IMDS.shop. other"})
    assert (found.settings, found.problems) == ({contract.HOSTS: "imds.shop other"}, ())
    (problem,) = read({**SIDECAR, "proxy-hosts": "http://imds.shop"}).problems
    assert "proxy-hosts of the pod must be names of hosts, without scheme or port" in problem

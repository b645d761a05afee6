"""Environment mode: a healthy pod is left in peace, and every fault of that mode is found."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from azwi_cli.checks import Check, Status
from azwi_cli.doctor import examine, told
from azwi_cli.doctor.facts import Facts
from azwi_commands import patients
from azwi_common import contract
from azwi_testing import admission

PASS, WARN, FAIL = Status.PASS, Status.WARN, Status.FAIL
GOLDEN = Path(__file__).parents[2] / "webhook" / "golden"
NEW_ALONE = {"proxy-msi-endpoint": "false"}
TOLD = (
    contract.POD_IDENTITY_AUTHORITY_HOST,
    contract.IDENTITY_ENDPOINT,
    contract.IDENTITY_HEADER,
    contract.MSI_ENDPOINT,
    contract.MSI_SECRET,
)
HTTP_PROXY = {"name": "HTTP_PROXY", "value": "http://user:hunter2@proxy.example:3128"}
OTHER = "another-value-of-more-than-sixteen"
GO = "mcr.microsoft.com/oss/azure/workload-identity/"


def of(pod: Any, **changed: Any) -> Facts:
    around = patients.around(labels=patients.RESTRICTED)
    return patients.facts(**{"pod": pod, "around": around, **changed})


def bad(facts: Facts) -> list[tuple[str, Status]]:
    return [(item.name, item.status) for item in every(facts) if item.status is not PASS]


def every(facts: Facts) -> list[Check]:
    return examine.every_check([examine.cluster(facts.around), examine.pod(facts)])


def app(pod: Any) -> Any:
    return admission.container(pod, "app")


def proxy(pod: Any) -> Any:
    return admission.container(pod, contract.PROXY_CONTAINER)


def entry(container: Any, name: str) -> Any:
    return next(item for item in container["env"] if item["name"] == name)


def changed(
    change: Callable[[Any], Any], annotations: Mapping[str, str] | None = None, **given: Any
) -> Facts:
    pod = patients.told_pod(annotations, **given)
    change(pod)
    return of(pod)


def without(*names: str) -> Callable[[Any], None]:
    def change(pod: Any) -> None:
        app(pod)["env"] = [item for item in app(pod)["env"] if item["name"] not in names]

    return change


def env(*entries: Mapping[str, Any]) -> Callable[[Any], None]:
    """Sets variables of the app after the webhook; of two the last counts."""
    return lambda pod: app(pod)["env"].extend(entries)


def own(*entries: Mapping[str, Any]) -> Callable[[], Facts]:
    """The container had these before the webhook, which leaves them as they are."""
    containers = [{"name": "app", "image": "i", "env": [*entries]}]
    return lambda: of(patients.told_pod(containers=containers))


def init(image: str) -> Callable[[Any], None]:
    """Adds azwi-proxy-init, which has ended well."""
    name = contract.INIT_CONTAINER
    ended = {"name": name, "ready": True, "state": {"terminated": {"exitCode": 0}}}

    def change(pod: Any) -> None:
        pod["spec"]["initContainers"].append({"name": name, "image": image})
        pod["status"]["initContainerStatuses"].append(ended)

    return change


def said(name: str, value: str) -> dict[str, str]:
    return {"name": name, "value": value}


HEALTHY: dict[str, Callable[[], Facts]] = {
    "native": lambda: of(patients.told_pod()),
    "ordinary": lambda: of(patients.told_pod(minor=28)),
    "with proxy-only": lambda: of(patients.told_pod({"proxy-only": "true"})),
    "ordinary, with proxy-only": lambda: of(patients.told_pod({"proxy-only": "true"}, minor=28)),
    "without the old protocol": lambda: of(patients.told_pod(NEW_ALONE)),
    "on another port": lambda: of(patients.told_pod({"proxy-sidecar-port": "8123"})),
    "with init containers": lambda: of(patients.told_pod(initContainers=[{"name": "migrate"}])),
    "by the webhook's setting": lambda: of(
        patients.told_pod(environ={contract.PROXY_MODE: "environment"})
    ),
    "before anybody asked inside": lambda: of(patients.told_pod(), inside=None, credentials=None),
    "with a value from a secret": lambda: changed(
        lambda pod: [
            (
                entry(item, name).pop("value"),
                entry(item, name).update(valueFrom={"secretKeyRef": {"name": "s"}}),
            )
            for item, name in (
                (app(pod), contract.IDENTITY_HEADER),
                (app(pod), contract.MSI_SECRET),
                (proxy(pod), contract.IDENTITY_HEADER),
            )
        ]
    ),
    "where /msi/token is closed": lambda: of(
        patients.told_pod(
            environ={
                contract.PROXY_MODE: "environment",
                "AZWI_PROXY_ENV": '[{"name":"IDENTITY_HEADER","value":""}]',
            }
        )
    ),
    "with localhost": lambda: changed(
        env(said(contract.POD_IDENTITY_AUTHORITY_HOST, "http://localhost:8000/"))
    ),
    "with a forward proxy that is spared": lambda: changed(
        env(HTTP_PROXY, said("NO_PROXY", "10.0.0.0/8, 127.0.0.1,.svc"))
    ),
    "with a forward proxy by a config map": lambda: changed(
        env(HTTP_PROXY, {"name": "no_proxy", "valueFrom": {}})
    ),
    "a template in a restricted namespace": lambda: of(
        patients.raw_pod({"proxy-mode": "environment"}), is_live=False, inside=None
    ),
    "a template, by the webhook's setting": lambda: of(
        patients.raw_pod(),
        is_live=False,
        inside=None,
        around=patients.around(
            labels=patients.RESTRICTED,
            deployments={patients.SERVICE: patients.deployment(mode="environment")},
        ),
    ),
}


@pytest.mark.parametrize("name", HEALTHY)
def test_nothing_is_said_of_a_healthy_pod(name: str) -> None:
    assert bad(HEALTHY[name]()) == []


@pytest.mark.parametrize("form", ["environment-mode", "environment-mode-for-azwi-proxy-by-hand"])
def test_nothing_is_said_of_the_webhooks_own_golden_pods(form: str) -> None:
    pod = yaml.safe_load((GOLDEN / form / "pod-after.yaml").read_text())
    found = [*told.checks(of(pod))]
    assert [(item.name, item.status) for item in found] == [("told", PASS)]


def test_nothing_is_said_of_a_pod_that_is_redirected() -> None:
    assert [*told.checks(patients.facts())] == []


FAULTS: dict[str, tuple[Callable[[], Facts], str, Status]] = {
    "a container is skipped": (
        lambda: changed(
            lambda pod: pod["spec"]["containers"].append({"name": "b"}), {"skip-containers": "b"}
        ),
        "told",
        WARN,
    ),
    "a container came later": (
        lambda: changed(
            lambda pod: pod["spec"]["containers"].append({"name": "b"}), {"proxy-only": "true"}
        ),
        "told",
        FAIL,
    ),
    "its variables are edited out": (
        lambda: changed(without(*TOLD)),
        "told",
        FAIL,
    ),
    "one of two that belong together": (
        lambda: changed(without(contract.IDENTITY_HEADER)),
        "told",
        FAIL,
    ),
    "the old protocol's are edited out": (
        lambda: changed(without(contract.MSI_ENDPOINT, contract.MSI_SECRET)),
        "told",
        WARN,
    ),
    "the app's value is another": (
        lambda: changed(env(said(contract.IDENTITY_HEADER, OTHER))),
        "identity-header",
        FAIL,
    ),
    "the app's old value is another": (
        lambda: changed(env(said(contract.MSI_SECRET, OTHER))),
        "identity-header",
        FAIL,
    ),
    "the proxy's value is another": (
        lambda: changed(
            lambda pod: entry(proxy(pod), contract.IDENTITY_HEADER).update(value=OTHER)
        ),
        "identity-header",
        FAIL,
    ),
    "the proxy's value is gone": (
        lambda: changed(lambda pod: entry(proxy(pod), contract.IDENTITY_HEADER).update(value="")),
        "identity-header",
        FAIL,
    ),
    "another port": (
        lambda: changed(env(said(contract.IDENTITY_ENDPOINT, "http://127.0.0.1:8001/msi/token"))),
        "endpoint",
        FAIL,
    ),
    "another path": (
        lambda: changed(env(said(contract.IDENTITY_ENDPOINT, "http://127.0.0.1:8000/token"))),
        "endpoint",
        FAIL,
    ),
    "another port of the host": (
        lambda: changed(env(said(contract.POD_IDENTITY_AUTHORITY_HOST, "http://127.0.0.1:1"))),
        "endpoint",
        FAIL,
    ),
    "no URL": (
        lambda: changed(env(said(contract.IDENTITY_ENDPOINT, "http://[::1"))),
        "endpoint",
        WARN,
    ),
    "an endpoint of its own": (
        lambda: changed(env(said(contract.IDENTITY_ENDPOINT, "http://msi.example/token?s=3cret"))),
        "endpoint",
        WARN,
    ),
    "an empty endpoint of its own": (own(said(contract.MSI_ENDPOINT, "")), "endpoint", WARN),
    "half a pair of its own, a URL": (
        own(said(contract.IDENTITY_ENDPOINT, "http://msi.example/token")),
        "endpoint",
        WARN,
    ),
    "half a pair of its own, a value": (own(said(contract.IDENTITY_HEADER, OTHER)), "told", WARN),
    "half an old pair of its own": (own(said(contract.MSI_SECRET, OTHER)), "told", WARN),
    "the proxy's port was changed": (
        lambda: changed(lambda pod: proxy(pod)["args"].__setitem__(0, "--proxy-port=8123")),
        "endpoint",
        FAIL,
    ),
    "Azure Arc's variable": (
        lambda: changed(env(said("IMDS_ENDPOINT", "http://169.254.169.254"))),
        "arc",
        FAIL,
    ),
    "Azure Arc's variable in a template": (
        lambda: of(
            patients.raw_pod(
                {"proxy-mode": "environment"},
                containers=[{"name": "app", "env": [said("IMDS_ENDPOINT", "http://x")]}],
            ),
            is_live=False,
            inside=None,
        ),
        "arc",
        FAIL,
    ),
    "a forward proxy": (lambda: changed(env(HTTP_PROXY)), "forward-proxy", WARN),
    "a forward proxy that spares others": (
        lambda: changed(
            env({**HTTP_PROXY, "name": "http_proxy"}, said("NO_PROXY", "localhost,10.0.0.0/8"))
        ),
        "forward-proxy",
        WARN,
    ),
    "an unknown mode of a template": (
        lambda: of(patients.raw_pod({"proxy-mode": "enviroment"}), is_live=False, inside=None),
        "webhook-refuses",
        FAIL,
    ),
    "an unknown mode, said later": (
        lambda: changed(
            lambda pod: pod["metadata"]["annotations"].update(
                {contract.MODE_ANNOTATION: "enviroment"}
            )
        ),
        "mode",
        FAIL,
    ),
    "the redirect where it is forbidden": (
        lambda: of(patients.raw_pod(), is_live=False, inside=None),
        "webhook-refuses",
        FAIL,
    ),
    "the Go reference's init container": (
        lambda: changed(init(f"{GO}proxy-init:v1.6.0")),
        "two-webhooks",
        WARN,
    ),
    "the Go reference's proxy": (
        lambda: changed(lambda pod: proxy(pod).update(image=f"{GO}proxy:v1.6.0")),
        "two-webhooks",
        FAIL,
    ),
    "an init container by hand": (
        lambda: changed(init(admission.INIT_IMAGE)),
        "redirect-beside",
        WARN,
    ),
    "the node's network": (
        lambda: changed(lambda pod: pod["spec"].update(hostNetwork=True)),
        "webhook-refuses",
        FAIL,
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_seeded_fault_is_found_and_nothing_beside_it(name: str) -> None:
    seed, check, expected = FAULTS[name]
    assert set(bad(seed())) == {(check, expected)}


@pytest.mark.parametrize("name", [*FAULTS, *HEALTHY])
def test_no_secret_is_ever_said(name: str) -> None:
    facts = FAULTS[name][0]() if name in FAULTS else HEALTHY[name]()
    text = str(examine.as_data([examine.pod(facts)]))
    for secret in (admission.SECRET, OTHER, "hunter2", "3cret"):
        assert secret not in text


@pytest.mark.parametrize("name", FAULTS)
def test_what_is_found_says_why_it_matters_and_what_to_do(name: str) -> None:
    for found in every(FAULTS[name][0]()):
        assert found.says.endswith(".")
        if found.status is not PASS:
            assert found.why
            assert found.remedy or found.name.startswith("webhook-")


def test_a_pod_without_its_variables_reads_so() -> None:
    seed, _, _ = FAULTS["one of two that belong together"]
    (found,) = (item for item in every(seed()) if item.status is not PASS)
    assert found.says == "Container app lacks IDENTITY_HEADER."

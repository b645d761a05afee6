"""What was put in goes out again, and nothing else."""

import copy
import runpy
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import assume, given, settings

from azwi_cli.inject import pointers, removal
from azwi_common import contract, sidecar
from azwi_testing import admission
from azwi_webhook import mutate, pods
from azwi_webhook.errors import Refused
from azwi_webhook.settings import Settings

WEBHOOK = Path(__file__).parents[2] / "webhook"
PODS = runpy.run_path(str(WEBHOOK / "test_mutate_properties.py"))
AUTHORS = ("by-hand", "aks-add-on", "is-there")  # the pod's author wrote a part of it
CASES = sorted(
    path
    for path in (WEBHOOK / "golden").iterdir()
    if (path / "patch.json").exists() and not any(word in path.name for word in AUTHORS)
)
ARRAYS = ("env", "volumeMounts", "volumes", "initContainers", "imagePullSecrets")
OWN = ("AZURE_CLIENT_ID", "AZURE_TENANT_ID")


def without_nothing(value: Any) -> Any:
    """As Kubernetes sees it: a null or empty array is none."""
    if isinstance(value, dict):
        return {
            name: without_nothing(inner)
            for name, inner in value.items()
            if not (name in ARRAYS and not inner)
        }
    return [without_nothing(item) for item in value] if isinstance(value, list) else value


def removed(pod: Any, *known: removal.Given) -> Any:
    return pointers.applied(pod, removal.operations(pod, *known))


def containers(pod: Any) -> list[Any]:
    spec = pod["spec"]
    return [*(spec.get("initContainers") or ()), *spec["containers"]]


def cannot_be_told_apart(pod: Any, configured: Settings) -> bool:
    """Whether the pod's author wrote what the webhook would, in its words and its place."""
    annotations = pod["metadata"].get("annotations") or {}
    apps = [item["name"] for item in pod["spec"]["containers"] if item["name"] not in pods.OURS]
    secrets = [entry["name"] for entry in pod["spec"].get("imagePullSecrets") or ()]
    volumes = configured.proxy_volumes.items
    return (
        annotations.get(contract.DEFAULT_CONTAINER_ANNOTATION) in apps[:1]
        or annotations.get(contract.INJECT_ANNOTATION) == "false"  # the webhook takes it away
        or {"azwi-proxy", "azwi-proxy-init"} <= {item["name"] for item in containers(pod)}
        or (
            # Environment mode takes an annotation away, and may add one.
            getattr(configured, "proxy_mode", "redirect") == "environment"
            and contract.PREFIX + "proxy-mode" not in annotations
        )
        or (
            "azwi-proxy" in {item["name"] for item in containers(pod)}
            and annotations.get(contract.PREFIX + "proxy-mode") == "environment"
        )
        or bool(set(secrets) & set(configured.pull_secrets))
        or any(volume in (pod["spec"].get("volumes") or ()) for volume in volumes)
        or any(
            mount["name"] == contract.TOKEN_VOLUME
            for item in containers(pod)
            for mount in item.get("volumeMounts") or ()
        )
    )


TOLD = (
    "IDENTITY_HEADER",
    "IDENTITY_ENDPOINT",
    "MSI_SECRET",
    "MSI_ENDPOINT",
    "AZURE_POD_IDENTITY_AUTHORITY_HOST",
)
POD = PODS["POD"].map(lambda pod: told_nothing(pod))


def told_nothing(pod: Any) -> Any:
    """Without what an author wrote of environment mode in the webhook's own words."""
    for item in containers(pod):
        if item.get("env"):
            item["env"] = [entry for entry in item["env"] if entry["name"] not in TOLD]
    return pod


def admitted(pod: Any, account: Any, around: Any, configured: Settings) -> Any:
    try:
        patch = mutate.admit(pod, account, around, configured).patch
    except Refused:
        assume(False)
    return pointers.applied(pod, patch)


@given(POD, PODS["ACCOUNTS"], PODS["AROUND"], PODS["CONFIGURED"])
@settings(max_examples=400)
def test_uninject_after_inject_is_the_pod_as_it_was(
    pod: Any, account: Any, around: Any, configured: Settings
) -> None:
    account = account or mutate.Account("app", {}, {})
    assume(not cannot_be_told_apart(pod, configured))
    after = admitted(pod, account, around, configured)
    known = removal.Given(account, configured)
    assert without_nothing(removed(after, known)) == without_nothing(pod)


@given(POD, PODS["ACCOUNTS"], PODS["AROUND"])
@settings(max_examples=300)
def test_the_same_without_knowing_what_was_put_in(pod: Any, account: Any, around: Any) -> None:
    configured = admission.settings()
    assume(not cannot_be_told_apart(pod, configured))
    for item in containers(pod):
        assume(all(entry["name"] not in OWN for entry in item.get("env") or ()))
    after = admitted(pod, account, around, configured)
    assert without_nothing(removed(after)) == without_nothing(pod)


@given(POD)
@settings(max_examples=200)
def test_a_pod_that_was_never_injected_stays_as_it_is(pod: Any) -> None:
    before = copy.deepcopy(pod)
    assert removal.operations(pod) == []
    assert pod == before


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_nothing_of_ours_is_left_in_a_golden_pod(case: Path) -> None:
    after = yaml.safe_load((case / "pod-after.yaml").read_text())
    text = yaml.safe_dump(removed(after)["spec"])
    if "sets-variables" not in case.name and "has-the-mount" not in case.name:
        assert contract.TOKEN_FILE not in text
    assert "azwi-proxy" not in text


def injected(**spec: Any) -> Any:
    return admission.admitted(admission.with_sidecar(**spec))


def test_the_example_by_hand_loses_all_of_it_but_what_asks_for_it() -> None:
    path = Path(__file__).parents[3] / "manifests/examples/by-hand.yaml"
    _, pod = yaml.safe_load_all(path.read_text())
    after = removed(pod)
    assert [item["name"] for item in after["spec"]["containers"]] == ["app"]
    assert not {"initContainers", "volumes"} & set(after["spec"])


def test_a_container_of_our_name_by_another_hand_stays() -> None:
    pod = admission.pod(
        initContainers=[{"name": "azwi-proxy-init", "securityContext": {"privileged": True}}]
    )
    assert removal.operations(pod) == []


def test_legacy_iptables_is_ours_too() -> None:
    choices = sidecar.Choices(proxy_image="p", init_image="i", iptables_mode="legacy")
    assert removal.is_ours(sidecar.init_container(choices))


def test_an_authors_own_client_id_before_ours_stays() -> None:
    own = {"name": "AZURE_CLIENT_ID", "value": "00000000-1111-4111-8111-000000000000"}
    pod = injected(containers=[{"name": "app", "env": [own]}])
    assert removed(pod)["spec"]["containers"] == [{"name": "app", "env": [own]}]


def test_a_token_volume_that_somebody_mounts_elsewhere_stays() -> None:
    mount = {"name": contract.TOKEN_VOLUME, "mountPath": "/elsewhere"}
    pod = injected(containers=[{"name": "app", "volumeMounts": [mount]}])
    after = removed(pod)["spec"]
    assert after["containers"] == [{"name": "app", "volumeMounts": [mount]}]
    assert after["volumes"][0]["name"] == contract.TOKEN_VOLUME

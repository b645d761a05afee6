"""Objects and patches, and the way back."""

import copy
from collections.abc import Callable
from typing import Any

import pytest

from azwi_cli.podidentity import objects, patches
from azwi_cli.podidentity.facts import SecretProviderClass
from azwi_cli.podidentity.plan import Item, Plan
from azwi_testing.podidentity import (
    Object,
    account,
    binding,
    deployment,
    identity,
    merged,
    pod,
    template,
)

Planned = Callable[..., Plan]
KNOWN = (identity("cart"), binding("cart"))


@pytest.fixture
def item(planned: Planned) -> Callable[..., Item]:
    return lambda *things: planned(*KNOWN, *things).items[0]


def cron_job() -> Object:
    spec = {"jobTemplate": {"spec": {"template": template("cart")}}}
    metadata = {"name": "report", "namespace": "shop"}
    return {"apiVersion": "batch/v1", "kind": "CronJob", "metadata": metadata, "spec": spec}


def settled(thing: Object) -> Object:
    """As the API server has it: the account in both of its fields."""
    spec = objects.part(thing, *objects.TEMPLATES[thing["kind"]], "spec")
    name = spec.get("serviceAccountName", "default")
    both = {"serviceAccountName": name, "serviceAccount": name}
    where = thing
    for part in (*objects.TEMPLATES[thing["kind"]], "spec"):
        where = where[part]
    where |= both
    return thing


@pytest.mark.parametrize("thing", [deployment("cart"), deployment("c", account="c"), cron_job()])
def test_the_way_back_leads_back(thing: Object, item: Callable[..., Item]) -> None:
    before = settled(copy.deepcopy(thing))
    changed = item(before)
    after = merged(before, patches.workload(changed))
    assert after != before
    back = merged(after, patches.rollback(changed))
    inner = back
    for part in (*objects.TEMPLATES[thing["kind"]], "metadata"):
        inner = inner[part]
    assert inner.pop("annotations") == {}
    assert back == before


def test_the_label_of_aad_pod_identity_stays(item: Callable[..., Item]) -> None:
    after = merged(deployment("cart"), patches.workload(item(deployment("cart"))))
    assert after["spec"]["template"]["metadata"]["labels"]["aadpodidbinding"] == "cart"


def test_a_pod_is_patched_where_it_has_its_labels(item: Callable[..., Item]) -> None:
    made = patches.workload(item(pod("alone")))
    assert made["metadata"]["name"] == "alone"
    assert made["metadata"]["labels"] == {"azure.workload.identity/use": "true"}
    assert made["spec"] == {"serviceAccountName": "alone"}


def test_a_service_account_of_ones_own_keeps_its_name_in_the_patch(
    item: Callable[..., Item],
) -> None:
    made = patches.workload(item(deployment("cart", account="cart")))
    assert "spec" not in made["spec"]["template"]


def test_a_new_service_account_has_what_the_old_one_has(item: Callable[..., Item]) -> None:
    old = account("default", imagePullSecrets=[{"name": "a"}], automountServiceAccountToken=False)
    made = patches.account(item(deployment("cart"), old))
    assert made["imagePullSecrets"] == [{"name": "a"}]
    assert made["automountServiceAccountToken"] is False


@pytest.mark.parametrize(
    ("parameters", "changed"),
    [
        ({"usePodIdentity": "true"}, {"usePodIdentity": "false"}),
        (
            {"useVMManagedIdentity": "true", "userAssignedIdentityID": "x", "keyvaultName": "k"},
            {"useVMManagedIdentity": "false", "userAssignedIdentityID": ""},
        ),
    ],
)
def test_a_secret_provider_class_gets_a_client_id(
    parameters: dict[str, str], changed: dict[str, Any]
) -> None:
    thing = SecretProviderClass("shop", "s", "secrets-store.csi.x-k8s.io/v1", parameters)
    assert patches.uses_node_identity(thing) in parameters
    made = patches.secret_provider_class(thing, "c")
    assert made["spec"]["parameters"] == {"clientID": "c", **changed}


def test_a_class_that_uses_neither_is_nothing_to_change() -> None:
    thing = SecretProviderClass("shop", "s", "v1", {"usePodIdentity": "false", "clientID": "c"})
    assert patches.uses_node_identity(thing) == ""

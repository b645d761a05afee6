"""From a plan to what is done and undone."""

from collections.abc import Callable
from dataclasses import replace

from azwi_cli.podidentity import changes, objects
from azwi_cli.podidentity.plan import Plan
from azwi_cli.podidentity.state import Entry, Phase, State, key
from azwi_testing.podidentity import account, binding, deployment, identity, merged

Planned = Callable[..., Plan]
KNOWN = (identity("cart"), binding("cart"))
RESOURCE = "https://management.azure.com/"


def entries(found: Plan) -> list[Entry]:
    return [*changes.entries(found, RESOURCE).values()]


def test_only_what_needs_nobody_is_done(planned: Planned) -> None:
    found = planned(*KNOWN, deployment("cart"), deployment("net", hostNetwork=True))
    assert [item.name for item in entries(found)] == ["cart"]


def test_the_sidecar_fetches_a_token_at_its_start_as_the_proof(planned: Planned) -> None:
    (entry,) = entries(planned(*KNOWN, deployment("cart")))
    template = objects.part(entry.patch, "spec", "template")
    assert objects.part(template, "metadata", "annotations")[changes.PREFETCH] == RESOURCE
    assert template["spec"] == {"serviceAccountName": "cart"}
    (unproven,) = changes.entries(planned(*KNOWN, deployment("cart")), "").values()
    assert changes.PREFETCH not in str(unproven.patch)
    assert unproven.resource == ""


def test_one_that_does_so_already_is_proven_by_its_own_resource(planned: Planned) -> None:
    thing = deployment("cart")
    own = {changes.PREFETCH: "https://vault.azure.net https://other"}
    thing["spec"]["template"]["metadata"]["annotations"] = own
    (entry,) = entries(planned(*KNOWN, thing))
    assert entry.resource == "https://vault.azure.net"
    assert changes.PREFETCH not in str(entry.patch)


def test_without_a_default_identity_there_is_no_proof(planned: Planned) -> None:
    other = identity("b", client="22222222-2222-4222-8222-222222222222")
    things = (*KNOWN, other, binding("b", selector="cart"), deployment("cart", account="c"))
    (entry,) = entries(planned(*things, defaults=("none",)))
    assert entry.resource == ""


def test_the_way_back_restores_what_the_live_object_has(planned: Planned) -> None:
    (entry,) = entries(planned(*KNOWN, deployment("cart")))
    live = deployment("cart")
    inner = live["spec"]["template"]
    inner["metadata"]["annotations"] = {changes.PREFETCH: "https://mine", "other": "x"}
    inner["spec"] |= {"serviceAccountName": "default", "serviceAccount": "default"}
    back = changes.patch_back(entry, live)
    assert merged(merged(live, entry.patch), back) == live


def test_a_service_account_that_was_not_there_is_known_as_such(planned: Planned) -> None:
    (entry,) = entries(planned(*KNOWN, deployment("cart")))
    assert changes.account_before(entry, None) == {}


def test_annotations_of_before_come_back(planned: Planned) -> None:
    (entry,) = entries(planned(*KNOWN, deployment("cart", account="cart")))
    live = account("cart")
    live["metadata"] |= {"labels": {"a": "b"}, "annotations": {
        "azure.workload.identity/service-account-token-expiration": "7200"}}  # fmt: skip
    back = changes.account_before(entry, live)
    assert merged(merged(live, changes.account_patch(entry)), back) == live


def test_a_shared_account_is_kept_while_another_workload_needs_it(planned: Planned) -> None:
    one, two = entries(
        planned(*KNOWN, deployment("a", account="shared"), deployment("b", account="shared"))
    )
    began = replace(one, phase=Phase.DONE, account_before={"metadata": {}})
    state = State("x", {key(item.ref): item for item in (began, two)})
    assert changes.known_before(two, state) == {"metadata": {}}
    assert changes.known_before(began, state) is None
    again = state.with_entry(replace(began, phase=Phase.PLANNED))  # somebody put it back
    assert changes.known_before(two, again) == {"metadata": {}}
    undone = state.with_entry(replace(began, phase=Phase.UNDONE))
    assert changes.known_before(two, undone) is None
    assert changes.is_needed(two, state)
    assert not changes.is_needed(began, state)

"""What becomes of workloads: identities, map, default, credentials."""

import json
from collections.abc import Callable
from dataclasses import replace

from azwi_cli.podidentity import plan
from azwi_cli.podidentity.facts import Facts
from azwi_cli.podidentity.modes import Mode
from azwi_cli.podidentity.plan import Item, Options, Plan, Status
from azwi_testing.podidentity import (
    CLIENT,
    OTHER,
    Object,
    account,
    binding,
    deployment,
    identity,
    pod,
)

Planned = Callable[..., Plan]
KNOWN = (identity("cart"), binding("cart"))
TWO = (
    *KNOWN,
    identity("other", client=OTHER),
    binding("other", selector="cart"),
)
INJECT = "azure.workload.identity/inject-proxy-sidecar"
MAP = "azure.workload.identity/identities"
MODE = "azure.workload.identity/proxy-mode"


def one(found: Plan) -> Item:
    (item,) = found.items
    return item


def test_an_app_gets_the_sidecar_for_itself_and_every_name_of_its_identity(
    planned: Planned,
) -> None:
    item = one(planned(*KNOWN, deployment("cart", account="cart")))
    assert item.status is Status.MIGRATES
    assert item.annotations[INJECT] == "true"
    assert item.annotations["azure.workload.identity/proxy-only"] == "true"
    (entry,) = json.loads(item.annotations[MAP] or "")
    assert entry["clientId"] == CLIENT
    assert entry["resourceId"].endswith("/userassignedidentities/cart")


def test_a_port_is_written_where_it_is_not_the_usual_one(planned: Planned) -> None:
    things = (*KNOWN, deployment("cart", account="cart"))
    name = "azure.workload.identity/proxy-sidecar-port"
    assert name not in one(planned(*things)).annotations
    assert one(planned(*things, proxy_port=8123)).annotations[name] == "8123"


def test_several_identities_migrate_by_the_map_and_nobody_guesses(planned: Planned) -> None:
    item = one(planned(*TWO, deployment("cart", account="cart")))
    assert item.status is Status.ASKS
    assert item.default is None
    assert len(json.loads(item.annotations[MAP] or "")) == 2
    assert item.account
    assert "azure.workload.identity/client-id" not in item.account.annotations


def test_each_name_of_an_identity_answers_the_question(planned: Planned) -> None:
    for answer in ("other", "shop/other", OTHER.upper()):
        item = one(planned(*TWO, deployment("cart", account="cart"), defaults=(answer,)))
        assert item.status is Status.MIGRATES
        assert item.default
        assert item.default.client_id == OTHER


def test_of_several_answers_the_first_that_fits_counts_and_a_doubtful_one_is_none(
    planned: Planned,
) -> None:
    things = (*TWO, deployment("cart", account="cart"))
    item = one(planned(*things, defaults=("elsewhere", "shop/other", "shop/cart")))
    assert item.default
    assert item.default.name == "other"
    same = (identity("cart", "b", client=OTHER), binding("cart", "b"))
    doubtful = one(planned(*KNOWN, *same, deployment("cart", account="cart"), defaults=("cart",)))
    assert (doubtful.status, doubtful.default) == (Status.ASKS, None)


def test_that_every_request_names_its_identity_is_an_answer_too(planned: Planned) -> None:
    item = one(planned(*TWO, deployment("cart", account="cart"), defaults=("none",)))
    assert (item.status, item.default) == (Status.MIGRATES, None)


def test_a_migrated_workload_is_left_alone(planned: Planned) -> None:
    thing = deployment("cart", account="cart")
    metadata = thing["spec"]["template"]["metadata"]
    metadata["labels"]["azure.workload.identity/use"] = "true"
    metadata["annotations"] = {INJECT: "true"}
    item = one(planned(*KNOWN, thing))
    assert (item.status, item.account, item.annotations) == (Status.MIGRATED, None, {})


def migrated(name: str = "cart", **annotations: str) -> Object:
    """A Deployment that has its patch already; ``annotations``: more, without their prefix."""
    thing = deployment(name, account=name)
    metadata = thing["spec"]["template"]["metadata"]
    metadata["labels"]["azure.workload.identity/use"] = "true"
    more = {f"azure.workload.identity/{key}".replace("_", "-"): v for key, v in annotations.items()}
    metadata["annotations"] = {INJECT: "true", **more}
    return thing


def test_a_migrated_workload_gets_another_mode_when_that_is_asked_for(planned: Planned) -> None:
    item = one(planned(*KNOWN, migrated(), proxy_mode=Mode.ENVIRONMENT))
    assert (item.status, item.reasons[0].code) == (Status.MIGRATES, "mode")
    assert item.annotations[MODE] == "environment"
    there = migrated(proxy_mode="environment")
    assert one(planned(*KNOWN, there, proxy_mode=Mode.ENVIRONMENT)).status is Status.MIGRATED
    back = one(planned(*KNOWN, there, proxy_mode=Mode.REDIRECT))
    assert (back.status, back.annotations[MODE]) == (Status.MIGRATES, "redirect")
    blocked = migrated()
    blocked["spec"]["template"]["spec"]["hostNetwork"] = True
    assert one(planned(*KNOWN, blocked, proxy_mode=Mode.ENVIRONMENT)).status is Status.BLOCKED


def test_the_webhooks_mode_is_the_mode_of_what_says_nothing(facts: Callable[..., Facts]) -> None:
    told = replace(facts(*KNOWN, migrated()), webhook_mode="environment")
    found = plan.plan(told, Options(proxy_mode=Mode.ENVIRONMENT))
    assert one(found).status is Status.MIGRATED


def test_a_pod_in_environment_mode_is_migrated_though_the_webhook_took_its_annotation(
    planned: Planned,
) -> None:
    thing = pod("alone")
    thing["metadata"]["labels"]["azure.workload.identity/use"] = "true"
    thing["metadata"]["annotations"] = {MODE: "environment"}
    thing["spec"]["initContainers"] = [{"name": "azwi-proxy", "restartPolicy": "Always"}]
    assert one(planned(*KNOWN, thing)).status is Status.MIGRATED


def test_what_takes_part_already_keeps_its_variables(planned: Planned) -> None:
    thing = deployment("cart", account="cart")
    thing["spec"]["template"]["metadata"]["labels"]["azure.workload.identity/use"] = "true"
    item = one(planned(*KNOWN, thing))
    assert (item.status, item.reasons[0].code) == (Status.MIGRATES, "takes-part")
    assert item.annotations[INJECT] == "true"
    assert "azure.workload.identity/proxy-only" not in item.annotations


def test_every_identity_trusts_every_service_account_that_asks_for_it(planned: Planned) -> None:
    found = planned(*TWO, deployment("cart", account="cart"), deployment("second", account="cart"))
    assert [(item.identity.name, item.subject) for item in found.credentials] == [
        ("cart", "system:serviceaccount:shop:cart"),
        ("other", "system:serviceaccount:shop:cart"),
    ]


def test_what_does_not_migrate_needs_no_credential(planned: Planned) -> None:
    assert planned(*KNOWN, deployment("cart", hostNetwork=True)).credentials == ()


def test_what_does_not_migrate_pushes_nobody_off_its_service_account(planned: Planned) -> None:
    found = planned(
        *KNOWN,
        identity("other", client=OTHER),
        binding("other"),
        deployment("a", account="shared", hostNetwork=True),
        deployment("b", account="shared", label="other"),
    )
    assert found.items[1].account
    assert not found.items[1].account.is_new


def test_more_than_twenty_credentials_of_one_identity_are_told(planned: Planned) -> None:
    def crowded(count: int) -> tuple[str, ...]:
        apps = [deployment(f"app-{n}", account=f"app-{n}") for n in range(count)]
        return planned(*KNOWN, *apps).crowded

    assert crowded(20) == ()
    (note,) = crowded(21)
    assert "needs 21 federated credentials" in note


def test_credentials_of_what_has_migrated_count_too(planned: Planned) -> None:
    done = [migrated(f"done-{n}") for n in range(20)]
    found = planned(*KNOWN, *done, deployment("cart", account="cart"))
    assert len(found.crowded) == 1
    assert [item.account for item in found.credentials] == ["cart"]
    assert planned(*KNOWN, *done, deployment("cart", account="done-1")).crowded == ()


def test_role_bindings_are_asked_for_unless_they_do_not_matter(planned: Planned) -> None:
    roles: Object = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": {"name": "read", "namespace": "shop"},
        "roleRef": {"kind": "Role", "name": "reader"},
        "subjects": [{"kind": "ServiceAccount", "name": "default"}],
    }
    things = (*KNOWN, roles, account("default"), deployment("cart"))
    asks = one(planned(*things))
    assert (asks.status, [item.ref.name for item in asks.role_bindings]) == (Status.ASKS, ["read"])
    assert one(planned(*things, without_roles=True)).status is Status.MIGRATES


def test_the_flag_of_its_controller_keeps_identities_in_their_namespaces(planned: Planned) -> None:
    mic = deployment("mic", "kube-system", label="", containers=[{"args": ["--forceNamespaced"]}])
    things = (identity("cart", "a"), binding("cart", "a"), deployment("cart", account="cart"))
    assert one(planned(*things)).status is Status.MIGRATES
    found = planned(*things, mic)
    assert one(found).status is Status.NOTHING
    assert "forceNamespaced" in found.notes[0]
    assert one(planned(*things, force_namespaced=True)).status is Status.NOTHING


def test_whoever_looks_into_the_wrong_namespace_is_told(facts: Callable[..., Facts]) -> None:
    here = facts(*KNOWN, deployment("cart"), namespaces=frozenset({"default"}))
    found = plan.plan(here, Options())
    assert found.items == ()
    assert found.notes == (
        "In default is nothing, in 1 other namespaces there is: -A looks at all.",
    )

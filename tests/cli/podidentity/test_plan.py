"""What becomes of workloads: identities, map, default, credentials."""

import json
from collections.abc import Callable

from azwi_cli.podidentity import plan
from azwi_cli.podidentity.facts import Facts
from azwi_cli.podidentity.plan import Item, Options, Plan, Status
from azwi_testing.podidentity import CLIENT, OTHER, Object, account, binding, deployment, identity

Planned = Callable[..., Plan]
KNOWN = (identity("cart"), binding("cart"))
TWO = (
    *KNOWN,
    identity("other", client=OTHER),
    binding("other", selector="cart"),
)
INJECT = "azure.workload.identity/inject-proxy-sidecar"
MAP = "azure.workload.identity/identities"


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
    for answer in ("other", "shop/other", OTHER):
        item = one(planned(*TWO, deployment("cart", account="cart"), defaults=(answer,)))
        assert item.status is Status.MIGRATES
        assert item.default
        assert item.default.client_id == OTHER


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

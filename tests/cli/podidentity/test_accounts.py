"""Which service account a workload gets."""

from azwi_cli.podidentity import accounts
from azwi_cli.podidentity.accounts import AccountPlan, User
from azwi_cli.podidentity.facts import Account, Ref, RoleBinding
from azwi_testing.podidentity import CLIENT, OTHER

CLIENT_ID = "azure.workload.identity/client-id"


def user(name: str, account: str, client: str = CLIENT, kind: str = "Deployment") -> User:
    return User(Ref("shop", kind, name), account, frozenset({client}), client)


def chosen(*users: User, known: tuple[Account, ...] = (), tenant: str = "") -> list[AccountPlan]:
    accounts_by_name = {(item.namespace, item.name): item for item in known}
    return [*accounts.choose(users, accounts_by_name, 3600, tenant).values()]


def test_a_workloads_own_account_is_annotated() -> None:
    (found,) = chosen(user("cart", "cart"), known=(Account("shop", "cart"),), tenant="t.example")
    assert (found.name, found.is_new) == ("cart", False)
    assert found.annotations == {
        CLIENT_ID: CLIENT,
        "azure.workload.identity/tenant-id": "t.example",
        "azure.workload.identity/service-account-token-expiration": "3600",
    }


def test_one_that_workloads_of_one_identity_share_is_annotated_too() -> None:
    found = chosen(user("a", "shared"), user("b", "shared"))
    assert [(item.name, item.is_new) for item in found] == [("shared", False)] * 2


def test_in_place_of_default_there_is_a_new_one_with_what_the_old_one_has() -> None:
    old = Account("shop", "default", {}, ("registry",), False)
    (found,) = chosen(user("cart", "default"), known=(old,))
    assert (found.name, found.is_new, found.left) == ("cart", True, "default")
    assert (found.pull_secrets, found.automount) == (("registry",), False)


def test_workloads_of_different_identities_part() -> None:
    found = chosen(user("a", "shared"), user("b", "shared", OTHER))
    assert [(item.name, item.is_new) for item in found] == [("a", True), ("b", True)]


def test_the_same_clients_with_another_default_are_different() -> None:
    one = User(Ref("shop", "Deployment", "a"), "shared", frozenset({CLIENT, OTHER}), CLIENT)
    two = User(Ref("shop", "Deployment", "b"), "shared", frozenset({CLIENT, OTHER}), OTHER)
    assert all(item.is_new for item in chosen(one, two))


def test_an_account_that_belongs_to_another_identity_is_left() -> None:
    known = Account("shop", "cart", {CLIENT_ID: OTHER})
    (found,) = chosen(user("cart", "cart"), known=(known,))
    assert (found.name, found.is_new) == ("cart-deployment", True)
    assert OTHER in found.why


def test_names_are_not_taken_twice() -> None:
    found = chosen(user("a", "default"), user("a", "default", OTHER, "StatefulSet"))
    assert [item.name for item in found] == ["a", "a-statefulset"]


def test_an_account_that_an_earlier_run_made_is_used_again() -> None:
    known = Account("shop", "cart", {CLIENT_ID: CLIENT})
    (found,) = chosen(user("cart", "default"), known=(known,))
    assert (found.name, found.before) == ("cart", known)


def test_without_a_default_there_is_no_client_id() -> None:
    (found,) = chosen(User(Ref("shop", "Deployment", "a"), "a", frozenset({CLIENT, OTHER}), ""))
    assert CLIENT_ID not in found.annotations


def binding(name: str, role: str, *subjects: str, kind: str = "RoleBinding") -> RoleBinding:
    namespace = "" if kind == "ClusterRoleBinding" else "shop"
    named = frozenset(("shop", subject) for subject in subjects)
    return RoleBinding(Ref(namespace, kind, name), "Role", role, named)


def test_role_bindings_of_the_old_account_are_named_until_the_new_one_has_the_role() -> None:
    planned = AccountPlan("shop", "cart", True, {}, "default")
    bindings = [
        binding("a", "read", "default"),
        binding("b", "write", "default"),
        binding("c", "write", "cart"),
        binding("d", "other", "somebody"),
        binding("e", "all", "default", kind="ClusterRoleBinding"),
    ]
    assert [item.ref.name for item in accounts.lost_roles(planned, bindings)] == ["a", "e"]

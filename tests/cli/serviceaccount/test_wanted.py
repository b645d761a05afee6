"""From flags to what is wanted, and what does not go together."""

import pytest

from azwi_cli import errors
from azwi_cli.serviceaccount.known import Account, Kind, Phase, Role
from azwi_cli.serviceaccount.wanted import Given, needs_issuer, phases, wanted

ISSUER = "https://issuer.example/"
CART = Given(namespace="shop", account="cart", issuer=ISSUER)


def given(**changes: object) -> Given:
    return Given(**{"namespace": "shop", "account": "cart", "issuer": ISSUER, **changes})  # type: ignore[arg-type]  # the fields' own types


def test_all_phases_are_done_in_the_order_of_the_go_tool() -> None:
    assert phases(CART) == (Phase.APPLICATION, Phase.ACCOUNT, Phase.CREDENTIAL, Phase.ROLE)
    identity = given(identity_name="mi", identity_group="g")
    assert phases(identity)[0] is Phase.IDENTITY


@pytest.mark.parametrize(
    "skip", [("service-account,role-assignment",), ("service-account", "ra"), ("sa, ra",)]
)
def test_phases_are_skipped_by_name_or_short_name_together_or_one_by_one(
    skip: tuple[str, ...],
) -> None:
    assert phases(given(skip=skip)) == (Phase.APPLICATION, Phase.CREDENTIAL)


def test_skipping_the_application_skips_the_identity_in_its_place() -> None:
    found = phases(given(skip=("aad-application",), identity_name="mi", identity_group="g"))
    assert found == (Phase.ACCOUNT, Phase.CREDENTIAL, Phase.ROLE)


def test_the_applications_name_is_derived_and_may_be_given() -> None:
    assert wanted(CART, audience="a").choice.name.startswith("shop-cart-")
    assert wanted(given(application_name="mine"), audience="a").choice.name == "mine"
    assert wanted(given(application_client_id="c"), audience="a").choice.name == ""


def test_what_is_wanted_is_what_was_given() -> None:
    found = wanted(
        given(expiration="2h", role="Reader", scope="/s", identity_name="mi", identity_group="g"),
        audience="a",
    )
    assert found.account == Account("shop", "cart", ISSUER, 7200)
    assert found.role == Role("Reader", "/s")
    assert found.choice.kind is Kind.IDENTITY


@pytest.mark.parametrize(
    ("changes", "needed"),
    [
        ({}, True),
        ({"phase": Phase.CREDENTIAL, "application_name": "x"}, True),
        ({"phase": Phase.ACCOUNT, "application_client_id": "x"}, False),
        ({"phase": Phase.ACCOUNT}, True),
        ({"phase": Phase.IDENTITY, "identity_name": "x"}, False),
        ({"phase": Phase.ROLE, "principal_name": "x"}, False),
        ({"phase": Phase.ROLE, "application_name": "x"}, False),
    ],
)
def test_the_issuer_is_asked_for_only_where_it_matters(
    changes: dict[str, object], needed: bool
) -> None:
    assert needs_issuer(given(**changes)) is needed


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"account": ""}, "--service-account-name"),
        ({"skip": ("nonsense",)}, "no phase 'nonsense'"),
        ({"skip": ("app,sa,fi,ra",)}, "Every phase is skipped"),
        ({"identity_name": "mi"}, "--identity-resource-group"),
        ({"identity_group": "g"}, "--identity-name"),
        ({"phase": Phase.IDENTITY}, "--identity-name"),
        ({"identity_name": "mi", "identity_group": "g", "application_name": "x"}, "either"),
        ({"role": "Reader"}, "--azure-scope"),
        ({"role": "Reader", "scope": "subscriptions/s"}, "is no scope"),
        ({"scope": "/s"}, "--azure-role"),
        ({"phase": Phase.ROLE}, "--azure-role and --azure-scope."),
        ({"issuer": "http://x"}, "it does not start with https://"),
        ({"issuer": f"{ISSUER} "}, "it contains blanks"),
        ({"issuer": f"{ISSUER}?x=y"}, "it has a query"),
        ({"account": "Cart"}, "'Cart' is no name of a service account"),
        ({"account": "../pods/x"}, "is no name of a service account"),
        ({"account": "cart\n"}, "is no name of a service account"),
        ({"account": "a" * 254}, "is no name of a service account"),
        ({"account": "a..b"}, "is no name of a service account"),
        ({"namespace": ""}, "'' is no name of a namespace"),
        ({"namespace": "shop.x"}, "--service-account-namespace"),
        ({"namespace": "a" * 64}, "is no name of a namespace"),
        ({"expiration": "5m"}, "1h to 24h"),
        ({"phase": Phase.APPLICATION, "account": ""}, "--aad-application-name"),
    ],
)
def test_what_does_not_go_together_is_told(changes: dict[str, object], told: str) -> None:
    with pytest.raises(errors.BadInput) as caught:
        wanted(given(**changes), audience="a")
    assert told in str(caught.value)


def test_the_longest_names_are_taken() -> None:
    longest = given(namespace="n" * 63, account="a" * 253)
    assert wanted(longest, audience="a").account == Account("n" * 63, "a" * 253, ISSUER)


def test_delete_takes_an_assignment_by_id_in_place_of_its_role() -> None:
    found = wanted(given(phase=Phase.ROLE, assignment_id="/x"), audience="a", deleting=True)
    assert found.assignment_id == "/x"
    with pytest.raises(errors.BadInput, match="--role-assignment-id"):
        wanted(given(phase=Phase.ROLE), audience="a", deleting=True)

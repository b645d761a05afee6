"""The vocabulary."""

from azwi_cli.serviceaccount.known import Account, Phase


def test_an_account_knows_its_subject_and_how_people_write_it() -> None:
    cart = Account("shop", "cart")
    assert cart.subject == "system:serviceaccount:shop:cart"
    assert str(cart) == "shop/cart"


def test_the_phases_have_the_go_tools_names() -> None:
    known = {"aad-application", "service-account", "federated-identity", "role-assignment"}
    assert known < set(Phase)

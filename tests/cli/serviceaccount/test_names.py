"""Derived names: the Go tool's to the letter, and ARM's rule."""

import base64
import hashlib
import re

import pytest

from azwi_cli.serviceaccount import names

ISSUER = "https://issuer.example/"


def padded(text: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).decode()


def test_names_that_the_go_tool_finds() -> None:
    assert names.application("shop", "cart", ISSUER) == f"shop-cart-{padded(ISSUER)}"
    assert names.credential("shop", "cart", ISSUER) == padded(f"shop-cart-{ISSUER}")
    assert names.credential("shop", "cart", ISSUER).endswith("=")
    assert names.subject("shop", "cart") == "system:serviceaccount:shop:cart"
    assert names.description("shop", "cart") == "Federated Service Account for shop/cart"


def test_a_unique_name_is_that_of_the_display_name_and_a_number() -> None:
    unique = names.unique("Cart's", 1)
    assert re.fullmatch("azwi-[0-9a-f]{32}", unique)
    assert unique == names.unique("cart's", 1) != names.unique("carts", 1)
    assert names.unique("cart's", 2) == f"{unique}-2"


@pytest.mark.parametrize(
    ("namespace", "account"),
    [("shop", "cart"), ("a", "b.c.example"), ("n" * 63, "s" * 253), ("1", "x")],
)
def test_a_managed_identitys_credential_has_a_name_that_arm_takes(
    namespace: str, account: str
) -> None:
    name = names.identity_credential(namespace, account, ISSUER)
    assert re.fullmatch(r"[a-zA-Z0-9][a-zA-Z0-9-_]{2,119}", name)


def test_no_two_accounts_share_a_credential_of_a_managed_identity() -> None:
    made = {
        names.identity_credential("a-b", "c", ISSUER),
        names.identity_credential("a", "b-c", ISSUER),
        names.identity_credential("a", "b.c", ISSUER),
        names.identity_credential("a-b", "c", ISSUER.rstrip("/")),
    }
    assert len(made) == 4

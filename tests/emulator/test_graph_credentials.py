"""Federated identity credentials of applications."""

import base64
import hashlib
from typing import TYPE_CHECKING, Any

import pytest

from azwi_emulator.api import Problem

if TYPE_CHECKING:
    from tests.emulator.conftest import Desk

BODY = {
    "name": "cart",
    "issuer": "https://issuer.example/",
    "subject": "system:serviceaccount:shop:cart",
    "audiences": ["api://AzureADTokenExchange"],
    "description": "for the cart",
}
WRONG_VALUE = (400, "InvalidFederatedIdentityCredentialValue")


@pytest.fixture
def path(desk: "Desk") -> str:
    app = desk.graph("POST", "/applications", {"displayName": "shop"}).body or {}
    return f"/applications/{app['id']}/federatedIdentityCredentials"


def _refused(desk: "Desk", method: str, path: str, body: Any = None) -> tuple[int, str]:
    with pytest.raises(Problem) as caught:
        desk.graph(method, path, body)
    return caught.value.status, caught.value.code


def test_a_credential_comes_back_as_it_was_given(desk: "Desk", path: str) -> None:
    reply = desk.graph("POST", path, BODY)
    assert reply.status == 201
    made = dict(reply.body or {})
    assert {**BODY, "id": made["id"]} == {k: v for k, v in made.items() if k[0] != "@"}
    for key in (f"/{made['id']}", "/cart", "(name='cart')"):
        assert desk.graph("GET", path + key).body == made
    assert [one["name"] for one in (desk.graph("GET", path).body or {})["value"]] == ["cart"]


def test_the_names_that_azwi_derives_are_taken(desk: "Desk", path: str) -> None:
    name = base64.urlsafe_b64encode(hashlib.sha256(b"shop-cart-https://i/").digest()).decode()
    assert name.endswith("=")
    assert desk.graph("POST", path, {**BODY, "name": name}).status == 201
    assert desk.graph("GET", f"{path}/{name}").status == 200


def test_a_name_that_is_taken_is_a_duplicate(desk: "Desk", path: str) -> None:
    desk.graph("POST", path, BODY)
    assert _refused(desk, "POST", path, {**BODY, "name": "CART", "subject": "other"}) == (
        409,
        "Request_MultipleObjectsWithSameKeyValue",
    )


def test_an_issuer_and_subject_that_are_taken_are_refused(desk: "Desk", path: str) -> None:
    desk.graph("POST", path, BODY)
    desk.graph("POST", path, {**BODY, "name": "other", "subject": "other"})
    assert _refused(desk, "POST", path, {**BODY, "name": "third"}) == WRONG_VALUE
    changes = {"subject": BODY["subject"]}
    assert _refused(desk, "PATCH", f"{path}/other", changes) == WRONG_VALUE
    desk.graph("PATCH", f"{path}/cart", changes)  # its own


def test_the_twenty_first_credential_is_refused(desk: "Desk", path: str) -> None:
    for number in range(20):
        desk.graph("POST", path, {**BODY, "name": f"n{number}", "subject": f"s{number}"})
    assert _refused(desk, "POST", path, BODY) == (400, "Request_BadRequest")
    desk.graph("PATCH", f"{path}/n0", {"subject": "another"})
    desk.graph("DELETE", f"{path}/n1")
    assert desk.graph("POST", path, BODY).status == 201


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": "a b"},
        {"name": "x" * 121},
        {"issuer": "http://issuer.example"},
        {"subject": "x" * 601},
        {"audiences": []},
        {"audiences": ["a", "b"]},
        {"audiences": [""]},
        {"audiences": "a"},
        {"description": 1},
    ],
)
def test_a_value_that_breaks_a_rule_is_refused(
    desk: "Desk", path: str, wrong: dict[str, Any]
) -> None:
    assert _refused(desk, "POST", path, {**BODY, **wrong}) == WRONG_VALUE


@pytest.mark.parametrize("missing", ["name", "issuer", "subject"])
def test_a_value_that_is_missing_is_refused(desk: "Desk", path: str, missing: str) -> None:
    body = {name: value for name, value in BODY.items() if name != missing}
    assert _refused(desk, "POST", path, body) == (400, "Request_BadRequest")


def test_all_but_the_name_can_be_changed(desk: "Desk", path: str) -> None:
    desk.graph("POST", path, BODY)
    changes = {"issuer": "https://other/", "audiences": ["a"], "description": None}
    assert desk.graph("PATCH", f"{path}/cart", changes).status == 204
    changed = desk.graph("GET", f"{path}/cart").body or {}
    assert {name: changed[name] for name in changes} == changes
    assert _refused(desk, "PATCH", f"{path}/cart", {"name": "x"}) == (400, "Request_BadRequest")


def test_a_deleted_credential_is_gone(desk: "Desk", path: str) -> None:
    desk.graph("POST", path, BODY)
    assert desk.graph("DELETE", f"{path}/cart").status == 204
    for method in ("GET", "PATCH", "DELETE"):
        assert _refused(desk, method, f"{path}/cart", {}) == (404, "Request_ResourceNotFound")


def test_a_new_credential_is_seen_later_but_cannot_be_made_twice(desk: "Desk", path: str) -> None:
    desk.lag = 5
    desk.graph("POST", path, BODY)
    assert (desk.graph("GET", path).body or {})["value"] == []
    assert _refused(desk, "POST", path, BODY)[0] == 409
    desk.now += 5
    assert len((desk.graph("GET", path).body or {})["value"]) == 1


def test_an_application_that_replicates_takes_no_credential_yet(desk: "Desk") -> None:
    desk.lag = 5
    app = desk.graph("POST", "/applications", {"displayName": "new"}).body or {}
    path = f"/applications/{app['id']}/federatedIdentityCredentials"
    assert _refused(desk, "POST", path, BODY) == (404, "Request_ResourceNotFound")
    desk.now += 5
    assert desk.graph("POST", path, BODY).status == 201

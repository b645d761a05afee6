"""Federated identity credentials of user-assigned managed identities."""

from typing import TYPE_CHECKING, Any

import pytest

from azwi_emulator import arm_credentials
from azwi_emulator.api import Problem
from azwi_emulator.ready_made import RESOURCE_GROUP, SUBSCRIPTION_ID

if TYPE_CHECKING:
    from tests.emulator.conftest import Desk

GROUP = f"/subscriptions/{SUBSCRIPTION_ID}/resourceGroups/{RESOURCE_GROUP}"
IDENTITY = f"{GROUP}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/cart"
LIST = f"{IDENTITY}/federatedIdentityCredentials"
PROPERTIES = {
    "issuer": "https://issuer.example/",
    "subject": "system:serviceaccount:shop:cart",
    "audiences": ["api://AzureADTokenExchange"],
}


@pytest.fixture(autouse=True)
def identity(desk: "Desk") -> None:
    desk.arm("PUT", IDENTITY, {"location": "westeurope"})


def _body(**changes: Any) -> dict[str, Any]:
    return {"properties": {**PROPERTIES, **changes}}


def _refused(desk: "Desk", method: str, path: str, body: Any = None) -> tuple[int, str]:
    with pytest.raises(Problem) as caught:
        desk.arm(method, path, body)
    return caught.value.status, caught.value.code


def test_a_new_credential_is_201_and_comes_back_as_it_was_given(desk: "Desk") -> None:
    reply = desk.arm("PUT", f"{LIST}/one", _body())
    made = reply.body or {}
    assert reply.status == 201
    assert made == {
        "id": f"{LIST}/one".replace("resourceGroups", "resourcegroups"),
        "name": "one",
        "type": "Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials",
        "properties": PROPERTIES,
    }
    assert desk.arm("GET", f"{LIST}/one").body == made
    assert desk.arm("GET", LIST).body == {"value": [made]}


def test_written_again_it_is_200(desk: "Desk") -> None:
    desk.arm("PUT", f"{LIST}/one", _body())
    reply = desk.arm("PUT", f"{LIST}/one", _body(subject="other"))
    assert (reply.status, (reply.body or {})["properties"]["subject"]) == (200, "other")
    assert len(list(desk.cloud.credentials.all())) == 1


def test_an_issuer_and_subject_that_are_taken_are_a_conflict(desk: "Desk") -> None:
    desk.arm("PUT", f"{LIST}/one", _body())
    assert _refused(desk, "PUT", f"{LIST}/two", _body()) == (409, "Conflict")


def test_the_twenty_first_credential_is_refused(desk: "Desk") -> None:
    for number in range(20):
        desk.arm("PUT", f"{LIST}/n-{number}", _body(subject=f"s{number}"))
    assert _refused(desk, "PUT", f"{LIST}/more", _body()) == (400, "BadRequest")
    assert desk.arm("PUT", f"{LIST}/n-0", _body()).status == 200
    desk.arm("DELETE", f"{LIST}/n-1")
    assert desk.arm("PUT", f"{LIST}/more", _body(subject="more")).status == 201


@pytest.mark.parametrize("name", ["ab", "-abc", "_abc", "a.bcd", "abc=", "x" * 121])
def test_a_name_that_breaks_the_rules_is_refused(desk: "Desk", name: str) -> None:
    assert _refused(desk, "PUT", f"{LIST}/{name}", _body()) == (400, "BadRequest")


@pytest.mark.parametrize(
    "wrong",
    [
        {"issuer": ""},
        {"issuer": "http://issuer.example"},
        {"subject": None},
        {"subject": "x" * 601},
        {"audiences": None},
        {"audiences": []},
        {"audiences": ["a", "b"]},
        {"audiences": [1]},
    ],
)
def test_a_value_that_breaks_a_rule_is_refused(desk: "Desk", wrong: dict[str, Any]) -> None:
    assert _refused(desk, "PUT", f"{LIST}/one", _body(**wrong)) == (400, "BadRequest")


def test_an_identity_that_is_not_there_has_no_credentials(desk: "Desk") -> None:
    path = LIST.replace("/cart", "/none")
    for method, where in (("GET", path), ("PUT", f"{path}/one"), ("DELETE", f"{path}/one")):
        assert _refused(desk, method, where, _body()) == (404, "ParentResourceNotFound")


def test_a_credential_that_is_not_there_is_404_and_deleted_already(desk: "Desk") -> None:
    assert _refused(desk, "GET", f"{LIST}/one") == (404, "NotFound")
    assert desk.arm("DELETE", f"{LIST}/one").status == 204
    desk.arm("PUT", f"{LIST}/one", _body())
    assert [desk.arm("DELETE", f"{LIST}/one").status for _ in range(2)] == [200, 204]


def test_a_reader_sees_a_new_credential_later(desk: "Desk") -> None:
    desk.lag = 5
    desk.arm("PUT", f"{LIST}/one", _body())
    assert desk.arm("GET", LIST).body == {"value": []}
    desk.now += 5
    assert desk.arm("GET", f"{LIST}/one").status == 200


def test_two_writes_at_once_have_their_own_code() -> None:
    problem = arm_credentials.concurrent("/Subscriptions/S")
    assert (problem.status, problem.code) == (
        409,
        "ConcurrentFederatedIdentityCredentialsWritesForSingleManagedIdentity",
    )
    assert "'/subscriptions/s'" in problem.message

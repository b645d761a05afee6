"""What all of ARM's answers have in common."""

from typing import TYPE_CHECKING

import pytest

from azwi_emulator import arm
from azwi_emulator.api import Problem

if TYPE_CHECKING:
    from tests.emulator.conftest import Desk


def test_a_refusal_has_the_json_of_arm() -> None:
    body = arm.error_body(Problem(404, "ResourceNotFound", "No."))
    assert body == {"error": {"code": "ResourceNotFound", "message": "No."}}


def test_no_token_is_a_challenge_for_this_authority() -> None:
    problem = arm.unauthorized("No.", authority="https://login.example/")
    assert (problem.status, problem.code) == (401, "InvalidAuthenticationToken")
    assert problem.headers["WWW-Authenticate"].startswith(
        'Bearer authorization_uri="https://login.example/common", error="invalid_token"'
    )


@pytest.mark.parametrize("version", ["2024-11-30", "2022-01-31-preview"])
def test_any_api_version_that_is_a_date_will_do(version: str) -> None:
    arm.check_version({"api-version": version})


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({}, "MissingApiVersionParameter"),
        ({"api-version": ""}, "MissingApiVersionParameter"),
        ({"api-version": "latest"}, "InvalidApiVersionParameter"),
    ],
)
def test_an_api_version_is_a_must(query: dict[str, str], code: str) -> None:
    with pytest.raises(Problem) as caught:
        arm.check_version(query)
    assert (caught.value.status, caught.value.code) == (400, code)


def test_a_wrong_path_and_a_wrong_method_differ() -> None:
    assert arm.unknown_path("/x", ()).status == 404
    assert arm.unknown_path("/subscriptions", ("GET",)).status == 405


def _refused(desk: "Desk", path: str, **query: str) -> tuple[int, str]:
    with pytest.raises(Problem) as caught:
        desk.arm("GET", path, **query)
    return caught.value.status, caught.value.code


def test_a_subscription_that_is_not_there_is_404(desk: "Desk") -> None:
    assert _refused(desk, "/subscriptions/none/resourceGroups") == (404, "SubscriptionNotFound")


def test_a_subscription_of_another_tenant_is_401(desk: "Desk") -> None:
    (subscription,) = desk.cloud.subscriptions
    desk.tenant_id = "fabrikam.example"
    found = _refused(desk, f"/subscriptions/{subscription}")
    assert found == (401, "InvalidAuthenticationTokenTenant")


def test_a_page_that_does_not_exist_is_400(desk: "Desk") -> None:
    assert _refused(desk, "/subscriptions", top="0") == (400, "InvalidQueryParameter")


def test_a_list_comes_in_pages_with_a_link_to_the_next(desk: "Desk") -> None:
    desk.page_size = 1
    (subscription,) = desk.cloud.subscriptions
    path = f"/subscriptions/{subscription}/resourceGroups"
    desk.arm("PUT", f"{path}/second", {"location": "westeurope"})
    first = desk.arm("GET", path).body or {}
    link = first["nextLink"]
    assert link.startswith(f"https://host/api{path}?$skiptoken=")
    last = desk.arm("GET", path, skiptoken=link.rpartition("=")[2]).body or {}
    assert [group["name"] for group in [*first["value"], *last["value"]]] == ["azwi", "second"]
    assert "nextLink" not in last

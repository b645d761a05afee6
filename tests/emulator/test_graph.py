"""What all of Microsoft Graph's answers have in common."""

from typing import TYPE_CHECKING, Any

import pytest

from azwi_emulator import graph
from azwi_emulator.api import Problem

if TYPE_CHECKING:
    from tests.emulator.conftest import Desk

AUTHORITY = "https://login.example/"


def test_a_refusal_has_the_json_of_graph() -> None:
    problem = Problem(400, "Request_BadRequest", "No.")
    assert graph.error_body(problem, now=0, request_id="r", client_id="c") == {
        "error": {
            "code": "Request_BadRequest",
            "message": "No.",
            "innerError": {
                "date": "1970-01-01T00:00:00",
                "request-id": "r",
                "client-request-id": "c",
            },
        }
    }


def test_details_stand_between_the_message_and_the_inner_error() -> None:
    problem = Problem(400, "Request_BadRequest", "No.", details=[{"code": "D"}])
    error = graph.error_body(problem, now=0, request_id="r", client_id="c")["error"]
    assert list(error) == ["code", "message", "details", "innerError"]


def test_no_token_is_a_challenge_for_this_authority() -> None:
    problem = graph.unauthorized("No.", authority=AUTHORITY)
    assert (problem.status, problem.code) == (401, "InvalidAuthenticationToken")
    assert f"{AUTHORITY}common/oauth2/authorize" in problem.headers["WWW-Authenticate"]


def test_a_wrong_path_and_a_wrong_method_differ() -> None:
    wrong = graph.unknown_path("/v1.0/x", ())
    assert (wrong.status, wrong.code) == (400, "BadRequest")
    wrong = graph.unknown_path("/v1.0/applications", ("GET", "POST"))
    assert (wrong.status, wrong.message) == (405, "/v1.0/applications takes only GET, POST.")


def _names(desk: "Desk", **query: str) -> list[Any]:
    body = desk.graph("GET", "/applications", **query).body or {}
    return [app["displayName"] for app in body["value"]]


def test_a_collection_can_be_filtered_and_cut_down_to_fields(desk: "Desk") -> None:
    for name in ("one", "two"):
        desk.graph("POST", "/applications", {"displayName": name})
    assert _names(desk, filter="displayName eq 'TWO'") == ["two"]
    body = desk.graph("GET", "/applications", select="appId").body or {}
    assert [list(app) for app in body["value"]] == [["appId"], ["appId"]]
    assert body["@odata.context"] == "https://host/api/v1.0/$metadata#applications"


def test_a_collection_comes_in_pages_with_a_link_to_the_next(desk: "Desk") -> None:
    desk.page_size = 2
    for name in ("one", "two", "three"):
        desk.graph("POST", "/applications", {"displayName": name})
    first = desk.graph("GET", "/applications").body or {}
    link = first["@odata.nextLink"]
    assert link.startswith("https://host/api/v1.0/applications?$skiptoken=")
    assert _names(desk, skiptoken=link.rpartition("=")[2]) == ["three"]


def test_a_filter_that_is_not_understood_is_an_unsupported_query(desk: "Desk") -> None:
    with pytest.raises(Problem) as caught:
        desk.graph("GET", "/applications", filter="displayName ne 'x'")
    assert (caught.value.status, caught.value.code) == (400, "Request_UnsupportedQuery")

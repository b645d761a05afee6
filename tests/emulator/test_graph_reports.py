"""The report of when clients were last used."""

import base64
from typing import TYPE_CHECKING

import pytest

from azwi_emulator.api import Problem
from azwi_emulator.cloud import SignIn
from azwi_emulator.ready_made import TENANT_ID
from azwi_testing import Emulator

if TYPE_CHECKING:
    from tests.emulator.conftest import Desk, Entra

PATH = "/reports/servicePrincipalSignInActivities"


def test_the_last_sign_in_of_a_client_is_reported(desk: "Desk") -> None:
    for time in (desk.now - 60, desk.now):
        desk.cloud.sign_in(TENANT_ID, "Client", SignIn(time, "r"))
    desk.cloud.sign_in("other.example", "x", SignIn(desk.now, "r"))
    (found,) = (desk.beta("GET", PATH).body or {})["value"]
    assert found["appId"] == "client"
    assert found["applicationAuthenticationClientSignInActivity"] == {
        "lastSignInDateTime": "2023-11-14T22:13:20Z",
        "lastSignInRequestId": "r",
    }
    assert base64.b64decode(found["id"]) == b"client"


def test_the_report_can_be_filtered_and_one_line_of_it_read(desk: "Desk") -> None:
    for name in ("a", "b"):
        desk.cloud.sign_in(TENANT_ID, name, SignIn(desk.now, "r"))
    (found,) = (desk.beta("GET", PATH, filter="appId eq 'b'").body or {})["value"]
    assert (desk.beta("GET", f"{PATH}/{found['id']}").body or {})["appId"] == "b"
    with pytest.raises(Problem) as caught:
        desk.beta("GET", f"{PATH}/x")
    assert caught.value.status == 404


def test_whoever_got_a_token_is_in_the_report_and_whoever_was_refused_is_not(
    entra: "Entra", emulator: Emulator
) -> None:
    entra.token()
    refused = "99999999-2222-4333-8444-555555555555"
    emulator.control.register(entra.where.tenant_id, refused, subject="somebody else")
    assert entra.token(client_id=refused).status == 401
    token = entra.bearer("https://graph.microsoft.com")
    report = entra.send("GET", f"/graph/beta{PATH}", headers=token).json["value"]
    apps = [activity["appId"] for activity in report]
    assert entra.where.client_id in apps
    assert refused not in apps
    assert entra.graph("GET", PATH).status == 400  # version 1.0 has no such report

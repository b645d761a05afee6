"""What azwi-proxy saw, as lines."""

import pytest

from azwi_cli.doctor import inside
from azwi_commands import patients


def says(**changed: object) -> dict[str, str]:
    found = inside.checks(patients.facts(inside=patients.inside(**changed)))
    return {item.name: f"{item.status} {item.says}" for item in found}


def test_a_healthy_pod_has_a_line_for_each_matter() -> None:
    assert set(says()) == {"settings", "token-file", "clock", "egress", "ready", "exchanges"}


def test_a_redirect_that_can_be_seen_is_told() -> None:
    seen = says(redirect={"exempt": False, "reaches": "azwi-proxy"})
    assert seen["redirect"] == "pass The metadata address leads to azwi-proxy."


def test_without_an_init_container_there_is_no_redirect_to_miss() -> None:
    pod = patients.pod()
    pod["spec"]["initContainers"].pop(0)
    redirect = {"exempt": False, "reaches": "nobody"}
    facts = patients.facts(pod=pod, inside=patients.inside(redirect=redirect))
    assert all(item.status == "pass" for item in inside.checks(facts))


@pytest.mark.parametrize(
    ("reaches", "says"),
    [
        ("nobody", "nobody answers"),
        ("somebody else", "ignores the variables reaches the node's metadata service"),
        ("azwi-proxy", "leads to azwi-proxy all the same"),
    ],
)
def test_in_environment_mode_no_redirect_is_expected(reaches: str, says: str) -> None:
    redirect = {"exempt": True, "reaches": reaches, "expected": False}
    seen = patients.facts(pod=patients.told_pod(), inside=patients.inside(redirect=redirect))
    (found,) = (item for item in inside.checks(seen) if item.name == "redirect")
    assert found.status == "pass"
    assert "No redirect is expected." in found.says
    assert says in found.says


def test_a_file_that_cannot_be_read_has_no_claims_to_compare() -> None:
    seen = says(token={"file": "/t", "problem": "is empty"})
    assert seen["token-file"] == "fail The token file /t is empty."
    assert not {"token-expiry", "token-issuer", "token-subject"} & set(seen)


def test_a_report_of_another_version_is_no_crash() -> None:
    found = inside.checks(patients.facts(inside={"token": None, "login": 1, "x": []}))
    assert {item.name for item in found} >= {"settings", "ready"}

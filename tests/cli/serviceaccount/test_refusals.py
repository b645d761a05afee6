"""Refusals as sentences with a remedy."""

import pytest

from azwi_cli import errors
from azwi_cli.serviceaccount import refusals

GRAPH = refusals.graph("https://graph.example")
ARM = refusals.arm("https://arm.example")


@pytest.mark.parametrize(
    ("status", "kind", "told"),
    [
        (401, errors.Denied, "Log in again"),
        (403, errors.Forbidden, "Application Developer"),
        (404, errors.NotFound, "Check the names"),
        (429, errors.Unavailable, "goes on where it stopped"),
        (503, errors.Unavailable, "goes on where it stopped"),
        (400, errors.AzwiError, "Nothing after it was done"),
    ],
)
def test_each_status_has_its_kind_and_remedy(status: int, kind: type, told: str) -> None:
    error = refusals.refused(GRAPH, status, "Some_Code", "Why.\r\nMore.")
    assert type(error) is kind
    assert f"Microsoft Graph answers {status} Some_Code: Why. " in str(error)
    assert told in str(error)


def test_arm_names_the_roles_that_are_needed() -> None:
    assert "Managed Identity Contributor" in refusals.refused(ARM, 403, "", "No.").remedy


def test_entra_ids_sentence_stays_and_its_trace_ids_go() -> None:
    said = "Authentication failed: AADSTS7000215: Wrong secret. Trace ID: 1 Correlation ID: 2"
    error = refusals.no_token(said)
    assert str(error) == (
        "The login is refused: AADSTS7000215: Wrong secret. Give the secret's value, not its id, or"
        " make a new one."
    )


def test_without_az_login_it_says_az_login() -> None:
    assert "Run az login" in refusals.no_credential("Please run 'az login' to set up").remedy
    assert "--auth-method" in refusals.no_credential("nothing").remedy


def test_a_tenant_that_does_not_exist_is_told_shortly() -> None:
    said = "Authentication failed: Unable to get authority configuration for https://login/x. Au…"
    assert str(refusals.no_token(said)) == (
        "Entra ID knows no such tenant. Check --tenant-id and --azure-env."
    )

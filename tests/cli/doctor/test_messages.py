"""Whatever is pasted: a code, a message of an SDK, JSON of Entra ID, a log."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from azwi_cli.doctor import messages
from azwi_proxy import appservice
from azwi_proxy.errors import HeaderWrong

ENTRA = (
    "AADSTS700213: No matching federated identity record found for presented assertion subject"
    " 'system:serviceaccount:shop:app'. Check your federated identity credential Subject, Audience"
    " and Issuer against the presented assertion. Trace ID: 6a1d0c55-0000-4000-8000-000000000001"
    " Correlation ID: 6a1d0c55-0000-4000-8000-000000000002 Timestamp: 2026-01-02 03:04:05Z"
)
SDK = (
    "azure.core.exceptions.ClientAuthenticationError: DefaultAzureCredential failed to retrieve a"
    " token from the included credentials.\nAttempted credentials:\n\tEnvironmentCredential: no."
    f"\n\tWorkloadIdentityCredential: Authentication failed: {ENTRA}"
)
OLD = (
    "AADSTS70021: No matching federated identity record found for presented assertion. Assertion"
    " Issuer: 'https://oidc.example/x/'. Assertion Subject: 'system:serviceaccount:a:b'. Assertion"
    " Audience: 'api://AzureADTokenExchange'."
)
TOKEN = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJzZWNyZXQifQ.c2lnbmF0dXJl"


def names(text: str) -> list[str]:
    return [item.code for item in messages.explained(text)]


@pytest.mark.parametrize("text", ["AADSTS70021", "aadsts70021", "70021", " 70021\n", OLD])
def test_a_code_is_found_however_it_is_written(text: str) -> None:
    assert names(text) == ["AADSTS70021"]


def test_a_whole_message_of_an_sdk_gives_its_code_and_what_it_names() -> None:
    (found,) = messages.explained(SDK)
    assert found.code == "AADSTS700213"
    assert found.said == {
        "subject": "system:serviceaccount:shop:app",
        "trace": "6a1d0c55-0000-4000-8000-000000000001",
        "correlation": "6a1d0c55-0000-4000-8000-000000000002",
        "timestamp": "2026-01-02 03:04:05Z",
    }


def test_what_azwi_proxy_says_of_a_wrong_header_is_explained() -> None:
    with pytest.raises(HeaderWrong) as wrong:
        appservice.guard(appservice.Version.NEW, ["x"], "y", forwarded_for=False)
    (found,) = messages.explained(f"ManagedIdentityCredential: {wrong.value}")
    assert "/msi/token" in found.meaning


def test_what_was_presented_is_taken_from_the_message() -> None:
    (found,) = messages.explained(OLD)
    assert found.said["issuer"] == "https://oidc.example/x/"
    assert found.said["audience"] == "api://AzureADTokenExchange"


def test_json_of_entra_id_is_read() -> None:
    assert names(json.dumps({"error": "invalid_client", "error_codes": [700016, 90002]})) == [
        "AADSTS700016",
        "AADSTS90002",
    ]
    assert names(json.dumps({"error_codes": [700213], "error_description": ENTRA})) == [
        "AADSTS700213"
    ]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("Identity not found", "no identity of that client ID"),
        ("(invalid_request) Required metadata header not specified", "header"),
        (
            "ManagedIdentityCredential authentication unavailable, no response from the IMDS"
            " endpoint.",
            "Nobody answered",
        ),
        ("Too Many Requests", "throttles"),
    ],
)
def test_messages_without_a_code_are_known_by_their_words(text: str, says: str) -> None:
    (found,) = messages.explained(text)
    assert says in found.meaning
    assert found.code == ""


@pytest.mark.parametrize(
    ("code", "family"),
    [
        ("AADSTS7002999", "federated credentials"),
        ("AADSTS53999", "Conditional Access"),
        ("AADSTS50999", "signing in"),
        ("AADSTS90999", "request, the tenant"),
        ("AADSTS12345", "not of a family"),
    ],
)
def test_an_unknown_code_says_so_and_what_its_family_is(code: str, family: str) -> None:
    (found,) = messages.explained(code)
    assert not found.is_known
    assert "does not know this code" in found.meaning
    assert family in found.meaning
    assert code.removeprefix("AADSTS") in found.remedy


def test_what_is_no_error_is_nothing() -> None:
    assert messages.explained("all is well, 12 of 12") == []


@given(st.text())
def test_nothing_of_a_message_is_shown_but_what_is_known_to_be_safe(noise: str) -> None:
    text = messages.as_text(messages.explained(f"{ENTRA} {noise} assertion {TOKEN} {noise}"))
    assert "AADSTS700213" in text
    assert TOKEN[:20] not in text


def test_people_read_cause_remedy_and_whether_waiting_helps() -> None:
    text = messages.as_text(messages.explained("70021"))
    assert text.splitlines()[0].startswith("AADSTS70021: No federated credential")
    for title in ("  Cause: ", "  What to do: ", "  Does waiting help: "):
        assert title in text


def test_programs_read_no_empty_members() -> None:
    (found,) = messages.explained("AADSTS12345")
    assert set(found.as_data()) == {"code", "meaning", "remedy", "is_known"}

"""The catalogue of refusals and their JSON."""

import pytest

from azwi_emulator import aadsts


def _body(refusal: aadsts.Refusal) -> dict[str, object]:
    return aadsts.error_body(
        refusal,
        now=1_700_000_000.9,
        trace_id="11111111-1111-1111-1111-111111111111",
        correlation_id="22222222-2222-2222-2222-222222222222",
        authority="https://login.example/",
    )


def test_a_refusal_has_the_json_of_entra_id() -> None:
    assert _body(aadsts.Refusal(700016, client_id="app", tenant="contoso.com")) == {
        "error": "unauthorized_client",
        "error_description": (
            "AADSTS700016: Application 'app' was not found in 'contoso.com'."
            " Trace ID: 11111111-1111-1111-1111-111111111111"
            " Correlation ID: 22222222-2222-2222-2222-222222222222"
            " Timestamp: 2023-11-14 22:13:20Z"
        ),
        "error_codes": [700016],
        "timestamp": "2023-11-14 22:13:20Z",
        "trace_id": "11111111-1111-1111-1111-111111111111",
        "correlation_id": "22222222-2222-2222-2222-222222222222",
        "error_uri": "https://login.example/error?code=700016",
    }


# Status and error as seen in public logs (imds-contract section 7.2).
@pytest.mark.parametrize(
    ("code", "status", "error"),
    [
        (70021, 401, "invalid_client"),
        (700211, 401, "invalid_client"),
        (700212, 401, "invalid_client"),
        (700213, 401, "invalid_client"),
        (7002138, 401, "invalid_client"),
        (70025, 401, "invalid_client"),
        (700024, 401, "invalid_client"),
        (700027, 401, "invalid_client"),
        (50013, 401, "invalid_client"),
        (50027, 400, "invalid_request"),
        (90061, 400, "invalid_request"),
        (900612, 400, "invalid_request"),
        (700016, 400, "unauthorized_client"),
        (90002, 400, "invalid_tenant"),
        (500011, 400, "invalid_resource"),
        (70011, 400, "invalid_scope"),
        (1002012, 400, "invalid_scope"),
        (90033, 503, "temporarily_unavailable"),
    ],
)
def test_status_and_error_are_those_that_were_seen(code: int, status: int, error: str) -> None:
    kind = aadsts.Refusal(code).kind
    assert (kind.status, kind.error) == (status, error)


def test_a_fact_that_nobody_gave_is_said_to_be_missing() -> None:
    assert "<subject>" in aadsts.Refusal(700213).sentence


def test_a_fact_is_quoted_but_not_at_any_length() -> None:
    assert len(aadsts.Refusal(700213, subject="x" * 10_000).sentence) < 400


def test_braces_in_a_fact_are_text() -> None:
    assert "{now.__class__}" in aadsts.Refusal(700213, subject="{now.__class__}").sentence


def test_a_code_that_is_not_in_the_catalogue_is_a_bad_request() -> None:
    assert aadsts.Refusal(123456).kind.status == 400

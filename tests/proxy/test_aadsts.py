"""The table of AADSTS codes: what the app is told for each of Entra ID's answers."""

import json
from dataclasses import replace

import pytest

from azwi_proxy import aadsts, errors
from azwi_proxy.aadsts import Asked

ASKED = Asked(
    client="11111111-1111-1111-1111-111111111111",
    tenant="contoso.onmicrosoft.com",
    resource="https://vault.azure.net",
    issuer="https://issuer.example/",
    subject="system:serviceaccount:default:app",
    audience="api://AzureADTokenExchange",
)

PROPAGATION = (70021, 700211, 700213, 70025, 700016)
TRANSIENT = (90061, 90033, 90006, 90012, 90024, 50033)
THROTTLED = (50196, 90055)
STALE = (700024,)
PERMANENT = (
    700212, 7002138, 700222, 700223, 700238, 70052, 700027, 50012, 50013, 50027, 900612, 70001,
    7000112, 700229, 7000229, 90002, 900023, 50194, 500011, 50001, 70011, 1002012, 700022, 28002,
    901002, 7000215, 7000222, 7000218, 7000216, 500341, 53003, 90013, 90038, 900382, 900432, 100007,
)  # fmt: skip


def body(code: int, error: str = "invalid_client") -> str:
    return json.dumps(
        {
            "error": error,
            "error_description": f"AADSTS{code}: Something. Trace ID: t Correlation ID: c",
            "error_codes": [code],
            "timestamp": "2026-01-01 00:00:00Z",
            "trace_id": "t",
            "correlation_id": "c",
            "error_uri": "https://example",
        }
    )


def told(status: int, text: str, retry_after: str = "") -> errors.TokenError:
    return aadsts.error_of(status, text, retry_after, ASKED)


def test_the_table_holds_every_code_of_these_tests_and_no_other() -> None:
    assert set(aadsts.CODES) == {*PROPAGATION, *TRANSIENT, *THROTTLED, *STALE, *PERMANENT}


@pytest.mark.parametrize("code", PROPAGATION)
@pytest.mark.parametrize("status", [400, 401])
def test_a_propagation_code_is_always_401_so_that_no_sdk_gives_up(code: int, status: int) -> None:
    error = told(status, body(code))
    assert isinstance(error, errors.NotYet)
    assert (error.status, error.error, error.retry_after) == (401, "invalid_client", None)
    assert error.remember[1] <= 5


@pytest.mark.parametrize("code", [*PERMANENT, *STALE])
@pytest.mark.parametrize("status", [400, 401])
def test_a_permanent_code_keeps_entra_ids_status(code: int, status: int) -> None:
    error = told(status, body(code, "unauthorized_client"))
    assert isinstance(error, errors.Refused)
    assert (error.status, error.error, error.retry_after) == (status, "unauthorized_client", None)
    assert error.reason == f"AADSTS{code}"


@pytest.mark.parametrize("code", TRANSIENT)
def test_a_transient_code_may_be_retried(code: int) -> None:
    error = told(400, body(code))
    assert (error.status, error.retry_after) == (503, 2)


@pytest.mark.parametrize("code", THROTTLED)
def test_a_throttling_code_is_429(code: int) -> None:
    assert told(400, body(code)).status == 429


@pytest.mark.parametrize("status", [403, 404, 410, 418])
def test_an_unknown_code_is_never_a_status_that_sdks_retry_or_misread(status: int) -> None:
    assert told(status, body(99999)).status == 401
    assert told(status, body(99999)).reason == "refused"


@pytest.mark.parametrize(
    ("status", "text"),
    [(500, ""), (408, body(99999)), (502, "<html>"), (503, body(99999)), (504, "{}"),
     (404, "<html>"), (302, ""), (400, "[]"), (403, "blocked by proxy"),
     (400, '{"error":"temporarily_unavailable"}')],
)  # fmt: skip
def test_what_entra_id_did_not_say_is_transient(status: int, text: str) -> None:
    error = told(status, text)
    assert (error.status, error.retry_after) == (503, 2)


@pytest.mark.parametrize("status", [200, 301, 400, 401, 403, 404, 407, 418])
@pytest.mark.parametrize(
    "text",
    [
        "<html>blocked</html>",
        "",
        "[]",
        '{"message":"no Route matched with those values"}',  # an API gateway
        '{"error":{"code":"AuthenticationFailed","message":"no"}}',  # ARM, not a login host
        '{"kind":"Status","status":"Failure","code":403}',  # a Kubernetes API server
    ],
)
def test_an_answer_that_is_not_an_oauth_error_is_somebody_elses(status: int, text: str) -> None:
    asked = replace(ASKED, host="login.example:8443", settings="AZURE_KUBERNETES_TOKEN_PROXY")
    error = aadsts.error_of(status, text, "", asked, "text/html; charset=utf-8")
    assert (error.status, error.retry_after, error.reason) == (503, 2, f"http_{status}")
    assert error.description == (
        f"Something other than Entra ID answered for login.example:8443: status {status},"
        " content type text/html. Check AZURE_KUBERNETES_TOKEN_PROXY, and the firewall in between."
    )


@pytest.mark.parametrize("kind", ["", "nonsense", "\r\nX: y", "eyJhbGciOi.x/y\n", "é/é"])
def test_a_content_type_that_is_none_is_not_quoted(kind: str) -> None:
    told = aadsts.error_of(403, "", "", ASKED, kind).description
    assert "\n" not in told
    assert "é" not in told


@pytest.mark.parametrize(("status", "text"), [(500, "<html>"), (503, "{}"), (408, "")])
def test_what_a_gateway_of_entra_id_says_in_any_form_is_entra_ids(status: int, text: str) -> None:
    assert told(status, text).description.startswith(f"Entra ID answered {status}.")


def test_a_429_in_plain_text_holds_calls_for_its_retry_after() -> None:
    error = told(429, "Too Many Requests", "60")
    assert isinstance(error, errors.Throttled)
    assert (error.status, error.hold) == (429, 60)


@pytest.mark.parametrize(
    ("retry_after", "hold"),
    [("", 5), ("0", 5), ("7", 7), ("86400", 600), ("Wed, 21 Oct 2026 07:28:00 GMT", 5), ("-1", 5)],
)
def test_retry_after_is_whole_seconds_and_bounded(retry_after: str, hold: float) -> None:
    error = told(429, "", retry_after)
    assert isinstance(error, errors.Throttled)
    assert error.hold == hold


def test_a_5xx_holds_calls_only_if_it_says_so() -> None:
    quiet, asking = told(503, ""), told(503, "", "30")
    assert isinstance(quiet, errors.Unavailable)
    assert isinstance(asking, errors.Unavailable)
    assert (quiet.hold, asking.hold) == (0, 30)


def test_the_app_reads_entra_ids_text_its_ids_and_the_remedy() -> None:
    error = told(401, body(70021))
    assert error.description.startswith("AADSTS70021: Something. Trace ID: t Correlation ID: c ")
    for part in (ASKED.client, ASKED.issuer, ASKED.subject, ASKED.audience):
        assert part in error.description
    assert error.fields() == {
        "error_codes": [70021],
        "timestamp": "2026-01-01 00:00:00Z",
        "trace_id": "t",
        "correlation_id": "c",
    }


@pytest.mark.parametrize("code", sorted(aadsts.CODES))
def test_every_remedy_can_be_filled_in(code: int) -> None:
    description = told(400, body(code)).description
    assert "{" not in description
    assert "unreachable" not in description
    assert "Identity not found" not in description


def test_a_code_is_found_in_the_text_when_the_list_is_missing() -> None:
    text = json.dumps({"error": "invalid_request", "error_description": "AADSTS90002: Tenant"})
    assert told(400, text).reason == "AADSTS90002"


@pytest.mark.parametrize("codes", [[], {}, "50012", ["50012"], [None], [[50012]], ["x", 50012]])
def test_a_list_of_codes_that_is_none_leaves_the_code_to_the_text(codes: object) -> None:
    said = {"error": "e", "error_description": "AADSTS90002: Tenant", "error_codes": codes}
    assert told(400, json.dumps(said)).reason == "AADSTS90002"


def test_the_first_of_several_codes_counts() -> None:
    said = {"error": "e", "error_description": "AADSTS1: no", "error_codes": [90002, 50012]}
    assert told(400, json.dumps(said)).reason == "AADSTS90002"


def test_what_is_told_and_remembered_of_an_answer_is_bounded() -> None:
    said = {
        "error": "e" * 5000,
        "error_description": "AADSTS500011: " + "d" * 100_000,
        "error_codes": [500011] * 5000,
        "trace_id": "t" * 5000,
        "correlation_id": {"a": ["b" * 5000]},
    }
    error = aadsts.error_of(400, json.dumps(said), "", ASKED)
    assert isinstance(error, errors.Refused)
    assert error.reason == "AADSTS500011"
    assert len(error.description) < 2500
    assert len(error.error) == 100
    assert all(len(str(value)) <= 100 for value in error.fields().values())

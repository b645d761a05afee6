"""The wire format of App Service's token endpoint, by tables."""

import calendar
import json
import re
import time
from collections.abc import Callable

import pytest

from azwi_proxy import appservice, errors
from azwi_proxy.appservice import Version
from azwi_proxy.imds import TokenRequest

SECRET = "a0b1c2d3e4f5a6b7"
VAULT = "https://vault.azure.net"
EXPIRY = 1_560_999_478  # 2019-06-20 02:57:58 UTC
NEW, OLD = Version.NEW, Version.OLD


def answer(spoken: Version, resource: str = VAULT, expires_on: int = EXPIRY) -> bytes:
    return appservice.token_answer(
        spoken, "header.payload.signature", resource, "me", expires_in=3599, expires_on=expires_on
    )


# --- Versions and the header ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "spoken"),
    [
        ("api-version=2019-08-01&resource=r", NEW),
        ("resource=r", NEW),
        ("", NEW),
        ("api-version=", NEW),
        ("api-version=2018-02-01", NEW),
        ("api-version=2017-09-01&resource=r", OLD),
        ("resource=r&api-version=2017%2D09%2D01", OLD),
        ("api-version=2017-09-01x", NEW),
        ("API-VERSION=2017-09-01", NEW),
        ("api-version=2017-09-01&api-version=2019-08-01", OLD),
        ("api-version=2019-08-01&api-version=2017-09-01", NEW),
        ("api-version=2017-09-01&resource=%ff", NEW),
        ("&".join(["api-version=2017-09-01"] * 200), NEW),
    ],
)
def test_the_old_version_is_asked_for_by_name_and_everything_else_is_the_new_one(
    query: str, spoken: Version
) -> None:
    assert appservice.version(query) is spoken


def test_each_version_has_its_own_header() -> None:
    assert (NEW.value, OLD.value) == ("X-IDENTITY-HEADER", "Secret")


@pytest.mark.parametrize("spoken", Version)
def test_the_one_right_value_is_enough(spoken: Version) -> None:
    appservice.guard(spoken, [SECRET], SECRET, forwarded_for=False)


WRONG = [
    [],
    [""],
    [SECRET[:-1]],
    [SECRET + "x"],
    [SECRET.upper()],
    [f" {SECRET}"],
    [SECRET, SECRET],
    [SECRET, "x"],
    ["x", SECRET],
    [f"{SECRET}, {SECRET}"],
    [f"{SECRET}\udcff"],
    ["\ud800"],
    ["\u00e9" * 8],
]


@pytest.mark.parametrize("values", WRONG)
@pytest.mark.parametrize("spoken", Version)
def test_a_wrong_missing_or_repeated_header_is_a_401_that_names_header_and_variable(
    spoken: Version, values: list[str]
) -> None:
    with pytest.raises(errors.HeaderWrong) as caught:
        appservice.guard(spoken, values, SECRET, forwarded_for=True)
    assert caught.value.status == 401
    assert caught.value.description == (
        f"The header {spoken.value} must be there once, with the value that the proxy's"
        " IDENTITY_HEADER has"
    )


def test_a_forwarded_request_is_refused_even_with_the_right_header() -> None:
    with pytest.raises(errors.HeaderForbidden) as caught:
        appservice.guard(NEW, [SECRET], SECRET, forwarded_for=True)
    assert caught.value.status == 400


# --- Requests ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (f"api-version=2019-08-01&resource={VAULT}", TokenRequest(VAULT)),
        (f"account=1&api-version=2019-08-01&resource={VAULT}&version=2", TokenRequest(VAULT)),
        ("resource=https%3A%2F%2Fvault.azure.net", TokenRequest(VAULT)),
        ("resource=https%253A%252F%252Fvault", TokenRequest("https%3A%2F%2Fvault")),
        ("resource=r&client_id=c", TokenRequest("r", "client_id", "c")),
        ("resource=r&object_id=o", TokenRequest("r", "object_id", "o")),
        ("resource=r&principal_id=o", TokenRequest("r", "object_id", "o")),
        ("resource=r&mi_res_id=%2Fs%2Fx", TokenRequest("r", "msi_res_id", "/s/x")),
        ("api-version=2017-09-01&resource=r&clientid=c", TokenRequest("r", "client_id", "c")),
        ("api-version=2017-09-01&resource=r&client_id=c", TokenRequest("r", "client_id", "c")),
        ("api-version=2017-09-01&resource=r&resource_id=m", TokenRequest("r", "msi_res_id", "m")),
        ("resource=r&clientid=c", TokenRequest("r", "client_id", "c")),
        ("resource=r&msi_res_id=m", TokenRequest("r", "msi_res_id", "m")),
        ("api-version=2017-09-01&clientid=&resource=r", TokenRequest("r")),
        ("resource=r&xms_cc=cp1&bypass_cache=true", TokenRequest("r")),
    ],
)
def test_queries_of_real_clients_are_understood(query: str, expected: TokenRequest) -> None:
    assert appservice.token_request(query) == expected


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("", "'resource' is missing"),
        ("resource=", "'resource' is missing"),
        ("resource=a&resource=a", "'resource' is given more than once"),
        ("resource=a&api-version=1&api-version=1", "'api-version' is given more than once"),
        ("resource=a&clientid=x&clientid=x", "'clientid' is given more than once"),
        ("resource=a&ClientId=x&clientid=x", "Only one of ClientId and clientid"),
        ("resource=a&client_ids=x", "'client_ids' is not known"),
        ("resource=a&principal_id=x&principal_id=y", "'principal_id' is given more than once"),
        ("resource=a&client_id=x&clientid=x", "Only one of client_id and clientid"),
        ("resource=a&object_id=x&principal_id=x", "Only one of object_id and principal_id"),
        ("resource=a&client_id=x&mi_res_id=y", "Only one of client_id and mi_res_id"),
        ("resource=a%20b", "one URI or GUID"),
        ("resource=a%0d%0ab", "one URI or GUID"),
        ("resource=%ff%fe", "not UTF-8"),
        ("&".join(f"a{n}=1" for n in range(200)), "too many"),
    ],
)
def test_a_wrong_request_is_told_what_is_wrong(query: str, told: str) -> None:
    with pytest.raises(errors.BadRequest) as caught:
        appservice.token_request(query)
    assert told in caught.value.description
    assert (caught.value.status, caught.value.error) == (400, "invalid_request")


# --- Answers -------------------------------------------------------------------------------------


def test_the_new_versions_body_is_compact_and_all_strings_with_unix_seconds() -> None:
    assert answer(NEW) == (
        b'{"access_token":"header.payload.signature","expires_in":"3599",'
        b'"expires_on":"1560999478","resource":"https://vault.azure.net",'
        b'"token_type":"Bearer","client_id":"me"}'
    )


def test_the_old_versions_body_differs_in_the_date_alone() -> None:
    assert answer(OLD) == answer(NEW).replace(b"1560999478", b"06/20/2019 02:57:58 +00:00")


@pytest.mark.parametrize(
    ("moment", "written"),
    [
        (EXPIRY, "06/20/2019 02:57:58 +00:00"),
        (1_577_836_799, "12/31/2019 23:59:59 +00:00"),
        (1_577_836_800, "01/01/2020 00:00:00 +00:00"),
        (1_582_982_109, "02/29/2020 13:15:09 +00:00"),
        (10**15, "12/31/9999 23:59:59 +00:00"),
    ],
)
def test_the_old_date_is_in_utc_with_two_digits_everywhere(moment: int, written: str) -> None:
    assert json.loads(answer(OLD, expires_on=moment))["expires_on"] == written


def _python(text: str) -> int:
    """azure-identity 1.0 to 1.7: no AM or PM was known at first, and always ``+00:00``."""
    assert text.endswith(" +00:00")
    return calendar.timegm(time.strptime(text.removesuffix(" +00:00"), "%m/%d/%Y %H:%M:%S"))


def _javascript(text: str) -> int:
    """@azure/identity 1.0: two digits everywhere, put together anew as ISO 8601."""
    found = re.search(r"(\d\d)/(\d\d)/(\d{4}) (\d\d):(\d\d):(\d\d) ([+-])(\d\d):(\d\d)", text)
    assert found
    month, day, year, hour, minute, second, *zone = found.groups()
    assert zone == ["+", "00", "00"]
    return calendar.timegm((*map(int, (year, month, day, hour, minute, second)), 0, 0, 0))


def _go(text: str) -> int:
    """adal and azidentity 0.x: layout ``1/2/2006 15:04:05 +00:00``, where the zone is mere text."""
    found = re.fullmatch(r"(\d\d?)/(\d\d?)/(\d{4}) (\d\d?):(\d\d):(\d\d) \+00:00", text)
    assert found
    month, day, year, hour, minute, second = map(int, found.groups())
    return calendar.timegm((year, month, day, hour, minute, second, 0, 0, 0))


@pytest.mark.parametrize("parse", [_python, _javascript, _go])
def test_the_old_date_is_one_that_the_sdks_of_then_read(parse: Callable[[str], int]) -> None:
    assert parse(json.loads(answer(OLD))["expires_on"]) == EXPIRY


@pytest.mark.parametrize("spoken", Version)
@pytest.mark.parametrize("resource", ['a"b\\c', "https://é.example/"])
def test_the_resource_comes_back_as_it_was_asked_for(spoken: Version, resource: str) -> None:
    assert json.loads(answer(spoken, resource))["resource"] == resource


def test_an_error_has_the_members_of_imds_and_the_two_that_msal_shows() -> None:
    error = errors.Refused("AADSTS1: no", status=401, error="x", details={"trace_id": "t"})
    assert appservice.error_answer(error) == (
        b'{"statusCode":401,"message":"AADSTS1: no","error":"x",'
        b'"error_description":"AADSTS1: no","trace_id":"t"}'
    )

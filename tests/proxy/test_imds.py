"""The wire format of the token endpoint, by tables."""

import json

import pytest

from azwi_proxy import errors, imds
from azwi_proxy.imds import TokenRequest

VAULT = "https://vault.azure.net"


def answer(resource: str = VAULT) -> bytes:
    return imds.token_answer(
        "header.payload.signature",
        resource,
        "11111111-1111-1111-1111-111111111111",
        expires_in=3599,
        expires_on=1506484173,
        not_before=15,
    )


def test_the_success_body_is_compact_in_imds_order_and_all_strings() -> None:
    assert answer() == (
        b'{"access_token":"header.payload.signature","refresh_token":"","expires_in":"3599",'
        b'"expires_on":"1506484173","not_before":"15","resource":"https://vault.azure.net",'
        b'"token_type":"Bearer","client_id":"11111111-1111-1111-1111-111111111111"}'
    )


def test_the_body_passes_the_text_search_of_microsoft_data_sqlclient() -> None:
    text = answer().decode()
    start = text.index("access_token") + len("access_token") + 3
    expiry = text.index("expires_on") + len("expires_on") + 3
    assert text[start : text.index('"', start)] == "header.payload.signature"
    assert int(text[expiry : expiry + 10]) == 1506484173


def test_the_body_passes_the_text_search_of_mssql_jdbc() -> None:
    line = answer().decode().splitlines()[0]
    start = line.index('"access_token":"') + len('"access_token":"')
    expiry = line.index('"expires_in":"') + len('"expires_in":"')
    assert line[start : line.index('"', start)] == "header.payload.signature"
    assert int(line[expiry : line.index('"', expiry)]) == 3599


@pytest.mark.parametrize(
    "resource", ['a"b\\c', "https://é.example/", "https://management.azure.com/"]
)
def test_the_resource_comes_back_as_it_was_asked_for(resource: str) -> None:
    assert json.loads(answer(resource))["resource"] == resource


@pytest.mark.parametrize("values", [[], ["false"], [""], ["true", "false"], ["true,true"]])
def test_without_metadata_true_the_words_are_those_that_probes_know(values: list[str]) -> None:
    with pytest.raises(errors.HeaderMissing) as caught:
        imds.guard(values, forwarded_for=True)
    assert imds.error_answer(caught.value) == (
        b'{"error":"invalid_request","error_description":"Required metadata header not specified"}'
    )
    assert caught.value.status == 400


def test_a_forwarded_request_is_refused() -> None:
    with pytest.raises(errors.HeaderForbidden) as caught:
        imds.guard(["true"], forwarded_for=True)
    assert caught.value.status == 400


@pytest.mark.parametrize("value", ["true", "True", " true "])
def test_metadata_true_is_enough(value: str) -> None:
    imds.guard([value], forwarded_for=False)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (f"api-version=2018-02-01&resource={VAULT}", TokenRequest(VAULT)),
        ("resource=https%3A%2F%2Fvault.azure.net", TokenRequest(VAULT)),
        ("resource=https%253A%252F%252Fvault", TokenRequest("https%3A%2F%2Fvault")),
        ("resource=r&client_id=c", TokenRequest("r", "client_id", "c")),
        ("resource=r&object_id=o", TokenRequest("r", "object_id", "o")),
        ("resource=r&msi_res_id=%2Fs%2Fx", TokenRequest("r", "msi_res_id", "/s/x")),
        ("resource=r&mi_res_id=m", TokenRequest("r", "msi_res_id", "m")),
        ("resource=r&msi-res-id=m", TokenRequest("r", "msi_res_id", "m")),
        ("resource=r&resource_id=m", TokenRequest("r", "msi_res_id", "m")),
        ("resource=r&clientid=c", TokenRequest("r", "client_id", "c")),
        ("resource=r&principal_id=o", TokenRequest("r", "object_id", "o")),
        ("resource=r&client_id=&object_id=o", TokenRequest("r", "object_id", "o")),
        ("resource=r&client_id=", TokenRequest("r")),
        ("resource=r&authority=a&bypass_cache=true&xms_cc=cp1", TokenRequest("r")),
        ("resource=2ff814a6-3304", TokenRequest("2ff814a6-3304")),
        ("resource=" + "a" * 1024, TokenRequest("a" * 1024)),
    ],
)  # fmt: skip
def test_queries_of_real_clients_are_understood(query: str, expected: TokenRequest) -> None:
    assert imds.token_request(query) == expected


@pytest.mark.parametrize(
    ("name", "parameter"),
    [
        ("Client_Id", "client_id"),
        ("CLIENT-ID", "client_id"),
        ("client.id", "client_id"),
        ("clientId", "client_id"),
        ("client%5Fid", "client_id"),
        ("objectid", "object_id"),
        ("Object-Id", "object_id"),
        ("principalId", "object_id"),
        ("msiResId", "msi_res_id"),
        ("MI_RES_ID", "msi_res_id"),
        ("m\u017fi_res_id", "msi_res_id"),
        ("resourceId", "msi_res_id"),
        ("+client_id", "client_id"),
        ("?client_id", "client_id"),
        ("%00client_id", "client_id"),
        ("client%E2%80%8B_id", "client_id"),
        ("%EF%BD%83lient_id", "client_id"),
    ],
)
def test_every_spelling_of_an_identity_parameter_is_that_parameter(
    name: str, parameter: str
) -> None:
    assert imds.token_request(f"resource=r&{name}=v") == TokenRequest("r", parameter, "v")


@pytest.mark.parametrize(
    "name",
    ["clientid2", "client", "client_id+2", "object", "ObjectIdentifier", "principal", "identity",
     "identity_id", "msi", "msi_client_id", "mi_res_id_2", "Client_Secret", "amp;client_id",
     "x-client_id", "my_object_id"],
)  # fmt: skip
def test_an_unknown_name_that_looks_like_an_identitys_is_refused(name: str) -> None:
    with pytest.raises(errors.BadRequest) as caught:
        imds.token_request(f"resource=r&{name}=v")
    assert "is not known: name an identity by client_id" in caught.value.description
    assert imds.token_request(f"resource=r&{name}=") == TokenRequest("r")


@pytest.mark.parametrize(
    "name",
    ["client-request-id", "client_info", "client_sku", "Client_Ver", "client_capabilities",
     "authority", "bypass_cache", "x-client-SKU", "api-version", "scope", "mi", "xms_cc"],
)  # fmt: skip
def test_what_only_describes_the_software_and_all_other_names_pass(name: str) -> None:
    assert imds.token_request(f"resource=r&{name}=v") == TokenRequest("r")


def test_a_form_counts_as_the_query_does() -> None:
    assert imds.token_request("api-version=1", "resource=r&client_id=c") == TokenRequest(
        "r", "client_id", "c"
    )


@pytest.mark.parametrize(
    ("query", "form", "told"),
    [
        ("", "", "'resource' is missing"),
        ("resource=", "", "'resource' is missing"),
        ("resource=a&resource=a", "", "'resource' is given more than once"),
        ("resource=a", "resource=a", "'resource' is given more than once"),
        ("resource=a&client_id=x&client_id=y", "", "'client_id' is given more than once"),
        ("resource=a&client_id=x&object_id=y", "", "Only one of client_id and object_id"),
        ("resource=a&msi_res_id=x&mi_res_id=x", "", "Only one of msi_res_id and mi_res_id"),
        ("resource=a&client_id=x&Client_Id=x", "", "Only one of client_id and Client_Id"),
        ("resource=a&client_id=x", "clientid=x", "Only one of client_id and clientid"),
        ("resource=a%20b", "", "one URI or GUID"),
        ("resource=a+openid", "", "one URI or GUID"),
        ("resource=a%0d%0ab", "", "one URI or GUID"),
        ("resource=%ff%fe", "", "not UTF-8"),
        ("resource=a%C2%A0b", "", "one URI or GUID"),
        ("resource=a%E2%80%8Bb", "", "one URI or GUID"),
        ("resource=a%EF%BB%BF", "", "one URI or GUID"),
        ("resource=" + "a" * 1025, "", "too long"),
        ("&".join(f"a{n}=1" for n in range(200)), "", "too many"),
    ],
)
def test_a_wrong_request_is_told_what_is_wrong(query: str, form: str, told: str) -> None:
    with pytest.raises(errors.BadRequest) as caught:
        imds.token_request(query, form)
    assert told in caught.value.description
    assert (caught.value.status, caught.value.error) == (400, "invalid_request")


@pytest.mark.parametrize(
    ("resource", "scope"),
    [
        (VAULT, "https://vault.azure.net/.default"),
        ("https://management.azure.com/", "https://management.azure.com//.default"),
        ("api://x", "api://x/.default"),
        ("https://graph.microsoft.com/.default", "https://graph.microsoft.com/.default"),
        ("2ff814a6-3304-4ab8-85cb-cd0e6f879c1d", "2ff814a6-3304-4ab8-85cb-cd0e6f879c1d/.default"),
        ("HTTPS://Vault.Azure.NET", "HTTPS://Vault.Azure.NET/.default"),
    ],
)
def test_a_scope_is_the_resource_unchanged_with_default_behind_it(
    resource: str, scope: str
) -> None:
    assert imds.scope(resource) == scope


def test_entra_ids_own_members_follow_the_two_that_every_sdk_shows() -> None:
    error = errors.Refused("AADSTS1: no", status=401, error="x", details={"trace_id": "t"})
    assert imds.error_answer(error) == (
        b'{"error":"x","error_description":"AADSTS1: no","trace_id":"t"}'
    )


def test_info_answers_the_tenant() -> None:
    assert imds.info_answer("t") == b'{"tenantId":"t"}'

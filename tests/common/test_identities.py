"""The identities of a pod, as text."""

import json

import pytest

from azwi_common.identities import Guid, IdentityMap, Mapped, Tenant

ONE = "11111111-1111-1111-1111-111111111111"
TWO = "22222222-2222-2222-2222-222222222222"
TENANT = "aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa"
RESOURCE = "/subscriptions/s/resourceGroups/G_(1)/providers/M.I/userAssignedIdentities/Ü-1"


def test_a_map_and_its_text_say_the_same() -> None:
    given = [{"clientId": ONE}, {"clientId": TWO, "tenantId": TENANT, "resourceId": RESOURCE}]
    mapped = IdentityMap.from_text(json.dumps(given))
    assert list(mapped) == [Mapped(ONE), Mapped(TWO, TENANT, "", RESOURCE.lower())]
    assert IdentityMap.from_text(mapped.text) == mapped
    assert mapped.text.startswith(f'[{{"clientId":"{ONE}"}},{{"clientId":')


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{", "JSON array"),
        ("{}", "JSON array"),
        ("[1]", "entry 1 must be an object"),
        ("[{}]", "entry 1 has no clientId"),
        ('[{"clientId": "x"}]', "entry 1: clientId must be a GUID"),
        (f'[{{"clientId": "{ONE}", "name": "x"}}]', "unknown member 'name'"),
        (f'[{{"clientId": "{ONE}", "tenantId": "a b"}}]', "tenantId must be a tenant's GUID"),
        (f'[{{"clientId": "{ONE}", "objectId": 1}}]', "objectId must be text"),
        (f'[{{"clientId": "{ONE}", "resourceId": "x"}}]', "must be an Azure resource id"),
        (
            f'[{{"clientId": "{ONE}", "resourceId": "/subscriptions/$(SECRET)"}}]',
            "must be an Azure resource id",
        ),
        (f'[{{"clientId": "{ONE}"}}, {{"clientId": "{ONE}"}}]', "one client id twice"),
    ],
)
def test_a_wrong_map_is_told_which_entry_and_why(text: str, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        IdentityMap.from_text(text)


@pytest.mark.parametrize("text", [TENANT, "contoso.onmicrosoft.com", "login.contoso.co.uk"])
def test_a_tenant_is_a_guid_or_a_domain(text: str) -> None:
    assert Tenant.from_text(text) == text


@pytest.mark.parametrize("text", ["contoso", "a/b.com", "https://contoso.com", "common ", ".com"])
def test_other_tenants_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="GUID or domain"):
        Tenant.from_text(text)


def test_a_guid_is_kept_in_lower_case() -> None:
    assert Guid.from_text(TWO.upper().replace("2", "A")) == TWO.replace("2", "a")

"""Which identity a request means."""

import json

import pytest

from azwi_common.identities import IdentityMap, Mapped
from azwi_proxy import errors
from azwi_proxy.identities import Identities, Identity

ONE = "11111111-1111-1111-1111-111111111111"
TWO = "22222222-2222-2222-2222-222222222222"
OBJECT = "33333333-3333-3333-3333-333333333333"
TENANT = "aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa"
OTHER = "bbbbbbbb-bbbb-bbbb-bbbb-bbbbbbbbbbbb"
RESOURCE = (
    "/subscriptions/s/resourceGroups/G/providers/Microsoft.ManagedIdentity/userAssignedIdentities/I"
)

FULL = IdentityMap.from_text(
    json.dumps([{"clientId": TWO, "tenantId": OTHER, "objectId": OBJECT, "resourceId": RESOURCE}])
)


def identities(**changes: object) -> Identities:
    given = {"default_client": ONE, "default_tenant": TENANT, "mapped": FULL, "strict": False}
    return Identities(**{**given, **changes})  # type: ignore[arg-type]  # a table's values


@pytest.mark.parametrize("client_id", [TWO, TWO.upper()])
def test_an_identity_of_the_map_is_found_by_its_client_id(client_id: str) -> None:
    assert identities().resolve(client_id) == Identity(TWO, OTHER)


def test_the_pods_own_identities_are_the_default_and_those_of_the_map() -> None:
    assert identities().own() == (Identity(ONE, TENANT), Identity(TWO, OTHER))
    assert identities(default_client=TWO).own() == (Identity(TWO, OTHER),)
    assert identities().by_object_id() == {OBJECT: Identity(TWO, OTHER)}
    assert identities().by_resource_id() == {RESOURCE.lower(): Identity(TWO, OTHER)}


def test_no_parameter_means_the_default_identity() -> None:
    assert identities().resolve("") == Identity(ONE, TENANT)


def test_the_default_identity_takes_its_tenant_from_the_map() -> None:
    assert identities(default_client=TWO).resolve("") == Identity(TWO, OTHER)


def test_without_a_default_the_only_entry_of_the_map_is_meant() -> None:
    assert identities(default_client="").resolve("") == Identity(TWO, OTHER)


def test_with_several_and_no_default_nobody_is_guessed() -> None:
    several = (Mapped(ONE), Mapped(TWO))
    with pytest.raises(errors.IdentityNotFound):
        identities(default_client="", mapped=several).resolve("")


def test_a_client_id_that_is_not_in_the_map_is_tried_as_it_is() -> None:
    assert identities().resolve(OBJECT) == Identity(OBJECT, TENANT)


def test_strict_means_the_default_and_the_map_and_nothing_else() -> None:
    strict = identities(strict=True)
    assert strict.resolve(ONE.upper()) == Identity(ONE, TENANT)
    assert strict.resolve(TWO) == Identity(TWO, OTHER)
    for another in (OBJECT, ONE.replace("1", "0"), ONE[:-1] + "2"):
        with pytest.raises(errors.IdentityNotFound):
            strict.resolve(another)


@pytest.mark.parametrize("value", ["not-a-guid", "x" * 5000, "/subscriptions/s"])
def test_what_is_no_client_id_is_not_found(value: str) -> None:
    with pytest.raises(errors.IdentityNotFound) as caught:
        identities().resolve(value)
    assert (caught.value.status, caught.value.description) == (400, "Identity not found")


def test_a_client_id_without_any_tenant_is_not_found() -> None:
    with pytest.raises(errors.IdentityNotFound):
        identities(default_tenant="", default_client="").resolve(ONE)

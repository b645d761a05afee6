"""What Azure says of an account's identity goes into its map, and nothing of the map is lost."""

import json

import pytest

from azwi_cli.serviceaccount import named
from azwi_cli.serviceaccount.known import Kind, Target
from azwi_common.identities import IdentityMap

OWN, OTHER = "11111111-1111-1111-1111-111111111111", "22222222-2222-2222-2222-222222222222"
PRINCIPAL, WRITTEN = "33333333-3333-3333-3333-333333333333", "44444444-4444-4444-4444-444444444444"
RESOURCE = "/subscriptions/s/resourceGroups/g/providers/Microsoft.ManagedIdentity/x/Cart"
APPLICATION = Target(
    kind=Kind.APPLICATION, id="object", name="cart", client_id=OWN.upper(), principal_id=PRINCIPAL
)
IDENTITY = Target(
    kind=Kind.IDENTITY, id=RESOURCE, name="cart", client_id=OWN, principal_id=PRINCIPAL
)


def test_an_application_has_an_object_id_and_a_managed_identity_a_resource_id_too() -> None:
    assert json.loads(named.completed("", APPLICATION)) == [
        {"clientId": OWN, "objectId": PRINCIPAL}
    ]
    assert json.loads(named.completed("", IDENTITY)) == [
        {"clientId": OWN, "objectId": PRINCIPAL, "resourceId": RESOURCE.lower()}
    ]


def test_what_the_map_says_already_stays() -> None:
    other = {"clientId": OTHER, "tenantId": "contoso.example"}
    before = json.dumps([other, {"clientId": OWN, "objectId": WRITTEN}])
    assert json.loads(named.completed(before, IDENTITY)) == [
        other,
        {"clientId": OWN, "objectId": WRITTEN, "resourceId": RESOURCE.lower()},
    ]
    assert json.loads(named.completed(json.dumps([other]), APPLICATION))[1] == other


def test_a_whole_map_is_the_same_in_every_run() -> None:
    once = named.completed("", IDENTITY)
    assert named.completed(once, IDENTITY) == once
    assert IdentityMap.from_text(once).text == once


@pytest.mark.parametrize("text", ["", "nonsense", '{"clientId": 1}', '[{"client": "x"}]'])
def test_nothing_is_written_where_it_is_no_map_or_nothing_is_known(text: str) -> None:
    unknown = Target(kind=Kind.APPLICATION, id="o", name="n", client_id=OWN)
    assert named.completed(text, unknown) == text
    if text:
        assert named.completed(text, APPLICATION) == text

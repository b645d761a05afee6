"""The objects of Graph and ARM as one document, and back."""

import json
from typing import TYPE_CHECKING, Any

import pytest

from azwi_emulator import errors, snapshot
from azwi_emulator.cloud import Cloud
from azwi_emulator.directory import Directory
from azwi_emulator.ready_made import RESOURCE_GROUP, SUBSCRIPTION_ID, TENANT_ID

if TYPE_CHECKING:
    from tests.emulator.conftest import Desk

GROUP = f"/subscriptions/{SUBSCRIPTION_ID}/resourceGroups/{RESOURCE_GROUP}"
IDENTITY = f"{GROUP}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/cart"
READER = "/providers/Microsoft.Authorization/roleDefinitions/acdd72a7-3385-48ef-bd42-f606fba81ae7"
CREDENTIAL = {"issuer": "https://i/", "subject": "s", "audiences": ["a"]}


@pytest.fixture
def full(desk: "Desk") -> Cloud:
    """One object of each kind."""
    app = desk.graph("POST", "/applications", {"displayName": "shop", "tags": ["t"]}).body or {}
    desk.graph("POST", "/servicePrincipals", {"appId": app["appId"]})
    path = f"/applications/{app['id']}/federatedIdentityCredentials"
    desk.graph("POST", path, {"name": "fic", **CREDENTIAL})
    made = desk.arm("PUT", IDENTITY, {"location": "x", "tags": {"a": "b"}}).body or {}
    desk.arm("PUT", f"{IDENTITY}/federatedIdentityCredentials/fic", {"properties": CREDENTIAL})
    principal = made["properties"]["principalId"]
    body = {"properties": {"roleDefinitionId": READER, "principalId": principal}}
    desk.arm("PUT", f"{GROUP}/providers/Microsoft.Authorization/roleAssignments/{TENANT_ID}", body)
    gone = desk.graph("POST", "/applications", {"displayName": "gone"}).body or {}
    desk.graph("DELETE", f"/applications/{gone['id']}")
    return desk.cloud


def test_what_is_written_comes_back_and_is_honoured(full: Cloud) -> None:
    document = json.loads(json.dumps(snapshot.dump(full)))
    again = Cloud(Directory())
    snapshot.load(again, document)
    assert snapshot.dump(again) == snapshot.dump(full)
    assert all(len(items) > 0 for name, items in document.items() if name != "version")
    clients = {known.client_id for known in full.directory.clients()}
    assert {known.client_id for known in again.directory.clients()} == clients
    assert len(again.directory.all_credentials()) == 2
    assert all(known.principal_from == 0.0 for known in again.directory.clients())


def test_an_application_without_a_service_principal_stays_without(desk: "Desk") -> None:
    desk.graph("POST", "/applications", {"displayName": "shop"})
    again = Cloud(Directory())
    snapshot.load(again, snapshot.dump(desk.cloud))
    (client,) = again.directory.clients()
    assert client.principal_from is None


def test_a_document_from_before_deleted_applications_were_kept_is_read(full: Cloud) -> None:
    document = json.loads(json.dumps(snapshot.dump(full)))
    del document["deleted"]
    again = Cloud(Directory())
    snapshot.load(again, document)
    assert list(again.deleted.all()) == []


def _changed(document: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {**document, **changes}


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"version": 2}, "version is 2, and this program reads 1"),
        ({"version": None}, "version is None"),
        ({"groups": None}, "'groups' must be a JSON array"),
        ({"applications": [1]}, "An item of 'applications' must be a JSON object"),
        ({"credentials": [{}]}, "An item of 'credentials' lacks the field 'id'"),
        ({"identities": [{"colour": "red"}]}, "has no field 'colour'"),
    ],
)
def test_a_document_of_another_shape_is_a_sentence(
    desk: "Desk", changes: dict[str, Any], part: str
) -> None:
    with pytest.raises(errors.BadMessage, match=part):
        snapshot.load(Cloud(Directory()), _changed(snapshot.dump(desk.cloud), **changes))


def test_what_is_no_object_is_a_sentence() -> None:
    with pytest.raises(errors.BadMessage, match="must be a JSON object"):
        snapshot.load(Cloud(Directory()), [])

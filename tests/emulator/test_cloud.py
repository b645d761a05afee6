"""What the token endpoint knows of objects that were made through Graph and ARM."""

import dataclasses

from azwi_emulator.cloud import Application, Cloud, FederatedCredential, Identity, Principal
from azwi_emulator.directory import Directory, principal_id

TENANT, CLIENT = "contoso.example", "client"
AT_ONCE = {"now": 100.0, "lag": 0.0}
LATER = {"now": 100.0, "lag": 5.0}
APPLICATION = Application(id="app", tenant_id=TENANT, app_id=CLIENT, display_name="App", created="")
PRINCIPAL = Principal(
    id=principal_id(TENANT, CLIENT), tenant_id=TENANT, app_id=CLIENT, display_name="App"
)
IDENTITY = Identity(
    tenant_id=TENANT,
    subscription_id="s",
    group="g",
    name="identity",
    location="westeurope",
    client_id=CLIENT,
    principal_id=principal_id(TENANT, CLIENT),
)
CREDENTIAL = FederatedCredential(
    id="1",
    owner="app",
    tenant_id=TENANT,
    client_id=CLIENT,
    name="Fic",
    issuer="https://i/",
    subject="s",
    audience="a",
)


def _cloud() -> Cloud:
    return Cloud(Directory())


def test_an_application_is_a_client_without_a_service_principal() -> None:
    cloud = _cloud()
    cloud.put_application(APPLICATION, **AT_ONCE)
    client = cloud.directory.client(TENANT, CLIENT, 100)
    assert client is not None
    assert client.principal_from is None


def test_the_client_of_a_managed_identity_has_a_resource_id_and_an_applications_has_none() -> None:
    cloud = _cloud()
    cloud.put_application(APPLICATION, **AT_ONCE)
    cloud.put_principal(PRINCIPAL, **AT_ONCE)
    assert cloud.resource_id(TENANT, CLIENT) == ""
    assert cloud.resource_id(TENANT, "nobody") == ""
    cloud.put_identity(IDENTITY, **AT_ONCE)
    assert cloud.resource_id(TENANT, CLIENT) == IDENTITY.resource_id


def test_a_service_principal_completes_a_client_until_it_is_deleted() -> None:
    cloud = _cloud()
    cloud.put_application(APPLICATION, **AT_ONCE)
    cloud.put_principal(PRINCIPAL, **LATER)
    client = cloud.directory.registered(TENANT, CLIENT)
    assert client is not None
    assert client.principal_from == 105
    cloud.remove_principal(PRINCIPAL, **AT_ONCE)
    client = cloud.directory.registered(TENANT, CLIENT)
    assert client is not None
    assert client.principal_from is None


def test_an_identity_is_a_client_with_its_service_principal() -> None:
    cloud = _cloud()
    cloud.put_identity(IDENTITY, **LATER)
    assert cloud.directory.client(TENANT, CLIENT, 104) is None
    client = cloud.directory.client(TENANT, CLIENT, 105)
    assert client is not None
    assert client.principal_from == 105
    (principal,) = cloud.principals.all()
    assert (principal.kind, principal.app_id) == ("ManagedIdentity", CLIENT)


def test_a_deleted_owner_takes_its_credentials_and_its_client_along() -> None:
    cloud = _cloud()
    cloud.put_application(APPLICATION, **AT_ONCE)
    cloud.put_principal(PRINCIPAL, **AT_ONCE)
    cloud.put_credential(CREDENTIAL, **AT_ONCE)
    cloud.remove_application(APPLICATION, **AT_ONCE)
    assert cloud.directory.registered(TENANT, CLIENT) is None
    assert cloud.directory.all_credentials() == {}
    assert [*cloud.applications.all(), *cloud.principals.all(), *cloud.credentials.all()] == []


def test_a_credential_is_honoured_after_the_lag_and_forgotten_at_once() -> None:
    cloud = _cloud()
    cloud.put_application(APPLICATION, **AT_ONCE)
    cloud.put_credential(CREDENTIAL, **LATER)
    assert cloud.directory.credentials(TENANT, CLIENT, 104) == ()
    (honoured,) = cloud.directory.credentials(TENANT, CLIENT, 105)
    assert (honoured.issuer, honoured.subject, honoured.audience) == ("https://i/", "s", "a")
    cloud.remove_credential(CREDENTIAL, **LATER)
    assert cloud.directory.credentials(TENANT, CLIENT, 105) == ()


def test_a_changed_credential_replaces_the_old_one() -> None:
    cloud = _cloud()
    cloud.put_application(APPLICATION, **AT_ONCE)
    cloud.put_credential(CREDENTIAL, **AT_ONCE)
    cloud.put_credential(dataclasses.replace(CREDENTIAL, subject="t"), **AT_ONCE)
    assert [known.subject for known in cloud.directory.credentials(TENANT, CLIENT, 100)] == ["t"]


def test_what_the_control_endpoint_deleted_can_still_be_deleted_here() -> None:
    cloud = _cloud()
    cloud.put_application(APPLICATION, **AT_ONCE)
    cloud.put_credential(CREDENTIAL, **AT_ONCE)
    cloud.directory.remove_client(TENANT, CLIENT)
    cloud.remove_application(APPLICATION, **AT_ONCE)
    assert list(cloud.credentials.all()) == []


def test_a_principal_is_there_once_it_has_replicated() -> None:
    cloud = _cloud()
    cloud.put_identity(IDENTITY, **LATER)
    found = [cloud.has_principal(TENANT, IDENTITY.principal_id, now) for now in (104, 105)]
    assert found == [False, True]
    assert not cloud.has_principal("fabrikam.example", IDENTITY.principal_id, 105)

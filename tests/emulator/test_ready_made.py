"""What is registered at the start."""

import json
from pathlib import Path

import pytest

from azwi_emulator import errors, ready_made
from azwi_emulator.cloud import Cloud
from azwi_emulator.directory import Directory
from azwi_emulator.messages import ClientRegistration, ExternalIssuer

TENANT = "11111111-2222-3333-4444-555555555555"


def test_one_client_is_ready_with_a_credential_for_each_door() -> None:
    made = ready_made.registrations(None).credentials
    assert {(each.tenant_id, each.client_id) for each in made} == {
        (ready_made.TENANT_ID, ready_made.CLIENT_ID)
    }
    assert {each.audience for each in made} == {
        "api://AzureADTokenExchange",
        "api://AKSIdentityBinding",
    }


def test_a_file_adds_its_own(tmp_path: Path) -> None:
    file = tmp_path / "registrations.json"
    client = {"tenantId": TENANT, "clientId": "c", "resources": ["https://vault.azure.net"]}
    credential = {"tenantId": TENANT, "clientId": "c", "subject": "s", "issuer": "https://i/"}
    issuer = {"issuer": "https://i/", "jwks": {"keys": []}}
    file.write_text(
        json.dumps({"clients": [client], "credentials": [credential], "issuers": [issuer]})
    )
    found = ready_made.registrations(str(file))
    assert found.clients == (
        ClientRegistration(tenant_id=TENANT, client_id="c", resources=("https://vault.azure.net",)),
    )
    assert found.credentials[-1].issuer == "https://i/"
    assert len(found.credentials) == 3
    assert found.issuers == (ExternalIssuer(issuer="https://i/", jwks={"keys": []}),)


@pytest.mark.parametrize(
    ("text", "part"),
    [
        (None, "No such file"),
        ("{", "not JSON"),
        ("[]", "must be a JSON object"),
        ('{"clients":[{}]}', "lacks the field 'tenantId'"),
    ],
)
def test_a_file_that_cannot_be_used_is_a_sentence_with_its_name(
    text: str | None, part: str, tmp_path: Path
) -> None:
    file = tmp_path / "registrations.json"
    if text is not None:
        file.write_text(text)
    with pytest.raises(errors.StartFailed, match=part) as caught:
        ready_made.registrations(str(file))
    assert str(file) in str(caught.value)


def test_a_subscription_and_a_resource_group_of_the_tenant_are_ready() -> None:
    cloud = Cloud(Directory())
    ready_made.furnish(cloud)
    (subscription,) = cloud.subscriptions.values()
    (group,) = cloud.groups.all()
    assert subscription.tenant_id == ready_made.TENANT_ID
    assert group.subscription_id == subscription.id == ready_made.SUBSCRIPTION_ID

"""The commands that make Entra ID take a token."""

import dataclasses
import shlex
from typing import Any

from azwi_cli.doctor import mending
from azwi_cli.doctor.facts import Asked, Unread
from azwi_cli.serviceaccount.known import Credential, Kind, Target
from azwi_commands import patients
from azwi_common import contract
from azwi_testing import admission

APPLICATION = Asked(
    client_id=admission.CLIENT,
    found=Target(kind=Kind.APPLICATION, id="1", name="app", client_id=admission.CLIENT),
)
RESOURCE = (
    "/subscriptions/s-1/resourcegroups/a group/providers/Microsoft.ManagedIdentity"
    "/userAssignedIdentities/till"
)
IDENTITY = dataclasses.replace(
    APPLICATION,
    found=Target(kind=Kind.IDENTITY, id=RESOURCE, name="till", client_id=admission.CLIENT),
)


def command(identity: Asked | None, slip: Credential | None = None, **changed: Any) -> list[str]:
    return shlex.split(mending.command(patients.facts(**changed), identity, slip))


def flags(words: list[str]) -> dict[str, str]:
    start = next(number for number, word in enumerate(words) if word.startswith("--"))
    return dict(zip(words[start::2], words[start + 1 :: 2], strict=True))


def test_an_application_gets_its_credential_by_azwi() -> None:
    words = command(APPLICATION)
    assert words[:5] == ["azwi", "sa", "create", "phase", "federated-identity"]
    assert flags(words) == {
        "--service-account-namespace": "shop",
        "--service-account-name": "app",
        "--service-account-issuer-url": patients.ISSUER,
        "--audience": contract.TOKEN_EXCHANGE_AUDIENCE,
        "--aad-application-client-id": admission.CLIENT,
    }


def test_a_managed_identity_is_named_by_its_place() -> None:
    found = flags(command(IDENTITY))
    assert found["--identity-name"] == "till"
    assert found["--identity-resource-group"] == "a group"
    assert found["--subscription-id"] == "s-1"


def test_an_unknown_issuer_is_left_to_azwi() -> None:
    words = command(APPLICATION, around=patients.around(issuer=Unread("no.")))
    assert "--service-account-issuer-url" not in words


def test_where_the_identity_is_not_known_it_is_az_with_gaps() -> None:
    slip = Credential(name="old", issuer="i", subject="s", audience="a")
    assert command(None)[:5] == ["az", "identity", "federated-credential", "create", "--name"]
    assert command(None, slip)[3:6] == ["update", "--name", "old"]
    assert command(None, around=patients.around(issuer=Unread("no.")))[11] == "ISSUER"


def test_an_identity_that_is_not_there_is_corrected_where_the_pod_has_it_from() -> None:
    by_account = mending.other_identity(patients.facts(), APPLICATION)
    assert "azwi sa create --service-account-namespace shop" in by_account
    mapped = dataclasses.replace(APPLICATION, client_id=admission.TENANT)
    assert contract.IDENTITIES_ANNOTATION in mending.other_identity(patients.facts(), mapped)


def test_an_identity_is_called_by_its_kind_and_name() -> None:
    assert mending.name(APPLICATION) == "the application app"
    assert mending.name(IDENTITY) == "the managed identity till"
    assert mending.name(dataclasses.replace(IDENTITY, found=None)).endswith(admission.CLIENT)


def test_the_tokens_audience_is_the_volumes() -> None:
    pod = patients.pod()
    source = pod["spec"]["volumes"][0]["projected"]["sources"][0]["serviceAccountToken"]
    source["audience"] = "api://other"
    assert mending.token(patients.facts(pod=pod)).audience == "api://other"

"""What is registered at the start: one client that needs no set-up, and the user's own file."""

import json
from pathlib import Path
from typing import Final

from azwi_common import contract
from azwi_emulator import claims, errors, wire
from azwi_emulator.cloud import Cloud, Group, Subscription
from azwi_emulator.messages import BINDING_AUDIENCE, CredentialRegistration, Registrations

# Fixed, so that they can stand in a README; nobody's in the real Entra ID.
TENANT_ID: Final = "a2e1f0c4-5b6d-4e7f-8091-7e4a47e4a471"
CLIENT_ID: Final = "c11e47c1-1e47-4c11-8e47-c11e47c11e47"
NAMESPACE: Final = "default"
SERVICE_ACCOUNT: Final = "demo"
SUBSCRIPTION_ID: Final = "5ab5c219-7104-4d05-8e47-5ab5c2197104"
RESOURCE_GROUP: Final = "azwi"
LOCATION: Final = "westeurope"
SUBJECT: Final = claims.subject(NAMESPACE, SERVICE_ACCOUNT)


def registrations(file: str | None) -> Registrations:
    """The ready-made client, with a credential for each door, and what ``file`` holds."""
    given = _read(file) if file else Registrations()
    made = [
        CredentialRegistration(
            tenant_id=TENANT_ID, client_id=CLIENT_ID, subject=SUBJECT, audience=audience
        )
        for audience in (contract.TOKEN_EXCHANGE_AUDIENCE, BINDING_AUDIENCE)
    ]
    return Registrations(
        clients=given.clients, credentials=(*made, *given.credentials), issuers=given.issuers
    )


def furnish(cloud: Cloud) -> None:
    """Put a subscription and an empty resource group of the ready-made tenant into ``cloud``."""
    cloud.subscriptions[SUBSCRIPTION_ID] = Subscription(SUBSCRIPTION_ID, TENANT_ID, "azwi-emulator")
    group = Group(subscription_id=SUBSCRIPTION_ID, name=RESOURCE_GROUP, location=LOCATION)
    cloud.groups.put(group.key, group, now=0, lag=0)


def _read(file: str) -> Registrations:
    try:
        decoded = json.loads(Path(file).read_bytes())
        return wire.read(Registrations, decoded, "The file")
    except OSError as error:
        reason = f"{error.strerror}."
    except ValueError as error:
        reason = f"It is not JSON: {error}."
    except errors.BadMessage as error:
        reason = str(error)
    raise errors.StartFailed(f"The registrations in {file} cannot be used. {reason}")

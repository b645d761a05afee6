"""What a running emulator knows."""

import ssl
import time

import pytest

from azwi_emulator import errors, keys, state
from azwi_emulator.discovery import IssuerKeys
from azwi_emulator.federation import Grant
from azwi_emulator.messages import (
    AccessTokenShape,
    ClientRegistration,
    CredentialRegistration,
    Exchange,
    ExternalIssuer,
    Fault,
    Registrations,
)

TENANT = "contoso.example"


def _state(registrations: Registrations | None = None) -> state.State:
    return state.State(
        "https://login.example/",
        IssuerKeys(ssl.create_default_context()),
        registrations=registrations or Registrations(),
        access_tokens=AccessTokenShape(),
    )


def _exchange(client_id: str = "c") -> Exchange:
    return Exchange(
        time=0, tenant_id="t", client_id=client_id, scope="s", assertion_sha256="", via="entra"
    )


def test_only_the_last_requests_are_kept_but_all_are_counted() -> None:
    known = _state()
    for number in range(state.MOST_EXCHANGES + 5):
        known.record(_exchange(str(number)))
    assert known.exchange_count == state.MOST_EXCHANGES + 5
    assert len(known.exchanges) == state.MOST_EXCHANGES
    assert known.exchanges[0].client_id == "5"


def test_requests_can_be_chosen_by_client() -> None:
    known = _state()
    known.record(_exchange("a"))
    known.record(_exchange("b"))
    assert [seen.client_id for seen in known.exchanges_of("B")] == ["b"]
    assert len(list(known.exchanges_of(None))) == 2


def test_a_credential_without_an_issuer_is_for_the_emulators_own() -> None:
    known = _state()
    known.add_credential(CredentialRegistration(tenant_id=TENANT, client_id="c", subject="s"))
    (credential,) = known.directory.all_credentials().values()
    assert credential.issuer == "https://login.example/issuer/"


def test_delays_count_from_the_registration() -> None:
    known = _state()
    known.add_client(ClientRegistration(tenant_id=TENANT, client_id="c", delay_seconds=60))
    assert known.directory.client(TENANT, "c", known.now() + 59) is None
    assert known.directory.client(TENANT, "c", known.now() + 61)


def test_entra_ids_clock_can_be_ahead() -> None:
    known = _state()
    known.faults.put("f", Fault(kind="skew", seconds=1000))
    assert 999 < known.now() - time.time() < 1001


def test_keys_that_cannot_be_used_are_refused() -> None:
    with pytest.raises(errors.BadMessage, match="'jwks' cannot be used"):
        _state().add_issuer(ExternalIssuer(issuer="https://i/", jwks={"keys": []}))


async def test_a_reset_goes_back_to_the_registrations_of_the_start() -> None:
    key = keys.SigningKey()
    external = ExternalIssuer(issuer="https://i/", jwks={"keys": [key.public_jwk()]})
    start = Registrations(
        clients=(ClientRegistration(tenant_id=TENANT, client_id="c"),), issuers=(external,)
    )
    known = _state(start)
    known.directory.remove_client(TENANT, "c")
    known.record(_exchange())
    known.reset()
    assert known.directory.has_tenant(TENANT)
    assert known.exchange_count == 0
    assert list(await known.issuer_keys.get("https://i/", key.key_id)) == [key.key_id]


def test_lifetimes_are_sixty_to_ninety_minutes_at_random() -> None:
    known = _state()
    granted = Grant(TENANT, "c", "https://vault.azure.net")
    lifetimes = {known.token_answer(granted)["expires_in"] for _ in range(20)}
    assert len(lifetimes) > 1
    assert all(3600 <= lifetime < 5400 for lifetime in lifetimes)


def test_the_lag_is_that_of_the_settings_unless_a_fault_sets_it() -> None:
    known = state.State(
        "https://login.example/",
        IssuerKeys(ssl.create_default_context()),
        registrations=Registrations(),
        access_tokens=AccessTokenShape(),
        consistency_delay=3,
    )
    assert known.lag() == 3
    known.faults.put("f", Fault(kind="lag", seconds=1))
    assert known.lag() == 1


def test_graph_and_arm_are_furnished_and_kept_at_the_start_and_at_each_reset() -> None:
    happened: list[str] = []
    known = state.State(
        "https://login.example/",
        IssuerKeys(ssl.create_default_context()),
        registrations=Registrations(),
        access_tokens=AccessTokenShape(),
        furnish=lambda _: happened.append("furnish"),
        keep=lambda _: happened.append("keep"),
    )
    known.reset()
    assert happened == ["furnish", "keep"] * 2


def test_a_secret_that_is_registered_is_known() -> None:
    known = _state()
    known.add_client(ClientRegistration(tenant_id=TENANT, client_id="c", secret="hush"))
    assert known.directory.is_secret(TENANT, "c", "hush")

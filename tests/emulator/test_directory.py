"""Who is registered, and from when on."""

import pytest

from azwi_emulator import errors
from azwi_emulator.directory import (
    CREDENTIALS_PER_CLIENT,
    Client,
    Credential,
    Directory,
    principal_id,
)

NOW = 1_000.0


def _credential(client_id: str = "C", subject: str = "s") -> Credential:
    return Credential("T", client_id, "https://i/", subject, "a")


def test_ids_compare_without_regard_to_case() -> None:
    known = Directory()
    known.add_client(Client("Tenant", "Client"))
    assert known.client("TENANT", "cLIENT", NOW)
    assert known.has_tenant("tenant")


def test_a_client_is_visible_from_its_moment_on() -> None:
    known = Directory()
    known.add_client(Client("t", "c", visible_from=NOW + 1))
    assert known.client("t", "c", NOW) is None
    assert known.client("t", "c", NOW + 1) is not None


def test_a_credential_is_visible_from_its_moment_on() -> None:
    known = Directory()
    later = Credential("t", "c", "https://i/", "s", "a", visible_from=NOW + 1)
    known.add_credential(later)
    assert known.credentials("t", "c", NOW) == ()
    assert known.credentials("t", "c", NOW + 1) == (later,)


def test_a_credential_brings_its_client_with_it() -> None:
    known = Directory()
    known.add_credential(_credential())
    assert known.client("t", "c", NOW)


def test_a_credential_leaves_a_known_client_as_it_is() -> None:
    known = Directory()
    known.add_client(Client("t", "c", resources=("r",)))
    known.add_credential(_credential())
    assert [client.resources for client in known.clients()] == [("r",)]


def test_a_removed_client_takes_its_credentials_with_it_and_no_others() -> None:
    known = Directory()
    known.add_credential(_credential())
    other = known.add_credential(_credential(client_id="other"))
    known.remove_client("t", "c")
    assert list(known.all_credentials()) == [other]


def test_a_removed_credential_is_gone() -> None:
    known = Directory()
    known.remove_credential(known.add_credential(_credential()))
    assert known.credentials("t", "c", NOW) == ()


def test_what_is_unknown_cannot_be_removed() -> None:
    known = Directory()
    with pytest.raises(errors.RequestRefused) as client:
        known.remove_client("t", "c")
    with pytest.raises(errors.RequestRefused) as credential:
        known.remove_credential("1")
    assert (client.value.status, credential.value.status) == (404, 404)


def test_a_client_has_as_many_credentials_as_entra_id_allows() -> None:
    known = Directory()
    for number in range(CREDENTIALS_PER_CLIENT):
        known.add_credential(_credential(subject=str(number)))
    with pytest.raises(errors.RequestRefused, match="delete one first"):
        known.add_credential(_credential(subject="one more"))


def test_a_secret_is_known_by_its_client_alone_and_goes_with_it() -> None:
    known = Directory()
    known.add_client(Client("t", "c"))
    known.set_secret("T", "C", "hush")
    tried = [("t", "c", "hush"), ("t", "c", "HUSH"), ("t", "c", ""), ("t", "other", "hush")]
    assert [known.is_secret(*one) for one in tried] == [True, False, False, False]
    known.remove_client("t", "c")
    assert not known.is_secret("t", "c", "hush")


def test_certificates_are_known_by_their_client_alone_and_go_with_it() -> None:
    known = Directory()
    known.add_client(Client("t", "c"))
    known.set_certificates("T", "C", (b"der",))
    assert known.certificates("t", "c") == (b"der",)
    assert known.certificates("t", "other") == ()
    known.remove_client("t", "c")
    assert known.certificates("t", "c") == ()


def test_no_secret_is_kept() -> None:
    known = Directory()
    known.set_secret("t", "c", "hush")
    assert "hush" not in repr(vars(known))


def test_a_client_is_registered_before_it_is_visible() -> None:
    known = Directory()
    known.add_client(Client("t", "c", visible_from=5))
    assert known.client("t", "c", 4) is None
    assert known.registered("T", "C") is not None


def test_a_principals_id_is_the_same_whatever_the_case() -> None:
    assert principal_id("T", "C") == principal_id("t", "c") != principal_id("t", "d")

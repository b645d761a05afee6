"""Claims of access tokens and of service account tokens."""

from azwi_emulator import claims, keys
from azwi_emulator.federation import Grant
from azwi_emulator.messages import ServiceAccountTokenRequest

NOW = 1_700_000_000
GRANT = Grant("tenant", "client", "https://management.azure.com/")


def _access_token() -> dict[str, object]:
    return claims.access_token(
        GRANT, issuer="https://login/tenant/v2.0", now=NOW, lifetime=3600, unique="u"
    )


def test_an_access_token_is_for_the_resource_verbatim_and_names_the_client_twice() -> None:
    token = _access_token()
    assert token["aud"] == "https://management.azure.com/"
    assert token["appid"] == token["azp"] == "client"
    assert (token["iss"], token["tid"], token["ver"]) == (
        "https://login/tenant/v2.0",
        "tenant",
        "2.0",
    )


def test_an_access_token_lives_from_five_minutes_ago() -> None:
    token = _access_token()
    assert (token["nbf"], token["iat"], token["exp"]) == (NOW - 300, NOW - 300, NOW + 3600)


def test_a_client_has_the_same_object_id_in_every_token() -> None:
    assert _access_token()["oid"] == _access_token()["sub"] == _access_token()["oid"]


def test_the_token_of_a_managed_identity_names_its_resource() -> None:
    assert "xms_mirid" not in _access_token()
    named = claims.access_token(
        GRANT,
        issuer="https://i",
        now=NOW,
        lifetime=3600,
        unique="u",
        resource_id="/subscriptions/s",
    )
    assert named["xms_mirid"] == "/subscriptions/s"


def test_a_token_is_padded_to_about_its_size() -> None:
    padded = claims.padded(_access_token(), 2000, "x" * 4000)
    assert abs(len(keys.SigningKey().sign(padded)) - 2000) < 50


def test_a_token_that_is_large_already_is_not_padded() -> None:
    assert claims.padded(_access_token(), 0, "x" * 4000)["aio"] == ""


def test_a_service_account_token_has_the_claims_of_a_cluster() -> None:
    asked = ServiceAccountTokenRequest(namespace="shop", name="cart", audience="api://a")
    token = claims.service_account_token(asked, issuer="https://i/", now=NOW, unique="u")
    assert token["sub"] == "system:serviceaccount:shop:cart"
    assert token["aud"] == ["api://a"]
    assert (token["iss"], token["iat"], token["nbf"]) == ("https://i/", NOW, NOW)
    assert token["exp"] == NOW + 3600
    cluster = token["kubernetes.io"]
    assert cluster["namespace"] == "shop"
    assert cluster["serviceaccount"]["name"] == "cart"
    assert set(cluster) == {"namespace", "node", "pod", "serviceaccount"}


def test_an_expired_token_was_valid_once() -> None:
    asked = ServiceAccountTokenRequest(lifetime_seconds=-60)
    token = claims.service_account_token(asked, issuer="https://i/", now=NOW, unique="u")
    assert token["nbf"] < token["exp"] == NOW - 60


def test_a_token_may_start_later() -> None:
    asked = ServiceAccountTokenRequest(not_before_seconds=600)
    token = claims.service_account_token(asked, issuer="https://i/", now=NOW, unique="u")
    assert token["nbf"] == NOW + 600

"""msal's HTTP client: what is decided before anything is sent. Sending is tested in test_entra."""

import json

import pytest

from azwi_common.proxy_settings import Settings
from azwi_common.settings import load
from azwi_proxy import transport
from azwi_proxy.transport import Transport

TENANT = "https://login.example/contoso.com"


def settings(**variables: str) -> Settings:
    given = {"AZURE_FEDERATED_TOKEN_FILE": "/t", "AZURE_TENANT_ID": "contoso.com"}
    return load(Settings, {**given, "AZURE_AUTHORITY_HOST": "https://login.example", **variables})


def test_discovery_is_answered_without_a_call() -> None:
    answer = transport.Client().get(f"{TENANT}/v2.0/.well-known/openid-configuration")
    assert json.loads(answer.text)["token_endpoint"] == f"{TENANT}/oauth2/v2.0/token"


@pytest.mark.parametrize(
    ("proxy", "sent_to"),
    [
        ({}, f"{TENANT}/oauth2/v2.0/token"),
        (
            {"AZURE_KUBERNETES_TOKEN_PROXY": "https://10.0.0.1:8443/a/b/"},
            "https://10.0.0.1:8443/a/b/contoso.com/oauth2/v2.0/token",
        ),
        (
            {"AZURE_KUBERNETES_TOKEN_PROXY": "https://proxy.aks"},
            "https://proxy.aks/contoso.com/oauth2/v2.0/token",
        ),
    ],
)
def test_a_token_proxy_takes_the_hosts_place_and_keeps_its_path(
    proxy: dict[str, str], sent_to: str
) -> None:
    assert Transport(settings(**proxy))._address(f"{TENANT}/oauth2/v2.0/token") == sent_to


@pytest.mark.parametrize(
    ("no_proxy", "used"),
    [
        ("", True),
        ("*", False),
        ("localhost, *", False),
        ("LOGIN.example", False),
        ("login.example", False),
        ("LOGIN.example.", False),
        ("*.example", False),
        ("login.example:443", False),
        ("login.example:444", True),
        ("other.example; login.example", False),
        ("other.example\tlogin.example", False),
        (".example", False),
        ("example", False),
        ("other.example, login.example", False),
        ("gin.example", True),
        ("10.0.0.0/8,.svc,.cluster.local", True),
    ],
)
def test_no_proxy_names_hosts_and_domains(no_proxy: str, used: bool) -> None:
    made = settings(HTTPS_PROXY="http://proxy:3128", NO_PROXY=no_proxy)
    assert (Transport(made)._proxy is not None) == used


@pytest.mark.parametrize(
    ("said", "field"),
    [
        ({}, "access_token"),
        ({"access_token": "", "expires_in": 60}, "access_token"),
        ({"access_token": 1, "expires_in": 60}, "access_token"),
        ({"access_token": "t"}, "expires_in"),
        ({"access_token": "t", "expires_in": 0}, "expires_in"),
        ({"access_token": "t", "expires_in": "soon"}, "expires_in"),
        ({"access_token": "t", "expires_in": "1e400"}, "expires_in"),
        ({"access_token": "t", "expires_in": "nan"}, "expires_in"),
        ({"access_token": "t", "expires_in": 10**400}, "expires_in"),
        ({"access_token": "t", "expires_in": None}, "expires_in"),
        ({"access_token": "t", "expires_in": [1]}, "expires_in"),
        ({"access_token": "t", "expires_in": -5}, "expires_in"),
    ],
)
def test_an_answer_without_a_token_or_a_lifetime_names_the_field_and_msal_never_sees_it(
    said: dict[str, object], field: str
) -> None:
    with pytest.raises(ValueError, match=field):
        transport._essence(said)


@pytest.mark.parametrize("lifetime", [3599, "3599", "3599.0", 3599.7, "3599.9"])
def test_a_lifetime_is_read_in_every_spelling_of_a_number(lifetime: object) -> None:
    essence = transport._essence({"access_token": "t", "expires_in": lifetime})
    assert json.loads(essence)["expires_in"] == 3599


def test_msal_sees_the_token_and_its_lifetime_and_nothing_else() -> None:
    said = {"access_token": "t", "expires_in": "60", "refresh_in": "x", "id_token": 7}
    assert json.loads(transport._essence(said)) == {
        "token_type": "Bearer",
        "access_token": "t",
        "expires_in": 60,
    }

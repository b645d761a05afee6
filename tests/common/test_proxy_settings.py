"""The proxy's settings: every problem at once, each with the variable's name."""

import pytest

from azwi_common.proxy_settings import Settings, read, wrong
from azwi_common.settings import SettingsError, load

ONE = "11111111-1111-1111-1111-111111111111"
GOOD = {
    "AZURE_FEDERATED_TOKEN_FILE": "/t",
    "AZURE_TENANT_ID": "contoso.onmicrosoft.com",
}


def problems(**changes: str) -> str:
    with pytest.raises(SettingsError) as caught:
        load(Settings, {**GOOD, **changes})
    return "\n".join(caught.value.problems)


def test_the_token_file_and_a_tenant_are_all_that_is_required() -> None:
    settings = load(Settings, GOOD)
    assert (settings.port, settings.forward, settings.strict) == (8000, "instance", False)
    assert settings.authority == "https://login.microsoftonline.com"
    assert settings.client_id is None


def test_an_empty_environment_names_both_problems() -> None:
    with pytest.raises(SettingsError) as caught:
        load(Settings, {})
    assert "AZURE_FEDERATED_TOKEN_FILE" in caught.value.problems[0]
    assert "AZURE_TENANT_ID" in caught.value.problems[1]


def test_everything_wrong_is_told_at_once() -> None:
    told = problems(
        AZURE_TENANT_ID="no tenant",
        AZURE_CLIENT_ID="me",
        AZURE_AUTHORITY_HOST="http://login.example",
        PROXY_PORT="0",
        AZWI_FORWARD="some",
        AZWI_STRICT_IDENTITIES="yes",
        AZWI_DRAIN_SECONDS="-1",
        AZWI_IDENTITIES="{",
        METADATA_IP="::1",
        AZWI_METRICS_PORT="9090",
        AZURE_KUBERNETES_SNI_NAME="sni",
    )
    assert len(told.splitlines()) == 11
    for name in ("AZURE_TENANT_ID", "PROXY_PORT", "AZWI_IDENTITIES", "POD_IP", "TOKEN_PROXY"):
        assert name in told


@pytest.mark.parametrize(
    ("host", "authority"),
    [
        ("https://login.microsoftonline.us/", "https://login.microsoftonline.us"),
        ("https://login.partner.microsoftonline.cn", "https://login.partner.microsoftonline.cn"),
        ("https://127.0.0.1:8443/", "https://127.0.0.1:8443"),
    ],
)
def test_any_https_host_can_be_the_authority(host: str, authority: str) -> None:
    assert load(Settings, {**GOOD, "AZURE_AUTHORITY_HOST": host}).authority == authority


@pytest.mark.parametrize(
    "host",
    ["login.example", "https://u@login.example", "https://login.example/tenant", "https://x?y",
     "https://h:99999", "https://[::1"],
)  # fmt: skip
def test_an_authority_with_anything_else_is_refused(host: str) -> None:
    assert "AZURE_AUTHORITY_HOST must" in problems(AZURE_AUTHORITY_HOST=host)


@pytest.mark.parametrize(
    ("variables", "told"),
    [
        ({"AZURE_KUBERNETES_CA_DATA": "x"}, "need AZURE_KUBERNETES_TOKEN_PROXY"),
        ({"AZURE_KUBERNETES_TOKEN_PROXY": "http://x"}, "must be an https:// URL"),
        ({"AZURE_KUBERNETES_TOKEN_PROXY": "https://x?y=1"}, "must not have"),
        (
            {
                "AZURE_KUBERNETES_TOKEN_PROXY": "https://x",
                "AZURE_KUBERNETES_CA_DATA": "x",
                "AZURE_KUBERNETES_CA_FILE": "y",
            },
            "not both",
        ),
    ],
)
def test_identity_binding_settings_must_fit_together(variables: dict[str, str], told: str) -> None:
    assert told in problems(**variables)


def test_a_map_entry_without_a_tenant_needs_the_default_one() -> None:
    with pytest.raises(SettingsError, match="has no tenantId"):
        load(
            Settings,
            {"AZURE_FEDERATED_TOKEN_FILE": "/t", "AZWI_IDENTITIES": f'[{{"clientId":"{ONE}"}}]'},
        )


def test_a_map_whose_entries_all_have_tenants_needs_no_default_one() -> None:
    text = f'[{{"clientId":"{ONE}","tenantId":"contoso.com"}}]'
    settings = load(Settings, {"AZURE_FEDERATED_TOKEN_FILE": "/t", "AZWI_IDENTITIES": text})
    assert settings.identities[0].tenant_id == "contoso.com"


def test_a_password_in_the_forward_proxy_is_never_shown() -> None:
    told = problems(HTTPS_PROXY="https://user:secret@proxy:3128")
    assert "HTTPS_PROXY" in told
    assert "secret" not in told


def test_the_lower_case_spelling_of_proxy_variables_counts() -> None:
    given = {"https_proxy": "http://a:1", "HTTPS_PROXY": "http://b:1", "no_proxy": "x"}
    settings = read({**GOOD, **given})
    assert (settings.https_proxy, settings.no_proxy) == ("http://a:1", ("x",))


@pytest.mark.parametrize("name", ["https_proxy", "HTTPS_PROXY"])
def test_a_wrong_forward_proxy_is_named_by_the_variable_that_counts(name: str) -> None:
    with pytest.raises(SettingsError) as caught:
        read({**GOOD, "HTTPS_PROXY": "http://good:1", name: "http://a%3Ab:secret@proxy"})
    assert [problem.split()[0] for problem in caught.value.problems] == [name]


def test_a_flag_wins_over_its_variable_and_is_named_when_it_is_wrong() -> None:
    flags = {"--proxy-port": "9000"}
    assert load(Settings, {**GOOD, "PROXY_PORT": "7000"}, flags).port == 9000
    with pytest.raises(SettingsError, match="--proxy-port must be a port number"):
        load(Settings, GOOD, {"--proxy-port": "70000"})


def test_the_identity_header_is_taken_as_it_is_and_never_shown() -> None:
    assert load(Settings, GOOD).identity_header is None
    settings = load(Settings, {**GOOD, "IDENTITY_HEADER": "s3cret-s3cret-s3"})
    assert settings.identity_header == "s3cret-s3cret-s3"
    assert "s3cret" not in repr(settings)


@pytest.mark.parametrize(
    "value", ["s3cret", "s3cret " * 4, "s3crét" * 4, "s3cret\n" * 4, "s" * 257]
)
def test_an_identity_header_that_no_header_holds_or_anybody_guesses_is_refused(value: str) -> None:
    told = problems(IDENTITY_HEADER=value)
    assert told == "IDENTITY_HEADER must be 16 to 256 letters, digits or signs of ASCII, at random."


def test_what_others_give_the_proxy_is_judged_by_its_value_alone() -> None:
    told = list(
        wrong(
            {
                "HTTPS_PROXY": "https://me:secret@proxy",
                "no_proxy": "anything",
                "AZURE_AUTHORITY_HOST": "https://login.example/tenant",
                "AZURE_TENANT_ID": "",
                "AZWI_METRICS_PORT": "$(PORT)",
                "NOT_OURS": "\n",
            }
        )
    )
    assert [problem.split()[0] for problem in told] == ["HTTPS_PROXY", "AZURE_AUTHORITY_HOST"]
    assert "secret" not in "".join(told)

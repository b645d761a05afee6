"""The reference's variables, read as the reference meant them, and refused all at once."""

import pytest

from azwi_common.settings import SettingsError, load
from azwi_init.settings import Settings


def test_without_variables_everything_is_as_the_reference_has_it() -> None:
    settings = load(Settings, {})

    assert (settings.metadata_ip, settings.metadata_port) == ("169.254.169.254", 80)
    assert (settings.proxy_port, settings.proxy_uid) == (8000, 1501)
    assert (settings.mode, settings.exempt_uid) == ("auto", 1501)


def test_the_references_variables_are_read() -> None:
    settings = load(
        Settings,
        {
            "PROXY_PORT": "8123",
            "METADATA_IP": "10.0.0.1",
            "METADATA_PORT": "8080",
            "PROXY_UID": "77",
            "AZWI_IPTABLES_MODE": "legacy",
        },
    )

    assert settings == Settings(
        proxy_port=settings.proxy_port,
        metadata_ip=settings.metadata_ip,
        metadata_port=settings.metadata_port,
        proxy_uid=settings.proxy_uid,
        mode="legacy",
    )
    assert (settings.proxy_port, settings.metadata_ip) == (8123, "10.0.0.1")
    assert (settings.metadata_port, settings.exempt_uid) == (8080, 77)


@pytest.mark.parametrize(("forward", "exempt"), [("instance", 1501), ("all", 1501), ("none", None)])
def test_a_proxy_that_forwards_nothing_has_no_exempt_user(forward: str, exempt: int | None) -> None:
    assert load(Settings, {"AZWI_FORWARD": forward}).exempt_uid == exempt


def test_every_wrong_variable_is_named_in_one_go() -> None:
    wrong = {
        "PROXY_PORT": "0",
        "PROXY_UID": "0",
        "METADATA_IP": "::1",
        "METADATA_PORT": "http",
        "AZWI_FORWARD": "some",
        "AZWI_IPTABLES_MODE": "iptables",
        "AZWI_LOG_LEVEL": "loud",
    }

    with pytest.raises(SettingsError) as caught:
        load(Settings, wrong)

    assert sorted(problem.split()[0] for problem in caught.value.problems) == sorted(wrong)


@pytest.mark.parametrize(
    "uid", ["0", "-1", "root", "4294967295", "99999999999999", "1.5", "00000000001" + "9" * 11]
)
def test_what_cannot_be_an_exempt_user_is_refused(uid: str) -> None:
    with pytest.raises(SettingsError, match="PROXY_UID must be a user id from 1"):
        load(Settings, {"PROXY_UID": uid})


@pytest.mark.parametrize(
    "address",
    ["1.2.3", "1.2.3.4.5", "256.1.1.1", "01.2.3.4", "0.0.0.0", "224.0.0.1", "a.b.c.d", "1.2.3.٤"],
)
def test_what_is_not_the_ipv4_address_of_a_host_is_refused(address: str) -> None:
    with pytest.raises(SettingsError, match="METADATA_IP must be the IPv4 address"):
        load(Settings, {"METADATA_IP": address})

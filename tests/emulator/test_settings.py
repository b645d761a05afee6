"""What the emulator can be told."""

import pytest

from azwi_common import settings as common
from azwi_emulator.settings import ANY_PORT, OFF, Settings


def test_nothing_needs_to_be_set_and_nothing_listens_beyond_loopback() -> None:
    settings = common.load(Settings, {})
    assert (settings.host, settings.control_host) == ("127.0.0.1", "127.0.0.1")
    assert (settings.port, settings.control_port) == (ANY_PORT, ANY_PORT)
    assert settings.token_proxy_port == OFF


def test_every_setting_has_a_variable_of_its_own_and_a_flag() -> None:
    described = common.describe(Settings)
    assert len({setting.env.name for setting in described}) == len(described)
    assert all(setting.env.flag.startswith("--") for setting in described)


@pytest.mark.parametrize(("text", "port"), [("off", -1), ("0", 0), ("8080", 8080)])
def test_the_control_port_is_a_number_or_off(text: str, port: int) -> None:
    settings = common.load(Settings, {"AZWI_EMULATOR_CONTROL_PORT": text})
    assert settings.control_port == port


@pytest.mark.parametrize(
    ("variables", "sentence"),
    [
        (
            {"AZWI_EMULATOR_CONTROL_PORT": "none"},
            "AZWI_EMULATOR_CONTROL_PORT must be a port number from 1 to 65535,"
            " or 0 for any free port, or off.",
        ),
        (
            {"AZWI_EMULATOR_PORT": "off"},
            "AZWI_EMULATOR_PORT must be a port number from 1 to 65535, or 0 for any free port.",
        ),
        ({"AZWI_EMULATOR_PORT": "65536"}, "AZWI_EMULATOR_PORT must be a port number"),
        ({"AZWI_EMULATOR_PORT": "000008080808"}, "AZWI_EMULATOR_PORT must be a port number"),
        ({"AZWI_EMULATOR_CA_FILE": "ca.pem"}, "must be set together"),
        ({"AZWI_EMULATOR_TOKEN_SIZE": "100001"}, "AZWI_EMULATOR_TOKEN_SIZE must be 100000"),
        ({"AZWI_EMULATOR_TOKEN_LIFETIME": "0"}, "AZWI_EMULATOR_TOKEN_LIFETIME must be at least"),
        ({"AZWI_EMULATOR_PAGE_SIZE": "0"}, "AZWI_EMULATOR_PAGE_SIZE must be at least 1"),
        (
            {"AZWI_EMULATOR_CONSISTENCY_DELAY": "soon"},
            "AZWI_EMULATOR_CONSISTENCY_DELAY must be a number of seconds from 0 to 3600.",
        ),
        ({"AZWI_EMULATOR_CONSISTENCY_DELAY": "-1"}, "must be a number of seconds"),
        ({"AZWI_EMULATOR_CONSISTENCY_DELAY": "nan"}, "must be a number of seconds"),
        (
            {
                "AZWI_EMULATOR_CA_FILE": "a",
                "AZWI_EMULATOR_CA_KEY_FILE": "b",
                "AZWI_EMULATOR_WRITE_CA_KEY": "true",
            },
            "AZWI_EMULATOR_WRITE_CA_KEY is for a new CA",
        ),
    ],
)
def test_a_wrong_setting_is_a_sentence(variables: dict[str, str], sentence: str) -> None:
    with pytest.raises(common.SettingsError) as caught:
        common.load(Settings, variables)
    assert sentence in str(caught.value)


def test_a_delay_may_be_a_part_of_a_second() -> None:
    settings = common.load(Settings, {"AZWI_EMULATOR_CONSISTENCY_DELAY": "0.5"})
    assert settings.consistency_delay == 0.5

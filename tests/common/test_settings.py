"""Environment to dataclass."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import pytest

from azwi_common.settings import Env, Port, SettingsError, describe, load, parse


@dataclass(frozen=True, kw_only=True)
class Example:
    """One setting of each kind."""

    name: Annotated[str, Env("NAME", "name of the example")]
    port: Annotated[Port, Env("PORT", "port to listen on", flag="--port")] = Port(8000)
    mode: Annotated[Literal["a", "b"], Env("MODE", "mode of operation")] = "a"
    loud: Annotated[bool, Env("LOUD", "whether to shout")] = False
    seconds: Annotated[int, Env("SECONDS", "seconds to wait")] = 5
    words: Annotated[tuple[str, ...], Env("WORDS", "words to say")] = ()
    other: Annotated[Port | None, Env("OTHER", "another port")] = None

    @classmethod
    def problems(cls, found: Mapping[str, Any]) -> Iterator[str]:
        if "port" in found and found.get("other") == found["port"]:
            yield "PORT and OTHER must differ."


def test_values_have_the_types_of_their_fields() -> None:
    environ = {"NAME": "n", "PORT": "1", "MODE": "b", "LOUD": "True", "SECONDS": "0"}
    loaded = load(Example, {**environ, "WORDS": " x  y ", "OTHER": "2"})
    assert loaded == Example(
        name="n", port=Port(1), mode="b", loud=True, seconds=0, words=("x", "y"), other=Port(2)
    )


def test_an_empty_value_counts_as_absent() -> None:
    assert load(Example, {"NAME": "n", "PORT": "", "MODE": "  "}) == Example(name="n")


def test_all_problems_are_told_at_once_each_with_its_name_and_what_is_allowed() -> None:
    wrong = {"PORT": "65536", "MODE": "c", "LOUD": "yes", "SECONDS": "1.5", "OTHER": "x"}
    with pytest.raises(SettingsError) as caught:
        load(Example, wrong)
    assert caught.value.problems == (
        "NAME is not set: it is the name of the example.",
        "PORT must be a port number from 1 to 65535.",
        "MODE must be one of a, b; it is 'c'.",
        "LOUD must be one of true, false; it is 'yes'.",
        "SECONDS must be a whole number, 0 or more.",
        "OTHER must be a port number from 1 to 65535.",
    )


def test_what_no_single_variable_shows_is_checked_beside_them() -> None:
    with pytest.raises(SettingsError, match=r"NAME is not set.*PORT and OTHER must differ"):
        load(Example, {"PORT": "7", "OTHER": "7"})


@pytest.mark.parametrize(
    "text", ["0", "65536", "-1", "+1", "1.0", "0x1", "", "٣", "9" * 50, "000080808"]
)
def test_a_port_is_decimal_and_in_range(text: str) -> None:
    with pytest.raises(ValueError, match="1 to 65535"):
        Port.from_text(text)


def test_a_flag_wins_over_its_variable() -> None:
    assert load(Example, {"NAME": "n", "PORT": "1"}, {"--port": "2"}).port == 2


def test_settings_describe_themselves_for_the_documentation() -> None:
    described = {setting.env.name: setting for setting in describe(Example)}
    assert described["NAME"].required
    assert (described["PORT"].default, described["PORT"].env.flag) == (8000, "--port")


def test_a_field_without_env_is_a_mistake_of_the_programmer() -> None:
    @dataclass(frozen=True)
    class Bare:
        name: str

    with pytest.raises(TypeError, match="without Env"):
        load(Bare, {})


@pytest.mark.parametrize(
    ("text", "value"), [("true", True), ("True", True), ("false", False), ("FALSE", False)]
)
def test_a_flag_is_true_or_false_in_any_case(text: str, value: bool) -> None:
    assert parse(bool, text) is value

"""JSON to dataclasses and back."""

from dataclasses import dataclass
from typing import Any, Literal

import pytest

from azwi_emulator import errors, wire


@dataclass(frozen=True)
class Leaf:
    name: str


@dataclass(frozen=True)
class Message:
    tenant_id: str
    some_number: int = 1
    ratio: float = 0.5
    is_good: bool = False
    kind: Literal["a", "b"] = "a"
    maybe: str | None = None
    words: tuple[str, ...] = ()
    leaves: tuple[Leaf, ...] = ()
    foreign: dict[str, Any] | None = None


def test_names_are_camel_case_on_the_wire() -> None:
    assert wire.write(Message("t"))["tenantId"] == "t"
    assert wire.read(Message, {"tenantId": "t", "someNumber": 2}) == Message("t", some_number=2)


def test_what_is_written_is_read_as_the_same_message() -> None:
    message = Message("t", 2, 0.25, True, "b", "x", foreign={"keys": []})
    body = {**wire.write(message), "words": [], "leaves": []}
    assert wire.read(Message, body) == message


def test_arrays_of_messages_and_of_strings_are_read() -> None:
    found = wire.read(Message, {"tenantId": "t", "words": ["a"], "leaves": [{"name": "l"}]})
    assert found.words == ("a",)
    assert found.leaves == (Leaf("l"),)


def test_a_whole_number_is_a_number_too() -> None:
    assert wire.read(Message, {"tenantId": "t", "ratio": 3}).ratio == 3


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ([], "The body must be a JSON object."),
        ({}, "The body lacks the field 'tenantId'."),
        ({"tenantId": 1}, "'tenantId' must be a string."),
        ({"tenantId": None}, "'tenantId' must be a string."),
        ({"tenantId": "t", "someNumber": 1.5}, "'someNumber' must be a whole number."),
        ({"tenantId": "t", "someNumber": True}, "'someNumber' must be a whole number."),
        ({"tenantId": "t", "ratio": "1"}, "'ratio' must be a number."),
        ({"tenantId": "t", "isGood": 1}, "'isGood' must be true or false."),
        ({"tenantId": "t", "kind": "c"}, "'kind' must be one of a, b."),
        ({"tenantId": "t", "words": "a"}, "'words' must be a JSON array."),
        ({"tenantId": "t", "leaves": [{}]}, "An item of 'leaves' lacks the field 'name'."),
        ({"tenantId": "t", "foreign": []}, "'foreign' must be a JSON object."),
    ],
)
def test_what_is_wrong_is_said_in_a_sentence(body: object, sentence: str) -> None:
    with pytest.raises(errors.BadMessage) as caught:
        wire.read(Message, body)
    assert str(caught.value) == sentence


def test_an_unknown_field_is_refused_with_the_known_ones() -> None:
    with pytest.raises(errors.BadMessage, match=r"no field 'tenant_id'; its fields are tenantId"):
        wire.read(Message, {"tenant_id": "t"})

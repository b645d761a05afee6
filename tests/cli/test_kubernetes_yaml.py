"""YAML as kubectl reads it."""

from typing import Any

import pytest
import yaml

from azwi_cli.kubernetes_yaml import Loader


@pytest.mark.parametrize(
    "text", ["=", "2024-01-31", "2024-13-45", "12:30", "1:30.5", "0b_", "0x_", "~x"]
)
def test_what_only_looks_like_something_else_is_text(text: str) -> None:
    assert yaml.load(f"a: {text}", Loader) == {"a": text}


@pytest.mark.parametrize(
    ("text", "value"), [("10", 10), ("1.5", 1.5), ("0x10", 16), ("yes", True), ("~", None)]
)
def test_what_is_something_else_is_not(text: str, value: Any) -> None:
    assert yaml.load(f"a: {text}", Loader) == {"a": value}


def test_other_readers_stay_as_they_are() -> None:
    assert yaml.safe_load("12:30") == 750

"""Durations as Go writes them."""

import pytest

from azwi_cli import errors
from azwi_cli.serviceaccount import durations


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1h0m0s", 3600),
        ("1h", 3600),
        ("90m", 5400),
        ("1.5h", 5400),
        ("24h", 86400),
        ("3600s", 3600),
    ],
)
def test_durations_are_seconds(text: str, seconds: int) -> None:
    assert durations.expiration(text) == seconds


@pytest.mark.parametrize("text", ["", "1", "h", "1h 5m", "-1h", "1d", "١h"])
def test_what_is_no_duration_is_told(text: str) -> None:
    with pytest.raises(errors.BadInput, match="is no duration"):
        durations.expiration(text)


@pytest.mark.parametrize("text", ["59m59s", "24h1s", "0s"])
def test_too_short_and_too_long_are_told(text: str) -> None:
    with pytest.raises(errors.BadInput, match="1h to 24h"):
        durations.expiration(text)

"""Durations as Go writes them: ``1h0m0s``, ``90m``, ``1.5h``. Pure."""

import re
from decimal import Decimal
from typing import Final

from azwi_cli import errors
from azwi_common import contract

_UNITS: Final = {"h": 3600, "m": 60, "s": 1}
_PART: Final = r"(\d+(?:\.\d+)?)([hms])"


def expiration(text: str) -> int:
    """Seconds that a service account token lives, 1 h to 24 h; raises BadInput."""
    seconds = _seconds(text)
    if seconds is None:
        raise errors.BadInput(
            f"{text!r} is no duration.", "Write --service-account-token-expiration as 1h or 90m."
        )
    if not contract.LEAST_EXPIRATION <= seconds <= contract.MOST_EXPIRATION:
        raise errors.BadInput(
            f"A service account token cannot live {text}.",
            "Give --service-account-token-expiration 1h to 24h.",
        )
    return seconds


def _seconds(text: str) -> int | None:
    if not re.fullmatch(f"(?:{_PART})+", text, re.ASCII):
        return None
    return int(sum(Decimal(number) * _UNITS[unit] for number, unit in re.findall(_PART, text)))

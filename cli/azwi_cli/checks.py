"""A check's outcome: what is so, why it matters, what to do. Pure; ``oidc check`` shows them."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, Final

from azwi_cli.errors import Code


class Status(StrEnum):
    """From good to bad."""

    PASS = "pass"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Check:
    """One line."""

    name: str
    """A short name that scripts can look for; it never changes."""
    status: Status
    says: str
    why: str = ""
    remedy: str = ""


_CODES: Final = {Status.PASS: Code.DONE, Status.WARN: Code.ATTENTION, Status.FAIL: Code.FAILED}
_ORDER: Final = tuple(Status)


def worst(checks: Iterable[Check]) -> Status:
    """The worst status among them; pass where there are none."""
    return max((check.status for check in checks), key=_ORDER.index, default=Status.PASS)


def exit_code(checks: Iterable[Check]) -> Code:
    """0 where all passed, 3 where one warns, 1 where one failed."""
    return _CODES[worst(checks)]


def as_data(checks: Sequence[Check]) -> dict[str, Any]:
    """For JSON and YAML: the worst status, and every check."""
    lines = [
        {name: str(value) for name, value in asdict(check).items() if value} for check in checks
    ]
    return {"status": str(worst(checks)), "checks": lines}


def as_text(checks: Sequence[Check]) -> str:
    """For people: a line each, and below what is not well, why it matters and what to do."""
    return "\n".join(line for check in checks for line in _lines(check))


def _lines(check: Check) -> Iterable[str]:
    yield f"{check.status}  {check.says}"
    if check.status is not Status.PASS:
        yield from (f"      {text}" for text in (check.why, check.remedy) if text)

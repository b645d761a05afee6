"""Outcomes of checks: the worst counts, and what is not well says why and what to do."""

import pytest

from azwi_cli import checks
from azwi_cli.checks import Check, Status
from azwi_cli.errors import Code

GOOD = Check("a", Status.PASS, "All is well.")
WARNS = Check("b", Status.WARN, "It ends soon.", "Then it fails.", "Renew it.")
FAILS = Check("c", Status.FAIL, "It has ended.", "It fails.", "Renew it.")


@pytest.mark.parametrize(
    ("lines", "status", "code"),
    [
        ([], Status.PASS, Code.DONE),
        ([GOOD], Status.PASS, Code.DONE),
        ([WARNS, GOOD], Status.WARN, Code.ATTENTION),
        ([GOOD, FAILS, WARNS], Status.FAIL, Code.FAILED),
    ],
)
def test_the_worst_status_is_the_exit_code(lines: list[Check], status: Status, code: Code) -> None:
    assert checks.worst(lines) is status
    assert checks.exit_code(lines) is code


def test_people_read_a_line_each_and_the_remedy_below() -> None:
    assert checks.as_text([GOOD, WARNS]) == (
        "pass  All is well.\nwarn  It ends soon.\n      Then it fails.\n      Renew it."
    )


def test_programs_read_names_and_statuses() -> None:
    assert checks.as_data([GOOD, FAILS]) == {
        "status": "fail",
        "checks": [
            {"name": "a", "status": "pass", "says": "All is well."},
            {
                "name": "c",
                "status": "fail",
                "says": "It has ended.",
                "why": "It fails.",
                "remedy": "Renew it.",
            },
        ],
    }

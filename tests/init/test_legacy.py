"""The plan spelled for the legacy interface."""

from pathlib import Path
from typing import Any

import pytest

from azwi_init import legacy, rules

NOBODY = rules.plan(ip="169.254.169.254", port=80, proxy_port=8000, exempt_uid=None)


def test_the_plan_is_spelled_as_in_the_golden_file(plan: rules.Plan, golden: Path) -> None:
    assert legacy.text(plan) == (golden / "default.legacy").read_text()


def test_no_user_is_exempt_in_the_golden_file_of_a_proxy_that_forwards_nothing(
    golden: Path,
) -> None:
    assert legacy.text(NOBODY) == (golden / "nobody_exempt.legacy").read_text()


@pytest.mark.netns
@pytest.mark.parametrize("name", ["default.legacy", "nobody_exempt.legacy"])
def test_the_kernel_accepts_the_golden_file_and_lists_it_letter_for_letter(
    pod: Any, golden: Path, name: str
) -> None:
    text = (golden / name).read_text()

    pod.do("iptables-legacy-restore", "--noflush", given=text)

    rules_given = text.replace("-I OUTPUT 1", "-A OUTPUT").splitlines()
    rules_listed = pod.legacy().splitlines()
    assert [line for line in rules_listed if line.startswith("-A")] == [
        line for line in rules_given if line.startswith("-A")
    ]


def test_only_our_own_chains_and_one_jump_into_them_are_spelled(plan: rules.Plan) -> None:
    assert list(legacy.chains(plan)) == ["AZWI_PROXY_OUTPUT", "AZWI_PROXY_REDIRECT"]
    assert legacy.target(legacy.JUMP) == ("AZWI_PROXY_OUTPUT", {})


def test_every_entry_says_why(plan: rules.Plan) -> None:
    entries = [legacy.JUMP, *(entry for own in legacy.chains(plan).values() for entry in own)]

    assert all(entry["comment"]["comment"].startswith("azwi: ") for entry in entries)

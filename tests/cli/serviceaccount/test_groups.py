"""Flags in groups, and how Typer sees them."""

from typing import Any

from azwi_cli import output
from azwi_cli.serviceaccount import groups, options


def test_the_groups_become_flags_and_come_back_as_groups() -> None:
    seen: list[Any] = []

    @groups.takes
    def command(where: options.Where, form: options.Form) -> None:
        """Nothing."""
        seen.extend((where, form))

    command(namespace="shop", offline=True, last_used=False, form=output.Format.JSON)
    assert seen == [
        options.Where(namespace="shop", offline=True),
        options.Form(form=output.Format.JSON),
    ]

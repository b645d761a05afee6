"""What was chosen on a command line."""

from dataclasses import fields

from azwi_cli.serviceaccount import chosen, options
from azwi_cli.serviceaccount.known import Phase


def test_what_is_given_is_what_is_wanted() -> None:
    given = chosen.given(
        options.Account(service_account_name="cart"),
        options.Skip(skip_phases=["ra"]),
        phase=Phase.ACCOUNT,
    )
    assert (given.account, given.namespace, given.skip) == ("cart", "default", ("ra",))
    assert given.phase is Phase.ACCOUNT


def test_groups_that_a_command_lacks_have_their_defaults() -> None:
    had = chosen.sorted_out([options.Yes(yes=True)])
    assert had.yes.yes
    assert had.run == options.Run()


def test_every_flag_that_says_what_is_wanted_is_known() -> None:
    groups = (
        options.Account, options.Issuer, options.Expiration, options.Application,
        options.Identity, options.Principal, options.Role, options.AssignmentId,
    )  # fmt: skip
    named = {one.name for group in groups for one in fields(group)}
    assert named - {"audience"} == set(chosen._NAMES)

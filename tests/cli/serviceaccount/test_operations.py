"""What a plan is made of."""

import pytest

from azwi_cli import errors
from azwi_cli.serviceaccount.known import Choice, Phase, Wanted
from azwi_cli.serviceaccount.operations import Action, Operation, What, account_of


@pytest.mark.parametrize("action", Action)
def test_only_keeping_and_skipping_change_nothing(action: Action) -> None:
    step = Operation(Phase.ROLE, action, What.ROLE, "")
    assert step.is_change is (action not in (Action.KEEP, Action.SKIP))


def test_a_missing_account_is_the_users_mistake() -> None:
    with pytest.raises(errors.BadInput, match="--service-account-name"):
        account_of(Wanted(phases=(), choice=Choice()))

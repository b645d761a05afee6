"""How a plan reads before and after."""

from azwi_cli.serviceaccount import shown
from azwi_cli.serviceaccount.known import Account, Choice, Kind, Phase, Target, Wanted
from azwi_cli.serviceaccount.operations import Action, Operation, What

WANTED = Wanted(phases=(), choice=Choice(), account=Account("shop", "cart", "https://i/"))
MAKE = Operation(Phase.APPLICATION, Action.CREATE, What.APPLICATION, "application x")
CHANGE = Operation(
    Phase.ACCOUNT, Action.UPDATE, What.ACCOUNT, "service account", changes={"a": "b"}
)
KEEP = Operation(Phase.ROLE, Action.KEEP, What.ROLE, "role")
APP = Target(kind=Kind.APPLICATION, id="o", name="x", client_id="c", principal_id="p")


def text(*plan: Operation, done: bool) -> str:
    return shown.whole(plan, shown.as_data(plan, WANTED, APP, done=done), done=done)


def test_a_plan_is_in_the_present_and_ends_with_what_it_is() -> None:
    assert text(MAKE, KEEP, done=False) == (
        "create    application x\nkeep      role\n\n"
        "Nothing was changed: this is what would be done."
    )


def test_what_was_done_is_in_the_past_with_the_ids() -> None:
    assert text(MAKE, done=True) == "created   application x\n\nclient id  c"


def test_pods_are_to_be_restarted_where_annotations_changed() -> None:
    assert text(CHANGE, done=True).endswith("restart them.")


def test_nothing_to_do_is_said() -> None:
    assert text(KEEP, done=True).endswith("\n\nNothing to do.")
    assert text(KEEP, done=False).endswith("\n\nNothing would change.")


def test_programs_get_ids_and_no_empty_ones() -> None:
    data = shown.as_data([MAKE], WANTED, APP, done=True)
    assert (data["clientId"], data["objectId"], data["principalId"]) == ("c", "o", "p")
    assert data["steps"][0]["action"] == "create"
    assert "tenantId" not in data

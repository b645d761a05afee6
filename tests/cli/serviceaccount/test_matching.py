"""Which credentials are a service account's, and which only look so."""

from azwi_cli.serviceaccount import matching
from azwi_cli.serviceaccount.known import Account, Assignment, Credential, Kind

CART = Account("shop", "cart", "https://issuer.example/")
MINE = Credential(
    name="mine", issuer=CART.issuer, subject=CART.subject, audience="api://AzureADTokenExchange"
)


def changed(**changes: str) -> Credential:
    values = {"name": "other", "issuer": MINE.issuer, "subject": MINE.subject, "audience": "a"}
    return Credential(**{**values, **changes})


def test_issuer_and_subject_count_whatever_the_name() -> None:
    others = [changed(subject="s"), changed(issuer="https://issuer.example"), MINE]
    assert matching.of_account(others, CART, Kind.APPLICATION) == (MINE,)


def test_azwis_own_name_counts_too_and_comes_last() -> None:
    named = changed(name=matching.name_for(CART, Kind.APPLICATION), issuer="https://x/")
    assert matching.of_account([named, MINE], CART, Kind.APPLICATION) == (MINE, named)


def test_differences_say_what_was() -> None:
    assert matching.differences(changed(name="mine"), MINE) == ["audience until now a"]
    assert matching.differences(MINE, MINE) == []


def test_a_slash_or_a_letters_case_is_told() -> None:
    slash = list(matching.near([changed(issuer="https://issuer.example")], CART))
    case = list(matching.near([changed(subject="system:serviceaccount:Shop:cart")], CART))
    assert "differs in its slash or case" in slash[0]
    assert "differs in upper and lower case" in case[0]
    assert list(matching.near([MINE, changed(issuer="https://elsewhere/")], CART)) == []


def test_a_role_is_compared_as_arm_does() -> None:
    held = Assignment("id", "/subscriptions/s/…/roleDefinitions/ABC", "/subscriptions/S/")
    assert matching.is_role(held, "/subscriptions/s", "/providers/…/roleDefinitions/abc")
    assert not matching.is_role(held, "/subscriptions/s/resourceGroups/g", "…/abc")
    assert not matching.is_role(held, "/subscriptions/s", "…/def")

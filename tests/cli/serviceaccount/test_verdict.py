"""Whether Entra ID would take a token: issuer, subject and audience to the letter."""

import dataclasses

import pytest

from azwi_cli.serviceaccount.known import Credential
from azwi_cli.serviceaccount.verdict import Status, Tokens, Verdict, bound, has_binding, judged

MISSING = Verdict(Status.MISSING, "None is for it.")
TOKEN = Tokens("https://issuer.example/", "system:serviceaccount:shop:cart", "api://a")
MINE = Credential(name="m", issuer=TOKEN.issuer, subject=TOKEN.subject, audience=TOKEN.audience)


def test_to_the_letter_is_ok() -> None:
    assert judged([MINE], TOKEN).status is Status.OK


@pytest.mark.parametrize(
    "changes",
    [
        {"issuer": "https://issuer.example"},
        {"subject": "system:serviceaccount:shop:Cart"},
        {"audience": "api://b"},
    ],
)
def test_a_slip_is_a_mismatch_that_names_both_values(changes: dict[str, str]) -> None:
    verdict = judged([dataclasses.replace(MINE, **changes)], TOKEN)
    assert verdict.status is Status.MISMATCH
    assert all(value in verdict.why for value in changes.values())


def test_none_and_others_are_missing() -> None:
    other = dataclasses.replace(MINE, issuer="https://other.example/")
    assert judged([], TOKEN).status is Status.MISSING
    verdict = judged([other, dataclasses.replace(MINE, subject="s")], TOKEN)
    assert verdict.status is Status.MISSING
    assert "There are some for 1 other issuer." in verdict.why


def test_one_that_matches_counts_whatever_else_is_there() -> None:
    assert judged([dataclasses.replace(MINE, audience="b"), MINE], TOKEN).status is Status.OK


def test_a_flexible_credential_is_not_judged() -> None:
    assert judged([dataclasses.replace(MINE, subject="")], TOKEN).status is Status.UNKNOWN


@pytest.mark.parametrize(
    "changes", [{"name": "aks-identity-binding"}, {"audience": "api://AKSIdentityBinding"}]
)
def test_a_bindings_credential_is_known_by_its_name_or_its_audience(
    changes: dict[str, str],
) -> None:
    assert has_binding([MINE, dataclasses.replace(MINE, **changes)])
    assert not has_binding([MINE])


def test_a_binding_helps_whoever_may_use_it() -> None:
    assert bound(MISSING, may_use=True) == Verdict(Status.BINDING)
    assert bound(MISSING, may_use=False).status is Status.MISSING
    assert bound(MISSING, may_use=False).why.startswith("None is for it. ")
    assert bound(MISSING, may_use=None).status is Status.UNKNOWN

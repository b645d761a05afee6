"""Federated credentials: by what the nearest one differs."""

import json
from typing import Any

import pytest

from azwi_cli.doctor import credentials
from azwi_cli.doctor.facts import Unread
from azwi_commands import patients


def found(*given: Any, **more: Any) -> Any:
    return next(iter(credentials.checks(patients.facts(credentials=given, **more))))


@pytest.mark.parametrize(
    ("given", "says", "code"),
    [
        ((), "no federated credential", "AADSTS70025"),
        ((patients.credential(issuer=patients.ISSUER[:-1]),), "the slash differs", "AADSTS700211"),
        (
            (patients.credential(issuer="https://other.example"),),
            "https://other.example",
            "AADSTS700211",
        ),
        ((patients.credential(subject=patients.SUBJECT.title()),), "case", "AADSTS7002138"),
        (
            (patients.credential(subject="system:serviceaccount:x:y"),),
            "they have system:serviceaccount:x:y",
            "AADSTS700213",
        ),
        ((patients.credential(audiences=["x"]),), "audience is x", "AADSTS700212"),
    ],
)
def test_the_difference_is_named_with_the_code_that_entra_id_would_give(
    given: Any, says: str, code: str
) -> None:
    check = found(*given)
    assert says in check.says
    assert code in check.why


def test_the_remedy_is_a_command_with_issuer_and_subject() -> None:
    remedy = found().remedy
    assert f"--issuer {patients.ISSUER} --subject {patients.SUBJECT}" in remedy


def test_the_api_of_azure_writes_them_within_properties() -> None:
    assert found({"name": "x", "properties": patients.credential()}).status == "pass"


def test_one_that_fits_is_enough_among_others() -> None:
    assert (
        found(patients.credential(issuer="https://a.example"), patients.credential()).status
        == "pass"
    )


def test_an_unknown_issuer_is_not_compared() -> None:
    unknown = patients.around(issuer=Unread("no."))
    assert found(patients.credential(issuer="https://a.example"), around=unknown).status == "pass"


def entry(reason: str, client: str = "c1", scope: str = "s") -> str:
    return json.dumps(
        {"msg": "token exchange", "client": client, "scope": scope, "reason": reason, "told": "T."}
    )


@pytest.mark.parametrize(
    ("log", "fails"),
    [
        ([], 0),
        ([entry("ok")], 0),
        ([entry("AADSTS90002")], 1),
        ([entry("AADSTS90002"), entry("ok")], 0),
        ([entry("ok"), entry("AADSTS90002")], 1),
        ([entry("AADSTS90002"), entry("ok", client="c2")], 1),
        ([entry("AADSTS90002"), entry("AADSTS90002", scope="t")], 1),
        ([entry("AADSTS90002"), entry("timeout", client="c2")], 2),
        (["not JSON", "[]", '{"msg": "listening"}'], 0),
    ],
)
def test_the_last_word_on_each_identity_and_scope_counts(log: list[str], fails: int) -> None:
    given = patients.facts(credentials=None, log="\n".join(log))
    assert [item.name for item in credentials.checks(given)] == ["entra-says"] * fails


def test_what_entra_id_refused_is_explained_with_whether_waiting_helps() -> None:
    given = patients.facts(credentials=None, log=entry("AADSTS700016"))
    (check,) = credentials.checks(given)
    assert check.says == "The last exchange for client c1 and s failed with AADSTS700016."
    assert "Does waiting help: for some minutes" in check.remedy

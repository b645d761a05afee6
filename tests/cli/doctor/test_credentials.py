"""What Entra ID said last, by azwi-proxy's log."""

import json

import pytest

from azwi_cli.doctor import credentials
from azwi_cli.doctor.facts import Refusal
from azwi_commands import patients


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
    assert [item.name for item in credentials.said(given)] == ["entra-says"] * fails


def test_what_entra_id_refused_is_explained_with_whether_waiting_helps() -> None:
    given = patients.facts(credentials=None, log=entry("AADSTS700016"))
    (check,) = credentials.said(given)
    assert check.says == "The last exchange for client c1 and s failed with AADSTS700016."
    assert "Does waiting help: for some minutes" in check.remedy


@pytest.mark.parametrize(
    ("known", "fails"),
    [
        (Refusal("c1", "AADSTS700213"), 0),
        (Refusal("", "AADSTS700213"), 0),
        (Refusal("c2", "AADSTS700213"), 1),
        (Refusal("c1", "AADSTS700211"), 0),
        (Refusal("c1", "AADSTS700016"), 1),
    ],
)
def test_what_another_check_has_explained_is_not_said_twice(known: Refusal, fails: int) -> None:
    given = patients.facts(log=entry("AADSTS700213", client="C1"))
    assert len(list(credentials.said(given, {known}))) == fails

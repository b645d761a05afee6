"""The letter by which a federated credential differs, and which of several was meant."""

import dataclasses
from typing import Any

import pytest

from azwi_cli.serviceaccount.known import Credential
from azwi_cli.serviceaccount.nearest import differences, nearest
from azwi_cli.serviceaccount.verdict import Tokens

TOKEN = Tokens("https://oidc.example/x/", "system:serviceaccount:shop:app", "api://a")
MINE = Credential(name="m", issuer=TOKEN.issuer, subject=TOKEN.subject, audience=TOKEN.audience)


def changed(**values: Any) -> Credential:
    return dataclasses.replace(MINE, **values)


@pytest.mark.parametrize(
    ("part", "has", "how"),
    [
        ("issuer", "https://oidc.example/x", "the slash differs"),
        ("issuer", "https://oidc.example/X/", "upper and lower case differ"),
        ("issuer", "https://OIDC.example/x", "the slash, and upper and lower case differ"),
        ("issuer", "https://oidc.example/x/ ", "white space differs"),
        ("issuer", "http://oidc.example/x/", "the scheme differs"),
        ("issuer", "https://oidc.example/y/", "another one of the same host"),
        ("issuer", "https://other.example/", "another cluster's"),
        ("issuer", "https://[broken", "another cluster's"),
        ("subject", "system:serviceaccount:Shop:app", "upper and lower case differ"),
        ("subject", "system:serviceaccount:shop:app\n", "white space differs"),
        ("subject", "system:serviceaccount:other:app", "the namespace differs"),
        ("subject", "system:serviceaccount:shop:other", "the service account's name differs"),
        ("subject", "system:serviceaccount:a:b", "namespace and service account differ"),
        ("subject", "repo:shop/app:ref", "it is of no service account"),
        ("audience", "api://A", "upper and lower case differ"),
        ("audience", "api://b", "it is another audience"),
    ],
)
def test_what_differs_is_a_clause(part: str, has: str, how: str) -> None:
    (found,) = differences(changed(**{part: has}), TOKEN)
    assert (found.part, found.has, found.wants) == (part, has, getattr(TOKEN, part))
    assert how in found.how


def test_what_matches_to_the_letter_has_no_difference() -> None:
    assert differences(MINE, TOKEN) == ()


@pytest.mark.parametrize(
    ("nearer", "farther"),
    [
        ({"issuer": "https://oidc.example/x"}, {"subject": "system:serviceaccount:b:app"}),
        ({"issuer": "https://oidc.example/x"}, {"issuer": "https://other.example/"}),
        ({"audience": "b"}, {"issuer": "https://other.example/"}),
        ({"subject": "system:serviceaccount:b:app"}, {"issuer": "https://other.example/"}),
        ({"subject": "system:serviceaccount:b:app"}, {"subject": "repo:a/b:c"}),
    ],
)
def test_the_nearest_is_chosen_whatever_their_order(nearer: Any, farther: Any) -> None:
    near, far = changed(**nearer), changed(**farther)
    for credentials in ([near, far], [far, near]):
        found = nearest(credentials, TOKEN)
        assert found is not None
        assert found.credential == near


def test_one_for_the_same_subject_is_always_near() -> None:
    found = nearest([changed(issuer="https://other.example/", audience="b")], TOKEN)
    assert found is not None
    assert [one.part for one in found.differences] == ["issuer", "audience"]
    assert not found.is_slip


@pytest.mark.parametrize(
    "credentials",
    [
        [],
        [changed(subject="system:serviceaccount:a:b")],
        [changed(subject="system:serviceaccount:b:app", issuer="https://other.example/")],
    ],
)
def test_none_is_near_where_too_much_differs(credentials: list[Credential]) -> None:
    assert nearest(credentials, TOKEN) is None


@pytest.mark.parametrize(
    ("values", "is_slip"),
    [
        ({"issuer": "https://oidc.example/x"}, True),
        ({"audience": "b"}, True),
        ({"subject": "system:serviceaccount:b:app"}, False),
    ],
)
def test_a_slip_is_one_that_no_other_account_or_cluster_uses(values: Any, is_slip: bool) -> None:
    found = nearest([changed(**values)], TOKEN)
    assert found is not None
    assert found.is_slip is is_slip

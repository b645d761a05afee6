"""The plan of ``delete``: what goes, what stays, and why."""

import dataclasses

import pytest

from azwi_cli.serviceaccount import deletion, matching
from azwi_cli.serviceaccount.known import (
    MADE_BY,
    Account,
    Assignment,
    Choice,
    Credential,
    Existing,
    Found,
    Kind,
    Phase,
    Role,
    Target,
    Wanted,
)
from azwi_common import contract

CART = Account("shop", "cart", "https://issuer.example/")
WANTED = Wanted(
    phases=(Phase.APPLICATION, Phase.ACCOUNT, Phase.CREDENTIAL, Phase.ROLE),
    choice=Choice(name="app"),
    account=CART,
)
APP = Target(kind=Kind.APPLICATION, id="o", name="app", client_id="client", principal_id="p")
MINE = Credential(
    name=matching.name_for(CART, Kind.APPLICATION),
    issuer=CART.issuer,
    subject=CART.subject,
    audience="a",
)
OTHER = Credential(name="other", issuer="https://x/", subject="s", audience="a")
COMPLETE = Found(
    target=APP,
    credentials=(MINE,),
    account=Existing(),
    assignments=(Assignment("a", "…/reader", "/subscriptions/s"),),
    principal_id="p",
)


def steps(wanted: Wanted, found: Found) -> list[str]:
    return [f"{step.action} {step.what}" for step in deletion.plan(wanted, found)]


def test_everything_goes_in_the_opposite_order() -> None:
    assert steps(WANTED, COMPLETE) == [
        "delete role assignment",
        "delete federated credential",
        "delete service account",
        "delete application",
    ]


def test_what_is_gone_is_skipped() -> None:
    assert {step.split()[0] for step in steps(WANTED, Found())} == {"skip"}


def test_an_application_that_others_use_stays_with_its_roles() -> None:
    found = dataclasses.replace(COMPLETE, credentials=(MINE, OTHER))
    assert steps(WANTED, found) == [
        "keep role assignment",
        "delete federated credential",
        "delete service account",
        "keep application",
    ]
    says = deletion.plan(WANTED, found)[-1].says
    assert "1 other federated credential lead" in says
    assert "'azwi sa delete phase aad-application' deletes it nevertheless" in says


def test_an_application_with_a_secret_stays_for_whoever_logs_in_by_it() -> None:
    found = dataclasses.replace(COMPLETE, target=dataclasses.replace(APP, has_secrets=True))
    assert steps(WANTED, found)[0] == "keep role assignment"
    kept = deletion.plan(WANTED, found)[-1]
    assert not kept.is_change
    assert "it has a secret or a certificate" in kept.says
    alone = dataclasses.replace(WANTED, phases=(Phase.APPLICATION,), alone=True)
    assert steps(alone, found) == ["delete application"]


def test_its_own_phase_deletes_it_nevertheless() -> None:
    alone = dataclasses.replace(WANTED, phases=(Phase.APPLICATION,), alone=True)
    found = dataclasses.replace(COMPLETE, credentials=(MINE, OTHER))
    assert steps(alone, found) == ["delete application"]


@pytest.mark.parametrize(("tags", "goes"), [({}, False), ({MADE_BY: "shop/cart"}, True)])
def test_a_managed_identity_goes_where_azwi_made_it(tags: dict[str, str], goes: bool) -> None:
    target = Target(kind=Kind.IDENTITY, id="r", name="mi", client_id="c", tags=tags)
    wanted = dataclasses.replace(
        WANTED, phases=(Phase.IDENTITY,), choice=Choice(kind=Kind.IDENTITY, name="mi")
    )
    (step,) = deletion.plan(wanted, Found(target=target))
    assert step.is_change is goes


def test_a_role_that_is_named_goes_alone() -> None:
    other = Assignment("b", "…/owner", "/subscriptions/s")
    found = dataclasses.replace(
        COMPLETE, assignments=(*COMPLETE.assignments, other), role_definition_id="…/owner"
    )
    wanted = dataclasses.replace(
        WANTED, phases=(Phase.ROLE,), role=Role("Owner", "/subscriptions/s")
    )
    (step,) = deletion.plan(wanted, found)
    assert step.resource == "b"


def test_an_assignment_by_its_id_needs_nothing_else() -> None:
    wanted = Wanted(phases=(Phase.ROLE,), choice=Choice(), assignment_id="/x", alone=True)
    (step,) = deletion.plan(wanted, Found())
    assert step.resource == "/x"


def test_an_account_that_helm_manages_only_loses_what_is_ours() -> None:
    account = Existing(
        {deletion.MANAGED_BY: "Helm", contract.USE_LABEL: "true"},
        {contract.CLIENT_ID_ANNOTATION: "c", "note": "x"},
    )
    wanted = dataclasses.replace(WANTED, phases=(Phase.ACCOUNT,))
    (step,) = deletion.plan(wanted, Found(account=account))
    assert (step.resource, dict(step.changes)) == ("", {contract.CLIENT_ID_ANNOTATION: None})
    assert "its label and annotations go, since Helm manages the account" in step.says
    alone = dataclasses.replace(wanted, alone=True)
    (step,) = deletion.plan(alone, Found(account=account))
    assert step.resource == "shop/cart"


def test_the_default_account_only_loses_what_is_ours() -> None:
    default = dataclasses.replace(CART, name="default")
    annotated = Existing({}, {contract.CLIENT_ID_ANNOTATION: "c", "mine": "stays"})
    wanted = dataclasses.replace(WANTED, phases=(Phase.ACCOUNT,), account=default)
    (step,) = deletion.plan(wanted, Found(account=annotated))
    assert (step.resource, step.changes) == ("", {contract.CLIENT_ID_ANNOTATION: None})
    (bare,) = deletion.plan(wanted, Found(account=Existing()))
    assert not bare.is_change

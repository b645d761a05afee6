"""The plan of ``create`` for everything that may be there already."""

import dataclasses

import pytest

from azwi_cli import errors
from azwi_cli.serviceaccount import creation, matching
from azwi_cli.serviceaccount.known import (
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
from azwi_cli.serviceaccount.operations import What
from azwi_common import contract

CART = Account("shop", "cart", "https://issuer.example/")
SCOPE = "/subscriptions/s"
WANTED = Wanted(
    phases=(Phase.APPLICATION, Phase.ACCOUNT, Phase.CREDENTIAL, Phase.ROLE),
    choice=Choice(name="app"),
    account=CART,
    role=Role("Reader", SCOPE),
    tenant_id="tenant",
)
APP = Target(kind=Kind.APPLICATION, id="o", name="app", client_id="client", principal_id="p")
MINE = Credential(
    name=matching.name_for(CART, Kind.APPLICATION),
    issuer=CART.issuer,
    subject=CART.subject,
    audience=WANTED.audience,
    id="c",
)
EXISTING = Existing(
    {contract.USE_LABEL: "true"},
    {
        contract.CLIENT_ID_ANNOTATION: "client",
        contract.TENANT_ID_ANNOTATION: "tenant",
        contract.EXPIRATION_ANNOTATION: "3600",
    },
)
COMPLETE = Found(
    target=APP,
    credentials=(MINE,),
    account=EXISTING,
    role_definition_id="…/reader",
    assignments=(Assignment("a", "…/reader", SCOPE),),
    principal_id="p",
)


def steps(found: Found, wanted: Wanted = WANTED) -> list[str]:
    return [f"{step.action} {step.what}" for step in creation.plan(wanted, found)]


def filler(count: int) -> tuple[Credential, ...]:
    return tuple(
        Credential(name=f"n{number}", issuer="https://x/", subject=f"s{number}", audience="a")
        for number in range(count)
    )


def test_where_nothing_is_everything_is_made_in_order() -> None:
    assert steps(Found()) == [
        "create application",
        "create service principal",
        "create service account",
        "create federated credential",
        "create role assignment",
    ]


def test_where_everything_is_nothing_changes() -> None:
    plan = creation.plan(WANTED, COMPLETE)
    assert not [step for step in plan if step.is_change]


@pytest.mark.parametrize(
    ("missing", "made"),
    [
        ({"account": None}, "create service account"),
        ({"credentials": ()}, "create federated credential"),
        ({"assignments": ()}, "create role assignment"),
        ({"target": dataclasses.replace(APP, principal_id="")}, "create service principal"),
    ],
)
def test_only_what_is_missing_is_made(missing: dict[str, object], made: str) -> None:
    plan = creation.plan(WANTED, dataclasses.replace(COMPLETE, **missing))  # type: ignore[arg-type]  # by the names above
    assert [f"{step.action} {step.what}" for step in plan if step.is_change] == [made]


def test_an_annotation_of_another_identity_is_changed_and_told() -> None:
    other = Existing(
        EXISTING.labels, {**EXISTING.annotations, contract.CLIENT_ID_ANNOTATION: "old"}
    )
    plan = creation.plan(WANTED, dataclasses.replace(COMPLETE, account=other))
    (step,) = [step for step in plan if step.is_change]
    assert step.says == "service account shop/cart: client-id client, until now old"
    assert step.changes == {contract.CLIENT_ID_ANNOTATION: "client"}


def test_a_label_alone_is_set() -> None:
    bare = Existing({}, EXISTING.annotations)
    plan = creation.plan(WANTED, dataclasses.replace(COMPLETE, account=bare))
    (step,) = [step for step in plan if step.is_change]
    assert step.says == "service account shop/cart: label use=true"


def test_an_account_that_waits_for_its_application_gets_its_client_id() -> None:
    bare = Existing(EXISTING.labels, {})
    plan = creation.plan(WANTED, Found(account=bare))
    (step,) = [step for step in plan if step.phase is Phase.ACCOUNT]
    assert step.changes[contract.CLIENT_ID_ANNOTATION] == ""


def test_an_expiration_is_kept_unless_another_is_asked_for() -> None:
    longer = Existing(
        EXISTING.labels, {**EXISTING.annotations, contract.EXPIRATION_ANNOTATION: "7200"}
    )
    found = dataclasses.replace(COMPLETE, account=longer)
    assert "keep service account" in steps(found)
    asked = dataclasses.replace(WANTED, account=dataclasses.replace(CART, expiration=3600))
    assert "update service account" in steps(found, asked)


def test_a_credential_with_another_audience_is_updated_under_its_name() -> None:
    old = dataclasses.replace(MINE, name="by-hand", audience="api://old")
    plan = creation.plan(WANTED, dataclasses.replace(COMPLETE, credentials=(old,)))
    (step,) = [step for step in plan if step.is_change]
    assert step.credential == dataclasses.replace(old, audience=WANTED.audience)
    assert "audience until now api://old" in step.says


def test_the_21st_credential_is_refused_with_the_remedy_before_anything_is_done() -> None:
    full = dataclasses.replace(COMPLETE, credentials=filler(20))
    with pytest.raises(errors.AzwiError, match="identity bindings"):
        creation.plan(WANTED, full)


def test_a_full_identity_that_has_the_credential_already_is_fine() -> None:
    full = dataclasses.replace(COMPLETE, credentials=(*filler(19), MINE))
    assert "keep federated credential" in steps(full)


@pytest.mark.parametrize(("count", "warned"), [(15, False), (16, True), (19, True)])
def test_near_the_limit_it_warns(count: int, warned: bool) -> None:
    found = dataclasses.replace(COMPLETE, credentials=filler(count))
    said = list(creation.warnings(WANTED, found, creation.plan(WANTED, found)))
    assert bool(said) is warned
    assert not warned or f"{count + 1} of 20" in said[0]


def test_a_credential_that_only_looks_right_is_warned_of() -> None:
    near = dataclasses.replace(MINE, name="n", issuer=CART.issuer.rstrip("/"))
    found = dataclasses.replace(COMPLETE, credentials=(near, MINE))
    (said,) = creation.warnings(WANTED, found, creation.plan(WANTED, found))
    assert "slash" in said


def test_an_issuer_that_entra_id_cannot_reach_is_warned_of() -> None:
    inside = dataclasses.replace(CART, issuer="https://kubernetes.default.svc.cluster.local")
    wanted = dataclasses.replace(WANTED, account=inside)
    (said,) = creation.warnings(wanted, Found(), creation.plan(wanted, Found()))
    assert "a name within the cluster" in said


def test_without_a_role_the_phase_is_skipped() -> None:
    assert steps(Found(), dataclasses.replace(WANTED, role=None))[-1] == "skip role assignment"


def test_a_managed_identity_is_one_object_without_a_service_principal() -> None:
    choice = Choice(kind=Kind.IDENTITY, name="mi", group="g", location="westeurope")
    wanted = dataclasses.replace(WANTED, phases=(Phase.IDENTITY,), choice=choice)
    (step,) = creation.plan(wanted, Found())
    assert step.says == "managed identity mi in resource group g (westeurope)"


@pytest.mark.parametrize(
    ("text", "after"),
    [
        (None, None),
        ('[{"clientId":"client"}]', None),  # no map that azwi-proxy would take: left alone
        ("[]", '[{"clientId":"client","objectId":"p"}]'),
    ],
)
def test_a_map_that_is_there_gets_the_object_id_and_none_is_added(
    text: str | None, after: str | None
) -> None:
    more = {} if text is None else {contract.IDENTITIES_ANNOTATION: text}
    account = Existing(EXISTING.labels, {**EXISTING.annotations, **more})
    plan = creation.plan(WANTED, dataclasses.replace(COMPLETE, account=account))
    changes = [step.changes for step in plan if step.is_change]
    assert changes == ([{contract.IDENTITIES_ANNOTATION: after}] if after else [])


def test_a_new_service_account_carries_the_object_id() -> None:
    plan = creation.plan(WANTED, dataclasses.replace(COMPLETE, account=None))
    (step,) = [step for step in plan if step.is_change]
    assert step.changes[contract.IDENTITIES_ANNOTATION] == '[{"clientId":"client","objectId":"p"}]'


def test_the_object_id_of_an_identity_that_is_still_made_comes_later() -> None:
    plan = creation.plan(WANTED, Found())
    (step,) = [step for step in plan if step.what is What.ACCOUNT]
    assert step.changes[contract.IDENTITIES_ANNOTATION] == ""

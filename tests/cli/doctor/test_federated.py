"""Federated credentials of a file and of each identity: what is said, with Entra ID's code."""

import dataclasses
import json
from typing import Any

import pytest

from azwi_cli.checks import Check
from azwi_cli.doctor import federated
from azwi_cli.doctor.facts import Asked, Facts, Refusal, Unread
from azwi_cli.serviceaccount.known import Credential, Kind, Target
from azwi_commands import patients
from azwi_common import contract
from azwi_testing import admission

MINE = Credential(
    name="mine",
    issuer=patients.ISSUER,
    subject=patients.SUBJECT,
    audience=contract.TOKEN_EXCHANGE_AUDIENCE,
)
OTHER = "system:serviceaccount:x:y"


def of_file(*given: Any, **more: Any) -> Facts:
    return patients.facts(credentials=given, **more)


def asked(*credentials: Credential, **changed: Any) -> Asked:
    target = Target(kind=Kind.APPLICATION, id="1", name="till", client_id=admission.CLIENT)
    return Asked(
        **{
            "client_id": admission.CLIENT,
            "found": target,
            "credentials": credentials,
            "tenant_id": admission.TENANT,
            **changed,
        }
    )


def of_entra(*identities: Asked, **more: Any) -> Facts:
    return patients.facts(credentials=None, entra=identities, **more)


def checks(facts: Facts) -> list[Check]:
    return [item.check for item in federated.findings(facts)]


def only(facts: Facts) -> Check:
    (found,) = checks(facts)
    return found


DIFFERENT: list[tuple[list[dict[str, str]], str, str]] = [
    ([], "no federated credential", "AADSTS70025"),
    ([{"issuer": patients.ISSUER[:-1]}], "the slash differs", "AADSTS700211"),
    ([{"issuer": "https://other.example"}], "https://other.example", "AADSTS700211"),
    ([{"subject": patients.SUBJECT.title()}], "upper and lower case differ", "AADSTS7002138"),
    ([{"subject": patients.SUBJECT.replace("shop", "x")}], "namespace differs", "AADSTS700213"),
    ([{"subject": patients.SUBJECT + "s"}], "service account's name differs", "AADSTS700213"),
    ([{"subject": OTHER}], f"they have {OTHER}", "AADSTS700213"),
    ([{"subject": f"{OTHER}{n}"} for n in range(7)], "and 2 more.", "AADSTS700213"),
    ([{"audience": "x"}], "audience of the federated credential mine", "AADSTS700212"),
    ([{"subject": patients.SUBJECT + " "}], f"is '{patients.SUBJECT} '", "AADSTS700213"),
    ([{"issuer": "https://o.example", "audience": "x"}], "; its audience is x", "AADSTS700211"),
]


@pytest.mark.parametrize(("given", "says", "code"), DIFFERENT)
def test_the_difference_is_named_with_the_code_that_entra_id_would_give(
    given: list[dict[str, str]], says: str, code: str
) -> None:
    credentials = [dataclasses.replace(MINE, **changes) for changes in given]
    (found,) = federated.findings(of_entra(asked(*credentials)))
    assert says in found.check.says
    assert found.refusal == Refusal(admission.CLIENT, code)
    assert code in found.check.why
    assert f"The application till has {len(given)} of 20" in found.check.why
    as_az_prints = [
        patients.credential(
            name=one.name, issuer=one.issuer, subject=one.subject, audiences=[one.audience]
        )
        for one in credentials
    ]
    of_a_file = only(of_file(*as_az_prints))
    assert says in of_a_file.says
    assert code in of_a_file.why


def test_the_remedy_for_a_file_is_a_command_with_issuer_and_subject() -> None:
    remedy = only(of_file()).remedy
    assert f"--issuer {patients.ISSUER} --subject {patients.SUBJECT}" in remedy
    slip = only(of_file(patients.credential(issuer=patients.ISSUER[:-1])))
    assert "update --name app" in slip.remedy


def test_another_clusters_credential_is_left_alone() -> None:
    other = only(of_file(patients.credential(issuer="https://other.example")))
    assert " create --name app " in other.remedy


def test_the_api_of_azure_writes_them_within_properties() -> None:
    assert only(of_file({"name": "x", "properties": patients.credential()})).status == "pass"


def test_one_that_fits_is_enough_among_others() -> None:
    other = patients.credential(issuer="https://a.example")
    assert only(of_file(other, patients.credential())).status == "pass"
    one = asked(dataclasses.replace(MINE, issuer="https://a.example"), MINE)
    assert only(of_entra(one)).says == (
        "A federated credential of the application till matches to the letter; it has 2 of 20."
    )


def test_an_unknown_issuer_is_not_compared_and_that_is_said() -> None:
    unknown = patients.around(issuer=Unread("no."))
    found = only(of_file(patients.credential(issuer="https://a.example"), around=unknown))
    assert found.status == "pass"
    assert "the issuer is not known" in found.says


def test_a_flexible_credential_is_not_judged() -> None:
    found = only(of_entra(asked(dataclasses.replace(MINE, subject=""))))
    assert (found.name, found.status) == ("credential", "warn")
    assert "flexible" in found.says


def test_the_last_free_places_are_counted() -> None:
    many = [dataclasses.replace(MINE, subject=f"{OTHER}{n}") for n in range(17)]
    assert [item.name for item in checks(of_entra(asked(MINE, *many)))] == [
        "credentials-count",
        "credential",
    ]
    assert "has 18 of 20" in checks(of_entra(asked(MINE, *many)))[0].says
    assert only(of_entra(asked(MINE, *many[1:]))).name == "credential"


def test_where_there_is_no_room_the_remedy_makes_some_first() -> None:
    full = [dataclasses.replace(MINE, subject=f"{OTHER}{n}") for n in range(20)]
    _, found = checks(of_entra(asked(*full)))
    assert found.remedy.startswith("Delete a federated credential")
    assert "azwi sa create" in found.remedy


def test_an_identity_that_is_not_there_is_a_finding_of_its_own() -> None:
    (found,) = federated.findings(of_entra(asked(found=None)))
    assert (found.check.name, found.check.status) == ("identity", "fail")
    assert admission.TENANT in found.check.says
    assert found.refusal == Refusal(admission.CLIENT, "AADSTS700016")


def log(reason: str, client: str = admission.CLIENT.upper()) -> str:
    entry = {"msg": "token exchange", "client": client, "scope": "s", "reason": reason}
    return json.dumps(entry)


def test_what_may_not_be_read_is_unknown_with_the_reason_and_what_to_do() -> None:
    unread = asked(found=Unread("Graph says no."), remedy="Ask for it.")
    found = only(of_entra(unread))
    assert (found.name, found.status) == ("credential", "warn")
    assert found.says.endswith("is unknown: Graph says no.")
    assert found.remedy.startswith("Ask for it. Or give --federated-credentials")


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        ([log("ok")], "pass"),
        ([log("AADSTS700213")], "warn"),
        ([log("AADSTS700213"), log("ok")], "pass"),
        ([log("ok", client="another")], "warn"),
    ],
)
def test_the_log_decides_where_the_credentials_may_not_be_read(
    lines: list[str], status: str
) -> None:
    unread = asked(found=Unread("Graph says no."))
    assert only(of_entra(unread, log="\n".join(lines))).status == status


def test_each_identity_is_judged_for_itself() -> None:
    second = asked(
        MINE, client_id="2", found=Target(kind=Kind.IDENTITY, id="/", name="b", client_id="2")
    )
    found = checks(of_entra(asked(), second))
    assert [item.status for item in found] == ["fail", "pass"]
    assert "managed identity b" in found[1].says

"""The service account and its identity."""

from azwi_cli.doctor import accounts
from azwi_commands import patients
from azwi_common import contract
from azwi_testing import admission


def test_a_remedy_is_a_command_that_can_be_run() -> None:
    found = accounts.checks(patients.facts(account=patients.account(client_id="")))
    remedy = list(found)[-1].remedy
    assert (
        "kubectl annotate serviceaccount app -n shop azure.workload.identity/client-id=" in remedy
    )


def test_an_identity_map_is_enough() -> None:
    pod = patients.pod()
    pod["metadata"]["annotations"][contract.IDENTITIES_ANNOTATION] = "[]"
    found = accounts.checks(patients.facts(pod=pod, account=patients.account(client_id="")))
    assert [check.status for check in found] == ["pass", "pass"]


def test_a_client_id_is_compared_without_case() -> None:
    upper = patients.account(client_id=admission.CLIENT.upper())
    assert [check.status for check in accounts.checks(patients.facts(account=upper))] == [
        "pass"
    ] * 2


def test_a_template_has_no_client_id_to_compare() -> None:
    other = patients.account(client_id="0" * 8 + "-1111-4111-8111-" + "0" * 12)
    found = accounts.checks(patients.facts(account=other, is_live=False))
    assert [check.status for check in found] == ["pass", "pass"]

"""Which identities a pod has."""

import json
from typing import Any

import pytest

from azwi_cli.doctor import identities
from azwi_cli.doctor.facts import Facts, Unread
from azwi_cli.doctor.identities import Identity
from azwi_commands import patients
from azwi_common import contract
from azwi_testing import admission

ONE, TWO = (f"0e1d2c3b-4a59-4687-9bac-00000000000{number}" for number in (1, 2))
MAP = json.dumps([{"clientId": ONE, "tenantId": "contoso.com"}, {"clientId": TWO.upper()}])
DEFAULT = Identity(admission.CLIENT, admission.TENANT)


def template(annotations: Any = None, **account: str) -> Facts:
    pod = patients.raw_pod(annotations)
    return patients.facts(pod=pod, is_live=False, account=patients.account(**account))


def test_a_pod_has_the_one_that_it_was_given() -> None:
    changed_later = patients.facts(account=patients.account(client_id=ONE))
    assert identities.of(changed_later) == [DEFAULT]


def test_a_template_has_the_service_accounts() -> None:
    facts = template(client_id=ONE.upper(), tenant_id=admission.TENANT)
    assert identities.of(facts) == [Identity(ONE, admission.TENANT)]
    assert identities.of(template()) == [Identity(admission.CLIENT, "")]


def test_each_of_a_map_is_one_with_its_own_tenant_or_the_pods() -> None:
    mapped = [Identity(ONE, "contoso.com"), Identity(TWO, admission.TENANT)]
    of_pod = patients.facts(pod=patients.pod({"identities": MAP}))
    assert identities.of(of_pod) == [DEFAULT, *mapped]
    by_account = template(identities=MAP, tenant_id=admission.TENANT)
    assert identities.of(by_account) == [DEFAULT, *mapped]
    by_template = template({"identities": MAP}, tenant_id=admission.TENANT, client_id="")
    assert identities.of(by_template) == mapped


def test_one_that_is_named_twice_is_one() -> None:
    again = json.dumps([{"clientId": admission.CLIENT}])
    facts = patients.facts(pod=patients.pod({"identities": again}))
    assert identities.of(facts) == [DEFAULT]


@pytest.mark.parametrize(
    "facts",
    [
        template(client_id="my-app"),
        template(client_id="", identities="?"),
        patients.facts(pod=patients.raw_pod(), account=None),
        patients.facts(pod=patients.raw_pod(), account=Unread("no.")),
        template({contract.CUSTOM_ENDPOINT_ANNOTATION.removeprefix(contract.PREFIX) + "x": "true"}),
        patients.facts(pod={"metadata": {}, "spec": {"containers": [{"name": "app"}]}}),
    ],
)
def test_nobody_is_asked_for_what_is_malformed_unknown_bound_by_aks_or_takes_no_part(
    facts: Facts,
) -> None:
    assert identities.of(facts) == []


def test_a_pod_that_aks_bound_is_left_to_aks() -> None:
    pod = patients.pod()
    pod["spec"]["containers"][0]["env"].append(
        {"name": contract.KUBERNETES_TOKEN_PROXY, "value": "https://x"}
    )
    assert identities.of(patients.facts(pod=pod)) == []

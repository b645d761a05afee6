"""What the webhook gave, container by container."""

from azwi_cli.doctor import injected
from azwi_commands import patients
from azwi_common import contract


def test_a_container_without_variables_is_named_with_what_it_lacks() -> None:
    pod = patients.pod()
    pod["spec"]["containers"].append(
        {"name": "late", "env": [{"name": "AZURE_TENANT_ID", "value": "x"}]}
    )
    (found,) = (item for item in injected.checks(patients.facts(pod=pod)) if item.status != "pass")
    assert found.says == ("Container late lacks AZURE_FEDERATED_TOKEN_FILE, AZURE_AUTHORITY_HOST.")


def test_nothing_is_asked_of_a_template() -> None:
    assert list(injected.checks(patients.facts(is_live=False))) == []


def test_a_pod_that_is_told_where_to_ask_needs_no_redirect() -> None:
    pod = patients.pod()
    first = pod["spec"]["initContainers"].pop(0)
    assert first["name"] == contract.INIT_CONTAINER
    proxy = pod["spec"]["initContainers"][0]
    proxy["env"].append({"name": contract.IDENTITY_HEADER, "value": "x" * 32})
    assert all(item.status == "pass" for item in injected.checks(patients.facts(pod=pod)))


def test_variables_from_a_secret_count() -> None:
    pod = patients.pod()
    pod["spec"]["containers"][0]["env"][1] = {"name": "AZURE_TENANT_ID", "valueFrom": {"x": 1}}
    assert all(item.status == "pass" for item in injected.checks(patients.facts(pod=pod)))

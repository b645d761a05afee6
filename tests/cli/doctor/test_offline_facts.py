"""Files: what can be said before there is a cluster."""

import yaml

from azwi_cli.doctor import examine, offline_facts
from azwi_cli.doctor.facts import Facts, Unread
from azwi_cli.inject import manifests
from azwi_commands import patients


def facts(*objects: object) -> list[Facts]:
    text = "---\n".join(yaml.safe_dump(item) for item in objects)
    return list(offline_facts.of(manifests.read(text, "f.yaml"), "shop"))


def deployment() -> object:
    pod = patients.raw_pod()
    return {"kind": "Deployment", "metadata": {"name": "d"}, "spec": {"template": pod}}


def test_a_good_file_passes_with_its_service_account() -> None:
    (found,) = facts({"kind": "ServiceAccount", **patients.account()}, deployment())
    assert found.name == "f.yaml, document 2 (Deployment d)"
    assert examine.pod(found).status == "pass"


def test_an_account_that_is_in_no_file_is_not_known() -> None:
    (found,) = facts(deployment())
    assert isinstance(found.account, Unread)
    assert [item.name for item in examine.pod(found).checks if item.status != "pass"] == [
        "service-account"
    ]

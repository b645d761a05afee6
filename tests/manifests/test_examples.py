"""The examples are valid manifests, and use names that the webhook knows."""

import re
from pathlib import Path

import pytest
import yaml

from azwi_common import contract
from azwi_testing import admission, tools
from azwi_testing.cluster import Object
from azwi_webhook import mutate

EXAMPLES = sorted((Path(__file__).parents[2] / "manifests/examples").glob("*.yaml"))
WITH_WEBHOOK = [path for path in EXAMPLES if path.name != "by-hand.yaml"]
KNOWN = {value for value in vars(contract).values() if isinstance(value, str)} | {
    contract.PREFIX + "use-identity-binding"  # use- and a suffix of the operator's choice
}


def objects(path: Path) -> list[Object]:
    return list(yaml.safe_load_all(path.read_text()))


def pod_template(path: Path) -> Object:
    found = next(item for item in objects(path) if item["kind"] in ("Pod", "Deployment"))
    template: Object = found if found["kind"] == "Pod" else found["spec"]["template"]
    return template


def test_there_is_one_for_each_way_in() -> None:
    names = {path.stem for path in EXAMPLES}
    assert names == {
        "quick-start",
        "migrate-by-annotation",
        "environment-mode",
        "by-hand",
        "identity-binding",
    }


@pytest.mark.parametrize("version", [tools.OLDEST, tools.newest()])
@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_is_valid_in_the_oldest_and_the_newest_kubernetes(
    path: Path, version: str
) -> None:
    found = tools.problems(objects(path), version)
    # A native sidecar needs 1.29; its file says so.
    native = [text for text in found if "'restartPolicy' was unexpected" in text]
    assert found == ([] if version != tools.OLDEST or path.stem != "by-hand" else native)


@pytest.mark.parametrize("path", WITH_WEBHOOK, ids=lambda path: path.stem)
def test_an_example_opts_in_by_names_that_the_webhook_knows(path: Path) -> None:
    metadata = pod_template(path)["metadata"]
    assert metadata["labels"][contract.USE_LABEL] == "true"
    used = {*re.findall(rf"{re.escape(contract.PREFIX)}[\w-]+", path.read_text())}
    assert used <= KNOWN


@pytest.mark.parametrize("path", WITH_WEBHOOK, ids=lambda path: path.stem)
def test_an_examples_pod_runs_as_the_service_account_beside_it(path: Path) -> None:
    account = next(item for item in objects(path) if item["kind"] == "ServiceAccount")
    assert contract.CLIENT_ID_ANNOTATION in account["metadata"]["annotations"]
    assert pod_template(path)["spec"]["serviceAccountName"] == account["metadata"]["name"]


def test_migration_is_a_label_and_annotations_and_no_container() -> None:
    template = pod_template(next(path for path in EXAMPLES if "annotation" in path.stem))
    assert template["metadata"]["annotations"] == {
        contract.INJECT_ANNOTATION: "true",
        contract.PROXY_ONLY_ANNOTATION: "true",
    }
    assert [item["name"] for item in template["spec"]["containers"]] == ["app"]
    assert "initContainers" not in template["spec"]


def test_environment_mode_is_admitted_where_privileges_are_forbidden() -> None:
    found = {item["kind"]: item for item in objects(EXAMPLES[0].parent / "environment-mode.yaml")}
    namespace, template = found["Namespace"]["metadata"], found["Deployment"]["spec"]["template"]
    assert namespace["labels"] == {contract.POD_SECURITY_LABEL: "restricted"}
    around = admission.around(namespace=namespace["name"], labels=namespace["labels"])
    whose, settings = admission.account(), admission.settings(PROXY_INIT_IMAGE="")
    decided = mutate.admit(template, whose, around, settings)
    assert decided.warnings == ()
    after = admission.applied(template, decided.patch)
    assert set(admission.values(admission.container(after, "app"))) == {
        contract.POD_IDENTITY_AUTHORITY_HOST,
        contract.AZURE_MSI_ENDPOINT,
        contract.IDENTITY_ENDPOINT,
        contract.IDENTITY_HEADER,
        contract.MSI_ENDPOINT,
        contract.MSI_SECRET,
    }


def test_the_policy_beside_it_closes_the_metadata_service_and_nothing_else() -> None:
    found = {item["kind"]: item for item in objects(EXAMPLES[0].parent / "environment-mode.yaml")}
    (rule,) = found["NetworkPolicy"]["spec"]["egress"]
    assert found["NetworkPolicy"]["metadata"]["namespace"] == found["Namespace"]["metadata"]["name"]
    assert rule.keys() == {"to"}  # every port
    closed = [item["ipBlock"].get("except") for item in rule["to"] if "ipBlock" in item]
    assert closed == [[f"{contract.DEFAULT_METADATA_IP}/32"], None]


def test_an_identity_binding_allows_its_service_account_to_use_the_identity() -> None:
    path = next(path for path in EXAMPLES if path.stem == "identity-binding")
    by_kind = {item["kind"]: item for item in objects(path)}
    account = by_kind["ServiceAccount"]
    (rule,) = by_kind["ClusterRole"]["rules"]
    assert rule["resources"] == [account["metadata"]["annotations"][contract.CLIENT_ID_ANNOTATION]]
    assert rule["verbs"] == ["use-managed-identity"]
    (subject,) = by_kind["ClusterRoleBinding"]["subjects"]
    assert subject["name"] == account["metadata"]["name"]

"""What the cluster knows of the pods of files."""

import json
from pathlib import Path

import pytest

from azwi_cli import errors, kube
from azwi_cli.inject import live, manifests, offline
from azwi_common import contract
from azwi_testing import admission
from azwi_testing.apiserver import ApiServer


def templates(*pods: object) -> list[manifests.Template]:
    text = "---\n".join(json.dumps(pod) + "\n" for pod in pods)
    return offline.templates(manifests.read(text, "f"))


def test_accounts_namespaces_and_version_are_the_clusters_and_files_win(tmp_path: Path) -> None:
    given = offline.account("mine", {})
    known = offline.Known({("shop", "mine"): given}, {}, offline.settings({}), 32, "shop")
    mine = admission.pod(serviceAccountName="mine")
    absent = admission.pod(serviceAccountName="absent")
    with ApiServer("v1.30.2") as api:
        api.put("namespaces", "", "shop", labels={contract.POD_SECURITY_LABEL: "baseline"})
        api.account("shop", "app", client_id=admission.CLIENT)
        api.account("shop", "mine", client_id=admission.CLIENT)
        cluster = kube.Cluster(Path(api.kubeconfig(tmp_path)))
        found = live.completed(known, templates(admission.pod(), mine, absent), cluster)
    assert found.accounts["shop", "app"].annotations == {
        contract.CLIENT_ID_ANNOTATION: admission.CLIENT
    }
    assert found.accounts["shop", "mine"] is given
    assert ("shop", "absent") not in found.accounts
    assert found.namespaces["shop"] == {contract.POD_SECURITY_LABEL: "baseline"}
    assert found.minor == 30


def test_a_version_that_is_none_of_kubernetes_is_a_sentence_with_the_way_out(
    tmp_path: Path,
) -> None:
    known = offline.Known({}, {}, offline.settings({}), 32, "shop")
    with ApiServer("edge") as api:
        cluster = kube.Cluster(Path(api.kubeconfig(tmp_path)))
        with pytest.raises(errors.Unavailable, match="not 'edge'") as told:
            live.completed(known, [], cluster)
    assert "--kubernetes-version" in told.value.remedy

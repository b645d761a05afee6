"""What the webhook would do with files: the same, whatever is asked."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from azwi_cli import errors
from azwi_cli.inject import manifests, offline, writing
from azwi_common import contract
from azwi_testing import admission

WRAPPED = {
    "Pod": (),
    "Deployment": ("spec", "template"),
    "CronJob": ("spec", "jobTemplate", "spec", "template"),
    "Rollout": ("spec", "template"),
}
NO_PODS = ("refused-nonsense",)  # azwi finds no pod in it
CASES = sorted(
    path
    for path in (Path(__file__).parents[2] / "webhook/golden").iterdir()
    if path.name not in NO_PODS
)


def documents(*objects: Any) -> list[manifests.Document]:
    return manifests.read("---\n".join(yaml.safe_dump(item) for item in objects), "f.yaml")


def known(*objects: Any, **environ: str) -> offline.Known:
    found = documents(*objects)
    return offline.Known(
        offline.accounts(found, "shop"),
        offline.namespaces(found),
        offline.settings({**admission.ENVIRON, **environ}),
        34,
        "shop",
    )


def account(**annotations: str) -> Any:
    given = {"client-id": admission.CLIENT, **annotations}
    named = {contract.PREFIX + name: text for name, text in given.items()}
    return {"kind": "ServiceAccount", "metadata": {"name": "app", "annotations": named}}


def injected(pod: Any, around: offline.Known) -> offline.Outcome:
    (template,) = offline.templates(documents(pod))
    return offline.injected(template, around)


@pytest.mark.parametrize("kind", WRAPPED)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_what_is_written_for_a_golden_pod_is_what_the_webhooks_patch_gives(
    case: Path, kind: str, golden: dict[str, Any]
) -> None:
    """As YAML and as JSON, as a pod and as a template; a refusal is the webhook's sentence."""
    pod, whose, around, settings = golden["inputs"](case)
    pod.setdefault("metadata", {}).setdefault("labels", {})[contract.USE_LABEL] = "true"
    place: tuple[str, str] = ("shop", pod["spec"].get("serviceAccountName") or "default")
    given = offline.Known(
        {place: whose or offline.account(place[1], {})},
        {"shop": around.namespace_labels},
        settings,
        around.minor,
        "shop",
    )
    wrapped = {"kind": kind, **pod}
    for name in reversed(WRAPPED[kind]):
        wrapped = {"kind": kind, name: {k: v for k, v in wrapped.items() if k != "kind"}}
    for text in (yaml.safe_dump(wrapped), json.dumps(wrapped)):
        (document,) = manifests.read(text, "f")
        (template,) = offline.templates([document])
        outcome = offline.injected(template, given, getattr(around, "secret", ""))
        expected = case / "refused.txt"
        if expected.exists():
            assert outcome.refused.startswith(expected.read_text().strip().replace("\n", " "))
            continue
        after = manifests.parsed(writing.changed(document, outcome.changes))
        for name in WRAPPED[kind]:
            after = after[name]
        wanted = yaml.safe_load((case / "pod-after.yaml").read_text())
        assert after["spec"] == wanted["spec"]
        assert after["metadata"].get("annotations") == wanted["metadata"].get("annotations")


def test_a_service_account_counts_in_its_own_namespace_only() -> None:
    pod = {**admission.pod(), "metadata": {**admission.pod()["metadata"], "namespace": "other"}}
    assert "Service account other/app" in injected(pod, known(account())).refused
    assert not injected(admission.pod(), known(account())).refused


def test_the_labels_of_a_namespace_in_the_files_count() -> None:
    labels = {contract.POD_SECURITY_LABEL: "baseline"}
    home = {"kind": "Namespace", "metadata": {"name": "shop", "labels": labels}}
    assert "NET_ADMIN" in injected(admission.with_sidecar(), known(account(), home)).refused


def test_every_reason_is_said_at_once() -> None:
    bare = offline.Known({}, {}, offline.settings({}), 34, "shop")
    refused = injected(admission.with_sidecar({"proxy-forward": "maybe"}), bare).refused
    for piece in ("--service-account-file", "--tenant-id", "proxy-forward", "--proxy-image"):
        assert piece in refused


def test_a_pod_with_identities_of_its_own_needs_no_account() -> None:
    pod = admission.pod({"identities": f'[{{"clientId": "{admission.CLIENT}"}}]'})
    assert not injected(pod, known()).refused


def test_a_tenant_of_the_account_is_enough() -> None:
    given = offline.Known(
        offline.accounts(documents(account(**{"tenant-id": admission.TENANT})), "shop"),
        {}, offline.settings({}), 34, "shop",
    )  # fmt: skip
    assert not injected(admission.pod(), given).refused


def test_a_label_that_is_no_text_is_refused() -> None:
    pod = admission.pod()
    pod["metadata"]["labels"] = {contract.USE_LABEL: True}
    assert 'write "true" in quotes' in injected(pod, known(account())).refused


def test_who_takes_no_part_is_left_alone() -> None:
    pod = admission.pod()
    pod["metadata"]["labels"] = {}
    outcome = injected(pod, known(account()))
    assert (outcome.takes_part, outcome.changes) == (False, [])


def test_settings_that_are_wrong_are_said_all_at_once() -> None:
    with pytest.raises(errors.BadInput) as caught:
        offline.settings({"AZURE_ENVIRONMENT": "Moon", "AZWI_PROXY_GATE": "x"})
    assert "AZURE_ENVIRONMENT" in str(caught.value)
    assert "AZWI_PROXY_GATE" in str(caught.value)

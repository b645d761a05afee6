"""Whole pods, before and after: what a Kubernetes engineer can read and judge.

One folder for each case in ``golden/``:

pod.yaml            the pod as the API server sends it
account.yaml        its service account; missing: an ordinary one; ``null``: there is none
settings.yaml       variables of the webhook, beside the tests' usual ones
around.yaml         ``minor`` of the cluster's version, ``labels`` of the namespace
patch.json          expected, with
pod-after.yaml      what comes of it; or
refused.txt         the sentence, a problem a line
warnings.txt        expected, one a line; missing: none

``AZWI_GOLDEN=write pytest tests/webhook/test_golden.py`` writes what is expected anew: read the
difference before you commit it.
"""

import json
import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from azwi_common import contract
from azwi_testing import admission, webhooks
from azwi_webhook import mutate, review
from azwi_webhook.errors import BadCall, Refused
from azwi_webhook.settings import Settings

CASES = sorted(path for path in (Path(__file__).parent / "golden").iterdir() if path.is_dir())
EXPECTED = ("patch.json", "pod-after.yaml", "refused.txt", "warnings.txt")


def loaded(case: Path, name: str, default: Any) -> Any:
    path = case / name
    return yaml.safe_load(path.read_text()) if path.exists() else default


def account_of(case: Path) -> mutate.Account | None:
    found = loaded(case, "account.yaml", {})
    if found is None:
        return None
    if not found:
        ordinary: mutate.Account = admission.account()
        return ordinary
    given = found["metadata"]
    ours = [
        {
            name: text
            for name, text in (given.get(field) or {}).items()
            if name.startswith(contract.PREFIX)
        }
        for field in ("labels", "annotations")
    ]
    return mutate.Account(given["name"], *ours)


def inputs(case: Path) -> tuple[Any, mutate.Account | None, mutate.Surroundings, Settings]:
    """Pod, service account, surroundings and settings of a case."""
    return (
        loaded(case, "pod.yaml", None),
        account_of(case),
        admission.around(**loaded(case, "around.yaml", {})),
        admission.settings(**loaded(case, "settings.yaml", {})),
    )


def outcome(case: Path) -> dict[str, str]:
    """The files that the case should have."""
    pod, account, around, settings = inputs(case)
    try:
        admitted = mutate.admit(pod, account, around, settings)
    except Refused as refused:
        return {"refused.txt": refused.sentence.replace(". ", ".\n") + "\n"}
    lines = [json.dumps(operation, indent=2) for operation in admitted.patch]
    after = admission.applied(pod, admitted.patch)
    plain = json.loads(json.dumps(after))  # as it arrives: no object is in two places
    found = {
        "patch.json": "[" + ",\n".join(lines) + "]\n",
        "pod-after.yaml": yaml.safe_dump(plain, sort_keys=False, allow_unicode=True),
    }
    if admitted.warnings:
        found["warnings.txt"] = "".join(warning + "\n" for warning in admitted.warnings)
    return found


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_pod_becomes_what_its_golden_files_say(case: Path) -> None:
    found = outcome(case)
    if os.environ.get("AZWI_GOLDEN") == "write":
        for name in EXPECTED:
            (case / name).unlink(missing_ok=True)
        for name, text in found.items():
            (case / name).write_text(text)
    expected = {name: (case / name).read_text() for name in EXPECTED if (case / name).exists()}
    assert found == expected


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_second_admission_changes_nothing_and_the_first_changed_no_input(case: Path) -> None:
    pod, account, around, settings = inputs(case)
    before = json.dumps(pod)
    try:
        admitted = mutate.admit(pod, account, around, settings)
    except Refused:
        return
    assert json.dumps(pod) == before
    after = admission.applied(pod, admitted.patch)
    assert mutate.admit(after, account, around, settings).patch == []


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_what_a_review_leaves_out_of_a_pod_decides_nothing(case: Path) -> None:
    pod, account, around, settings = inputs(case)
    try:
        read = review.parse(json.dumps(webhooks.review(pod)).encode()).object
    except BadCall:
        with pytest.raises(Refused):
            mutate.admit(pod, account, around, settings)
        return
    assert mutate.takes_part(read, account, around, settings) == mutate.takes_part(
        pod, account, around, settings
    )
    decided: list[mutate.Admitted | str] = []
    for either in (pod, read):
        try:
            decided.append(mutate.admit(either, account, around, settings))
        except Refused as refused:
            decided.append(refused.sentence)
    assert decided[0] == decided[1]


def test_what_comes_of_it_is_a_pod_by_kubernetes_own_schemas() -> None:
    validator = pytest.importorskip("kubernetes_validate", reason="the schemas are not installed")
    for case in CASES:
        after = loaded(case, "pod-after.yaml", None)
        for version in (f"1.{inputs(case)[2].minor}", validator.latest_version()):
            if after:
                validator.validate(after, version, strict="newer" not in case.name)


def test_there_are_enough_cases_to_believe_in() -> None:
    assert len(CASES) >= 40

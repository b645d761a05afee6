"""``azwi inject`` and ``azwi uninject`` as processes, on a file as people write them."""

import json
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from azwi_cli.doctor import examine, offline_facts
from azwi_cli.inject import manifests, offline, uninject
from azwi_commands import azwi
from azwi_common import contract
from azwi_testing import admission, plain_environment

GOLDEN = Path(__file__).parent / "golden"
WEBHOOK = Path(__file__).parents[2] / "webhook" / "golden"
BEFORE = GOLDEN / "before.yaml"
FLAGS = (
    "--tenant-id=7e4a47e4-a471-4e4a-8471-7e4a47e4a471",
    "--proxy-image=registry.example/azwi-proxy:1",
    "--proxy-init-image=registry.example/azwi-proxy-init:1",
)


def test_a_file_is_injected_by_a_pipe_and_comes_back_byte_for_byte() -> None:
    command = [sys.executable, "-m", "azwi_cli", "inject", "-f", "-", *FLAGS]
    ran = subprocess.run(
        command, input=BEFORE.read_bytes(), capture_output=True, env=plain_environment(), check=True
    )
    assert ran.stdout.decode() == (GOLDEN / "after.yaml").read_text()
    assert ran.stderr == b""
    assert azwi("uninject", "-f", GOLDEN / "after.yaml").out == BEFORE.read_text()


def test_twice_is_once(tmp_path: Path) -> None:
    ran = azwi("inject", "-f", GOLDEN / "after.yaml", *FLAGS)
    assert ran.out == (GOLDEN / "after.yaml").read_text()


ENVIRONMENT = WEBHOOK / "environment-mode-by-setting"
RESTRICTED = {contract.POD_SECURITY_LABEL: "restricted"}


def named(kind: str, name: str, **more: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": kind, "metadata": {"name": name, **more}}


def kept(pod: Any) -> set[str]:
    """Takes the random values out of a pod, and says them."""
    spec = pod["spec"]
    return {
        entry.pop("value")
        for container in (*spec.get("initContainers", ()), *spec["containers"])
        for entry in container["env"]
        if entry["name"] in (contract.IDENTITY_HEADER, contract.MSI_SECRET)
    }


@pytest.mark.parametrize("how", ["setting", "annotation"])
def test_in_environment_mode_a_file_gets_what_the_webhook_gives(how: str, tmp_path: Path) -> None:
    pod = yaml.safe_load((ENVIRONMENT / "pod.yaml").read_text())
    wanted = yaml.safe_load((ENVIRONMENT / "pod-after.yaml").read_text())
    if how == "annotation":
        pod["metadata"]["annotations"][contract.MODE_ANNOTATION] = "environment"
    given = {contract.CLIENT_ID_ANNOTATION: admission.CLIENT}
    account = named("ServiceAccount", "app", annotations=given)
    home = named("Namespace", "shop", labels=RESTRICTED)
    twin = {**pod, "metadata": {**pod["metadata"], "name": "twin"}}
    file, out = tmp_path / "f.yaml", tmp_path / "out.yaml"
    file.write_text(yaml.safe_dump_all([home, account, pod, twin]))
    images = (f"--proxy-image={admission.PROXY_IMAGE}",)  # no other is needed
    flags = ["-n", "shop", f"--tenant-id={admission.TENANT}", *images]
    flags += [f"--set={contract.PROXY_MODE}=environment"] if how == "setting" else []
    ran = azwi("inject", "-f", file, "-o", out, "--kubernetes-version", "1.34", *flags)
    assert "holds the value of IDENTITY_HEADER" in ran.err
    _, _, after, other = yaml.safe_load_all(out.read_text())
    mine, others = kept(after), kept(other)
    assert len(mine) == len(others) == 1  # azwi-proxy and its apps have the same, each pod its own
    assert mine != others
    assert kept(wanted)
    assert (after["spec"], after["metadata"]) == (wanted["spec"], wanted["metadata"])
    assert azwi("inject", "-f", out, *flags).out == out.read_text()
    azwi("doctor", "-f", out, "-n", "shop")


def test_a_refusal_names_file_and_document_and_writes_nothing(tmp_path: Path) -> None:
    file = tmp_path / "f.yaml"
    text = BEFORE.read_text().replace('inject-proxy-sidecar: "true"', "inject-proxy-sidecar: yes")
    file.write_text(text)
    ran = azwi("inject", "-i", "-f", file, *FLAGS, code=2)
    assert f"{file}, document 2 (Deployment shop): Annotation" in ran.err
    assert ran.out == ""
    assert file.read_text() == text


def test_the_extra_cli_alone_is_enough_and_the_wheel_has_both_packages(tmp_path: Path) -> None:
    """The webhook's modules that are imported need the standard library only."""
    root = Path(__file__).parents[3]
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(build, cwd=root, capture_output=True, check=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    names = (
        "aiohttp, httpx2, msgspec, prometheus_client, uvloop, lightkube, cryptography, jsonpatch"
    )
    script = (
        f"import sys; sys.modules |= dict.fromkeys('{names}'.split(', '))\n"  # imports of them fail
        "from azwi_cli.__main__ import main; sys.exit(main())"
    )
    ran = subprocess.run(
        [sys.executable, "-c", script, "inject", "-f", str(BEFORE), *FLAGS],
        env={**plain_environment(), "PYTHONPATH": str(tmp_path / "site")},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.stdout == (GOLDEN / "after.yaml").read_text(), ran.stderr


NAMES = st.sampled_from(
    ["name", "env", "volumeMounts", "volumes", "initContainers", "labels", "annotations", "value"]
)
NONSENSE = st.recursive(
    st.none() | st.integers(0, 3) | st.sampled_from(["x", "true", "azwi-proxy"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=12,
)
LABELLED = {"labels": {"azure.workload.identity/use": "true"}}


@given(NONSENSE, NONSENSE, st.lists(NONSENSE, min_size=1, max_size=2))
@settings(max_examples=300)
def test_nonsense_in_a_manifest_is_a_sentence_and_never_a_crash(
    metadata: object, spec: object, containers: list[object]
) -> None:
    given_spec = {**(spec if isinstance(spec, dict) else {}), "containers": containers}
    for labelled in (metadata, LABELLED):
        pod = {"kind": "Pod", "metadata": labelled, "spec": given_spec}
        account = {"kind": "ServiceAccount", "metadata": metadata}
        text = f"{json.dumps(pod)}\n---\n{json.dumps(account)}\n"
        documents = manifests.read(text, "f.yaml")
        known = offline.Known(
            offline.accounts(documents, "default"),
            offline.namespaces(documents),
            offline.settings({}),
            34,
            "default",
        )
        for template in offline.templates(documents):
            offline.injected(template, known)
            uninject._outcome(template)
        for facts in offline_facts.of(documents, "default"):
            assert examine.pod(facts).checks

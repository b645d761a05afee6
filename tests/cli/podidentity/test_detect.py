"""``azwi podidentity detect`` as a process: flags, formats, exit codes, sentences."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from azwi_commands import azwi
from azwi_testing import free_port, plain_environment
from azwi_testing.podidentity import Server, binding, deployment, identity

HERE = Path(__file__).parent
MANIFESTS = HERE / "manifests"
TENANT = "55555555-5555-4555-8555-555555555555"


@pytest.fixture
def shop(server: Server) -> Server:
    """A cluster with one app."""
    server.put(identity("cart"), binding("cart"), deployment("cart"))
    return server


def test_a_command_line_of_the_go_tool_works_as_it_is(
    shop: Server, kubeconfig: Path, tmp_path: Path
) -> None:
    words: list[str | Path] = ["podidentity", "detect", "--namespace", "shop"]
    words += ["--proxy-port", "8123", "--tenant-id", TENANT, "--output-dir", tmp_path / "out"]
    words += ["--service-account-token-expiration", "2h0m0s"]
    azwi(*words, KUBECONFIG=str(kubeconfig))
    account = yaml.safe_load((tmp_path / "out" / "cart-serviceaccount.yaml").read_text())
    assert account["metadata"]["annotations"] == {
        "azure.workload.identity/client-id": "11111111-1111-4111-8111-111111111111",
        "azure.workload.identity/tenant-id": TENANT,
        "azure.workload.identity/service-account-token-expiration": "7200",
    }
    patch = yaml.safe_load((tmp_path / "out" / "deployment-cart.yaml").read_text())
    annotations = patch["spec"]["template"]["metadata"]["annotations"]
    assert annotations["azure.workload.identity/proxy-sidecar-port"] == "8123"


def test_its_short_flags_mean_the_same(shop: Server, kubeconfig: Path, tmp_path: Path) -> None:
    given: list[str | Path] = ["-o", tmp_path / "out", "-p", "8123", "--namespace=shop"]
    azwi("pi", "detect", *given, KUBECONFIG=str(kubeconfig))
    assert (tmp_path / "out" / "cart-serviceaccount.yaml").is_file()


def test_detect_changes_nothing_in_the_cluster(
    shop: Server, kubeconfig: Path, tmp_path: Path
) -> None:
    azwi("pi", "detect", "-A", "-o", tmp_path / "out", "--kubeconfig", kubeconfig)
    assert {method for method, _ in shop.asked} == {"GET"}


@pytest.mark.parametrize(("form", "read"), [("json", json.loads), ("yaml", yaml.safe_load)])
def test_programs_get_the_report(form: str, read: Callable[[str], Any]) -> None:
    ran = azwi("pi", "detect", "-A", "-f", MANIFESTS, "--format", form, code=3)
    assert read(ran.out)["summary"]["workloads"] == 16


def test_standard_input_is_read(tmp_path: Path) -> None:
    text = "---\n".join((MANIFESTS / name).read_text() for name in ("identities.yaml", "shop.yaml"))
    ended = subprocess.run(
        [sys.executable, "-m", "azwi_cli", "pi", "detect", "-n", "shop", "-f", "-"],
        input=text,
        capture_output=True,
        text=True,
        env={**plain_environment(), "HOME": str(tmp_path)},
        timeout=30,
    )
    assert ended.returncode == 3
    assert "6 workloads" in ended.stdout


def test_nothing_to_migrate_is_a_success(server: Server, kubeconfig: Path) -> None:
    server.put(identity("cart"))
    ran = azwi("pi", "detect", "-n", "shop", "--kubeconfig", kubeconfig)
    assert "there is nothing to migrate" in ran.out


def test_the_wrong_namespace_of_files_is_told() -> None:
    ran = azwi("pi", "detect", "-f", MANIFESTS)
    assert "In default is nothing, in 3 other namespaces there is: -A looks at all." in ran.out


def test_malformed_yaml_is_named_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "broken.yaml").write_text("kind: A\nspec: [\n")
    ran = azwi("pi", "detect", "-f", tmp_path, code=2)
    assert "broken.yaml, line 3: this is not YAML" in ran.err


@pytest.mark.parametrize(
    ("status", "code", "says"),
    [
        (401, 5, "Log in again"),
        (403, 5, "Ask an administrator"),
        (404, 6, "aad-pod-identity is not installed"),
        (429, 4, "Try again"),
        (500, 4, "Try again"),
    ],
)
def test_a_refusal_is_one_sentence_and_an_exit_code(
    status: int, code: int, says: str, shop: Server, kubeconfig: Path
) -> None:
    shop.fault = lambda method, path: status
    ran = azwi("pi", "detect", "-A", "--kubeconfig", kubeconfig, code=code)
    assert says in ran.err
    assert len(ran.err.splitlines()) == 1
    assert ran.out == ""


def test_no_cluster_is_one_sentence(tmp_path: Path) -> None:
    assert "No cluster is configured" in azwi("pi", "detect", code=6).err
    config = {
        "clusters": [{"name": "c", "cluster": {"server": f"http://127.0.0.1:{free_port()}"}}],
        "users": [{"name": "u", "user": {}}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "x",
    }
    (tmp_path / "config").write_text(json.dumps(config))
    ran = azwi("pi", "detect", "--kubeconfig", tmp_path / "config", code=4)
    assert "cannot be reached" in ran.err


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (("--service-account-token-expiration", "1d"), "Write it as 1h or 90m"),
        (("--tenant-id", "no tenant"), "--tenant-id must be"),
        (("--proxy-port", "0"), "--proxy-port"),
        (("-f", "/nonexistent.yaml"), "does not exist"),
    ],
)
def test_a_wrong_flag_is_told(flags: tuple[str, str], says: str) -> None:
    ran = azwi("pi", "detect", *flags, code=None)
    assert ran.code in (2, 6)
    assert says in ran.err

"""``azwi podidentity migrate`` as a process: planned, confirmed, done, interrupted, taken back."""

import copy
import json
import os
import pty
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from azwi_cli.podidentity import store
from azwi_commands import Ran, azwi
from azwi_common import contract
from azwi_testing import plain_environment
from azwi_testing.apiserver import until
from azwi_testing.podidentity import (
    Object,
    Server,
    account,
    binding,
    deployment,
    identity,
    place,
    serve,
)

NAMES = ("migrate", "-n", "shop")
Run = Callable[..., Ran]
CART = place(deployment("cart"))


def cluster() -> list[Object]:
    own = deployment("own", account="own")
    return [identity("cart"), binding("cart"), account("own"), own, deployment("cart")]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "migration"


@pytest.fixture
def run(server: Server, kubeconfig: Path, folder: Path) -> Run:
    server.put(*cluster())

    def ran(*arguments: str, code: int | None = 0) -> Ran:
        given: list[str | Path] = [*NAMES, "-o", folder, "--kubeconfig", kubeconfig, *arguments]
        return azwi("podidentity", *given, code=code)

    return ran


def phases(folder: Path) -> list[str]:
    found = json.loads((folder / "state.json").read_text())
    return [entry["phase"] for entry in found["workloads"].values()]


def test_without_apply_it_only_plans(run: Run, server: Server, folder: Path) -> None:
    before = server.stored()
    ran = run()
    assert server.stored() == before
    assert {method for method, _ in server.asked} == {"GET"}
    assert phases(folder) == ["planned", "planned"]
    assert (folder / "deployment-cart.yaml").is_file()
    assert "planned" in ran.out


def test_a_dry_run_leaves_no_trace(run: Run, server: Server, folder: Path) -> None:
    before = server.stored()
    run("--dry-run")
    run("--apply", "--dry-run")
    assert not folder.exists()
    assert server.stored() == before


def test_nobody_at_a_terminal_must_say_yes_beforehand(run: Run, server: Server) -> None:
    before = server.stored()
    ran = run("--apply", code=2)
    assert "Add --yes" in ran.err
    assert "shop/deployment/cart: make service account cart" in ran.err
    assert server.stored() == before


@pytest.mark.parametrize(("answer", "code"), [("n", 1), ("y", 0)])
def test_at_a_terminal_it_shows_the_plan_and_asks(
    answer: str, code: int, server: Server, kubeconfig: Path, folder: Path
) -> None:
    server.put(*cluster())
    ours, theirs = pty.openpty()
    given: list[str | Path] = [
        *NAMES,
        "-o",
        str(folder),
        "--kubeconfig",
        str(kubeconfig),
        "--apply",
    ]
    with subprocess.Popen(
        [sys.executable, "-m", "azwi_cli", "podidentity", *given],
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**plain_environment(), "HOME": "/nonexistent"},
    ) as process:
        os.write(ours, f"{answer}\n".encode())
        _, told = process.communicate(timeout=30)
    os.close(ours)
    os.close(theirs)
    assert process.returncode == code
    assert told.index("deployment/cart") < told.index("Migrate 2 workloads? [y/N]")


def test_it_is_done_once_and_taken_back_whole(run: Run, server: Server, folder: Path) -> None:
    ran = run("--apply", "--yes", "--format", "json")
    assert [item["phase"] for item in ran.data["workloads"]] == ["done", "done"]
    done = server.stored()
    count = len(server.asked)
    run("--apply", "--yes")
    assert {method for method, _ in server.asked[count:]} == {"GET"}
    assert server.stored() == done
    run("--rollback", "--yes")
    assert phases(folder) == ["undone", "undone"]
    assert place(account("cart")) not in server.objects
    labels = server.objects[CART]["spec"]["template"]["metadata"]["labels"]
    assert "azure.workload.identity/use" not in labels
    assert "nothing to take back" in run("--rollback", "--yes").err


def test_a_restricted_namespace_migrates_in_environment_mode_when_told_to(
    run: Run, server: Server, folder: Path
) -> None:
    labels = {contract.POD_SECURITY_LABEL: "restricted"}
    server.objects["/api/v1/namespaces/shop"]["metadata"]["labels"] = labels
    before = server.stored()
    refused = run("--apply", "--yes", code=3)
    assert "Choose --proxy-mode environment" in refused.err
    assert server.stored() == before
    ran = run("--apply", "--yes", "--proxy-mode", "environment", "--format", "json")
    assert [item["phase"] for item in ran.data["workloads"]] == ["done", "done"]
    assert "docs/clients.md lists the clients" in ran.err
    annotations = server.objects[CART]["spec"]["template"]["metadata"]["annotations"]
    assert annotations[contract.MODE_ANNOTATION] == "environment"
    run("--rollback", "--yes")
    template = server.objects[CART]["spec"]["template"]
    assert not any(name.startswith(contract.PREFIX) for name in template["metadata"]["annotations"])


def test_what_somebody_put_back_is_migrated_again_and_goes_back_whole(
    run: Run, server: Server, folder: Path
) -> None:
    """As a GitOps controller does it, which knows the workload's manifests only."""
    before = server.objects[CART]["spec"]["template"]
    run("--apply", "--yes")
    server.objects[CART]["spec"]["template"] = before
    run("--apply", "--yes")
    assert phases(folder) == ["done", "done"]
    labels = server.objects[CART]["spec"]["template"]["metadata"]["labels"]
    assert labels[contract.USE_LABEL] == "true"
    run("--rollback", "--yes")
    assert place(account("cart")) not in server.objects


def test_another_mode_is_for_another_folder(
    run: Run, server: Server, folder: Path, tmp_path: Path
) -> None:
    environment = ("--apply", "--yes", "--proxy-mode", "environment")
    before = server.stored()
    run("--apply", "--yes")
    redirected = server.stored()
    refused = run(*environment, code=2)
    assert "the way back of shop/deployment/cart" in refused.err
    assert server.stored() == redirected
    run(*environment, "-o", str(tmp_path / "mode"))
    annotations = server.objects[CART]["spec"]["template"]["metadata"]["annotations"]
    assert annotations[contract.MODE_ANNOTATION] == "environment"
    run("--rollback", "--yes", "-o", str(tmp_path / "mode"))
    assert server.stored() == redirected
    run("--rollback", "--yes")
    assert server.stored().keys() == before.keys()


def test_a_failure_stops_it_and_is_taken_back(run: Run, server: Server, folder: Path) -> None:
    server.tokens = False
    ran = run("--apply", "--yes", code=1)
    assert "gets no token: AADSTS700213" in ran.err
    assert phases(folder) == ["undone", "planned"]
    server.tokens = True
    run("--apply", "--yes")
    assert phases(folder) == ["done", "done"]


def test_told_to_keep_going_it_tries_the_others(run: Run, server: Server, folder: Path) -> None:
    server.tokens = False
    run("--apply", "--yes", "--keep-going", code=1)
    assert phases(folder) == ["undone", "undone"]


def test_the_folder_of_another_cluster_is_refused(run: Run, tmp_path: Path, folder: Path) -> None:
    run()
    with serve(cluster()) as other:
        given: list[str | Path] = [*NAMES, "-o", folder, "--kubeconfig", other.kubeconfig(tmp_path)]
        assert "belongs to http" in azwi("podidentity", *given, code=2).err


def test_no_token_of_anybody_is_shown(run: Run, folder: Path) -> None:
    ran = run("--apply", "--yes", "--debug")
    files = "".join(path.read_text() for path in folder.iterdir())
    assert "s3cret" not in ran.out + ran.err + files


def test_two_at_once_do_not_share_a_folder(run: Run, folder: Path) -> None:
    with store.held(folder):
        assert "Another azwi is at work" in run("--apply", "--yes", code=2).err


def test_ctrl_c_says_how_to_go_on(server: Server, kubeconfig: Path, folder: Path) -> None:
    server.put(*cluster())
    server.rolls_out = False
    given = [*NAMES, "-o", str(folder), "--kubeconfig", str(kubeconfig), "--apply", "--yes"]
    with subprocess.Popen(
        [sys.executable, "-m", "azwi_cli", "podidentity", *given],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env={**plain_environment(), "HOME": "/nonexistent"},
        # A shell in the background has it ignored, and so would whoever it starts.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as process:
        until(lambda: (folder / "state.json").exists() and "rollout" in phases(folder))
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "Run the same command again" in told
    server.rolls_out = True
    assert phases(folder) == ["rollout", "planned"]


@dataclass
class Killed:
    """A cluster in which azwi is run again and again from one beginning."""

    server: Server
    kubeconfig: Path
    folder: Path
    objects: dict[str, Object] = field(default_factory=dict)
    state: bytes = b""

    def remember(self) -> None:
        """Every run begins here from now on."""
        self.objects = copy.deepcopy(self.server.objects)
        self.state = (self.folder / "state.json").read_bytes()

    def begin(self) -> None:
        self.server.objects = copy.deepcopy(self.objects)
        (self.folder / "state.json").write_bytes(self.state)

    def run(self, how: str, number: int = 0) -> bool:
        """Run azwi, killed when its ``number``-th request was carried out; whether it was."""
        self.server.asked.clear()
        given: list[str | Path] = [
            *NAMES,
            "-o",
            str(self.folder),
            "--kubeconfig",
            str(self.kubeconfig),
            "--yes",
            how,
        ]
        with subprocess.Popen(
            [sys.executable, "-m", "azwi_cli", "podidentity", *given],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**plain_environment(), "HOME": "/nonexistent"},
        ) as process:

            def after(count: int) -> None:
                if count == number:
                    os.kill(process.pid, signal.SIGKILL)
                    process.wait(10)

            self.server.after = after
            process.wait(30)
            self.server.after = lambda count: None
        return process.returncode == -signal.SIGKILL

    def first_change(self) -> int:
        """The number of the last run's first request that changed something."""
        methods = [method for method, _ in self.server.asked]
        return 1 + next(number for number, method in enumerate(methods) if method != "GET")

    def at_each_request(self, how: str) -> int:
        """Killed at each request and run again it ends as if it had not been; how many there are.

        Reading changes nothing, wherever it stops: the last two reads stand for all.
        """
        self.begin()
        self.run(how)
        whole, number = self.server.stored(), max(1, self.first_change() - 2)
        count = 0
        while True:
            self.begin()
            if not self.run(how, number):
                return count
            self.run(how)
            assert self.server.stored() == whole, number
            number, count = number + 1, count + 1


@pytest.fixture
def killed(server: Server, kubeconfig: Path, folder: Path) -> Killed:
    server.put(identity("cart"), binding("cart"), deployment("cart"))
    made = Killed(server, kubeconfig, folder)
    azwi("podidentity", *NAMES, "-o", folder, "--kubeconfig", kubeconfig)
    made.remember()
    return made


@pytest.mark.timeout(180)
def test_killed_at_any_request_and_run_again_it_is_migrated(killed: Killed) -> None:
    assert killed.at_each_request("--apply") >= 7
    assert phases(killed.folder) == ["done"]


@pytest.mark.timeout(180)
def test_killed_at_any_request_of_a_failure_it_ends_as_it_was(killed: Killed) -> None:
    killed.server.tokens = False
    assert killed.at_each_request("--apply") >= 9
    assert place(account("cart")) not in killed.server.objects


@pytest.mark.timeout(180)
def test_killed_at_any_request_and_run_again_it_is_taken_back(killed: Killed) -> None:
    killed.run("--apply")
    killed.remember()
    assert killed.at_each_request("--rollback") >= 3
    assert phases(killed.folder) == ["undone"]
    assert place(account("cart")) not in killed.server.objects

"""``make images`` calls the builder that is there, for what it can build.

Stand-ins write down how they are called: no builder here may push anywhere. That the Dockerfiles
build is seen in tests/cluster.
"""

import os
import re
import subprocess
from pathlib import Path

import pytest

from azwi_common import __version__

SCRIPT = Path(__file__).parents[2] / "scripts/images.sh"
IMAGES = ["azwi-proxy", "azwi-proxy-init", "azwi-webhook", "azwi-emulator"]
STAND_IN = """#!/bin/sh
echo "$(basename "$0") $*" >>"$CALLS"
case "$*" in *inspect*) echo "Platforms: $KNOWN" ;; esac
"""


class Run:
    """A run of the script, and how it called its builder."""

    def __init__(self, folder: Path, builder: str, **environment: str) -> None:
        commands = folder / "bin"
        commands.mkdir()
        (commands / builder).write_text(STAND_IN)
        (commands / builder).chmod(0o755)
        (commands / "uname").write_text("#!/bin/sh\necho x86_64\n")
        (commands / "uname").chmod(0o755)
        for name in ("bash", "sh", "dirname", "basename", "sed", "tr"):
            (commands / name).symlink_to(f"/usr/bin/{name}")
        calls = folder / "calls"
        calls.touch()
        (folder / "binfmt").mkdir()
        fixed = {"PATH": str(commands), "CALLS": str(calls), "KNOWN": "linux/amd64"}
        environment = {"BINFMT": str(folder / "binfmt"), **fixed, **environment}
        self.done = subprocess.run(
            [SCRIPT], env=environment, capture_output=True, text=True, timeout=20
        )
        self.calls = calls.read_text().splitlines()
        self.builds = [call for call in self.calls if " build " in call]


@pytest.mark.parametrize("builder", ["docker", "podman", "buildah"])
def test_every_image_is_built_with_the_builder_that_is_there(tmp_path: Path, builder: str) -> None:
    run = Run(tmp_path, builder)
    assert run.done.returncode == 0, run.done.stderr
    assert len(run.builds) == len(run.calls) == len(IMAGES)
    for name, call in zip(IMAGES, run.builds, strict=True):
        assert call.startswith(f"{builder} build --file ")
        assert "BASE_IMAGE" not in call  # the Dockerfiles pin it
        assert f"--tag {name}:{__version__} --tag {name}:latest" in call
        assert (SCRIPT.parents[1] / re.findall(r"--file (\S+)", call)[0]).is_file()


def test_without_a_builder_a_sentence_says_which_are_known(tmp_path: Path) -> None:
    run = Run(tmp_path, "other")
    assert run.done.returncode == 1
    assert "needs docker, podman or buildah" in run.done.stderr


def test_docker_pushes_for_both_architectures_where_it_can(tmp_path: Path) -> None:
    run = Run(tmp_path, "docker", PUSH="registry.example/a/", KNOWN="linux/amd64*, linux/arm64")
    assert run.done.returncode == 0, run.done.stderr
    for name, call in zip(IMAGES, run.builds, strict=True):
        assert "--platform linux/amd64,linux/arm64 " in call
        assert f"--tag registry.example/a/{name}:{__version__} --push" in call
    assert "alone" not in run.done.stderr


@pytest.mark.parametrize("builder", ["podman", "buildah"])
def test_podman_and_buildah_push_a_list_of_both(tmp_path: Path, builder: str) -> None:
    handlers = tmp_path / "handlers"
    handlers.mkdir()
    (handlers / "qemu-aarch64").touch()
    run = Run(tmp_path, builder, PUSH="registry.example/a", TAG="2", BINFMT=str(handlers))
    assert run.done.returncode == 0, run.done.stderr
    for name, call in zip(IMAGES, run.builds, strict=True):
        image = f"registry.example/a/{name}:2"
        assert f"--platform linux/amd64,linux/arm64 --manifest {image} ." in call
        assert f"{builder} manifest push --all {image} docker://{image}" in run.calls


@pytest.mark.parametrize("builder", ["docker", "buildah"])
def test_a_builder_that_can_do_one_architecture_says_so(tmp_path: Path, builder: str) -> None:
    run = Run(tmp_path, builder, PUSH="registry.example/a")
    assert run.done.returncode == 0, run.done.stderr
    assert "linux/amd64 alone" in run.done.stderr
    assert all("--platform linux/amd64 " in call for call in run.builds)


def test_platforms_can_be_named(tmp_path: Path) -> None:
    run = Run(tmp_path, "docker", PUSH="registry.example/a", PLATFORMS="linux/arm64")
    assert all("--platform linux/arm64 " in call for call in run.builds)


def test_make_hands_over_what_is_asked_for() -> None:
    command = ["make", "-n", "images", "PUSH=registry.example/a", "TAG=2", "BUILDER=podman"]
    environment = {"PATH": os.environ["PATH"]}
    done = subprocess.run(
        command, cwd=SCRIPT.parents[1], env=environment, capture_output=True, text=True, check=True
    )
    for part in ('PUSH="registry.example/a"', 'TAG="2"', 'BUILDER="podman"', "scripts/images.sh"):
        assert part in done.stdout

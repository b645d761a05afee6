"""Where no cluster can run its tests are skipped, and in CI they fail."""

import os
import shutil
from pathlib import Path

import pytest

from azwi_testing import cluster


def test_without_go_or_root_the_tests_are_skipped_with_a_reason() -> None:
    with pytest.raises(pytest.skip.Exception, match="needs Go"):
        cluster.do_without("needs Go, to build Kubernetes", {})


def test_in_ci_nothing_is_skipped() -> None:
    with pytest.raises(pytest.fail.Exception, match="needs root"):
        cluster.do_without("needs root", {"CI": "true"})


def test_a_machine_without_go_is_told_so(tmp_path: Path) -> None:
    for command in ("bash", "uname", "id", "readlink", "dirname", "cat", "sha256sum", "cut"):
        (tmp_path / command).symlink_to(shutil.which(command) or "")
    nothing_built = (f"XDG_CACHE_HOME={tmp_path}", f"PATH={tmp_path}")
    said = cluster.run("/usr/bin/env", *nothing_built, cluster.SCRIPT, "missing").strip()
    assert said == ("needs Go, to build Kubernetes" if os.geteuid() == 0 else "needs root")

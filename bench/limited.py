"""Start and probe under a CPU limit of 100m, in a cgroup of its own; needs root."""

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import servers

CGROUPS = Path("/sys/fs/cgroup")
PERIOD, QUOTA = 100_000, 10_000  # microseconds: a tenth of a core, as the kubelet writes 100m


def report() -> None:
    """Print two sentences, or why there are none."""
    with contextlib.ExitStack() as stack:
        try:
            group = stack.enter_context(_limit())
        except OSError as error:
            print(f"Under a CPU limit of 100m: not measured, {error.strerror} ({error.filename}).")
            return
        inside = ["sh", "-c", f'echo $$ > {group}/cgroup.procs && exec "$@"', "sh"]
        announced = stack.enter_context(servers.emulator())
        began = time.monotonic()
        _, port = stack.enter_context(servers.proxy(announced, wrapper=inside))
        probe = [sys.executable, "-m", "azwi_proxy", f"--proxy-port={port}", "--probe"]
        subprocess.run(probe, check=True)
        ready = time.monotonic() - began
        time.sleep(1)
        began = time.monotonic()
        subprocess.run([*inside, *probe], check=True)
        probed = time.monotonic() - began
    print(f"Under a CPU limit of 100m: ready after {ready:.1f} s; the probe takes {probed:.2f} s.")


@contextlib.contextmanager
def _limit() -> Iterator[Path]:
    """A cgroup with the limit, of whichever version there is; raises OSError."""
    version_1 = CGROUPS / "cpu"
    group = (version_1 if version_1.is_dir() else CGROUPS) / f"azwi-bench-{os.getpid()}"
    group.mkdir()
    try:
        if version_1.is_dir():
            (group / "cpu.cfs_period_us").write_text(str(PERIOD))
            (group / "cpu.cfs_quota_us").write_text(str(QUOTA))
        else:
            (group / "cpu.max").write_text(f"{QUOTA} {PERIOD}")
        yield group
    finally:
        group.rmdir()

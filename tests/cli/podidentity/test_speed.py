"""A big cluster is read quickly and in little memory.

Measured against a real API server by bench/detect.py; here a stand-in, on a machine that may be
busy, shows that nothing grows faster than the cluster.
"""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from azwi_testing import plain_environment
from azwi_testing.podidentity import Object, Server, binding, deployment, identity, pod

NAMESPACES, APPS, PODS = 200, 5, 5
SECONDS = 30.0  # three times what is promised of a real one
MEGABYTES = 150.0
# What the kernel says of a child's memory when it has ended counts its parent's before the exec.
MEASURED = """
import pathlib, re, sys
from azwi_cli.__main__ import main
code = main(sys.argv[1:])
status = pathlib.Path("/proc/self/status").read_text()
print(re.search(r"VmHWM:.*", status)[0], file=sys.stderr)
sys.exit(code)
"""


def cluster() -> list[Object]:
    variables = [{"name": f"SETTING_{number}", "value": "x" * 40} for number in range(20)]
    containers = [{"name": "app", "image": "app", "env": variables}]
    found: list[Object] = []
    for number in range(NAMESPACES):
        namespace = f"n{number}"
        found += [identity("app", namespace), binding("app", namespace, selector=namespace)]
        for app in range(APPS):
            name = f"app-{app}"
            found.append(deployment(name, namespace, label=namespace, containers=containers))
            for replica in range(PODS):
                made = pod(
                    f"{name}-{replica}", namespace, label=namespace, owner=f"Deployment/{name}"
                )
                made["spec"]["containers"] = containers
                found.append(made)
    return found


@pytest.mark.timeout(120)
def test_five_thousand_pods_are_read_in_seconds_and_little_memory(
    server: Server, kubeconfig: Path
) -> None:
    server.put(*cluster())
    start = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, "pi", "detect", "-A", "--kubeconfig", str(kubeconfig)],
        capture_output=True,
        text=True,
        env={**plain_environment(), "HOME": "/nonexistent"},
        timeout=100,
    )
    seconds, megabytes = time.monotonic() - start, float(done.stderr.split()[-2]) / 1024
    print(f"{seconds:.1f} s, {megabytes:.0f} MB")
    assert done.returncode == 3  # one identity for all of them needs too many credentials
    assert done.stdout.rstrip().endswith("1000 workloads: 1000 migrates.")
    assert sum("/pods?" in target for _, target in server.asked) == NAMESPACES * APPS * PODS / 500
    assert seconds < SECONDS
    assert megabytes < MEGABYTES

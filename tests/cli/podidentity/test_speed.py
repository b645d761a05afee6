"""A big cluster is read quickly and in little memory.

Measured against a real API server by bench/detect.py; here a stand-in, on a machine that may be
busy, shows that nothing grows faster than the cluster.
"""

import os
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
    with subprocess.Popen(
        [sys.executable, "-m", "azwi_cli", "pi", "detect", "-A", "--kubeconfig", str(kubeconfig)],
        stdout=subprocess.PIPE,
        text=True,
        env={**plain_environment(), "HOME": "/nonexistent"},
    ) as process:
        assert process.stdout
        out = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    seconds, megabytes = time.monotonic() - start, usage.ru_maxrss / 1024
    print(f"{seconds:.1f} s, {megabytes:.0f} MB")
    assert process.returncode == 3  # one identity for all of them needs too many credentials
    assert out.rstrip().endswith("1000 workloads: 1000 migrates.")
    assert sum("/pods?" in target for _, target in server.asked) == NAMESPACES * APPS * PODS / 500
    assert seconds < SECONDS
    assert megabytes < MEGABYTES

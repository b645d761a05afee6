"""azwi-proxy-init in gVisor's sandbox, by a real runsc (``make test-gvisor``).

The name keeps it out of ``make test``, where a stand-in refuses comments: see test_libiptc.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import azwi_common
import azwi_init

SOURCES = ":".join(
    str(Path(package.__file__ or "").parents[1]) for package in (azwi_common, azwi_init)
)
FLAGS = (
    *("--network=none", "--ignore-cgroups", "--platform=systrap"),
    "--TESTONLY-unsafe-nonroot=true",  # no chroot of its own: "do" shows it the host's files anyway
)
ADDRESS = "ip address add 169.254.169.254/32 dev lo"
INIT = f"{sys.executable} -m azwi_init --outside-kubernetes"
BOTH = """
import os, socket, sys
for place, name in (("169.254.169.254", 80), b"imds"), (("127.0.0.1", 8000), b"azwi-proxy"):
    if os.fork() == 0:
        listener = socket.create_server(place)
        while True:
            connection, _ = listener.accept()
            connection.sendall(name)
            connection.close()
import time
time.sleep(0.5)
for uid in (0, 1000, 1501):
    if os.fork() == 0:
        os.setuid(uid)
        app = socket.socket()
        app.connect(("169.254.169.254", 80))
        print(uid, app.recv(20).decode(), flush=True)
        os._exit(0)
    time.sleep(0.2)
os.kill(-1, 9)
"""
Sandbox = Callable[..., list[str]]


@pytest.fixture
def sandbox(tmp_path: Path) -> Sandbox:
    """Run a shell's script in a sandbox of its own; the lines that it prints."""

    def run(script: str, *, mode: str, raw: bool = True) -> list[str]:
        flags = [*FLAGS, f"--net-raw={str(raw).lower()}", f"--root={tmp_path}"]
        runsc = [os.environ["RUNSC"], *flags, "do", "-quiet", "sh", "-c", f"({script}) 2>&1"]
        done = subprocess.run(
            ["unshare", "--net", "sh", "-c", 'ip link set lo up; "$@" | cat', "sh", *runsc],
            env={"PATH": os.environ["PATH"], "PYTHONPATH": SOURCES, "AZWI_IPTABLES_MODE": mode},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        return done.stdout.splitlines()

    return run


def log(line: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(line)
    return found


@pytest.mark.parametrize("mode", ["legacy", "auto"])
def test_the_rules_are_set_without_comments_and_read_back_as_such(
    sandbox: Sandbox, mode: str
) -> None:
    first, again, *rules = sandbox(
        f"{ADDRESS}; {INIT}; {INIT}; iptables-legacy -t nat -S OUTPUT", mode=mode
    )

    told = [(log(line)["backend"], log(line)["changed"]) for line in (first, again)]
    assert told == [("legacy", True), ("legacy", False)]
    assert rules == ["-P OUTPUT ACCEPT", "-A OUTPUT -p tcp -j AZWI_PROXY_OUTPUT"]


def test_the_exempt_user_alone_reaches_the_real_metadata_service(sandbox: Sandbox) -> None:
    lines = sandbox(f"{ADDRESS}; {INIT}; {sys.executable} -c '{BOTH}'", mode="legacy")

    assert lines[1:4] == ["0 azwi-proxy", "1000 azwi-proxy", "1501 imds"]


def test_without_net_raw_the_sentence_names_the_annotation_and_runscs_flag(
    sandbox: Sandbox,
) -> None:
    (line,) = sandbox(f"{ADDRESS}; {INIT}", mode="auto", raw=False)

    assert "nf_tables does not work here (Protocol not supported)" in log(line)["msg"]
    assert "proxy-init-iptables-mode with the value legacy does" in log(line)["msg"]
    assert "under gVisor start runsc with --net-raw" in log(line)["msg"]


def test_a_pod_without_a_route_gets_one(sandbox: Sandbox) -> None:
    done, *routes = sandbox(f"{INIT}; ip route", mode="legacy")

    assert log(done)["route_added"] is True
    assert any(line.startswith("169.254.169.254 dev lo") for line in routes)


def test_a_failed_proof_says_where_requests_come_from(sandbox: Sandbox) -> None:
    drop = "iptables-legacy -A OUTPUT -d 127.0.0.1 -p tcp --dport 8000 -j DROP"
    (line,) = sandbox(f"{ADDRESS}; {drop}; {INIT}", mode="legacy")

    assert "timed out; no route, NAT chain, NOTRACK or policy explains it" in log(line)["msg"]
    assert "(route: over lo from 127.0.0.1; lo: up;" in log(line)["msg"]


def test_cleaning_up_removes_the_rules_and_no_route_of_the_pod(sandbox: Sandbox) -> None:
    _, removed, rules, *routes = sandbox(
        f"{ADDRESS}; {INIT}; {INIT} --cleanup; iptables-legacy -t nat -S OUTPUT; ip route",
        mode="legacy",
    )

    assert (log(removed)["backends"], log(removed)["route"]) == (["legacy"], False)
    assert rules == "-P OUTPUT ACCEPT"
    assert any(line.startswith("169.254.169.254 dev lo") for line in routes)

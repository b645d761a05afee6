"""azwi-proxy-init as a whole process, beside importing python-iptables; needs root."""

import os
import statistics
import subprocess
import sys

import servers

ROUNDS = 9
# A pod's network: the metadata address has a route, and nobody there.
INSIDE = """
ip link set lo up && ip route add default dev lo src 127.0.0.1 || exit 1
exec "$0" "$@"
"""
# What the kernel says of the process afterwards: kilobytes at most, wall seconds, CPU seconds.
MEASURED = """
import os, sys, time
began = time.monotonic()
pid = os.spawnv(os.P_NOWAIT, sys.executable, [sys.executable, *sys.argv[1:]])
_, status, used = os.wait4(pid, 0)
print(used.ru_maxrss, time.monotonic() - began, used.ru_utime + used.ru_stime)
sys.exit(os.waitstatus_to_exitcode(status))
"""
INIT = ("-m", "azwi_init", "--outside-kubernetes")
PROGRAMS = {
    "importing iptc alone": (["-c", "import iptc"], {}),
    "nft": ([*INIT], {"AZWI_IPTABLES_MODE": "nft"}),
    "legacy": ([*INIT], {"AZWI_IPTABLES_MODE": "legacy"}),
}


def report() -> None:
    """Print the table, or why there is none."""
    if os.geteuid() != 0:
        print("azwi-proxy-init: not measured, that needs root.")
        return
    runs = {name: [_run(*program) for _ in range(ROUNDS)] for name, program in PROGRAMS.items()}
    print("| azwi-proxy-init, whole process | ms | CPU, ms | MB at most | × importing iptc |")
    print("|---|---|---|---|---|")
    floor = statistics.median(wall for _, wall, _ in runs["importing iptc alone"])
    for name, measured in runs.items():
        size, wall, cpu = (statistics.median(values) for values in zip(*measured, strict=True))
        ms = f"{wall * 1000:.0f} | {cpu * 1000:.0f}"
        print(f"| {name} | {ms} | {size / 1024:.1f} | {wall / floor:.2f} |")


def _run(arguments: list[str], variables: dict[str, str]) -> tuple[float, float, float]:
    """Kilobytes at most, wall and CPU seconds."""
    wrapped = ["unshare", "--net", "sh", "-c", INSIDE, sys.executable, "-c", MEASURED]
    done = subprocess.run(
        [*wrapped, *arguments],
        env={"PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin", **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{arguments} failed: {done.stderr}")
    size, wall, cpu = map(float, done.stdout.split()[-3:])
    return size, wall, cpu


if __name__ == "__main__":
    if lacking := servers.missing():
        sys.exit(lacking)
    report()

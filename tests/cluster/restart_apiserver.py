"""Ends the cluster's API server and starts it again, as an upgrade of it does.

Runs inside (cluster.sh ns): ``restart_apiserver.py LOG``. It is away for two seconds, and for
what its start takes.
"""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

AWAY = 2.0  # seconds


def main(log: Path) -> None:
    """Find it by its program's name among the processes of this namespace."""
    for folder in Path("/proc").glob("[0-9]*"):
        argv = (folder / "cmdline").read_bytes().rstrip(b"\0").split(b"\0")
        if argv[0].endswith(b"/kube-apiserver"):
            break
    else:
        raise SystemExit("no kube-apiserver runs here")
    os.kill(int(folder.name), signal.SIGTERM)
    until = time.monotonic() + 60
    while time.monotonic() < until and (folder / "cmdline").exists():
        if not (folder / "cmdline").read_bytes():
            break  # it has ended, and nobody has collected it
        time.sleep(0.1)
    time.sleep(AWAY)
    with log.open("ab") as out:
        # Nobody waits for it: it lives as long as the cluster.
        subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True
        )


if __name__ == "__main__":
    main(Path(sys.argv[1]))

"""Kills the cluster's API server and starts it again.

Runs inside (cluster.sh ns): ``restart_apiserver.py LOG``. It is away for what its start takes.
Asked to end it would take a minute, for its watches; then controllers and kubelet come back late.
"""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

PORT = 6443


def main(log: Path) -> None:
    """Find it by its program's name among the processes of this namespace."""
    for folder in Path("/proc").glob("[0-9]*"):
        argv = (folder / "cmdline").read_bytes().rstrip(b"\0").split(b"\0")
        if argv[0].endswith(b"/kube-apiserver"):
            break
    else:
        raise SystemExit("no kube-apiserver runs here")
    os.kill(int(folder.name), signal.SIGKILL)
    until = time.monotonic() + 30
    while time.monotonic() < until and not _is_free(PORT):
        time.sleep(0.1)
    with log.open("ab") as out:
        # Nobody waits for it: it lives as long as the cluster.
        subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True
        )


def _is_free(port: int) -> bool:
    """Whether somebody may listen there again: threads of the dead let go of it one by one."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("0.0.0.0", port))
        except OSError:
            return False
        return True


if __name__ == "__main__":
    main(Path(sys.argv[1]))

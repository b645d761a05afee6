"""``azwi-proxy``: settings, logs, server. Imports what costs time only where it is needed.

Exit codes: 0 done, 1 could not run (port taken, probe not ready), 2 wrong settings.
"""

import sys


def main(argv: list[str] | None = None) -> int:
    """Run the program; ``argv`` without its name."""
    given = sys.argv[1:] if argv is None else argv
    if "--probe" in given and (port := _port_of_probe(given)) is not None:
        return _probe(port)
    return _run(given)


def _port_of_probe(given: list[str]) -> str | None:
    """The port that the kubelet's own command names, or ""; None for any other command line.

    argparse is a quarter of what a probe costs.
    """
    port = ""
    for one in given:
        if one.startswith("--proxy-port="):
            port = one.removeprefix("--proxy-port=")
        elif one != "--probe" and not one.startswith("--log-level="):
            return None
    return port


def _run(argv: list[str]) -> int:
    import argparse

    from azwi_common import __version__

    parser = argparse.ArgumentParser(
        prog="azwi-proxy",
        description="Answers managed identity token requests in this pod, by workload identity.",
        epilog="Settings are variables; docs/settings.md lists them.",
    )
    parser.add_argument("--proxy-port", metavar="N", help="port on loopback (8000)")
    parser.add_argument("--log-level", metavar="L", help="debug, info, warning or error (info)")
    parser.add_argument("--probe", action="store_true", help="wait for a running proxy, then exit")
    parser.add_argument("--diagnose", action="store_true", help="print what azwi doctor asks for")
    parser.add_argument("--version", action="version", version=f"azwi-proxy {__version__}")
    given = parser.parse_args(argv)
    flags = {
        name: value
        for name, value in (("--proxy-port", given.proxy_port), ("--log-level", given.log_level))
        if value is not None
    }
    if given.probe:
        return _probe(flags.get("--proxy-port", ""))
    return _diagnose(flags) if given.diagnose else _serve(flags)


def _diagnose(flags: dict[str, str]) -> int:
    import json
    import os

    from azwi_proxy import diagnose

    print(json.dumps(diagnose.report(os.environ, flags)))
    return 0


def _probe(flag: str) -> int:
    import os

    from azwi_common import contract
    from azwi_proxy import probe

    port = flag or os.environ.get(contract.PROXY_PORT, "") or str(contract.DEFAULT_PROXY_PORT)
    if not (port.isascii() and port.isdigit() and 1 <= int(port) <= 65535):
        print(
            f"--proxy-port must be a port number from 1 to 65535; it is {port!r}", file=sys.stderr
        )
        return 2
    patience = os.environ.get(contract.PROBE_SECONDS, "").strip()
    seconds = float(patience) if patience.isdecimal() else probe.PATIENCE
    problem = probe.wait_until_ready(int(port), seconds)
    if problem:
        print(problem, file=sys.stderr)
    return 1 if problem else 0


def _serve(flags: dict[str, str]) -> int:
    import gc
    import os
    import signal

    # A container's first process has no default action: until the loop listens for it, and that
    # takes seconds at a CPU limit, the signal would be lost and the pod wait out its grace period.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))

    from azwi_common import logs
    from azwi_common.proxy_settings import read
    from azwi_common.settings import SettingsError

    try:
        settings = read(os.environ, flags)
    except SettingsError as error:
        for problem in error.problems:
            print(f"azwi-proxy: {problem}", file=sys.stderr)
        return 2
    logs.configure(settings.log_level)
    gc.disable()  # nothing of what is imported is garbage; ``serve`` turns it on again

    from azwi_proxy import lean

    lean.import_libraries()

    from azwi_proxy import serve

    return serve.run(settings)


if __name__ == "__main__":
    sys.exit(main())

"""``azwi-proxy-init``: settings -> plan -> backend -> proof.

Exits with 0 when the redirect is in place and proven, 2 when settings are wrong, 1 otherwise.
"""

import argparse
import logging
import os
import sys
import threading
import time
from collections.abc import Mapping, Sequence

from azwi_common import __version__, contract, logs
from azwi_common import settings as common
from azwi_init import apply, legacy, nft, proof, rules
from azwi_init.errors import InitError
from azwi_init.settings import Settings

LIMIT = 9.5
"""Seconds the whole program may take: a kubelet that waits for us must not wait for long."""

log = logging.getLogger("azwi_init")


def main(argv: Sequence[str] | None = None, environ: Mapping[str, str] = os.environ) -> int:
    """Do what the command line asks for; the exit code."""
    options = _arguments().parse_args(argv)
    given = {contract.LOG_LEVEL: options.log_level} if options.log_level else {}
    try:
        settings = common.load(Settings, {**environ, **given})
    except common.SettingsError as error:
        logs.configure("info")
        log.error("%s", error)
        return 2
    logs.configure(settings.log_level)
    watch = _watch()
    try:
        _run(options, settings)
    except InitError as error:
        log.error("%s", error)
        return 1
    finally:
        watch.cancel()
    return 0


def dry_run(settings: Settings) -> str:
    """What would be set, as text for a person; the tool named in its first line takes it too."""
    plan = _plan(settings)
    if settings.mode == "legacy":
        return f"# for iptables-legacy-restore --noflush\n{legacy.text(plan)}"
    tried = "; legacy where nf_tables has no support" if settings.mode == "auto" else ""
    return f"# for nft -f{tried}\n{nft.load(plan)}"


def _run(options: argparse.Namespace, settings: Settings) -> None:
    if options.dry_run:
        print(dry_run(settings), end="")
    elif options.cleanup:
        removed = apply.clean_up()
        log.info("rules removed", extra={"fields": {"backends": removed}})
    else:
        _redirect(settings)


def _redirect(settings: Settings) -> None:
    began = time.monotonic()
    applied = apply.apply(_plan(settings), settings.mode)
    proven = proof.prove((settings.metadata_ip, settings.metadata_port), settings.proxy_port)
    fields = {
        "backend": applied.backend,
        "changed": applied.changed,
        "proof": proven,
        "port": settings.proxy_port,
        "exempt_uid": settings.exempt_uid,
        "ms": round((time.monotonic() - began) * 1000),
    }
    log.info("metadata requests go to azwi-proxy", extra={"fields": fields})


def _plan(settings: Settings) -> rules.Plan:
    return rules.plan(
        ip=settings.metadata_ip,
        port=settings.metadata_port,
        proxy_port=settings.proxy_port,
        exempt_uid=settings.exempt_uid,
    )


def _watch() -> threading.Timer:
    """Ends the process when LIMIT is over, even if the kernel or a C library hangs."""

    def give_up() -> None:
        log.error("azwi-proxy-init did not end in %s s: see the node's kernel log.", LIMIT)
        logging.shutdown()  # writes what is queued
        os._exit(1)

    watch = threading.Timer(LIMIT, give_up)
    watch.daemon = True
    watch.start()
    return watch


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="azwi-proxy-init",
        description="Send the pod's metadata requests to azwi-proxy, and prove that they arrive.",
    )
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--dry-run", action="store_true", help="print what would be set, and end")
    what.add_argument("--cleanup", action="store_true", help="remove what earlier runs have set")
    parser.add_argument("--log-level", metavar="LEVEL", help=f"overrides {contract.LOG_LEVEL}")
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    return parser


if __name__ == "__main__":
    sys.exit(main())

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
from azwi_init import apply, legacy, nft, proof, routes, rules, sight
from azwi_init.errors import InitError, NotRedirected
from azwi_init.settings import Settings

LIMIT = 9.5
"""Seconds the whole program may take: a kubelet that waits for us must not wait for long."""

_OUTSIDE = (
    f"This is not a pod ({contract.KUBERNETES_SERVICE_HOST} is not set), so nothing was changed:"
    " azwi-proxy-init would redirect this machine's own metadata address. --dry-run prints the"
    " rules, --cleanup removes them, --outside-kubernetes sets them nevertheless."
)
OTHER_USER = 1000
"""Whom the proof asks for beside root: most images' first ordinary user."""

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
    if not (_in_pod(environ) or options.dry_run or options.cleanup or options.outside_kubernetes):
        log.error("%s", _OUTSIDE)
        return 2
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
        _clean_up(settings)
    else:
        _redirect(settings)


def _clean_up(settings: Settings) -> None:
    removed = apply.clean_up((lambda: True) if settings.mode == "legacy" else None)
    route = routes.remove(settings.metadata_ip)
    log.info("rules removed", extra={"fields": {"backends": removed, "route": route}})


def _redirect(settings: Settings) -> None:
    began = time.monotonic()
    applied = apply.apply(_plan(settings), settings.mode)
    routed = routes.ensure(settings.metadata_ip)
    user = OTHER_USER if settings.exempt_uid != OTHER_USER else OTHER_USER + 1
    asked = user if proof.may_be(user) else None
    proven = _prove(settings, applied.backend, asked)
    if asked is None:
        _warn_of_others(applied.backend)
    fields = {
        "backend": applied.backend,
        "changed": applied.changed,
        "route_added": routed,
        "proof": proven,
        "port": settings.proxy_port,
        "exempt_uid": settings.exempt_uid,
        "ms": round((time.monotonic() - began) * 1000),
    }
    log.info("metadata requests go to azwi-proxy", extra={"fields": fields})


def _prove(settings: Settings, backend: str, user: int | None) -> str:
    metadata = (settings.metadata_ip, settings.metadata_port)
    try:
        return proof.prove(metadata, settings.proxy_port, user)
    except NotRedirected as error:
        raise sight.explain(error, settings.metadata_ip, backend) from error


def _warn_of_others(backend: str) -> None:
    """Name what may send other users elsewhere: without SETUID the proof is root's alone."""
    if found := sight.unproven(backend):
        log.warning(
            "the redirect is proven for this user only: %s may send other users elsewhere; see that"
            " it leaves the metadata address alone, or add the capability SETUID to the init"
            " container, and the proof covers an ordinary user.",
            "; ".join(found),
        )


def _plan(settings: Settings) -> rules.Plan:
    return rules.plan(
        ip=settings.metadata_ip,
        port=settings.metadata_port,
        proxy_port=settings.proxy_port,
        exempt_uid=settings.exempt_uid,
    )


def _in_pod(environ: Mapping[str, str]) -> bool:
    """Whether the kubelet's variables are there, which every container has."""
    return bool(environ.get(contract.KUBERNETES_SERVICE_HOST))


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
    parser.add_argument(
        "--outside-kubernetes",
        action="store_true",
        help="set the rules although this is not a pod: this machine's own requests are redirected",
    )
    parser.add_argument("--log-level", metavar="LEVEL", help=f"overrides {contract.LOG_LEVEL}")
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    return parser


if __name__ == "__main__":
    sys.exit(main())

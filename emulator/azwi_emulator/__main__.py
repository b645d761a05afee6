"""``azwi-emulator``: settings, logs, serve; prints what to export and runs until it is stopped."""

import argparse
import asyncio
import json
import os
import signal
import sys
from collections.abc import Mapping, Sequence

from azwi_common import __version__, logs
from azwi_common import settings as common
from azwi_emulator import announce, errors, wire
from azwi_emulator.server import Emulator
from azwi_emulator.settings import Settings

RUNTIME_FAILURE, WRONG_SETTINGS = 1, 2


def main(argv: Sequence[str] | None = None, environ: Mapping[str, str] = os.environ) -> int:
    """Run until SIGTERM or SIGINT; the process's exit code."""
    arguments = vars(_parser().parse_args(argv))
    as_json = arguments.pop("json")
    flags = {flag: value for flag, value in arguments.items() if value is not None}
    try:
        settings = common.load(Settings, environ, flags)
    except common.SettingsError as error:
        for problem in error.problems:
            print(f"azwi-emulator: {problem}", file=sys.stderr)
        return WRONG_SETTINGS
    logs.configure(settings.log_level)
    try:
        asyncio.run(_serve(settings, as_json=as_json))
    except errors.EmulatorError as error:
        print(f"azwi-emulator: {error}", file=sys.stderr)
        return RUNTIME_FAILURE
    return 0


async def _serve(settings: Settings, *, as_json: bool) -> None:
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    async with Emulator(settings) as emulator:
        where = emulator.announcement
        print(json.dumps(wire.write(where)) if as_json else announce.text(where), flush=True)
        await stopped.wait()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="azwi-emulator",
        description="An Entra ID, an OIDC issuer and an AKS token proxy for demos, tests and CI.",
        epilog="Every flag is an environment variable too; the flag wins.",
    )
    parser.add_argument("--version", action="version", version=f"azwi-emulator {__version__}")
    parser.add_argument(
        "--json", action="store_true", help="print one line of JSON in place of shell commands"
    )
    for setting in common.describe(Settings):
        parser.add_argument(
            setting.env.flag,
            dest=setting.env.flag,
            metavar=setting.field.split("_")[-1].upper(),
            help=f"{setting.env.help} [{setting.env.name}]",
        )
    return parser


if __name__ == "__main__":
    sys.exit(main())

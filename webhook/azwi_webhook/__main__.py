"""``azwi-webhook``: flags, settings, logs, server. Imports what costs time only where it is needed.

Exit codes: 0 done, 1 could not run (port taken, no way to the API server), 2 wrong settings.
"""

import argparse
import sys
from collections.abc import Iterable


def main(argv: list[str] | None = None) -> int:
    """Run the program; ``argv`` without its name."""
    import os

    from azwi_common import logs
    from azwi_common.settings import SettingsError, load
    from azwi_webhook.settings import Settings

    flags = _flags(argv)
    try:
        settings = load(Settings, os.environ, flags)
    except SettingsError as error:
        for problem in error.problems:
            print(f"azwi-webhook: {problem}", file=sys.stderr)
        return 2
    logs.configure(settings.log_level)

    from azwi_webhook import serve

    return serve.run(settings)


def _flags(argv: list[str] | None) -> dict[str, str]:
    """What the command line says, by flag; each is one of the settings."""
    from azwi_common import __version__
    from azwi_common.settings import Setting, describe
    from azwi_webhook.settings import Settings

    parser = argparse.ArgumentParser(
        prog="azwi-webhook",
        description="Gives pods their workload identity as they are created.",
        epilog="Every setting is a variable too; docs/settings.md lists them.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"azwi-webhook {__version__}")
    settings: Iterable[Setting] = (one for one in describe(Settings) if one.env.flag)
    for setting in settings:
        if setting.type is bool:  # alone, as in --disable-cert-rotation, or with =true or =false
            parser.add_argument(
                setting.env.flag,
                dest=setting.env.flag,
                nargs="?",
                const="true",
                metavar="BOOL",
                help=setting.env.help,
            )
        else:
            parser.add_argument(
                setting.env.flag, dest=setting.env.flag, metavar="VALUE", help=setting.env.help
            )
    given = vars(parser.parse_args(argv))
    return {flag: value for flag, value in given.items() if value is not None}


if __name__ == "__main__":
    sys.exit(main())

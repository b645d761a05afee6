"""``azwi``: runs a command of the table; the one place where errors become exit codes."""

import errno
import os
import sys
import traceback
from collections.abc import Sequence
from typing import Any

import typer

from azwi_cli import commands, completion, errors, output

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)
"""Of standard output; every file that has a name has its own sentence."""
_PLUGIN = "kubectl-azwi"
_REPORT = "This is a mistake of azwi's: add --debug to see where, and report it."


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; its exit code, of ``errors.Code`` where it is not 0."""
    name = "kubectl azwi" if os.path.basename(sys.argv[0]) == _PLUGIN else "azwi"
    if completion.VARIABLE in os.environ:
        completion.prepare()
    try:
        _hold_streams()
        result = commands.root().main(
            args=argv, prog_name=name, complete_var=completion.VARIABLE, standalone_mode=False
        )
        sys.stdout.flush()
    except errors.AzwiError as error:
        return _told(str(error), error.code)
    except typer.TyperException as error:
        return _misused(error)
    except (KeyboardInterrupt, typer.Abort):
        return _interrupted()
    except OSError as error:
        return _unwritten(error)
    except Exception as error:  # noqa: BLE001  # the last resort: a traceback helps no user
        return _unforeseen(error)
    # Typer does not let Ctrl-C through: it makes it an exit code, which no command has otherwise.
    return _interrupted() if result == errors.Code.INTERRUPTED else int(result or 0)


def _hold_streams() -> None:
    """Open what the caller has closed (``2>&-``), or the next file takes its descriptor.

    Raises errors.AzwiError where nobody would see a result: before anything is done.
    """
    has_output = sys.stdout is not None
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode))  # noqa: SIM115  # for the process's life
    if not has_output:
        raise errors.AzwiError("Standard output is closed.", "Give it a file, or /dev/null.")


def _unwritten(error: OSError) -> int:
    """Standard output takes no more; to a reader that has left there is nothing to say."""
    has_left = isinstance(error, BrokenPipeError)
    if not has_left and error.errno not in _FULL:
        return _unforeseen(error)
    # Let nothing be said at the exit either, when what is left would be written.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    if has_left:
        return errors.Code.FAILED
    return _told(f"The output cannot be written: {error.strerror}.", errors.Code.FAILED)


def _unforeseen(error: Exception) -> int:
    return _told(f"{type(error).__name__}: {error}. {_REPORT}", errors.Code.FAILED)


def _interrupted() -> int:
    return _told("Interrupted.", errors.Code.INTERRUPTED)


def _told(sentence: str, code: int) -> int:
    if output.is_debugging() and sys.exception():
        traceback.print_exc()
    print(f"azwi: {output.printable(sentence)}", file=sys.stderr)
    return code


def _misused(error: Any) -> int:
    """A mistake on the command line: what is wrong, and where the right form is told."""
    context = getattr(error, "ctx", None)
    message = " ".join(error.format_message().split())
    if context is not None and type(error).__name__ == "NoArgsIsHelpError":
        print(context.get_help())
        return errors.Code.USAGE
    path = context.command_path if context is not None else "azwi"
    print(f"{path}: {output.printable(message)} '{path} --help' shows how.", file=sys.stderr)
    return errors.Code.USAGE


if __name__ == "__main__":
    sys.exit(main())

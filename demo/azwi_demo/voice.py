"""How a story is told on a terminal, or into a file."""

import os
import sys


def _say(text: str, colour: str) -> None:
    if sys.stdout.isatty() and not os.environ.get("NO_COLOR"):
        text = f"\x1b[{colour}m{text}\x1b[0m"
    print(text, flush=True)


def step(text: str) -> None:
    """Begin a step."""
    _say(f"\n● {text}", "1;36")


def command(text: str) -> None:
    """Show what was run."""
    _say(f"  $ {text}", "33")


def shown(text: str) -> None:
    """Show what came of it."""
    _say(f"  {text.rstrip()}", "0")


def note(text: str) -> None:
    """Say something beside the story."""
    _say(f"  {text}", "2")


def done() -> None:
    """The last sentence."""
    _say("\nThe app was not changed, and nothing is left behind.", "1;32")

"""What can go wrong, each with the exit code that scripts see; ``__main__`` prints the sentence.

A message is one sentence that says what is so, and one that says what to do about it.
"""

from enum import IntEnum


class Code(IntEnum):
    """Exit codes, the same for every command; docs/azwi.md lists them."""

    DONE = 0
    FAILED = 1
    """It did not work, or a check failed."""
    USAGE = 2
    """The command line or a file given with it is wrong."""
    ATTENTION = 3
    """It worked, but a check warns or a step is left to do."""
    UNAVAILABLE = 4
    """Somebody did not answer: trying again may help."""
    DENIED = 5
    """Not allowed, or not logged in."""
    NOT_FOUND = 6
    EXISTS = 7
    """A file is in the way; ``--force`` would overwrite it."""
    INTERRUPTED = 130


class AzwiError(Exception):
    """The base of all; its text is for the user: what is so, and what to do."""

    code = Code.FAILED

    def __init__(self, says: str, remedy: str = "") -> None:
        self.says = says
        self.remedy = remedy
        super().__init__(f"{says} {remedy}".strip())


class BadInput(AzwiError):
    """A flag, a file or a document is not what it should be."""

    code = Code.USAGE


class Unavailable(AzwiError):
    """A peer could not be reached or gave no answer of use."""

    code = Code.UNAVAILABLE


class Denied(AzwiError):
    """A peer knows who asks, or does not, and refuses."""

    code = Code.DENIED


class NoLogin(Denied):
    """Nobody is logged in."""


class Forbidden(Denied):
    """Whoever is logged in may not do it."""


class Rejected(AzwiError):
    """A peer understands what is asked, and finds it wrong; trying again does not help."""


class NotFound(AzwiError):
    """What was asked for does not exist."""

    code = Code.NOT_FOUND


class FileExists(AzwiError):
    """A file is there already and would be overwritten."""

    code = Code.EXISTS


class Declined(AzwiError):
    """Whoever was asked did not say yes."""

    code = Code.FAILED

"""What can go wrong in the emulator itself; answers of Entra ID are in ``aadsts``.

Every text is a sentence that names the remedy: ``__main__`` prints it, ``answers`` sends it.
"""

from typing import Literal

Why = Literal["missing", "invalid", "audience", "expired"]
"""What is wrong with a bearer token."""


class EmulatorError(Exception):
    """Base of the package's own errors."""

    status = 500
    """HTTP status where it ends a request."""


class StartFailed(EmulatorError):
    """The emulator cannot start or go on: a port, a file or a certificate is in the way."""


class RequestRefused(EmulatorError):
    """A request that is no business of Entra ID's (control endpoint, /whoami) cannot be served."""

    def __init__(self, sentence: str, *, status: int = 400) -> None:
        self.status = status
        super().__init__(sentence)


class TokenRefused(RequestRefused):
    """A bearer token may not be used here; ``why`` is for APIs that have a code for each."""

    def __init__(self, sentence: str, why: Why = "invalid") -> None:
        self.why = why
        super().__init__(sentence, status=401)


class BadMessage(EmulatorError):
    """A JSON body or file does not have the shape that it must have."""

    status = 400


class BadKeys(EmulatorError):
    """A JWKS holds no key that can verify an RS256 signature; the text ends a sentence."""


class IssuerUnreachable(EmulatorError):
    """An issuer's documents could not be fetched, or name another issuer; ends a sentence."""


class ControlError(EmulatorError):
    """The control endpoint refused a call of ``client.Control``, or does not answer."""

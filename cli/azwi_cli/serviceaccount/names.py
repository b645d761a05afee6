"""Names that azwi derives. Pure.

Those of applications and of their credentials are the Go tool's, to the letter, so that each finds
what the other made. ARM takes no equals sign, so a managed identity's credential has a name of our
own.
"""

import base64
import hashlib
import re
from typing import Final

_LONGEST_STEM: Final = 100  # of the 120 characters that ARM allows; the rest is the digest's
_UNFIT: Final = re.compile("[^A-Za-z0-9-]")


def application(namespace: str, account: str, issuer: str) -> str:
    """Display name of an application that is made for a service account."""
    return f"{namespace}-{account}-{_digest(issuer)}"


def unique(application: str, number: int) -> str:
    """Graph's unique name of the application of a display name; a deleted one keeps its own.

    Display names compare without regard to case, so these are of the folded one.
    """
    digest = hashlib.sha256(application.casefold().encode()).hexdigest()[:32]
    return f"azwi-{digest}" if number == 1 else f"azwi-{digest}-{number}"


def credential(namespace: str, account: str, issuer: str) -> str:
    """Name of a federated credential of an application."""
    return _digest(f"{namespace}-{account}-{issuer}")


def identity_credential(namespace: str, account: str, issuer: str) -> str:
    """Name of a federated credential of a managed identity; people can read it in the portal."""
    stem = _UNFIT.sub("-", f"{namespace}-{account}")[:_LONGEST_STEM]
    whole = f"{namespace}/{account}/{issuer}"  # no two accounts have the same
    return f"{stem}-{hashlib.sha256(whole.encode()).hexdigest()[:16]}"


def subject(namespace: str, account: str) -> str:
    """What a service account token says that it is for."""
    return f"system:serviceaccount:{namespace}:{account}"


def description(namespace: str, account: str) -> str:
    """Of a federated credential of an application."""
    return f"Federated Service Account for {namespace}/{account}"


def _digest(text: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).decode()

"""Imports aiohttp and msal without what they bring along and nobody here uses.

Every pod pays for it: 8 of 47 MB, and a third of the start. Called once in the proxy's process,
before anything else imports the two.
"""

import contextlib
import ssl
import sys
from collections.abc import Iterator
from types import ModuleType


class _NeverRaised(Exception):
    """For msal to catch: what requests would raise, were it here."""


def import_libraries() -> None:
    """Import both; whoever imports them later gets these."""
    _leave_out_of_msal()
    with _no_default_authorities():
        import aiohttp.web
    import msal

    del aiohttp, msal


def _leave_out_of_msal() -> None:
    """What msal needs to ask other services: managed identities (we stand in for them), ADFS.

    With them goes requests, which msal names in one ``except`` still: its HTTP is ``transport``.
    """
    for name in ("managed_identity", "mex", "wstrust_request", "wstrust_response"):
        _absent(f"msal.{name}").__getattr__ = _whatever  # type: ignore[method-assign]  # a hook
    _absent("requests")
    _absent("requests.exceptions", RequestException=_NeverRaised)


def _whatever(name: str) -> object:
    """Something to import by that name."""
    if name.startswith("__"):
        raise AttributeError(name)
    return type(name, (), {})


def _absent(name: str, **members: object) -> ModuleType:
    module = sys.modules[name] = ModuleType(name, "Left out: see azwi_proxy.lean.")
    vars(module).update(members)
    return module


@contextlib.contextmanager
def _no_default_authorities() -> Iterator[None]:
    """aiohttp loads the system's CAs twice at its import, for requests that name no context.

    Ours name one (``trust``). One that did not would trust nobody, and fail.
    """

    def load_nothing(self: ssl.SSLContext) -> None:
        return

    ssl.SSLContext.set_default_verify_paths = load_nothing  # type: ignore[method-assign]  # hides
    try:
        yield
    finally:
        del ssl.SSLContext.set_default_verify_paths  # the method of the base class is seen again

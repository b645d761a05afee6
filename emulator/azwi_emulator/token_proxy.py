"""The AKS token proxy of an identity binding: Entra ID's token endpoint behind a cluster's door.

A TLS listener under a server name of its own (SNI) that no DNS knows, by a CA of its own, with
Entra ID's paths below a prefix. It takes assertions for ``api://AKSIdentityBinding`` only. Requests
are decided by the same code. Source: learn.microsoft.com/azure/aks/identity-bindings.
"""

import ssl
from typing import Final

from aiohttp import web

from azwi_emulator import app
from azwi_emulator.state import State

SNI_NAME: Final = "f0e1d2c3b4a5.ests.aks"
PREFIX: Final = "/token-proxy"
"""A client that loses the path of AZURE_KUBERNETES_TOKEN_PROXY gets 404."""


def make(state: State) -> web.Application:
    """The application behind the token proxy's door."""
    return app.make(state, door="token-proxy", prefix=PREFIX)


def require_sni(context: ssl.SSLContext) -> None:
    """Refuse handshakes that do not name the token proxy."""

    def check(_: ssl.SSLObject, name: str | None, __: ssl.SSLContext) -> int | None:
        return None if name == SNI_NAME else ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME

    context.sni_callback = check

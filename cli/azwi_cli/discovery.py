"""What an OIDC issuer publishes, and where. Pure; OpenID Connect Discovery 1.0, as Kubernetes.

An issuer is compared letter by letter, its trailing slash included: nothing here adds or drops one.
"""

import json
from collections.abc import Iterable
from typing import Any, Final
from urllib.parse import urlsplit

from azwi_cli import errors

DOCUMENT_PATH: Final = ".well-known/openid-configuration"
JWKS_PATH: Final = "openid/v1/jwks"


def document_url(issuer: str) -> str:
    """Where the discovery document of ``issuer`` must be."""
    return f"{issuer.rstrip('/')}/{DOCUMENT_PATH}"


def jwks_url(issuer: str) -> str:
    """Where we publish the keys of ``issuer``, as the API server does."""
    return f"{issuer.rstrip('/')}/{JWKS_PATH}"


def document(issuer: str, algorithms: Iterable[str]) -> dict[str, Any]:
    """The discovery document, with the members and the order of Kubernetes."""
    return {
        "issuer": issuer,
        "jwks_uri": jwks_url(issuer),
        "response_types_supported": ["id_token"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": sorted(set(algorithms)),
    }


def text(published: dict[str, Any]) -> str:
    """As it is written to a file."""
    return json.dumps(published, indent=2, ensure_ascii=False) + "\n"


def problem(issuer: str) -> str:
    """What makes a URL unfit to be an issuer for Entra ID; empty where nothing does."""
    try:
        parts = urlsplit(issuer)
        host = parts.hostname
        _ = parts.port  # raises where it is no number
    except ValueError as error:
        return f"it is no URL ({error})"
    if parts.scheme != "https":
        return "it does not start with https://"
    if not host:
        return "it names no host"
    if issuer != issuer.strip() or any(c.isspace() for c in issuer):
        return "it contains blanks"
    if "?" in issuer or "#" in issuer:
        return "it has a query or a fragment"
    if parts.username is not None:
        return "it contains a user name"
    return ""


def require(issuer: str) -> None:
    """Raise BadInput where ``issuer`` cannot be one."""
    if wrong := problem(issuer):
        raise errors.BadInput(
            f"'{issuer}' cannot be an issuer: {wrong}.",
            "Give the URL of the API server's --service-account-issuer, to the letter.",
        )


def unfit_for_entra(issuer: str) -> str:
    """Why Entra ID cannot read the keys of a cluster's own issuer; empty where it may."""
    if wrong := problem(issuer):
        return f"Entra ID takes no such issuer: {wrong}."
    host = issuer.removeprefix("https://").partition("/")[0].partition(":")[0]
    if host.startswith("kubernetes.default") or host.endswith((".local", ".internal")):
        return (
            f"{host} is a name within the cluster, where Entra ID cannot read the keys. Set the API"
            " server's --service-account-issuer to a public URL and publish them there."
        )
    return ""

"""Asks for what issuers publish: of the web, as Entra ID does, and of a live API server."""

import json
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from pathlib import Path
from ssl import SSLContext
from typing import Any

from azwi_cli import discovery, errors, key_set, kube, published, web
from azwi_cli.keys import PublicKey


@dataclass(frozen=True, slots=True)
class KeySet:
    """Published keys, and what their server says of their age."""

    keys: list[PublicKey]
    published_at: float | None
    """Unix time, in seconds; None where the server does not say."""
    max_age: int
    """For how many seconds others may keep them."""


def on_the_web(
    issuer: str, ca_file: Path | None
) -> tuple[web.Answer | errors.Unavailable, web.Answer | errors.Unavailable | None]:
    """The discovery document, and the key set that it names; None where it names none."""
    trust = web.trust(ca_file)
    got = _try(discovery.document_url(issuer), trust)
    document = published.read_document(got)
    if document is None or not document.jwks_uri.startswith("https://"):
        return got, None
    return got, _try(document.jwks_uri, trust)


def _try(url: str, trust: SSLContext) -> web.Answer | errors.Unavailable:
    try:
        return web.get(url, trust)
    except errors.Unavailable as error:
        return error


def keys_on_the_web(issuer: str, ca_file: Path | None) -> KeySet:
    """The published keys; raises Unavailable where there are none to read."""
    got, got_keys = on_the_web(issuer, ca_file)
    for answer in (got, got_keys):
        if isinstance(answer, errors.Unavailable):
            raise answer
    if got_keys is None or isinstance(got_keys, errors.Unavailable) or got_keys.status != 200:
        raise errors.Unavailable(
            f"{issuer} publishes no key set.", f"azwi oidc check {issuer} says what is wrong."
        )
    keys, _ = key_set.read(got_keys)
    written = _date(got_keys.headers.get("last-modified"))
    return KeySet(keys, written, published.max_age(got_keys.headers) or 0)


def _date(text: str | None) -> float | None:
    try:
        return parsedate_to_datetime(text).timestamp() if text else None
    except ValueError:
        return None


def document_of_cluster(cluster: kube.Cluster) -> dict[str, Any]:
    """The discovery document of a live API server; it names an issuer."""
    try:
        document = json.loads(cluster.get(f"/{discovery.DOCUMENT_PATH}"))
    except ValueError:
        document = None
    if not isinstance(document, dict) or not document.get("issuer"):
        raise errors.Unavailable(
            "The API server's discovery document names no issuer.",
            "Set its --service-account-issuer.",
        )
    return document


def of_cluster(cluster: kube.Cluster, wanted: str | None) -> tuple[str, list[PublicKey]]:
    """The issuer and the keys of a live API server."""
    issuer = str(document_of_cluster(cluster)["issuer"])
    if wanted is not None and wanted != issuer:
        raise errors.BadInput(
            f"The cluster's issuer is {issuer}, not {wanted}.",
            "Set the API server's --service-account-issuer to the new one first, or leave out the"
            " URL.",
        )
    path = f"/{discovery.JWKS_PATH}"
    found, _ = key_set.read(web.Answer(path, 200, cluster.get(path)))
    if not found:
        raise errors.Unavailable("The API server publishes no keys.", "Is it a real one?")
    return issuer, found

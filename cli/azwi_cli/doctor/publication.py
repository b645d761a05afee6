"""Reads what the cluster's issuer publishes, as Entra ID does, and compares it with the cluster."""

import time
from collections.abc import Iterator

from azwi_cli import discovery, errors, issuers, key_set, kube, published, web
from azwi_cli.checks import Check, Status
from azwi_cli.doctor import credentials


def checks(cluster: kube.Cluster, issuer: str) -> list[Check]:
    """What is well and what is not; nothing where the issuer cannot be one for Entra ID."""
    if discovery.unfit_for_entra(issuer):
        return []
    got, got_keys = issuers.on_the_web(issuer, None)
    if isinstance(got, errors.Unavailable):
        return [_unseen(got)]
    return [
        *published.reachable(got, own_authority=False, now=time.time()),
        *published.served(got, "the discovery document", "document"),
        *published.document(published.read_document(got), issuer),
        *(_keys(cluster, issuer, got_keys) if got_keys is not None else ()),
    ]


def _unseen(error: errors.Unavailable) -> Check:
    """From here it cannot be read; whether Entra ID can is not known."""
    return Check(
        "issuer-published",
        Status.WARN,
        f"The issuer cannot be read from here: {error.says}",
        "Entra ID must be able to, or it takes no token (AADSTS90061).",
        error.remedy,
    )


def _keys(
    cluster: kube.Cluster, issuer: str, got: web.Answer | errors.Unavailable
) -> Iterator[Check]:
    if isinstance(got, errors.Unavailable):
        yield _unseen(got)
        return
    yield from published.served(got, "the key set", "key-set")
    keys, said = key_set.read(got)
    yield from said
    try:
        _, of_cluster = issuers.of_cluster(cluster, issuer)
    except errors.AzwiError:
        return  # who may not read them cannot compare
    yield from credentials.keys_match(issuer, [k.kid for k in of_cluster], [k.kid for k in keys])

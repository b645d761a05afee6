"""Gets the facts: of manifests where some are named, else of the cluster."""

from collections.abc import Sequence
from pathlib import Path

from azwi_cli import errors, kube
from azwi_cli.podidentity import api, documents, live, progress
from azwi_cli.podidentity.collected import Collected
from azwi_cli.podidentity.facts import Facts


def of_files(names: Sequence[Path], namespace: str, *, everywhere: bool, issuer: str) -> Facts:
    """Facts of manifests; ``namespace``: of those that name none, and the one that is looked at."""
    collected = Collected(namespace)
    for document in documents.read(names):
        collected.add(document)
    facts = collected.facts(
        source=", ".join("standard input" if str(name) == "-" else str(name) for name in names),
        issuer=issuer,
        namespaces=None if everywhere else frozenset((namespace,)),
    )
    if not facts.identities and not facts.bindings:
        raise errors.BadInput(
            f"There is no AzureIdentity and no AzureIdentityBinding in {facts.source}.",
            "Add them: kubectl get azureidentities,azureidentitybindings -A -o yaml prints them.",
        )
    return facts


def of_cluster(cluster: kube.Cluster, namespace: str | None) -> Facts:
    """Facts of a cluster, with a progress bar where somebody sees it."""
    with cluster.session() as client, progress.shown() as advance:
        return live.read(api.Api(client, cluster.config.cluster.server), namespace, advance)

"""SecretProviderClasses that get their secrets by aad-pod-identity or the node's identity. Pure."""

from collections import defaultdict

from azwi_cli.podidentity import patches
from azwi_cli.podidentity.facts import Facts, SecretProviderClass
from azwi_cli.podidentity.plan import Plan


def tied(plan: Plan, facts: Facts) -> list[tuple[SecretProviderClass, frozenset[str]]]:
    """Those classes, each with the client IDs of the workloads that mount it.

    An empty client ID stands for a workload of which it is not known.
    """
    users: dict[tuple[str, str], set[str]] = defaultdict(set)
    for item in plan.items:
        for name in item.template.secret_provider_classes:
            users[item.ref.namespace, name].add(item.default.client_id if item.default else "")
    return [
        (thing, frozenset(users[thing.namespace, thing.name]))
        for thing in facts.secret_provider_classes
        if patches.uses_node_identity(thing)
        and (facts.namespaces is None or thing.namespace in facts.namespaces)
    ]


def one(clients: frozenset[str]) -> str:
    """The client ID where there is exactly one; else empty."""
    return next(iter(clients)) if len(clients) == 1 else ""

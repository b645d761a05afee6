"""From a plan to what a migration does and undoes, as patches of live objects. Pure."""

from collections.abc import Mapping
from typing import Any, Final

from azwi_cli.podidentity import objects, patches
from azwi_cli.podidentity.facts import Ref
from azwi_cli.podidentity.plan import Item, Plan, Status
from azwi_cli.podidentity.state import Entry, State, key
from azwi_common import contract

PREFETCH: Final = contract.PREFIX + "proxy-prefetch"
RESOURCE: Final = "https://management.azure.com/"
"""Every identity may get a token for it, whatever its roles."""
Object = dict[str, Any]


def entries(plan: Plan, resource: str) -> dict[str, Entry]:
    """What can be done without anybody's help, by name.

    ``resource``: what the proof gets a token for; empty: there is no proof.
    """
    return {key(item.ref): _entry(item, resource) for item in plan.items if _can(item)}


def _can(item: Item) -> bool:
    return item.status is Status.MIGRATES and item.account is not None


def _entry(item: Item, resource: str) -> Entry:
    already = item.template.annotations.get(PREFETCH, "").split()
    proven = (already[0] if already else resource) if item.default and resource else ""
    patch = patches.workload(item)
    for name in ("apiVersion", "kind", "metadata"):
        del patch[name]
    if proven and not already:
        found = objects.part(patch, *objects.TEMPLATES[item.ref.kind], "metadata", "annotations")
        patch = patches.body(
            item.ref.kind,
            {contract.USE_LABEL: "true"},
            {**found, PREFETCH: proven},
            _account_name(patch, item.ref.kind),
        )
    return Entry(
        item.ref.namespace,
        item.ref.kind,
        item.ref.name,
        item.api_version,
        patch,
        patches.account(item),
        item.account is not None and item.account.is_new,
        proven,
    )


def _account_name(patch: Mapping[str, Any], kind: str) -> dict[str, str | None]:
    found: dict[str, str | None] = objects.part(patch, *objects.TEMPLATES[kind], "spec")
    return found


def patch_back(entry: Entry, live: Mapping[str, Any]) -> Object:
    """The patch that makes the live workload as it is now, after ``entry.patch``."""
    where = objects.TEMPLATES[entry.kind]
    now = objects.part(live, *where)
    labels = objects.part(entry.patch, *where, "metadata", "labels")
    annotations = objects.part(entry.patch, *where, "metadata", "annotations")
    account = {}
    if objects.part(entry.patch, *where, "spec"):
        names = ("serviceAccountName", "serviceAccount")  # the second is older, and the same
        account = {name: objects.part(now, "spec").get(name) for name in names}
    return patches.body(
        entry.kind,
        {name: objects.part(now, "metadata", "labels").get(name) for name in labels},
        {name: objects.part(now, "metadata", "annotations").get(name) for name in annotations},
        account,
    )


def account_patch(entry: Entry) -> Object:
    """What is added to a service account that is there."""
    metadata = entry.account["metadata"]
    return {"metadata": {"labels": metadata["labels"], "annotations": metadata["annotations"]}}


def account_before(entry: Entry, live: Mapping[str, Any] | None) -> Object:
    """The patch that makes a live service account as it is now; empty: there is none."""
    if live is None:
        return {}
    metadata = objects.part(live, "metadata")
    return {
        "metadata": {
            part: {
                name: objects.part(metadata, part).get(name)
                for name in entry.account["metadata"][part]
            }
            for part in ("labels", "annotations")
        }
    }


def foreign_client(entry: Entry, live: Mapping[str, Any] | None) -> str:
    """The client ID of a live service account that is none of the entry's; empty: it has none."""
    name = contract.CLIENT_ID_ANNOTATION
    client = str(objects.part(live, "metadata", "annotations").get(name, ""))
    planned = entry.account["metadata"]["annotations"].get(name, "")
    return client if client.strip().lower() != planned else ""


def known_before(entry: Entry, state: State) -> Object | None:
    """What another workload of the same account has seen before it was changed."""
    for other in _sharing(entry, state):
        if other.account_before is not None and other.phase != "undone":
            return other.account_before
    return None


def is_needed(entry: Entry, state: State) -> bool:
    """Whether another workload that is migrated, or on its way, uses the account."""
    staying = ("account", "patch", "rollout", "done")
    return any(other.phase in staying for other in _sharing(entry, state))


def _sharing(entry: Entry, state: State) -> list[Entry]:
    mine = entry.namespace, entry.account_name
    return [
        other
        for other in state.entries.values()
        if (other.namespace, other.account_name) == mine and other.ref != entry.ref
    ]


def account_ref(entry: Entry) -> Ref:
    """The service account of a workload."""
    return Ref(entry.namespace, "ServiceAccount", entry.account_name)

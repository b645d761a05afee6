"""Facts of files alone: what can be said of pods before they are in any cluster. Pure."""

from collections.abc import Iterable, Iterator

from azwi_cli.doctor.facts import Facts, Surroundings, Unread
from azwi_cli.inject import manifests, offline

_ABSENT = Unread("it is in none of the files.", "Give its file too: -f takes several.")


def of(documents: Iterable[manifests.Document], namespace: str) -> Iterator[Facts]:
    """One for each pod and pod template."""
    found = list(documents)
    accounts = {
        (thing.namespace(namespace), thing.name): thing.data
        for document in found
        for thing in manifests.things(document)
        if thing.kind == "ServiceAccount"
    }
    labels = offline.namespaces(found)
    for template in offline.templates(found):
        home = template.owner.namespace(namespace)
        name = str(template.pod["spec"].get("serviceAccountName") or "default")
        yield Facts(
            name=template.owner.place,
            pod=template.pod,
            around=Surroundings(home, labels.get(home, {})),
            is_live=False,
            owner=template.owner.data,
            account=accounts.get((home, name), _ABSENT),
        )

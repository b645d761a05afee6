"""What the webhook, or ``azwi inject``, put into a pod, found again and taken out. Pure.

A pod does not say who wrote what. Ours is what reads as ours to the letter: containers of our
names with our security context, the variables that stand last in our order, our mount, our volume.
With ``Given`` the variables' values are compared too. What a pod's author wrote in the same words
in the same place cannot be told apart; ``azwi uninject --help`` says so.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from azwi_common import contract, sidecar
from azwi_webhook import annotations, identity, patch, pods
from azwi_webhook.mutate import Account
from azwi_webhook.patch import Operation
from azwi_webhook.pods import Object
from azwi_webhook.settings import Settings

_VARIABLES: Final = (
    contract.CLIENT_ID,
    contract.TENANT_ID,
    contract.FEDERATED_TOKEN_FILE,
    contract.AUTHORITY_HOST,
    contract.KUBERNETES_TOKEN_PROXY,
    contract.KUBERNETES_SNI_NAME,
    contract.KUBERNETES_CA_FILE,
    contract.KUBERNETES_CA_DATA,
    contract.POD_IDENTITY_AUTHORITY_HOST,
    contract.AZURE_MSI_ENDPOINT,
    contract.IDENTITY_ENDPOINT,
    contract.IDENTITY_HEADER,
    contract.MSI_ENDPOINT,
    contract.MSI_SECRET,
)
"""In the order in which the webhook adds them."""


@dataclass(frozen=True, slots=True)
class Given:
    """What was put in, where that is known: it makes the difference certain."""

    account: Account
    settings: Settings


def operations(pod: Object, given: Given | None = None) -> list[Operation]:
    """The operations that take everything of ours out of a pod; empty where nothing is.

    Raises Refused where a part of the pod is nothing that Kubernetes would store.
    """
    spec = pods.mapping(pod, "spec")
    ours = [item for item in _containers(spec) if is_ours(item)]
    is_added = _known(pod, given, ours) if given else _likely(ours)
    found = [
        *_annotation(pod, spec, ours),
        *_asked_again(pod, ours),
        *(
            operation
            for field in _FIELDS
            for operation in _completed(spec, field, is_added, bool(given), ours)
        ),
        *(operation for field in _FIELDS for operation in _injected(spec, field)),
    ]
    found += _volumes(spec, ours, given)
    if ours and given:
        found += _pull_secrets(spec, given)
    return found


_FIELDS: Final = ("initContainers", "containers")


def _containers(spec: Object) -> Iterator[Object]:
    for field in _FIELDS:
        yield from pods.items(spec, field)


def _annotations_of(pod: Object) -> Any:
    return pods.mapping(pods.mapping(pod, "metadata"), "annotations")


def is_ours(container: Object) -> bool:
    """Whether this is a container as we write it, and not another's of the same name."""
    choices = sidecar.Choices(proxy_image="", init_image="")
    twin = {
        contract.INIT_CONTAINER: sidecar.init_container,
        contract.PROXY_CONTAINER: sidecar.proxy_container,
    }.get(str(container.get("name")))
    if twin is None:
        return False
    mine = _without_added(twin(choices)["securityContext"])
    return bool(mine == _without_added(container.get("securityContext")))


def _without_added(context: Any) -> Any:
    """Legacy iptables needs one capability more."""
    if not isinstance(context, dict):
        return None
    capabilities = context.get("capabilities")
    added = capabilities.get("add") if isinstance(capabilities, dict) else None
    return {**context, "capabilities": (added or [])[:1]}


IsAdded = Callable[[Object], bool]
"""Whether a variable of one of our names, which stands where we add ours, may be ours."""


def _known(pod: Object, given: Given, ours: Sequence[Object]) -> IsAdded:
    of_pod = _annotations_of(pod)
    suffix = given.settings.custom_suffix
    wishes = annotations.read(of_pod, given.account.annotations, given.account.name, suffix)
    return [*identity.environment(wishes, given.settings), *_told(ours)].__contains__


def _likely(ours: Sequence[Object]) -> IsAdded:
    """By what is certain: the token's path; and the proxy was given the same identity."""
    told = {entry["name"]: entry for entry in _told(ours)}
    sure = {
        contract.FEDERATED_TOKEN_FILE: _plain(contract.FEDERATED_TOKEN_FILE, contract.TOKEN_FILE)
    }
    for entry in _of_the_proxy(ours, "env"):
        if entry.get("name") in (contract.CLIENT_ID, contract.TENANT_ID):
            sure[entry["name"]] = entry
    sure |= told

    def is_added(entry: Object) -> bool:
        name = entry["name"]
        return bool(entry == sure.get(name, None if name in _TOLD else entry))

    return is_added


_TOLD: Final = (
    contract.POD_IDENTITY_AUTHORITY_HOST,
    contract.AZURE_MSI_ENDPOINT,
    contract.IDENTITY_ENDPOINT,
    contract.IDENTITY_HEADER,
    contract.MSI_ENDPOINT,
    contract.MSI_SECRET,
)


def _told(ours: Sequence[Object]) -> list[Object]:
    """What apps are told in environment mode, by the proxy's port and the header that it wants."""
    ports = [text.partition("=")[2] for text in _of_the_proxy(ours, "args") if "-port=" in text]
    headers = [
        entry
        for entry in _of_the_proxy(ours, "env")
        if entry.get("name") == contract.IDENTITY_HEADER
    ]
    if not (ports and headers):
        return []
    host = f"http://127.0.0.1:{ports[0]}"
    return [
        _plain(contract.POD_IDENTITY_AUTHORITY_HOST, host),
        _plain(contract.AZURE_MSI_ENDPOINT, host + contract.TOKEN_PATH),
        *(
            _plain(name, host + contract.MSI_PATH)
            for name in (contract.IDENTITY_ENDPOINT, contract.MSI_ENDPOINT)
        ),
        *(
            {**headers[-1], "name": name}
            for name in (contract.IDENTITY_HEADER, contract.MSI_SECRET)
        ),
    ]


def _plain(name: str, value: str) -> Object:
    return {"name": name, "value": value}


def _of_the_proxy(ours: Sequence[Object], field: str) -> list[Any]:
    """A list of azwi-proxy, where it is ours."""
    proxies = [item for item in ours if item["name"] == contract.PROXY_CONTAINER]
    return list(proxies[0].get(field) or ()) if proxies else []


def _asked_again(pod: Object, ours: Sequence[Object]) -> Iterator[Operation]:
    """In environment mode the annotation that asks for the sidecar was taken away."""
    of_pod = _annotations_of(pod)
    if _told(ours) and contract.INJECT_ANNOTATION not in of_pod:
        name = patch.pointer("metadata", "annotations", contract.INJECT_ANNOTATION)
        yield patch.add(name, "true")


def _annotation(pod: Object, spec: Object, ours: Sequence[Object]) -> Iterator[Operation]:
    name = contract.DEFAULT_CONTAINER_ANNOTATION
    of_pod = _annotations_of(pod)
    names = (contract.INIT_CONTAINER, contract.PROXY_CONTAINER)
    apps = [item for item in pods.items(spec, "containers") if item.get("name") not in names]
    if ours and apps and name in of_pod and of_pod[name] == apps[0].get("name"):
        yield patch.remove(patch.pointer("metadata", "annotations", name))


def _completed(
    spec: Object, field: str, is_added: IsAdded, is_sure: bool, ours: Sequence[Object]
) -> Iterator[Operation]:
    """What containers that stay were given."""
    for place, container in enumerate(pods.items(spec, field)):
        if container in ours:
            continue
        path = f"/spec/{field}/{place}"
        present = pods.items(container, "env")
        yield from _removals(f"{path}/env", present, _variables(present, is_added, is_sure))
        mounts = pods.items(container, "volumeMounts")
        places = [at for at, mount in enumerate(mounts) if mount == sidecar.token_mount()]
        yield from _removals(f"{path}/volumeMounts", mounts, places[-1:])


def _variables(present: Sequence[Object], is_added: IsAdded, is_sure: bool) -> list[int]:
    """Places of the variables that were added: the last ones, in our order, by value alone."""
    found: list[int] = []
    before = len(_VARIABLES)
    for place in range(len(present) - 1, -1, -1):
        entry = present[place]
        name = entry.get("name")
        if name not in _VARIABLES or not _has_value(entry):
            break
        if _VARIABLES.index(name) >= before or not is_added(entry):
            break
        before = _VARIABLES.index(name)
        found.append(place)
    names = {present[place]["name"] for place in found}
    # A guess needs the token's path to be among them; whoever knows the values needs no more.
    certain = {
        contract.FEDERATED_TOKEN_FILE,
        contract.POD_IDENTITY_AUTHORITY_HOST,
        contract.IDENTITY_ENDPOINT,
    }
    return sorted(found) if is_sure or certain & names else []


def _has_value(entry: Object) -> bool:
    """A header's value may come from a Secret, another's is always written out."""
    if entry.get("name") in (contract.IDENTITY_HEADER, contract.MSI_SECRET):
        return len(entry) == 2
    return isinstance(entry.get("value"), str) and len(entry) == 2


def _injected(spec: Object, field: str) -> Iterator[Operation]:
    present = pods.items(spec, field)
    places = [at for at, container in enumerate(present) if is_ours(container)]
    yield from _removals(f"/spec/{field}", present, places)


def _volumes(spec: Object, ours: Sequence[Object], given: Given | None) -> Iterator[Operation]:
    present = pods.items(spec, "volumes")
    beside = _volumes_of_the_proxy(spec, ours)
    if given:
        configured = given.settings.proxy_volumes.items if ours else []
        beside = {item["name"] for item in configured if item in present}
    kept = _still_mounted(spec, ours)
    places = [
        at
        for at, item in enumerate(present)
        if (_is_token_volume(item) and not kept) or item.get("name") in beside
    ]
    yield from _removals("/spec/volumes", present, places)


def _still_mounted(spec: Object, ours: Sequence[Object]) -> bool:
    """Whether somebody mounts the token in another way than ours, and so needs its volume."""
    return any(
        mount.get("name") == contract.TOKEN_VOLUME and mount != sidecar.token_mount()
        for item in _containers(spec)
        if item not in ours
        for mount in pods.items(item, "volumeMounts")
    )


def _volumes_of_the_proxy(spec: Object, ours: Sequence[Object]) -> Collection[str]:
    """Names that nobody mounts but the proxy that goes."""
    others = {name for item in _containers(spec) if item not in ours for name in _mounted(item)}
    return {name for item in ours for name in _mounted(item)} - others - {contract.TOKEN_VOLUME}


def _mounted(container: Object) -> Iterator[str]:
    return (str(mount.get("name")) for mount in pods.items(container, "volumeMounts"))


def _is_token_volume(volume: Object) -> bool:
    """Whether a volume is as we write it, whatever its audience and its lifetime."""
    try:
        token, *beside = volume["projected"]["sources"]
        source = token["serviceAccountToken"]
        twin = sidecar.token_volume(
            audience=source["audience"], expiration=source["expirationSeconds"], beside=beside
        )
    except (KeyError, TypeError, ValueError):
        return False
    return bool(volume == twin)


def _pull_secrets(spec: Object, given: Given) -> Iterator[Operation]:
    present = pods.items(spec, "imagePullSecrets")
    names = [entry.get("name") for entry in present]
    wanted = list(dict.fromkeys(given.settings.pull_secrets))
    last = names[len(names) - len(wanted) :] if wanted else []
    if last == wanted:
        yield from _removals(
            "/spec/imagePullSecrets", present, [*range(len(names) - len(wanted), len(names))]
        )


def _removals(path: str, present: Sequence[Any], places: Sequence[int]) -> Iterator[Operation]:
    """From the last to the first, so that places stay true; an array that would be empty goes."""
    if places and len(places) == len(present):
        yield patch.remove(path)
        return
    for place in reversed(places):
        yield patch.remove(f"{path}/{place}")

"""Environment mode: whether every container is told where azwi-proxy is, and rightly. Pure.

The value of IDENTITY_HEADER is compared and never said. docs/modes.md has what the webhook sets.
"""

from collections.abc import Iterator
from typing import Final, get_args
from urllib.parse import urlsplit

from azwi_cli import forwarding
from azwi_cli.checks import Check, Status
from azwi_cli.doctor.facts import Facts, Object, entries, variables
from azwi_common import contract
from azwi_webhook.settings import Mode

_PASS, _WARN, _FAIL = Status.PASS, Status.WARN, Status.FAIL
_HOST: Final = forwarding.LOOPBACK
_LOOPBACK: Final = (_HOST, "localhost")
_ARC: Final = "IMDS_ENDPOINT"
Pair = tuple[str, str]
_PAIR: Final = (contract.IDENTITY_ENDPOINT, contract.IDENTITY_HEADER)
_OLD_PAIR: Final = (contract.MSI_ENDPOINT, contract.MSI_SECRET)
_NODE: Final = "It asks the node's metadata service, and gets the node's identity or no token."
_ANEW: Final = (
    "Create the pod anew (kubectl rollout restart); if it is the same again, see who changes"
    " the container's env after the webhook."
)


def checks(facts: Facts) -> Iterator[Check]:
    """Of a template only what its author has set: the webhook sets the rest in pods."""
    yield from _mode(facts)
    if not facts.is_told:
        return
    found = [check for item in facts.apps() for check in _container(facts, item)]
    yield from found
    if facts.is_live and not found:
        yield Check(
            "told", _PASS, "Every container is told where azwi-proxy is; none is redirected."
        )


def _mode(facts: Facts) -> Iterator[Check]:
    """A mode that is none, where the webhook did not look at it: the pod was there already."""
    said = facts.said_mode
    if said not in ("", *get_args(Mode)) and facts.has_sidecar and not facts.wants_sidecar:
        yield Check(
            "mode", _FAIL, f"The annotation {contract.MODE_ANNOTATION} is {said[:40]!r}, no mode.",
            "The webhook refuses such a pod when it is to be created again.",
            f"Write {' or '.join(get_args(Mode))}.",
        )  # fmt: skip


def _container(facts: Facts, item: Object) -> Iterator[Check]:
    name = str(item.get("name"))
    if name in facts.skipped:
        yield Check(
            "told", _WARN, f"Container {name} is skipped, so it is not told where azwi-proxy is.",
            "If it asks for a token, it asks the node's metadata service: it gets the node's"
            " identity or none.",
            f"Take it out of {contract.SKIP_CONTAINERS_ANNOTATION}, or close the way to the node's"
            " metadata service (docs/modes.md).",
        )  # fmt: skip
        return
    if facts.is_live:
        yield from _lacking(facts, name, item)
        yield from _endpoints(facts, name, item)
        yield from _secrets(facts, name, item)
    yield from _arc(facts, name, item)
    yield from _forward_proxy(name, item)


def _pairs(facts: Facts) -> Iterator[Pair]:
    """URL and value that belong together; a container gets the old ones beside the new ones."""
    if not _is_closed(facts):
        yield _PAIR
        if str(facts.annotations.get(contract.MSI_ENDPOINT_ANNOTATION)).strip() != "false":
            yield _OLD_PAIR


def _is_closed(facts: Facts) -> bool:
    """Whether azwi-proxy has no /msi/token, as far as its manifest tells."""
    proxy = facts.container(contract.PROXY_CONTAINER) or {}
    entry = entries(proxy).get(contract.IDENTITY_HEADER)
    if entry is None:
        return not proxy.get("envFrom")
    return not (entry.get("value") or entry.get("valueFrom"))


def _lacking(facts: Facts, name: str, item: Object) -> Iterator[Check]:
    has = variables(item)
    lacking = [each for each in (contract.POD_IDENTITY_AUTHORITY_HOST,) if each not in has]
    for pair in _pairs(facts):
        if own := _own(facts, item, pair):
            yield from _half(name, own, pair)
            break  # without the new ones the webhook gives no old ones
        lacking += [each for each in pair if each not in has]
    if lacking:
        yield Check(
            "told", _WARN if set(lacking) == {*_OLD_PAIR} else _FAIL,
            f"Container {name} lacks {', '.join(lacking)}.",
            f"An SDK that goes by them does not find azwi-proxy. {_NODE}", _ANEW,
        )  # fmt: skip


def _own(facts: Facts, item: Object, pair: Pair) -> str:
    """What the container sets otherwise than the webhook would, which gives it neither then."""
    (url, secret), has, port = pair, variables(item), listening_port(facts)
    if url in has:
        return "" if not port or _leads(has[url] or "", port, contract.MSI_PATH) else url
    proxy = facts.container(contract.PROXY_CONTAINER) or {}
    entry, known = entries(item).get(secret), entries(proxy).get(contract.IDENTITY_HEADER)
    return secret if entry and known and not _are_same(entry, known) else ""


def _half(name: str, own: str, pair: Pair) -> Iterator[Check]:
    """A value of the container's own; of a URL of its own ``_endpoints`` knows more."""
    url, secret = pair
    if own == secret:
        yield Check(
            "told", _WARN, f"Container {name} sets {secret} itself, so it gets no {url}.",
            f"An SDK that goes by it does not find azwi-proxy. {_NODE}",
            f"Remove {secret} from the container: the webhook sets both.",
        )  # fmt: skip


def _endpoints(facts: Facts, name: str, item: Object) -> Iterator[Check]:
    has, port = variables(item), listening_port(facts)
    for variable, path in _paths(facts):
        value = has.get(variable)
        if port and value is not None and "$(" not in value and not _leads(value, port, path):
            yield _elsewhere(name, variable, value, f"{_HOST}:{port}{path}")


def _paths(facts: Facts) -> Iterator[tuple[str, str]]:
    yield contract.POD_IDENTITY_AUTHORITY_HOST, ""
    yield contract.AZURE_MSI_ENDPOINT, contract.TOKEN_PATH
    yield contract.IDENTITY_ENDPOINT, contract.MSI_PATH
    if _OLD_PAIR in [*_pairs(facts)]:
        yield contract.MSI_ENDPOINT, contract.MSI_PATH


def listening_port(facts: Facts) -> str:
    """Where azwi-proxy listens; empty where its manifest does not tell."""
    proxy = facts.container(contract.PROXY_CONTAINER) or {}
    arguments = [str(text) for text in proxy.get("args") or ()]
    flag = "--proxy-port"
    for place, text in enumerate(arguments):
        if text.startswith(f"{flag}="):
            return text.removeprefix(f"{flag}=")
        if text == flag and arguments[place + 1 :]:
            return arguments[place + 1]
    return variables(proxy).get(contract.PROXY_PORT, str(contract.DEFAULT_PROXY_PORT)) or ""


def _leads(value: str, port: str, path: str) -> bool:
    """Whether a URL leads to azwi-proxy's ``port`` and ``path``."""
    where = _where(value)
    return where in [f"{host}:{port}{path}" for host in _LOOPBACK]


def _where(value: str) -> str:
    """Host, port and path of a URL, without what may be a secret."""
    try:
        if not value:
            return "nowhere"
        url = urlsplit(value)
        return f"{url.hostname}:{url.port or 80}{url.path.rstrip('/')}"[:80]
    except ValueError:
        return "no URL"


def _elsewhere(name: str, variable: str, value: str, wanted: str) -> Check:
    where = _where(value)
    ours = where.partition(":")[0] in _LOOPBACK
    return Check(
        "endpoint", _FAIL if ours else _WARN,
        f"{variable} of container {name} leads to {where}, azwi-proxy is at {wanted}.",
        "Its SDK asks there." if ours else "The container sets it itself; its SDK asks there.",
        f"Remove {variable}, and what belongs to it, from the container: the webhook sets it.",
    )  # fmt: skip


def _secrets(facts: Facts, name: str, item: Object) -> Iterator[Check]:
    """Whether a container has azwi-proxy's own value, where it asks azwi-proxy."""
    proxy = facts.container(contract.PROXY_CONTAINER) or {}
    known = entries(proxy).get(contract.IDENTITY_HEADER)
    if known is None and proxy.get("envFrom"):
        return  # it may come from there
    has, port = variables(item), listening_port(facts)
    for url, secret in (_PAIR, _OLD_PAIR):
        entry = entries(item).get(secret)
        if entry and port and _leads(has.get(url) or "", port, contract.MSI_PATH):
            yield from _compared(name, secret, entry, known)


def _compared(name: str, secret: str, entry: Object, known: Object | None) -> Iterator[Check]:
    if not known or not (known.get("value") or known.get("valueFrom")):
        says = f"Container {name} has {secret}, and azwi-proxy has no {contract.IDENTITY_HEADER}."
        why = f"azwi-proxy has no {contract.MSI_PATH} then, and answers 404."
    elif _are_same(entry, known):
        return
    else:
        says = f"{secret} of container {name} is not azwi-proxy's {contract.IDENTITY_HEADER}."
        why = "azwi-proxy refuses what the container's SDK asks, with status 401."
    yield Check(
        "identity-header", _FAIL, says, why,
        f"Remove {secret} from the container, or give azwi-proxy the same; create the pod anew.",
    )  # fmt: skip


def _are_same(entry: Object, known: Object) -> bool:
    return all(entry.get(part) == known.get(part) for part in ("value", "valueFrom"))


def _arc(facts: Facts, name: str, item: Object) -> Iterator[Check]:
    has = variables(item)
    if _ARC in has and (contract.IDENTITY_ENDPOINT in has or not facts.is_live):
        yield Check(
            "arc", _FAIL,
            f"Container {name} sets {_ARC}, which must not be beside {contract.IDENTITY_ENDPOINT}.",
            "SDKs take the two for Azure Arc's protocol, which azwi-proxy does not speak.",
            f"Remove {_ARC} from the container.",
        )  # fmt: skip


def _forward_proxy(name: str, item: Object) -> Iterator[Check]:
    if forwarding.takes_loopback(variables(item)):
        yield Check(
            "forward-proxy", _WARN,
            f"Container {name} has HTTP_PROXY, and NO_PROXY does not name {_HOST}.",
            "The forward proxy gets what is meant for azwi-proxy, and the value of"
            f" {contract.IDENTITY_HEADER} with it.",
            f"Add {_HOST} to NO_PROXY (and no_proxy, where that is set).",
        )  # fmt: skip

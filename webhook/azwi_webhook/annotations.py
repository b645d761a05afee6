"""What a pod and its service account ask for, read from their annotations.

Pure. Every wrong value becomes a sentence in ``problems``: who decides adds what else is wrong, so
that the author of the pod is told everything at once.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache, wraps
from sys import getsizeof
from typing import Any, Concatenate, Final, Literal, ParamSpec, Self, TypeVar

from azwi_common import contract
from azwi_common.identities import Guid, IdentityMap, Tenant
from azwi_common.settings import HostNames, Port, parse
from azwi_webhook import resources
from azwi_webhook.settings import IptablesMode, Mode

PROXY_SETTINGS: Mapping[str, Any] = {
    contract.FORWARD: Literal["instance", "all", "none"],
    contract.STRICT_IDENTITIES: bool,
    contract.PREFETCH: tuple[str, ...],
    contract.HOSTS: HostNames,
    contract.METRICS_PORT: Port,
    contract.DRAIN_SECONDS: int,
    contract.LOG_LEVEL: Literal["debug", "info", "warning", "warn", "error"],
}
"""What azwi-proxy takes, by variable; a test compares them with its own settings."""


KEPT: Final = 256
"""Answers that are remembered: the pods of one Deployment ask for the same, word for word."""
SHORT: Final = 8192
"""Bytes of memory of annotations that are remembered: anybody may send 256 KB, each time others."""
LONGEST: Final = 4096
"""Bytes of an annotation's value that are read: the pod that needs a longer one is refused."""
LONGEST_MAP: Final = 16 * 1024
"""Bytes of the map of identities: some 50 with all their members."""
_ONLY_TEXT = {str}
P = ParamSpec("P")
T = TypeVar("T")


class Flag(int):
    """``true`` or ``false``, and no other spelling: what is meant must be plain to every reader."""

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Parse; ValueError says what is allowed."""
        if text not in ("true", "false"):
            raise ValueError(f'must be "true" or "false"; it is {text[:40]!r}')
        return cls(text == "true")


class Seconds(int):
    """Lifetime of a projected service account token."""

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Parse; ValueError says what is allowed."""
        least, most = contract.LEAST_EXPIRATION, contract.MOST_EXPIRATION
        if not (text.isascii() and text.isdigit() and len(text) < 6 and least <= int(text) <= most):
            raise ValueError(f"must be seconds from {least} to {most}; it is {text[:40]!r}")
        return cls(text)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)  # compared by identity: they key caches
class Wishes:
    """What is asked for, with defaults where nothing is."""

    inject: bool | None
    """None where the pod says nothing."""
    proxy_only: bool
    binding: bool
    skip: frozenset[str]
    expiration: int
    client_id: str
    """Of the service account; empty where it has none."""
    tenant_id: str
    # Of the sidecar; read only where one is asked for.
    port: int = contract.DEFAULT_PROXY_PORT
    mode: Mode | None = None
    """None where the pod says nothing."""
    msi_endpoint: bool = True
    """Whether apps are told of the old version of App Service's protocol too: old SDKs know no
    other, and no SDK that was tried minds (docs/clients.md)."""
    init_iptables: str = ""
    """The kernel interface of azwi-proxy-init; empty where the pod says nothing."""
    identities: IdentityMap = IdentityMap()
    settings: Mapping[str, str]
    """Values by variable of azwi-proxy."""
    proxy_resources: resources.Wishes
    init_resources: resources.Wishes
    problems: tuple[str, ...]
    doubts: tuple[str, ...]
    """Wrong values that harm nobody but the app: sentences to warn with."""
    recurs: bool
    """Whether the same annotations get this object again, so that more may be known by it."""


def longest(name: str) -> int:
    """Bytes that the value of annotation ``name`` may have."""
    return LONGEST_MAP if name == contract.IDENTITIES_ANNOTATION else LONGEST


def remembered(decide: Callable[Concatenate[Wishes, P], T]) -> Callable[Concatenate[Wishes, P], T]:
    """Decide once by the same wishes and the rest, where they may come again."""
    kept = lru_cache(KEPT)(decide)

    @wraps(decide)
    def decided(wishes: Wishes, /, *rest: P.args, **more: P.kwargs) -> T:
        if not wishes.recurs:
            return decide(wishes, *rest, **more)
        return kept(wishes, *rest, **more)  # type: ignore[arg-type]  # all of it can be hashed

    return decided


class Place:
    """The annotations of one object; what is wrong with them collects in ``problems``."""

    def __init__(
        self,
        owner: str,
        given: Mapping[str, Any],
        problems: list[str],
        doubts: list[str] | None = None,
    ) -> None:
        """``doubts``: where wrong values go in place of ``problems``; too long ones never do."""
        self.owner, self.given, self.problems = owner, given, problems
        self._wrong = problems if doubts is None else doubts

    def value(self, name: str, kind: Any, default: Any) -> Any:
        """The value of annotation ``name`` as ``kind``."""
        text = self.given.get(name)
        if text is None:
            return default
        if isinstance(text, str) and len(text.encode(errors="surrogatepass")) > longest(name):
            told = f" has more than {longest(name)} bytes: shorten it"
            self.problems.append(f"Annotation {name} of {self.owner}{told}.")
            return default
        try:
            if not isinstance(text, str):
                raise ValueError("must be text")
            return parse(kind, text.strip())
        except ValueError as error:
            told = _told(str(error), str(text))
            self._wrong.append(f"Annotation {name} of {self.owner}{told}.")
            return default

    def text(self, name: str) -> str:
        """The text of annotation ``name``, without spaces around it."""
        found: str = self.value(name, str, "")
        return found


def read(
    of_pod: Mapping[str, Any],
    of_account: Mapping[str, Any],
    account: str,
    suffix: str,
    *,
    has_proxy: bool = False,
) -> Wishes:
    """What the annotations of a pod and of its service account, named ``account``, ask for.

    ``suffix``: of the annotation that asks for the custom token endpoint; empty: there is none.
    ``has_proxy``: azwi-proxy is there; then environment mode by its annotation asks for the rest.
    The same annotations get the same object again, by which others remember what follows from it.
    """
    ours = {name: text for name, text in of_pod.items() if name.startswith(contract.PREFIX)}
    texts = [account, *ours, *ours.values(), *of_account, *of_account.values()]
    if {*map(type, texts)} != _ONLY_TEXT or sum(map(getsizeof, texts)) > SHORT:
        return _read(ours, of_account, account, suffix, has_proxy, recurs=False)
    return _read_before(
        frozenset(ours.items()), frozenset(of_account.items()), account, suffix, has_proxy
    )


@lru_cache(KEPT)
def _read_before(
    of_pod: frozenset[tuple[str, str]], of_account: frozenset[tuple[str, str]], *more: Any
) -> Wishes:
    return _read(dict(of_pod), dict(of_account), *more, recurs=True)


def _read(
    of_pod: Mapping[str, Any],
    of_account: Mapping[str, Any],
    account: str,
    suffix: str,
    has_proxy: bool,
    *,
    recurs: bool,
) -> Wishes:
    problems: list[str] = []
    doubts: list[str] = []
    pod = Place("the pod", of_pod, problems)
    home = Place(f"service account {account}", of_account, problems)
    told = has_proxy and str(of_pod.get(contract.MODE_ANNOTATION)).strip() == "environment"
    inject = pod.value(contract.INJECT_ANNOTATION, Flag, True if told else None)
    # A wrong identity stops the sidecar at its start; without one, only the app can tell.
    strict = Place(home.owner, of_account, problems, problems if inject else doubts)
    expiration = home.value(contract.EXPIRATION_ANNOTATION, Seconds, contract.DEFAULT_EXPIRATION)
    return Wishes(
        inject=None if inject is None else bool(inject),
        proxy_only=bool(pod.value(contract.PROXY_ONLY_ANNOTATION, Flag, False)),
        binding=bool(suffix)
        and bool(pod.value(contract.CUSTOM_ENDPOINT_ANNOTATION + suffix, Flag, False)),
        skip=_names(pod.text(contract.SKIP_CONTAINERS_ANNOTATION)),
        expiration=pod.value(contract.EXPIRATION_ANNOTATION, Seconds, expiration),
        client_id=_identity(strict, contract.CLIENT_ID_ANNOTATION, Guid),
        tenant_id=_identity(strict, contract.TENANT_ID_ANNOTATION, Tenant),
        **(_sidecar(pod, home) if inject else _NO_SIDECAR),
        problems=tuple(problems),
        doubts=tuple(doubts),
        recurs=recurs,
    )


_NO_SIDECAR: Mapping[str, Any] = {"settings": {}, "proxy_resources": {}, "init_resources": {}}


def _sidecar(pod: Place, home: Place) -> dict[str, Any]:
    """The fields that concern the sidecar alone."""
    mapped = home.value(contract.IDENTITIES_ANNOTATION, IdentityMap, IdentityMap())
    settings = {
        variable: _as_text(place.value(name, PROXY_SETTINGS[variable], ""))
        for name, variable in contract.PROXY_SETTING_ANNOTATIONS.items()
        for place in (home, pod)  # the pod's own wins
        if name in place.given and (place is pod or name in contract.ACCOUNT_ANNOTATIONS)
    }
    return {
        "port": pod.value(contract.PORT_ANNOTATION, Port, contract.DEFAULT_PROXY_PORT),
        "mode": pod.value(contract.MODE_ANNOTATION, Mode, None),
        "msi_endpoint": bool(pod.value(contract.MSI_ENDPOINT_ANNOTATION, Flag, True)),
        "init_iptables": pod.value(contract.INIT_IPTABLES_ANNOTATION, IptablesMode, ""),
        "identities": pod.value(contract.IDENTITIES_ANNOTATION, IdentityMap, mapped),
        "settings": {name: text for name, text in settings.items() if text},
        "proxy_resources": _resources(pod, "proxy"),
        "init_resources": _resources(pod, "proxy-init"),
    }


def _resources(pod: Place, program: str) -> dict[tuple[str, str], str]:
    found = {
        (resource, bound): pod.value(name, resources.Quantity, "")
        for name, (owner, resource, bound) in contract.RESOURCE_ANNOTATIONS.items()
        if owner == program and name in pod.given
    }
    wishes = {place: quantity for place, quantity in found.items() if quantity}
    for name in resources.COUNTED:
        if resources.contradicts(wishes, name):
            stem = f"{contract.PREFIX}{program}-{name}"
            pod.problems.append(
                f"Annotation {stem}-request of the pod is more than {stem}-limit: raise the limit."
            )
    return wishes


def _identity(place: Place, name: str, kind: Any) -> str:
    """In the kind's spelling; as it was written where it is wrong and only a doubt."""
    written: str = place.given.get(name) or ""
    found: str = place.value(name, kind, written) if written else ""
    return found


def _names(text: str) -> frozenset[str]:
    return frozenset(name.strip() for name in text.split(";")) - {""}


def _told(error: str, text: str) -> str:
    """The rest of a sentence that starts with the annotation's name; it shows the value."""
    if not error.startswith("must"):  # an entry of a map
        return f": {error}"
    return f" {error}" if "it is" in error else f" {error}; it is {text[:40]!r}"


def _as_text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return " ".join(value) if isinstance(value, tuple) else str(value)

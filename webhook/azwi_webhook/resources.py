"""Requests and limits of the injected containers: defaults, wishes, and the pod's own class."""

import re
from collections.abc import Collection, Iterable, Mapping
from decimal import Decimal
from functools import lru_cache
from typing import Any, Self

from azwi_webhook import pods

Resources = dict[str, dict[str, str]]
Wishes = Mapping[tuple[str, str], str]
"""By resource and bound, such as ``("cpu", "limits")``, a quantity."""

COUNTED = ("cpu", "memory")
"""The resources that decide a pod's class."""

# Limits of a Guaranteed pod's sidecar where nothing says them. With 10m of a CPU, the default's
# request, the proxy's start would take half a minute.
_FLOOR = {"cpu": "100m", "memory": "96Mi"}
LEAST_CPU = "20m"
"""Least CPU limit of azwi-proxy that works: start and probe take 0.3 s of CPU, on a slow node twice
that, and the probe waits for 60 s."""
# CPU limit in a pod all of whose containers have one: a quota of limits.cpu may want it so.
_CPU_LIMIT = "500m"
_QUANTITY = re.compile(
    r"(\d{1,18}\.?\d{0,18}|\.\d{1,18})([KMGTPE]i|[eE][+-]?\d{1,2}|[numkMGTPE])?", re.ASCII
)
_DECIMAL = {"n": -9, "u": -6, "m": -3, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY = {"Ki": 1, "Mi": 2, "Gi": 3, "Ti": 4, "Pi": 5, "Ei": 6}


class Quantity(str):
    """An amount as Kubernetes writes it: 100m, 0.1, 48Mi, 1e3."""

    __slots__ = ()

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Parse; ValueError says what is allowed."""
        if amount(text) is None:
            raise ValueError(f"must be a quantity such as 100m or 48Mi; it is {text[:40]!r}")
        return cls(text)


def amount(quantity: Any) -> Decimal | None:
    """The number that a quantity means; None where it is none, or negative."""
    return _amount(str(quantity)[:64])


@lru_cache(maxsize=256)  # pods repeat themselves, and Decimal is slow
def _amount(quantity: str) -> Decimal | None:
    found = _QUANTITY.fullmatch(quantity)
    if not found:
        return None
    number, suffix = Decimal(found[1]), found[2] or ""
    if suffix in _BINARY:
        return number * Decimal(1024) ** _BINARY[suffix]
    exponent = _DECIMAL[suffix] if suffix in _DECIMAL else int(suffix[1:] or 0)
    return number.scaleb(exponent)


def is_guaranteed(containers: Iterable[pods.Object]) -> bool:
    """Whether the pod's class is Guaranteed: each container's requests are its limits."""
    found: pods.Object | None = None
    for container in containers:
        found = pods.mapping(container, "resources")
        if not all(_is_equal(found, name) for name in COUNTED):
            return False
    return found is not None


def _is_equal(resources: pods.Object, name: str) -> bool:
    limit = pods.mapping(resources, "limits").get(name)
    request = pods.mapping(resources, "requests").get(name, limit)  # as the API server fills it in
    return bool(amount(limit)) and amount(limit) == amount(request)


def is_cpu_limited(containers: Iterable[pods.Object]) -> bool:
    """Whether each container has a CPU limit, as a quota of ``limits.cpu`` demands."""
    found: pods.Object | None = None
    for container in containers:
        found = pods.mapping(container, "resources")
        if not amount(pods.mapping(found, "limits").get("cpu")):
            return False
    return found is not None


def of_pod(spec: pods.Object) -> frozenset[str]:
    """Names of the resources that the pod has as a whole (``spec.resources``)."""
    found = pods.mapping(spec, "resources")
    return frozenset((*pods.mapping(found, "limits"), *pods.mapping(found, "requests")))


def decide(
    defaults: Mapping[str, Mapping[str, str]],
    wishes: Wishes,
    *,
    guaranteed: bool,
    cpu_limited: bool = False,
    shared: Collection[str] = (),
) -> Resources:
    """Requests and limits of one container.

    ``guaranteed``: both are equal for cpu and memory, so that the pod keeps its class.
    ``cpu_limited``: there must be a CPU limit, though the defaults have none.
    ``shared``: resources that the pod has as a whole; of these only what was wished for is set.
    """
    if cpu_limited:
        defaults = {**defaults, "limits": {"cpu": _CPU_LIMIT, **defaults.get("limits", {})}}
    decided: Resources = {"requests": {}, "limits": {}}
    names = {name: None for name in COUNTED if guaranteed}
    names.update({name: None for bound in decided for name in defaults.get(bound, {})})
    for name in {**names, **{resource: None for resource, _ in wishes}}:
        usual = {} if name in shared else defaults
        request = wishes.get((name, "requests")) or usual.get("requests", {}).get(name, "")
        limit = wishes.get((name, "limits")) or usual.get("limits", {}).get(name, "")
        if guaranteed and name in COUNTED:
            request = limit = _one(name, wishes, request, limit)
        elif _exceeds(request, limit):
            request, limit = _reconciled(name, wishes, request, limit)
        if request:
            decided["requests"][name] = request
        if limit:
            decided["limits"][name] = limit
    return decided


def _one(name: str, wishes: Wishes, request: str, limit: str) -> str:
    """What is both request and limit."""
    wished = wishes.get((name, "limits")) or wishes.get((name, "requests"))
    return wished or limit or (request if _exceeds(request, _FLOOR[name]) else _FLOOR[name])


def _reconciled(name: str, wishes: Wishes, request: str, limit: str) -> tuple[str, str]:
    """A wish wins over the default that contradicts it."""
    return (limit, limit) if (name, "limits") in wishes else (request, request)


def _exceeds(request: str, limit: str) -> bool:
    low, high = amount(request), amount(limit)
    return low is not None and high is not None and low > high


def is_too_slow(limit: str) -> bool:
    """Whether azwi-proxy may not start in time within a CPU limit."""
    return bool(limit) and _exceeds(LEAST_CPU, limit)


def contradicts(wishes: Wishes, name: str) -> bool:
    """Whether more is requested than allowed, by the pod's own wishes."""
    return _exceeds(wishes.get((name, "requests"), ""), wishes.get((name, "limits"), ""))

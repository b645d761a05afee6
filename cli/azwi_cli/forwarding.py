"""Whether a container's SDK sends what is meant for loopback to a forward proxy. Pure.

In environment mode azwi-proxy is asked at 127.0.0.1, by plain HTTP.
"""

from collections.abc import Mapping
from typing import Final

LOOPBACK: Final = "127.0.0.1"


def takes_loopback(variables: Mapping[str, str | None]) -> bool:
    """Whether a forward proxy is set, and nothing spares loopback.

    ``variables``: of the container; None where a value comes from elsewhere: then it may spare it.
    """
    if not any(variables.get(name, "") != "" for name in ("HTTP_PROXY", "http_proxy")):
        return False
    spared = [variables[name] for name in ("NO_PROXY", "no_proxy") if name in variables]
    return all(value is not None and not _spares(value) for value in spared)


def _spares(no_proxy: str) -> bool:
    """Whether loopback is named; ranges do not count, which few SDKs know."""
    names = [name.strip().partition(":")[0] for name in no_proxy.split(",")]
    return "$(" in no_proxy or "*" in names or LOOPBACK in names

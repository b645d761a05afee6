"""Who may ask on loopback: no browser, and nobody by a name that somebody else's DNS answers.

Pure. A page in a browser that shares the pod's network (a notebook, a desktop in a container) can
send requests to loopback, and by DNS rebinding read the answers. A browser tells on itself by
headers that scripts cannot suppress, and by the Host that it believes to ask.
"""

import re
from collections.abc import Collection, Sequence
from ipaddress import ip_address

from azwi_proxy import bounded, errors

NAMES = frozenset(
    (
        "localhost",
        "metadata.google.internal", "metadata.goog", "metadata",
        "instance-data", "instance-data.ec2.internal",
    )
)  # fmt: skip
"""Names of metadata services, GCP's and AWS's: what is not Azure's is passed on."""

_AUTHORITY = re.compile(r"\A(?i:https?)://(?P<authority>[^/?#]*)")
_PORT = re.compile(r":\d*\Z")


def check(
    hosts: Sequence[str],
    target: str,
    allowed: Collection[str],
    *,
    must_name_host: bool,
    from_browser: bool,
) -> None:
    """Raise errors.FromBrowser or errors.HostRefused for a request that must not be answered.

    ``hosts``: every value of Host; ``must_name_host``: the request is HTTP/1.1;
    ``from_browser``: it has Origin, Sec-Fetch-Site or Sec-Fetch-Dest. Sec-Fetch-Mode does not
    count: Node's own fetch sends it.
    """
    if from_browser:
        raise errors.FromBrowser
    if len(hosts) > 1 or (must_name_host and not hosts):
        raise errors.HostRefused("There must be one Host line")
    for host in hosts:
        if host or must_name_host:
            _check_name(host, allowed)
    if absolute := _AUTHORITY.match(target):
        _check_name(absolute["authority"].rpartition("@")[2], allowed)


def _check_name(host: str, allowed: Collection[str]) -> None:
    name = _name(host)
    if not (name in NAMES or name in allowed or _is_address(name)):
        raise errors.HostRefused(
            f"The Host {host[:100]!r} is not a name of the metadata service."
            " If an app of this pod uses it, add it to AZWI_HOSTS"
        )


def _name(host: str) -> str:
    """A host without its port and one final dot, in lower case."""
    return _PORT.sub("", host).removesuffix(".").lower()


@bounded.cached(64)
def _is_address(name: str) -> bool:
    try:
        ip_address(name[1:-1] if name.startswith("[") and name.endswith("]") else name)
    except ValueError:
        return False
    return True

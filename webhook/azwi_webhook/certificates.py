"""When the webhook's own certificate is exchanged, and how. Pure.

A CA signs one certificate, and its key is forgotten at once: nothing that is stored can sign for
the cluster's API server again. A renewal therefore makes both anew, and goes in two steps, so that
no call is refused whichever replica or API server learns of it last:

1. the new pair is put into the Secret as ``next-tls.*``, its CA beside the old one in ``ca.crt``;
   from there every replica sees to it that the API server trusts both;
2. when that has been so for a while, ``next-tls.*`` becomes ``tls.*``, and every replica serves it.

The old CA is dropped at the next renewal.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Literal

CERTIFICATE: Final = "tls.crt"
KEY: Final = "tls.key"
TRUST: Final = "ca.crt"
NEXT_CERTIFICATE: Final = "next-tls.crt"
NEXT_KEY: Final = "next-tls.key"

_LOOK_AGAIN: Final = 3600.0  # seconds; clocks jump, and timers of months drift
_PEM = re.compile(rb"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)

Data = Mapping[str, bytes]
"""A Secret's data, decoded."""
Step = Literal["keep", "replace", "prepare", "promote"]


@dataclass(frozen=True, slots=True)
class Times:
    """How long things last."""

    life: timedelta = timedelta(days=90)
    """Of a certificate and its CA; renewed at two thirds of it."""
    overlap: timedelta = timedelta(seconds=60)
    """From the API server's trust in the next CA until its certificate is served."""
    late: float = 0.0
    """Part of a certificate's life, at most 1/50, that this replica lets pass when it is due: the
    first one renews, and the others see that."""


@dataclass(frozen=True, slots=True)
class Leaf:
    """A certificate that the API server would accept now."""

    begins: float
    """Unix time."""
    expires: float
    ca: bytes
    """PEM of the one CA that vouches for it."""


def dns_names(service: str, namespace: str) -> tuple[str, ...]:
    """What the API server may call a Service; the first one is what it does call it."""
    return (f"{service}.{namespace}.svc", f"{service}.{namespace}.svc.cluster.local")


def blocks(pem: bytes) -> list[bytes]:
    """The certificates of a bundle, each as PEM."""
    return [block + b"\n" for block in _PEM.findall(pem)]


def step(
    current: Leaf | None, upcoming: Leaf | None, now: float, times: Times, *, trusted: bool
) -> Step:
    """What is to be done to the Secret.

    ``trusted``: the API server has known the upcoming certificate's CA for long enough.
    """
    if upcoming and (trusted or not current):
        return "promote"
    if not current:
        return "replace"
    if not upcoming and now >= _renewal(current, times):
        return "prepare"
    return "keep"


def rest(current: Leaf | None, upcoming: Leaf | None, now: float, times: Times) -> float:
    """Seconds until ``step`` may want something by itself, an hour at most."""
    if not current:
        return times.overlap.total_seconds() if upcoming else 0.0
    if upcoming:  # whichever is first: it is trusted for long enough, or nothing else is left
        return min(times.overlap.total_seconds(), max(current.expires - now, 0.0))
    return min(max(_renewal(current, times) - now, 0.0), _LOOK_AGAIN)


def replaced(data: Data, made: Data) -> dict[str, bytes]:
    """A new pair that is served at once; other replicas may serve the old one for a moment."""
    old = b"".join(blocks(data.get(TRUST, b""))[:2])
    return {CERTIFICATE: made[CERTIFICATE], KEY: made[KEY], TRUST: made[TRUST] + old}


def prepared(data: Data, made: Data, current: Leaf) -> dict[str, bytes]:
    """The old pair goes on being served; the API server is to trust the new one too."""
    return {
        CERTIFICATE: data[CERTIFICATE],
        KEY: data[KEY],
        TRUST: made[TRUST] + current.ca,
        NEXT_CERTIFICATE: made[CERTIFICATE],
        NEXT_KEY: made[KEY],
    }


def promoted(data: Data) -> dict[str, bytes]:
    """The upcoming pair is served; the API server goes on trusting the old one."""
    return {CERTIFICATE: data[NEXT_CERTIFICATE], KEY: data[NEXT_KEY], TRUST: data[TRUST]}


def _renewal(leaf: Leaf, times: Times) -> float:
    """Unix time at which a certificate is to be renewed, by its own life if that is shorter."""
    life = min(leaf.expires - leaf.begins, times.life.total_seconds())
    return leaf.expires - life / 3 + life * times.late

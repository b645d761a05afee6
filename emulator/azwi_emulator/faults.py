"""Which faults are set, and which a request meets; ``misbehaviour`` acts them out. Pure."""

import dataclasses
from collections.abc import Collection

from azwi_emulator import errors, messages
from azwi_emulator.messages import Fault, Place

MOST_FAULTS = 100  # a test suite that forgets to clear is told so


@dataclasses.dataclass
class _Set:
    fault: Fault
    left: int | None
    """Requests that it still applies to; None: all. At 0 it is healed but listed until cleared."""
    sparing: int
    """Requests that go well before."""


class Faults:
    """The faults that are set now, by name, in the order in which they were set."""

    def __init__(self) -> None:
        self._set: dict[str, _Set] = {}

    def put(self, name: str, fault: Fault) -> None:
        """Set or replace a fault."""
        if len(self._set) >= MOST_FAULTS and name not in self._set:
            raise errors.RequestRefused(
                f"{MOST_FAULTS} faults are set: clear some first.", status=409
            )
        self._set[name] = _Set(fault, fault.times, fault.after)

    def clear(self, name: str) -> None:
        """Forget a fault; one that is not set is no error: the caller wants it gone."""
        self._set.pop(name, None)

    def clear_all(self) -> None:
        """Forget every fault."""
        self._set.clear()

    def take(self, *at: Place, tenant_id: str = "", client_id: str = "") -> dict[str, Fault]:
        """The faults that a request at these places meets, by name.

        Those with ``times`` are used up by one. All that only delay, and the first of the others:
        two faults that are set one after the other with ``times`` thus happen one after the other.
        """
        met: dict[str, Fault] = {}
        decided = False
        for name, entry in self._set.items():
            delays = entry.fault.kind == "latency"
            if entry.left == 0 or (decided and not delays):
                continue
            if not _matches(entry.fault, at, tenant_id, client_id):
                continue
            if entry.sparing:
                entry.sparing -= 1
            else:
                met[name] = entry.fault
                entry.left = None if entry.left is None else entry.left - 1
                decided = decided or not delays
        return met

    def holds(self, name: str, fault: Fault) -> bool:
        """Whether this very fault has not been cleared or replaced yet, healed or not."""
        return name in self._set and self._set[name].fault is fault

    def server_fault(self, kind: messages.Kind) -> Fault | None:
        """The fault of the whole server of this kind that was set last."""
        found = [entry.fault for entry in self._set.values() if entry.fault.kind == kind]
        return found[-1] if found else None

    def lag(self) -> float | None:
        """Seconds after which what Graph and ARM write is seen; None: as it is set."""
        fault = self.server_fault("lag")
        return fault.seconds if fault else None

    def skew(self) -> float:
        """Seconds by which Entra ID's clock is ahead of the real one."""
        fault = self.server_fault("skew")
        return fault.seconds if fault else 0.0

    def listed(self) -> dict[str, tuple[Fault, int | None]]:
        """Every fault by name, with the requests that it still applies to."""
        return {name: (entry.fault, entry.left) for name, entry in self._set.items()}


def _matches(fault: Fault, at: Collection[Place], tenant_id: str, client_id: str) -> bool:
    return (
        fault.kind not in messages.SERVER_KINDS
        and any(place in fault.at for place in at)
        and (fault.client_id is None or fault.client_id.lower() == client_id.lower())
        and (fault.tenant_id is None or fault.tenant_id.lower() == tenant_id.lower())
    )

"""Puts a plan into the kernel: chooses a backend that works, applies all or nothing, reads back.

``auto`` chooses by trying: nf_tables first, the legacy interface where nf_tables has no support. A
missing capability is never a reason to try on: legacy needs more of them.

Rules that an earlier run left with the other backend: a table of ours in nf_tables would win over
legacy rules, so it is removed after those are set. Legacy chains of ours need not go when nf_tables
is used: our table there decides first, for everybody. Looking for them would cost the nft path
NET_RAW and the import of python-iptables; ``clean_up`` does look for both.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

from azwi_init.errors import InitError, NotApplied, NotPermitted, NotSupported
from azwi_init.rules import Plan


class Backend(Protocol):
    """One of the kernel's two interfaces; its methods raise InitError only."""

    @property
    def name(self) -> str:
        """As AZWI_IPTABLES_MODE names it."""

    def holds(self, plan: Plan) -> bool:
        """Whether the kernel has exactly ``plan``, in the place where it wins."""

    def replace(self, plan: Plan) -> None:
        """Make the kernel have exactly ``plan``, in one commit."""

    def remove(self) -> bool:
        """Remove what we made; whether there was anything."""


Openers = Mapping[Literal["nft", "legacy"], Callable[[], Backend]]


@dataclass(frozen=True, slots=True)
class Applied:
    """The plan is in the kernel."""

    backend: str
    changed: bool
    """False when the kernel had it already, and nothing was touched."""


def _open_nft() -> Backend:
    from azwi_init import libnftables

    return libnftables.opened()


def _open_legacy() -> Backend:
    from azwi_init import libiptc  # only here: python-iptables costs 30 ms and 2 MB

    return libiptc.IpTables()


OPENERS: Openers = {"nft": _open_nft, "legacy": _open_legacy}


def apply(
    plan: Plan, mode: Literal["auto", "nft", "legacy"], openers: Openers = OPENERS
) -> Applied:
    """Set ``plan`` with the backend of ``mode`` and read it back; InitError says why not."""
    if mode == "nft":
        return _apply_with(openers["nft"](), plan)
    if mode == "legacy":
        applied = _apply_with(openers["legacy"](), plan)
        _remove_nft(openers)
        return applied
    try:
        return _apply_with(openers["nft"](), plan)
    except NotSupported as no_nft:
        try:
            return _apply_with(openers["legacy"](), plan)
        except InitError as no_legacy:
            raise _neither(no_nft, no_legacy) from no_legacy


def clean_up(
    legacy_in_use: Callable[[], bool] | None = None, openers: Openers = OPENERS
) -> list[str]:
    """Remove what we made with either backend; the names of those where there was something."""
    removed = ["nft"] if _remove_nft(openers) else []
    if (legacy_in_use or _legacy_in_use)() and openers["legacy"]().remove():
        removed.append("legacy")
    return removed


def _apply_with(backend: Backend, plan: Plan) -> Applied:
    if backend.holds(plan):
        return Applied(backend.name, changed=False)
    backend.replace(plan)
    if not backend.holds(plan):
        raise NotApplied(
            f"the rules read back through {backend.name} are not the ones that were set",
            "see what else changes NAT rules in this pod",
        )
    return Applied(backend.name, changed=True)


def _remove_nft(openers: Openers) -> bool:
    try:
        return openers["nft"]().remove()
    except NotSupported:  # then no table of ours can be there
        return False


def _legacy_in_use() -> bool:
    from azwi_init import libiptc

    return libiptc.nat_in_use()


def _neither(no_nft: NotSupported, no_legacy: InitError) -> InitError:
    if isinstance(no_legacy, NotPermitted):
        return NotPermitted(
            f"only iptables-legacy can work: {no_nft.what}; {no_legacy.what}", no_legacy.todo
        )
    return NotSupported(f"{no_nft.what}; {no_legacy.what}", f"{no_nft.todo}; or {no_legacy.todo}")

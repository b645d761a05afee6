"""Talks to the kernel's legacy ip_tables through python-iptables (libiptc).

Needs NET_ADMIN, and NET_RAW because libiptc opens a raw socket. Rules of others are never decoded:
they may use extensions that the image does not hold. iptc.easy encodes rules too, but it skips what
it cannot encode, and a rule that lost its owner match would exempt everybody: encoded here instead.
"""

import ctypes
import ctypes.util
import errno
import os
import socket
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from azwi_common import contract
from azwi_init import legacy
from azwi_init.errors import InitError, NotApplied, NotPermitted, NotSupported, not_permitted
from azwi_init.findings import Chain
from azwi_init.rules import Plan

LIBRARIES = {
    "c": "libc.so.6",
    "ip4tc": "libip4tc.so.2",
    "ip6tc": "libip6tc.so.2",  # import iptc needs it, we do not
    "xtables": "libxtables.so.12",
}
TABLES_IN_USE = Path("/proc/net/ip_tables_names")
"""Legacy tables of this network namespace, one a line; absent where the kernel has no ip_tables."""
Chains = dict[str, list[legacy.Entry]]
IPT_SO_GET_REVISION_MATCH = 66  # linux/netfilter_ipv4/ip_tables.h
_ATTEMPTS = 5  # a commit fails with EAGAIN when somebody else committed since we read the table
_PRIORITIES = {"raw": -300, "mangle": -150, "filter": 0, "security": 50}
_REMEDY = (
    "load the kernel modules iptable_nat, xt_nat, xt_REDIRECT, xt_owner, xt_comment on the node"
)
_WHERE = (
    f"as the annotation {contract.INIT_IPTABLES_ANNOTATION} with the value legacy does; under"
    " gVisor start runsc with --net-raw as well"
)


def nat_in_use() -> bool:
    """Whether legacy NAT rules can be there at all; asks for no capability and creates no table."""
    return "nat" in tables_in_use()


def tables_in_use() -> list[str]:
    """The legacy tables of this network namespace; none in gVisor, which has them all the same."""
    try:
        return TABLES_IN_USE.read_text().split()
    except FileNotFoundError:
        return []
    except OSError as error:  # readable to NET_ADMIN only
        raise _not_permitted() from error


def chains_of_others() -> list[Chain]:
    """The chains of the legacy tables beside nat, with what each may do to a connection."""
    names = [name for name in tables_in_use() if name in _PRIORITIES]
    if not names:
        return []
    _check_raw_socket()
    iptc = import_iptc()
    iptc.Table.existing_table_names.update({name: name in names for name in iptc.Table.ALL})
    found = []
    try:
        for name in names:
            table = iptc.Table(name, autocommit=False)
            found += [_as_found(table, chain.name, _PRIORITIES[name]) for chain in table.chains]
    except iptc.IPTCError as error:
        raise refused(error) from error
    return found


def _as_found(table: Any, chain: str, priority: int) -> Chain:
    builtin = bool(table.builtin_chain(chain))
    targets, entry = set(), table.first_rule(chain)
    while entry:
        targets.add(table.get_target(entry))
        entry = table.next_rule(entry)
    return Chain(
        table=f"iptables-legacy's table {table.name}",
        name=chain,
        kind="filter" if builtin else "",
        hook=chain.lower() if builtin else "",
        priority=priority,
        policy=table.get_policy(chain)[0].name.lower() if builtin else "accept",
        untracks=not targets.isdisjoint((b"CT", b"NOTRACK")),
    )


def _bare(own: Chains) -> Chains:
    return {name: [legacy.bare(entry) for entry in entries] for name, entries in own.items()}


class IpTables:
    """Our chains in this namespace's legacy nat table; an InitError says why there are none."""

    name = "legacy"

    def __init__(self) -> None:
        _check_raw_socket()
        self._iptc = import_iptc()
        self._errors = (self._iptc.IPTCError, self._iptc.XTablesError)
        # Without this list every decoded target opens filter, mangle, raw and security as well,
        # and the kernel creates each of them in the pod.
        self._iptc.Table.existing_table_names.update(
            {table: table == "nat" for table in self._iptc.Table.ALL}
        )
        try:
            self._nat = self._iptc.Table("nat", autocommit=False)
        except self._iptc.IPTCError as error:
            raise refused(error) from error

    def holds(self, plan: Plan) -> bool:
        """Whether our chains hold exactly ``plan`` and the one jump to them is first in OUTPUT.

        With a comment on every rule, or on none.
        """
        own = legacy.chains(plan)
        try:
            self._nat.refresh()
            jumps = self._jumps()
            if [position for position, _ in jumps] != [0] or not all(map(self._nat.is_chain, own)):
                return False
            found = self._decoded(jumps[0][1]), {name: self._entries(name) for name in own}
            return found in ((legacy.JUMP, own), (legacy.bare(legacy.JUMP), _bare(own)))
        except self._errors:  # a rule in our chains, or a jump to them, that this image cannot read
            return False

    def replace(self, plan: Plan) -> None:
        """Make our chains hold ``plan``, and OUTPUT begin with the jump: one commit, or nothing.

        Rules have no comments where the kernel lacks that match, as gVisor does: it answers EINVAL,
        but libxtables would warn on standard error before, so the kernel is asked first.
        """
        own = legacy.chains(plan)
        try:
            if knows_comments():
                self._commit(lambda: self._stage(own, legacy.JUMP))
                return
        except NotApplied as error:
            if os.strerror(errno.EINVAL) not in error.what:
                raise
        self._commit(lambda: self._stage(_bare(own), legacy.bare(legacy.JUMP)))

    def remove(self) -> bool:
        """Remove our chains and the jumps to them; whether there were any."""
        self._nat.refresh()
        found = bool(self._own_chains())
        if found:
            self._commit(self._unstage)
        return found

    def _commit(self, stage: Callable[[], None]) -> None:
        # No xtables lock: it is a file of the container, which nobody else in the pod sees.
        for attempt in range(_ATTEMPTS):
            try:
                self._nat.refresh()
                stage()
                self._nat.commit()
                return
            except (*self._errors, ValueError, AttributeError) as error:
                if os.strerror(errno.EAGAIN) not in str(error) or attempt == _ATTEMPTS - 1:
                    raise refused(error) from error

    def _stage(self, own: Chains, jump: legacy.Entry) -> None:
        self._clear()
        for name in own:
            if not self._nat.is_chain(name):
                self._nat.create_chain(name)
        for name, entries in own.items():
            for entry in entries:
                self._chain(name).append_rule(self._encoded(entry))
        self._chain("OUTPUT").insert_rule(self._encoded(jump))

    def _unstage(self) -> None:
        self._clear()
        for name in self._own_chains():
            self._nat.delete_chain(name)

    def _clear(self) -> None:
        """Empty our chains and take out every jump to them."""
        output = self._chain("OUTPUT")
        for _, rule in self._jumps():
            output.delete_rule(rule)
        for name in self._own_chains():
            self._nat.flush_entries(name)

    def _own_chains(self) -> list[str]:
        return [name for name in (legacy.OUTPUT, legacy.REDIRECT) if self._nat.is_chain(name)]

    def _jumps(self) -> list[tuple[int, Any]]:
        """Where OUTPUT jumps to us: positions from 0 on, and those rules."""
        found = []
        entry, position = self._nat.first_rule("OUTPUT"), 0
        while entry:
            if self._nat.get_target(entry) == legacy.OUTPUT.encode():
                found.append((position, self._iptc.Rule(entry, self._chain("OUTPUT"))))
            entry, position = self._nat.next_rule(entry), position + 1
        return found

    def _entries(self, chain: str) -> list[dict[str, Any]]:
        return [self._decoded(rule) for rule in self._chain(chain).rules]

    def _chain(self, name: str) -> Any:
        return self._iptc.Chain(self._nat, name)

    def _decoded(self, rule: Any) -> dict[str, Any]:
        decoded: dict[str, Any] = self._iptc.easy.decode_iptc_rule(rule)
        del decoded["counters"]
        return decoded

    def _encoded(self, entry: legacy.Entry) -> Any:
        rule = self._iptc.Rule()
        rule.protocol = entry["protocol"]
        if "dst" in entry:
            rule.dst = entry["dst"]
        for name, options in legacy.matches(entry):
            match = rule.create_match(name)
            for option, value in options.items():
                match.set_parameter(option, value)
        name, options = legacy.target(entry)
        target = rule.create_target(name)
        for option, value in options.items():
            target.set_parameter(option, value)
        return rule


def _check_raw_socket() -> None:
    try:
        socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW).close()
    except PermissionError as error:
        raise not_permitted(
            "iptables-legacy opens a raw socket, which this container may not",
            f"add the capability NET_RAW, beside NET_ADMIN, to the init container, {_WHERE}",
            user=os.geteuid(),
        ) from error


def knows_comments() -> bool:
    """Whether the kernel has the match ``comment``; True where it does not say that it lacks it."""
    asked = ctypes.create_string_buffer(b"comment".ljust(29, b"\0") + b"\0", 30)  # name, revision
    libc = ctypes.CDLL(None, use_errno=True)
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) as kernel:
        failed = libc.getsockopt(
            kernel.fileno(),
            socket.SOL_IP,
            IPT_SO_GET_REVISION_MATCH,
            asked,
            ctypes.byref(ctypes.c_uint32(len(asked))),
        )
    return not failed or ctypes.get_errno() != errno.ENOENT


def import_iptc() -> ModuleType:
    """``iptc``, imported without the processes it starts and the tools it wants for that.

    As it is, the import runs ldconfig, gcc and ld to find libraries (0.2 s, and it fails in an
    image without ldconfig) and pulls in distutils, which setuptools replaces at a cost of 0.1 s.
    """
    os.environ.setdefault("XTABLES_LIBDIR", extensions())
    find_library, distutils = ctypes.util.find_library, sys.modules.get("distutils")
    ctypes.util.find_library = LIBRARIES.get  # type: ignore[assignment]  # str | None as before
    sys.modules["distutils"] = None  # type: ignore[assignment]  # "not there", as from Python 3.12 on
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # invalid escapes in its source, an unclosed file
            import iptc
            import iptc.easy
    except (ImportError, AttributeError, OSError) as error:  # AttributeError: a library is None
        raise NotSupported(
            f"iptables-legacy cannot be used ({error})", "install python-iptables and libip4tc"
        ) from error
    finally:
        ctypes.util.find_library = find_library
        del sys.modules["distutils"]
        if distutils:
            sys.modules["distutils"] = distutils
    module: ModuleType = iptc
    return module


def extensions() -> str:
    """The directory of libxt_*.so: beside libxtables, wherever the distribution puts that."""
    return next(
        (str(path) for path in sorted(Path("/usr/lib").glob("*/xtables"))), "/usr/lib/xtables"
    )


def _not_permitted() -> NotPermitted:
    return not_permitted(
        "ip_tables refuses this container",
        f"add the capabilities NET_ADMIN and NET_RAW to the init container, {_WHERE}",
        user=os.geteuid(),
    )


def refused(error: Exception) -> InitError:
    """python-iptables' words as an error of ours."""
    text = str(error).replace("b'", "'")
    if os.strerror(errno.EPERM) in text or "you must be root" in text:
        return _not_permitted()
    if "insmod" in text or "No chain/target/match" in text or "can't find" in text:
        return NotSupported(f"iptables-legacy does not work here ({text})", _REMEDY)
    return NotApplied(f"ip_tables did not take the rules ({text})", "see the node's kernel log")

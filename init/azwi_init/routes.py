"""Asks the kernel for the route to an address, and adds one where a pod has none (rtnetlink).

A pod of an IPv6-only cluster has no route to the metadata address, so a connection ends before
netfilter sees it. A route over loopback lets it begin; the redirect then leads it to the proxy. Our
route carries a protocol number of our own, by which ``remove`` tells it from anybody else's.
"""

import errno
import os
import socket
import struct

from azwi_init import findings
from azwi_init.errors import NotRedirected, not_permitted

PROTOCOL = 169
"""Who made the route, in rtm_protocol: a number that iproute2's rt_protos gives to nobody."""
# Names of linux/netlink.h, linux/rtnetlink.h and linux/if.h that Python does not have
_NLMSG_ERROR, _NLMSG_DONE = 2, 3
_RTM_GETLINK, _RTM_NEWROUTE, _RTM_DELROUTE, _RTM_GETROUTE = 18, 24, 25, 26
_RTM_GETRULE = 34
_REQUEST, _ACK, _EXCL_CREATE, _DUMP = 0x01, 0x04, 0x600, 0x300
_DST, _OIF, _GATEWAY, _PREFSRC, _UID = 1, 4, 5, 7, 25
_PRIORITY, _UID_RANGE = 6, 20  # FRA_*
_TABLE_MAIN, _SCOPE_HOST, _UNICAST = 254, 254, 1
_UP = 1
_LOOPBACK_INDEX = 1  # in every network namespace
_MOST_RULES = 1000
_FIB_MATCH = 0x2000  # RTM_F_FIB_MATCH: the route as it stands in its table
_PROTOCOL_AT = 21  # bytes from an answer's start
_HEADERS = 28  # bytes: nlmsghdr and rtmsg


def ask(ip: str, uid: int | None = None) -> findings.Route | None:
    """The route to ``ip`` for connections of ``uid``, or of our own user; None where unknown."""
    user = b"" if uid is None else _attribute(_UID, struct.pack("=I", uid))
    answer = _talk(_RTM_GETROUTE, _route_to(ip, attributes=user))
    if isinstance(answer, int):
        return findings.Route(answer) if answer in findings.REFUSALS else None
    found = _attributes(answer[_HEADERS:])
    index = struct.unpack("=I", found.get(_OIF, b"\0\0\0\0"))[0]
    return findings.Route(
        device=_device(index),
        gateway=_ip(found, _GATEWAY),
        source=_ip(found, _PREFSRC) or _source(ip),
    )


def ensure(ip: str) -> bool:
    """Add a route to ``ip`` over loopback if there is none; whether that was done."""
    route = ask(ip)
    if route is None or route.refusal != errno.ENETUNREACH or not loopback_is_up():
        return False
    loopback = _attribute(_OIF, struct.pack("=I", _LOOPBACK_INDEX))
    source = _attribute(_PREFSRC, socket.inet_aton("127.0.0.1"))
    refusal = _talk(_RTM_NEWROUTE, _ours(ip, loopback + source), _ACK | _EXCL_CREATE)
    if refusal == errno.EOPNOTSUPP:  # gVisor's routes know no source, and need none
        refusal = _talk(_RTM_NEWROUTE, _ours(ip, loopback), _ACK | _EXCL_CREATE)
    if refusal == errno.EPERM:
        raise not_permitted(
            f"this pod has no route to {ip}, and the kernel refuses this container to add one",
            "add the capability NET_ADMIN to the init container",
            user=os.geteuid(),
        )
    if refusal and refusal != errno.EEXIST:  # there already, and an ip rule leads past it
        raise NotRedirected(
            f"this pod has no route to {ip}, and the kernel does not take one over lo"
            f" ({os.strerror(int(refusal))})",
            f"give the pod an IPv4 route to {ip}",
        )
    return not refusal


def remove(ip: str) -> bool:
    """Remove the route that ``ensure`` added; whether there was one."""
    if not _keeps_protocols(ip):  # gVisor: it took none of ours, and would remove anybody's
        return False
    refusal = _talk(_RTM_DELROUTE, _ours(ip, b""), _ACK)
    if refusal == errno.EPERM:
        raise not_permitted(
            "the kernel refuses this container to remove a route",
            "add the capability NET_ADMIN to the init container",
            user=os.geteuid(),
        )
    return refusal == 0


def _keeps_protocols(ip: str) -> bool:
    """Whether this kernel says of a route who made it; Linux does of every one that it finds."""
    answer = _talk(_RTM_GETROUTE, _route_to(ip, flags=_FIB_MATCH))
    if isinstance(answer, int):
        return answer in findings.REFUSALS
    return answer[_PROTOCOL_AT] != 0


def loopback_is_up() -> bool:
    """Whether the interface lo is up; True where the kernel does not tell."""
    message = struct.pack("=BxHiII", socket.AF_UNSPEC, 0, _LOOPBACK_INDEX, 0, 0)
    answer = _talk(_RTM_GETLINK, message)
    if isinstance(answer, int):
        return True
    flags: int = struct.unpack_from("=I", answer, 16 + 8)[0]
    return bool(flags & _UP)


def rules_by_user() -> list[str]:
    """The ip rules that hold for some users only, each by a name: "ip rule 100 (UIDs 1-9)"."""
    found = []
    for answer in _dumped(_RTM_GETRULE, struct.pack("=BBBBBxxBI", socket.AF_INET, *[0] * 6)):
        attributes = _attributes(answer[12:])
        if _UID_RANGE in attributes:
            (priority,) = struct.unpack("=I", attributes.get(_PRIORITY, b"\0\0\0\0"))
            first, last = struct.unpack("=II", attributes[_UID_RANGE])
            found.append(f"ip rule {priority} (UIDs {first}-{last})")
    return found


def _route_to(
    ip: str, *, protocol: int = 0, kind: int = 0, flags: int = 0, attributes: bytes = b""
) -> bytes:
    """An rtmsg for one address."""
    table, scope = (_TABLE_MAIN, _SCOPE_HOST) if protocol else (0, 0)
    head = struct.pack("=BBBBBBBBI", socket.AF_INET, 32, 0, 0, table, protocol, scope, kind, flags)
    return head + _attribute(_DST, socket.inet_aton(ip)) + attributes


def _ours(ip: str, attributes: bytes) -> bytes:
    return _route_to(ip, protocol=PROTOCOL, kind=_UNICAST, attributes=attributes)


def _attribute(kind: int, value: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(value), kind) + value  # all of ours are 4 bytes: no padding


def _attributes(text: bytes) -> dict[int, bytes]:
    found = {}
    while len(text) >= 4:
        length, kind = struct.unpack_from("=HH", text)
        found[kind] = text[4:length]
        text = text[max(4, (length + 3) & ~3) :]
    return found


def _talk(kind: int, message: bytes, flags: int = 0) -> bytes | int:
    """The kernel's answer to one request, or the errno of its refusal (0: done as asked)."""
    request = struct.pack("=IHHII", 16 + len(message), kind, _REQUEST | flags, 1, 0) + message
    try:
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as kernel:
            kernel.settimeout(2)
            kernel.sendto(request, (0, 0))
            answer = kernel.recv(65536)
    except OSError:  # a sandbox without rtnetlink, a seccomp profile: that says nothing of routes
        return errno.EOPNOTSUPP
    _, kind, _, _, _, refusal = struct.unpack_from("=IHHIIi", answer)
    return -refusal if kind == _NLMSG_ERROR else answer


def _dumped(kind: int, message: bytes) -> list[bytes]:
    """The bodies of the kernel's answers to a request for a list; none where it does not tell."""
    found: list[bytes] = []
    request = struct.pack("=IHHII", 16 + len(message), kind, _REQUEST | _DUMP, 1, 0) + message
    try:
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as kernel:
            kernel.settimeout(2)
            kernel.sendto(request, (0, 0))
            while len(found) < _MOST_RULES:
                text = kernel.recv(65536)
                while len(text) >= 16:
                    length, answered = struct.unpack_from("=IH", text)
                    if answered in (_NLMSG_ERROR, _NLMSG_DONE):
                        return found
                    found.append(text[16:length])
                    text = text[max(16, (length + 3) & ~3) :]
    except OSError:
        pass
    return found


def _device(index: int) -> str:
    try:
        return socket.if_indextoname(index)
    except OSError:
        return ""


def _source(ip: str) -> str:
    """The address from which we would send to ``ip``, where the route names none (gVisor's)."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams:
        try:
            datagrams.connect((ip, 9))  # sends nothing
        except OSError:
            return ""
        found: str = datagrams.getsockname()[0]
    return "" if found == "0.0.0.0" else found


def _ip(attributes: dict[int, bytes], kind: int) -> str:
    return socket.inet_ntoa(attributes[kind]) if kind in attributes else ""

"""The init container's settings: the reference's four variables, and two of our own."""

from dataclasses import dataclass
from typing import Annotated, Literal, Self

from azwi_common import contract
from azwi_common.settings import Env, Port


class Uid(int):
    """A user that can be exempt: 1 to 4294967294."""

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Parse decimal digits; ValueError says what is allowed."""
        if not (
            text.isascii() and text.isdigit() and len(text) < 11 and 1 <= int(text) < 2**32 - 1
        ):
            raise ValueError(
                "must be a user id from 1 to 4294967294; 0 is the init container's own,"
                " and an exempt user cannot prove the redirect"
            )
        return cls(text)


class Ipv4(str):
    """An IPv4 address of one host, as four decimal numbers."""

    __slots__ = ()

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Parse the dotted form; ValueError says what is allowed."""
        parts = text.split(".")
        if not (len(parts) == 4 and all(map(_is_octet, parts)) and 1 <= int(parts[0]) <= 223):
            raise ValueError(
                f"must be the IPv4 address of a host, as 169.254.169.254; it is {text[:40]!r}"
            )
        return cls(text)


def _is_octet(text: str) -> bool:
    return text.isascii() and text.isdigit() and str(int(text[:4])) == text and int(text) <= 255


_UID = Uid(contract.DEFAULT_PROXY_UID)
_IP = Ipv4(contract.DEFAULT_METADATA_IP)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What to redirect, where to, and by which means."""

    proxy_port: Annotated[Port, Env(contract.PROXY_PORT, "port of the proxy on loopback")] = Port(
        contract.DEFAULT_PROXY_PORT
    )
    proxy_uid: Annotated[
        Uid, Env(contract.PROXY_UID, "user that azwi-proxy runs as; its own connections pass")
    ] = _UID
    metadata_ip: Annotated[
        Ipv4, Env(contract.METADATA_IP, "address of the metadata service, IPv4")
    ] = _IP
    metadata_port: Annotated[
        Port, Env(contract.METADATA_PORT, "TCP port of the metadata service")
    ] = Port(contract.DEFAULT_METADATA_PORT)
    forward: Annotated[
        Literal["instance", "all", "none"],
        Env(contract.FORWARD, "what the proxy forwards; with none no user is exempt"),
    ] = "instance"
    mode: Annotated[
        Literal["auto", "legacy", "nft"],
        Env(contract.IPTABLES_MODE, "kernel interface to use; auto tries nft, then legacy"),
    ] = "auto"
    log_level: Annotated[
        Literal["debug", "info", "warning", "warn", "error"],
        Env(contract.LOG_LEVEL, "least level to log", flag="--log-level"),
    ] = "info"

    @property
    def exempt_uid(self) -> int | None:
        """The user whose connections pass; none when the proxy forwards nothing."""
        return None if self.forward == "none" else self.proxy_uid

"""What the emulator can be told: environment variables and flags, one field each."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal, Self

from azwi_common import contract
from azwi_common.settings import Env
from azwi_emulator.messages import LARGEST_TOKEN, LONGEST_WAIT


class ListenPort(int):
    """A TCP port to listen on; 0 means any free one."""

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Parse decimal digits; ValueError says what is allowed."""
        if not (text.isascii() and text.isdigit() and len(text) < 6 and int(text) <= 65535):
            raise ValueError("must be a port number from 1 to 65535, or 0 for any free port")
        return cls(text)


class OptionalPort(ListenPort):
    """A TCP port to listen on; 0 means any free one, ``off`` (-1) none."""

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Parse decimal digits or ``off``; ValueError says what is allowed."""
        if text == "off":
            return cls(-1)
        try:
            return super().from_text(text)
        except ValueError as error:
            raise ValueError(f"{error}, or off") from error


class Seconds(float):
    """A duration in seconds."""

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Parse a number; ValueError says what is allowed."""
        try:
            value = cls(text)
        except ValueError:
            value = cls(-1)
        if not 0 <= value <= LONGEST_WAIT:
            raise ValueError(f"must be a number of seconds from 0 to {LONGEST_WAIT:.0f}")
        return value


AT_ONCE: Final = Seconds(0)
ANY_PORT: Final = OptionalPort(0)
OFF: Final = OptionalPort(-1)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Loaded once by ``__main__``; built directly by tests and by users of ``server.Emulator``."""

    host: Annotated[str, Env("AZWI_EMULATOR_HOST", "address to listen on", "--host")] = "127.0.0.1"
    port: Annotated[
        ListenPort, Env("AZWI_EMULATOR_PORT", "port of Entra ID and the issuer, over TLS", "--port")
    ] = ANY_PORT
    public_host: Annotated[
        str | None,
        Env(
            "AZWI_EMULATOR_PUBLIC_HOST",
            "host name or address in the URLs that are announced; unset: the host",
            "--public-host",
        ),
    ] = None
    control_port: Annotated[
        OptionalPort,
        Env("AZWI_EMULATOR_CONTROL_PORT", "port of the control endpoint, or off", "--control-port"),
    ] = ANY_PORT
    control_host: Annotated[
        str,
        Env("AZWI_EMULATOR_CONTROL_HOST", "address of the control endpoint", "--control-host"),
    ] = "127.0.0.1"
    token_proxy_port: Annotated[
        OptionalPort,
        Env(
            "AZWI_EMULATOR_TOKEN_PROXY_PORT",
            "port of the AKS token proxy, over TLS with a CA of its own, or off",
            "--token-proxy-port",
        ),
    ] = OFF
    data_dir: Annotated[
        str | None,
        Env(
            "AZWI_EMULATOR_DATA_DIR",
            "directory for ca.pem and token files; unset: a new one, removed at the end",
            "--data-dir",
        ),
    ] = None
    names: Annotated[
        tuple[str, ...],
        Env(
            "AZWI_EMULATOR_NAMES",
            "further DNS names and addresses in the certificate, separated by spaces",
            "--names",
        ),
    ] = ()
    registrations: Annotated[
        str | None,
        Env(
            "AZWI_EMULATOR_REGISTRATIONS",
            "JSON file of clients, credentials and issuers to start with",
            "--registrations",
        ),
    ] = None
    trust_file: Annotated[
        str | None,
        Env(
            "AZWI_EMULATOR_TRUST_FILE",
            "PEM file of CAs to trust, beside the system's, when an issuer is asked for its keys",
            "--trust-file",
        ),
    ] = None
    ca_file: Annotated[
        str | None,
        Env(
            "AZWI_EMULATOR_CA_FILE", "PEM certificate of a CA to use; unset: a new one", "--ca-file"
        ),
    ] = None
    ca_key_file: Annotated[
        str | None,
        Env("AZWI_EMULATOR_CA_KEY_FILE", "PEM private key of that CA", "--ca-key-file"),
    ] = None
    write_ca_key: Annotated[
        bool,
        Env(
            "AZWI_EMULATOR_WRITE_CA_KEY",
            "whether the new CA's private key is written to the data directory too",
            "--write-ca-key",
        ),
    ] = False
    token_lifetime: Annotated[
        int | None,
        Env(
            "AZWI_EMULATOR_TOKEN_LIFETIME",
            "lifetime of access tokens in seconds; unset: 60 to 90 minutes at random",
            "--token-lifetime",
        ),
    ] = None
    token_size: Annotated[
        int,
        Env("AZWI_EMULATOR_TOKEN_SIZE", "size of access tokens in bytes, about", "--token-size"),
    ] = 1600
    state: Annotated[
        str | None,
        Env(
            "AZWI_EMULATOR_STATE",
            "JSON file that keeps what Graph and ARM made; unset: it is gone at the end",
            "--state",
        ),
    ] = None
    consistency_delay: Annotated[
        Seconds,
        Env(
            "AZWI_EMULATOR_CONSISTENCY_DELAY",
            "seconds after which readers and the token endpoint see what Graph and ARM write",
            "--consistency-delay",
        ),
    ] = AT_ONCE
    page_size: Annotated[
        int,
        Env("AZWI_EMULATOR_PAGE_SIZE", "most objects on a page of Graph and ARM", "--page-size"),
    ] = 100
    log_level: Annotated[
        Literal["debug", "info", "warning", "warn", "error"],
        Env(contract.LOG_LEVEL, "least level that is logged", "--log-level"),
    ] = "info"

    @classmethod
    def problems(cls, found: Mapping[str, Any]) -> Iterable[str]:
        """What single fields cannot know."""
        if (found.get("ca_file") is None) != (found.get("ca_key_file") is None):
            yield "AZWI_EMULATOR_CA_FILE and AZWI_EMULATOR_CA_KEY_FILE must be set together."
        if found.get("ca_file") is not None and found.get("write_ca_key"):
            yield "AZWI_EMULATOR_WRITE_CA_KEY is for a new CA: leave it out with a CA file."
        if found.get("token_size", 0) > LARGEST_TOKEN:
            yield f"AZWI_EMULATOR_TOKEN_SIZE must be {LARGEST_TOKEN} bytes at most."
        if found.get("page_size") == 0:
            yield "AZWI_EMULATOR_PAGE_SIZE must be at least 1."
        if found.get("token_lifetime") == 0:
            yield "AZWI_EMULATOR_TOKEN_LIFETIME must be at least 1 second."

"""Every setting of the proxy, written once; docs/settings.md is made from this."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Annotated, Any, Literal, Self
from urllib.parse import SplitResult, urlsplit

from azwi_common import contract
from azwi_common.identities import Guid, IdentityMap, Tenant
from azwi_common.settings import Env, HostNames, Port

_GUARD = re.compile(r"[!-~]{16,256}")  # what a header can hold, and nobody guesses


class Ipv4(str):
    """An IPv4 address."""

    __slots__ = ()

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Parse; ValueError says what is allowed."""
        try:
            return cls(IPv4Address(text))
        except ValueError as error:
            raise ValueError(f"must be an IPv4 address; it is {text[:40]!r}") from error


class Authority(str):
    """``https://host[:port]``, without a final slash."""

    __slots__ = ()

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Parse; ValueError says what is allowed."""
        url = _https(text)
        if url.path.strip("/"):
            raise ValueError("must be a host alone, such as https://login.microsoftonline.com/")
        return cls(f"https://{url.netloc}")


class TokenProxy(str):
    """``https://host[:port][/path]``, without a final slash."""

    __slots__ = ()

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Parse; ValueError says what is allowed."""
        return cls(_https(text).geturl().rstrip("/"))


class HttpProxy(str):
    """``http://[user:password@]host:port``; the text may hold a password, so it is never shown."""

    __slots__ = ()

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Parse; ValueError says what is allowed."""
        url = _split(text if "://" in text else f"http://{text}")
        if url.scheme != "http" or not url.hostname:
            raise ValueError("must be the http:// URL of a forward proxy")
        return cls(url.geturl())


class IdentityHeader(str):
    """What a request to /msi/token must bring along; the text is never shown."""

    __slots__ = ()

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Parse; ValueError says what is allowed."""
        if not _GUARD.fullmatch(text):
            raise ValueError("must be 16 to 256 letters, digits or signs of ASCII, at random")
        return cls(text)

    def __repr__(self) -> str:
        return "IdentityHeader(…)"


def _https(text: str) -> SplitResult:
    url = _split(text)
    if url.scheme != "https" or not url.hostname:
        raise ValueError("must be an https:// URL")
    if url.username is not None or url.query or url.fragment or text.endswith(("?", "#")):
        raise ValueError("must not have a user, a query or a fragment")
    return url


def _split(text: str) -> SplitResult:
    try:
        url = urlsplit(text)
        _ = url.port  # raises where it is no number
    except ValueError as error:
        raise ValueError("must be a URL with a valid host and port") from error
    return url


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The proxy's settings. Variables that the workload identity webhook sets keep its names."""

    token_file: Annotated[
        str,
        Env(contract.FEDERATED_TOKEN_FILE, "path of the projected service account token"),
    ]
    client_id: Annotated[
        Guid | None, Env(contract.CLIENT_ID, "identity of requests that name none")
    ] = None
    tenant_id: Annotated[
        Tenant | None,
        Env(contract.TENANT_ID, "tenant of every identity that AZWI_IDENTITIES gives none"),
    ] = None
    authority: Annotated[
        Authority, Env(contract.AUTHORITY_HOST, "Entra ID's host, for sovereign and private clouds")
    ] = Authority(contract.DEFAULT_AUTHORITY_HOST.rstrip("/"))
    identities: Annotated[
        IdentityMap,
        Env(
            contract.IDENTITIES,
            "the pod's identities, a JSON array of objects with clientId and, optionally,"
            " tenantId, objectId, resourceId",
        ),
    ] = IdentityMap()
    strict: Annotated[
        bool,
        Env(
            contract.STRICT_IDENTITIES, "refuse a client_id that is neither default nor in the map"
        ),
    ] = False
    identity_header: Annotated[
        IdentityHeader | None,
        Env(
            contract.IDENTITY_HEADER,
            f"what requests to {contract.MSI_PATH}, App Service's token endpoint, must bring in"
            " X-IDENTITY-HEADER (or Secret); where it is not set the endpoint does not exist",
        ),
    ] = None
    port: Annotated[
        Port, Env(contract.PROXY_PORT, "port to listen on, on loopback", flag="--proxy-port")
    ] = Port(contract.DEFAULT_PROXY_PORT)
    forward: Annotated[
        Literal["instance", "all", "none"],
        Env(
            contract.FORWARD,
            "which other metadata requests reach the real IMDS: instance (GET of"
            " /metadata/instance and /metadata/versions, and what is not Azure's), all, none;"
            " an identity request never does",
        ),
    ] = "instance"
    prefetch: Annotated[
        tuple[str, ...],
        Env(contract.PREFETCH, "resources, separated by spaces, to get tokens for at the start"),
    ] = ()
    hosts: Annotated[
        HostNames,
        Env(
            contract.HOSTS,
            "names of hosts, separated by spaces, by which apps ask the proxy; addresses, localhost"
            " and the names of metadata services are always allowed",
        ),
    ] = HostNames()
    drain_seconds: Annotated[
        int,
        Env(contract.DRAIN_SECONDS, "seconds to go on answering after SIGTERM"),
    ] = 0
    metrics_port: Annotated[
        Port | None,
        Env(contract.METRICS_PORT, "port of a second site for GET /metrics, on POD_IP"),
    ] = None
    pod_ip: Annotated[
        str, Env(contract.POD_IP, "the pod's address, for AZWI_METRICS_PORT (downward API)")
    ] = ""
    log_level: Annotated[
        Literal["debug", "info", "warning", "warn", "error"],
        Env(contract.LOG_LEVEL, "least level that is logged", flag="--log-level"),
    ] = "info"
    metadata_ip: Annotated[
        Ipv4, Env(contract.METADATA_IP, "address of the real IMDS, to forward to")
    ] = Ipv4(contract.DEFAULT_METADATA_IP)
    metadata_port: Annotated[
        Port, Env(contract.METADATA_PORT, "port of the real IMDS, to forward to")
    ] = Port(contract.DEFAULT_METADATA_PORT)
    https_proxy: Annotated[
        HttpProxy | None, Env(contract.HTTPS_PROXY, "forward proxy on the way to Entra ID")
    ] = None
    no_proxy: Annotated[
        str, Env(contract.NO_PROXY, "hosts and domains that HTTPS_PROXY is not used for")
    ] = ""
    requests_ca_bundle: Annotated[
        str, Env(contract.REQUESTS_CA_BUNDLE, "CA file for Entra ID instead of the system's store")
    ] = ""
    ssl_cert_file: Annotated[
        str, Env(contract.SSL_CERT_FILE, "the same; REQUESTS_CA_BUNDLE comes first")
    ] = ""
    token_proxy: Annotated[
        TokenProxy | None,
        Env(contract.KUBERNETES_TOKEN_PROXY, "AKS identity binding: where exchanges are sent"),
    ] = None
    token_proxy_sni: Annotated[
        str, Env(contract.KUBERNETES_SNI_NAME, "AKS identity binding: the server's TLS name")
    ] = ""
    token_proxy_ca_file: Annotated[
        str, Env(contract.KUBERNETES_CA_FILE, "AKS identity binding: the server's CA, as a file")
    ] = ""
    token_proxy_ca_data: Annotated[
        str, Env(contract.KUBERNETES_CA_DATA, "AKS identity binding: the server's CA, as PEM text")
    ] = ""

    def forward_proxy(self, host: str) -> str | None:
        """The forward proxy on the way to ``host``; None where there is none, or it is spared."""
        names = [name.strip().lstrip(".").lower() for name in self.no_proxy.split(",")]
        low = host.lower()
        spared = any(name in ("*", low) or low.endswith(f".{name}") for name in names if name)
        return None if spared else self.https_proxy

    @classmethod
    def problems(cls, found: Mapping[str, Any]) -> Iterator[str]:
        """What no single variable shows; ``found`` lacks the fields that are themselves wrong."""
        yield from _tenant_problems(found)
        if found.get("metrics_port") and not found.get("pod_ip"):
            yield f"{contract.METRICS_PORT} needs {contract.POD_IP}: take it from status.podIP."
        if found.get("metrics_port") and found.get("metrics_port") == found.get("port"):
            yield f"{contract.METRICS_PORT} and {contract.PROXY_PORT} must differ."
        extras = [
            name
            for name, field in (
                (contract.KUBERNETES_SNI_NAME, "token_proxy_sni"),
                (contract.KUBERNETES_CA_FILE, "token_proxy_ca_file"),
                (contract.KUBERNETES_CA_DATA, "token_proxy_ca_data"),
            )
            if found.get(field)
        ]
        if extras and "token_proxy" in found and not found["token_proxy"]:
            yield f"{' and '.join(extras)} need {contract.KUBERNETES_TOKEN_PROXY}."
        if found.get("token_proxy_ca_file") and found.get("token_proxy_ca_data"):
            yield f"Set {contract.KUBERNETES_CA_FILE} or {contract.KUBERNETES_CA_DATA}, not both."


def _tenant_problems(found: Mapping[str, Any]) -> Iterator[str]:
    if found.get("tenant_id") or "tenant_id" not in found or "identities" not in found:
        return
    mapped = {entry.client_id: entry.tenant_id for entry in found["identities"]}
    lacking = [client for client, tenant in mapped.items() if not tenant]
    if lacking:
        yield (
            f"{contract.TENANT_ID} is not set, and {lacking[0]} of {contract.IDENTITIES} has"
            " no tenantId."
        )
    elif not mapped:
        yield f"{contract.TENANT_ID} is not set: it is the tenant that issues the tokens."
    elif found.get("client_id") and found["client_id"] not in mapped:
        yield f"{contract.TENANT_ID} is not set: {contract.CLIENT_ID} needs it."


def environment(environ: Mapping[str, str]) -> dict[str, str]:
    """``environ``, with the lower-case spelling of proxy variables, which wins as in curl."""
    merged = dict(environ)
    for name in (contract.HTTPS_PROXY, contract.NO_PROXY):
        if environ.get(name.lower()):
            merged[name] = environ[name.lower()]
    return merged

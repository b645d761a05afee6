"""Every setting of azwi-proxy, written once; docs/settings.md is made from this.

Here and not in the proxy: the webhook checks by it what it is to put into every pod.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from azwi_common import contract
from azwi_common.identities import Guid, IdentityMap, Tenant
from azwi_common.proxy_values import (
    Authority,
    FilePath,
    HttpProxy,
    IdentityHeader,
    Ipv4,
    NoProxy,
    TlsName,
    TokenProxy,
)
from azwi_common.settings import Env, HostNames, Port, SettingsError, describe, load, parse

_LOWER_CASE_TOO = (contract.HTTPS_PROXY, contract.NO_PROXY)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The proxy's settings. Variables that the workload identity webhook sets keep its names."""

    token_file: Annotated[
        FilePath,
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
    probe_seconds: Annotated[
        int,
        Env(contract.PROBE_SECONDS, "seconds that --probe waits for the proxy to be ready"),
    ] = 60
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
        NoProxy, Env(contract.NO_PROXY, "hosts and domains that HTTPS_PROXY is not used for")
    ] = NoProxy()
    requests_ca_bundle: Annotated[
        FilePath,
        Env(contract.REQUESTS_CA_BUNDLE, "CA file for Entra ID instead of the system's store"),
    ] = FilePath()
    ssl_cert_file: Annotated[
        FilePath, Env(contract.SSL_CERT_FILE, "the same; REQUESTS_CA_BUNDLE comes first")
    ] = FilePath()
    token_proxy: Annotated[
        TokenProxy | None,
        Env(contract.KUBERNETES_TOKEN_PROXY, "AKS identity binding: where exchanges are sent"),
    ] = None
    token_proxy_sni: Annotated[
        TlsName | None,
        Env(contract.KUBERNETES_SNI_NAME, "AKS identity binding: the server's TLS name"),
    ] = None
    token_proxy_ca_file: Annotated[
        FilePath,
        Env(contract.KUBERNETES_CA_FILE, "AKS identity binding: the server's CA, as a file"),
    ] = FilePath()
    token_proxy_ca_data: Annotated[
        str, Env(contract.KUBERNETES_CA_DATA, "AKS identity binding: the server's CA, as PEM text")
    ] = ""

    def forward_proxy(self, url: str) -> HttpProxy | None:
        """The forward proxy on the way to ``url``; None where there is none, or it is spared."""
        to = urlsplit(url)
        spared = self.no_proxy.spares(to.hostname or "", to.port or 443)
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


def wrong(environ: Mapping[str, str]) -> Iterator[str]:
    """What azwi-proxy would refuse of variables that somebody gives it, one sentence for each.

    For programs that put them into pods: others may be added there, so only values are judged. One
    that refers to another variable, ``$(NAME)``, is the kubelet's to complete.
    """
    kinds = {setting.env.name: setting.type for setting in describe(Settings)}
    for name, given in environ.items():
        known = name.upper() if name.upper() in _LOWER_CASE_TOO else name
        text = given.strip()
        if known not in kinds or not text or "$(" in text:
            continue
        try:
            parse(kinds[known], text)
        except ValueError as error:
            yield f"{name} {error}."


def read(environ: Mapping[str, str], flags: Mapping[str, str] | None = None) -> Settings:
    """Read the settings; raises SettingsError that names each variable as it is spelled there."""
    try:
        return load(Settings, _merged(environ), flags)
    except SettingsError as error:
        raise SettingsError(_as_spelled(problem, environ) for problem in error.problems) from None


def _as_spelled(problem: str, environ: Mapping[str, str]) -> str:
    for name in _LOWER_CASE_TOO:
        if problem.startswith(f"{name} ") and environ.get(name.lower()):
            return name.lower() + problem.removeprefix(name)
    return problem


def _merged(environ: Mapping[str, str]) -> dict[str, str]:
    """``environ``, with the lower-case spelling of proxy variables, which wins as in curl."""
    merged = dict(environ)
    for name in _LOWER_CASE_TOO:
        if environ.get(name.lower()):
            merged[name] = environ[name.lower()]
    return merged

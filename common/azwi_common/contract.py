"""Every name that crosses a process boundary: variables, addresses, identifiers, paths.

Names that the Go reference (azure-workload-identity v1.6.0) uses too are kept letter for letter, so
that scripts, charts and pods written for it go on working. Knows no logic.
"""

from collections.abc import Mapping
from typing import Final

# --- Set by the workload identity webhook in every container that uses it -------------------------
CLIENT_ID: Final = "AZURE_CLIENT_ID"
TENANT_ID: Final = "AZURE_TENANT_ID"
FEDERATED_TOKEN_FILE: Final = "AZURE_FEDERATED_TOKEN_FILE"
AUTHORITY_HOST: Final = "AZURE_AUTHORITY_HOST"

# --- AKS identity binding: exchanges go to a token proxy of the cluster ---------------------------
KUBERNETES_TOKEN_PROXY: Final = "AZURE_KUBERNETES_TOKEN_PROXY"
KUBERNETES_SNI_NAME: Final = "AZURE_KUBERNETES_SNI_NAME"
KUBERNETES_CA_FILE: Final = "AZURE_KUBERNETES_CA_FILE"
KUBERNETES_CA_DATA: Final = "AZURE_KUBERNETES_CA_DATA"
KUBERNETES_CA_KEY: Final = "ca.crt"
"""Of the CA's ConfigMap, and its file beside the service account token."""

# --- App Service's managed identity protocol: SDKs send the value of the header -------------------
IDENTITY_HEADER: Final = "IDENTITY_HEADER"
IDENTITY_ENDPOINT: Final = "IDENTITY_ENDPOINT"
MSI_ENDPOINT: Final = "MSI_ENDPOINT"
"""Of the protocol's first version, as is MSI_SECRET."""
MSI_SECRET: Final = "MSI_SECRET"
AZURE_MSI_ENDPOINT: Final = "AZURE_MSI_ENDPOINT"
"""The metadata endpoint's whole URL, for object_store (delta-rs, polars, DataFusion)."""
TOKEN_PATH: Final = "/metadata/identity/oauth2/token"
POD_IDENTITY_AUTHORITY_HOST: Final = "AZURE_POD_IDENTITY_AUTHORITY_HOST"
"""Where SDKs ask in place of http://169.254.169.254."""
MSI_PATH: Final = "/msi/token"

# --- Shared by the init container and the proxy ---------------------------------------------------
PROXY_PORT: Final = "PROXY_PORT"
PROXY_UID: Final = "PROXY_UID"
METADATA_IP: Final = "METADATA_IP"
METADATA_PORT: Final = "METADATA_PORT"
POD_IP: Final = "POD_IP"

# --- What every HTTP client of the field reads ----------------------------------------------------
HTTPS_PROXY: Final = "HTTPS_PROXY"
NO_PROXY: Final = "NO_PROXY"
SSL_CERT_FILE: Final = "SSL_CERT_FILE"
REQUESTS_CA_BUNDLE: Final = "REQUESTS_CA_BUNDLE"

# --- Our own --------------------------------------------------------------------------------------
IDENTITIES: Final = "AZWI_IDENTITIES"
STRICT_IDENTITIES: Final = "AZWI_STRICT_IDENTITIES"
FORWARD: Final = "AZWI_FORWARD"
PREFETCH: Final = "AZWI_PREFETCH"
HOSTS: Final = "AZWI_HOSTS"
DRAIN_SECONDS: Final = "AZWI_DRAIN_SECONDS"
PROBE_SECONDS: Final = "AZWI_PROBE_SECONDS"
METRICS_PORT: Final = "AZWI_METRICS_PORT"
LOG_LEVEL: Final = "AZWI_LOG_LEVEL"
IPTABLES_MODE: Final = "AZWI_IPTABLES_MODE"
KUBERNETES_SERVICE_HOST: Final = "KUBERNETES_SERVICE_HOST"
"""The kubelet's: every container of a pod has it."""
PROXY_MODE: Final = "AZWI_PROXY_MODE"
"""Of the webhook: the mode of pods that say nothing of it."""

# --- The webhook's labels and annotations ---------------------------------------------------------
PREFIX: Final = "azure.workload.identity/"
USE_LABEL: Final = PREFIX + "use"
NAMESPACE_LABEL: Final = PREFIX + "use-in-namespace"
"""On a namespace: every pod in it takes part, where AZWI_OPT_IN has ``namespace``."""
ACCOUNT_LABEL: Final = PREFIX + "use-in-pods"
"""On a service account: every pod of it takes part, where AZWI_OPT_IN has ``serviceaccount``. Not
``use``, which every service account that azwi ever made carries."""
CLIENT_ID_ANNOTATION: Final = PREFIX + "client-id"
TENANT_ID_ANNOTATION: Final = PREFIX + "tenant-id"
EXPIRATION_ANNOTATION: Final = PREFIX + "service-account-token-expiration"
SKIP_CONTAINERS_ANNOTATION: Final = PREFIX + "skip-containers"
INJECT_ANNOTATION: Final = PREFIX + "inject-proxy-sidecar"
PORT_ANNOTATION: Final = PREFIX + "proxy-sidecar-port"
PROXY_ONLY_ANNOTATION: Final = PREFIX + "proxy-only"
MODE_ANNOTATION: Final = PREFIX + "proxy-mode"
MSI_ENDPOINT_ANNOTATION: Final = PREFIX + "proxy-msi-endpoint"
INIT_IPTABLES_ANNOTATION: Final = PREFIX + "proxy-init-iptables-mode"
"""The pod's own choice of azwi-proxy-init's IPTABLES_MODE; legacy brings NET_RAW."""
IDENTITIES_ANNOTATION: Final = PREFIX + "identities"
CUSTOM_ENDPOINT_ANNOTATION: Final = PREFIX + "use-"
"""Followed by a suffix that the webhook's configuration names, such as ``identity-binding``."""

# Settings of azwi-proxy that a pod may choose: the variable without AZWI_, in words.
PROXY_SETTING_ANNOTATIONS: Final[Mapping[str, str]] = {
    PREFIX + "proxy-" + variable.removeprefix("AZWI_").lower().replace("_", "-"): variable
    for variable in (
        FORWARD,
        STRICT_IDENTITIES,
        PREFETCH,
        HOSTS,
        METRICS_PORT,
        DRAIN_SECONDS,
        LOG_LEVEL,
    )
}
"""By annotation, the variable of azwi-proxy: ``proxy-forward``, ``proxy-drain-seconds``, …"""
RESOURCE_ANNOTATIONS: Final[Mapping[str, tuple[str, str, str]]] = {
    f"{PREFIX}{program}-{resource}-{bound}": (program, resource, bound + "s")
    for program in ("proxy", "proxy-init")
    for resource in ("cpu", "memory")
    for bound in ("request", "limit")
}
"""By annotation, its place: ``("proxy-init", "memory", "limits")``."""
INIT_ANNOTATIONS: Final = frozenset(
    (
        INIT_IPTABLES_ANNOTATION,
        *(name for name, place in RESOURCE_ANNOTATIONS.items() if place[0] == "proxy-init"),
    )
)
"""Those of azwi-proxy-init alone: they have no effect in environment mode."""
POD_ANNOTATIONS: Final = frozenset(
    (
        EXPIRATION_ANNOTATION,
        SKIP_CONTAINERS_ANNOTATION,
        INJECT_ANNOTATION,
        PORT_ANNOTATION,
        PROXY_ONLY_ANNOTATION,
        MODE_ANNOTATION,
        MSI_ENDPOINT_ANNOTATION,
        INIT_IPTABLES_ANNOTATION,
        IDENTITIES_ANNOTATION,
        *PROXY_SETTING_ANNOTATIONS,
        *RESOURCE_ANNOTATIONS,
    )
)
PREFETCH_ANNOTATION: Final = PREFIX + "proxy-prefetch"
ACCOUNT_ANNOTATIONS: Final = frozenset(
    (
        CLIENT_ID_ANNOTATION,
        TENANT_ID_ANNOTATION,
        EXPIRATION_ANNOTATION,
        IDENTITIES_ANNOTATION,
        PREFETCH_ANNOTATION,
    )
)
ALL_ANNOTATIONS: Final = POD_ANNOTATIONS | ACCOUNT_ANNOTATIONS
MIRROR_ANNOTATION: Final = "kubernetes.io/config.mirror"
"""On the mirror of a static pod, by the kubelet."""
POD_SECURITY_LABEL: Final = "pod-security.kubernetes.io/enforce"
"""On a namespace: the level of Kubernetes' own pod security admission."""
FORBIDS_NET_ADMIN: Final = ("baseline", "restricted")
"""Those of its levels under which no container may have NET_ADMIN."""

# --- The webhook's objects; names of our own, so that both webhooks can be installed --------------
WEBHOOK_NAMESPACE: Final = "azwi-sidecar-system"
WEBHOOK_SERVICE: Final = "azwi-sidecar-webhook"
WEBHOOK_SECRET: Final = "azwi-sidecar-webhook-cert"
WEBHOOK_CONFIGURATION: Final = "00-azwi-sidecar"
"""Sorts before others: mutating webhook configurations run in the order of their names."""
MUTATE_PATH: Final = "/mutate-v1-pod"

# --- Injected containers and volume ---------------------------------------------------------------
PROXY_CONTAINER: Final = "azwi-proxy"
INIT_CONTAINER: Final = "azwi-proxy-init"
TOKEN_VOLUME: Final = "azure-identity-token"
DEFAULT_CONTAINER_ANNOTATION: Final = "kubectl.kubernetes.io/default-container"

# --- Values ---------------------------------------------------------------------------------------
DEFAULT_PROXY_PORT: Final = 8000
DEFAULT_PROXY_UID: Final = 1501
DEFAULT_METADATA_IP: Final = "169.254.169.254"
DEFAULT_METADATA_PORT: Final = 80
DEFAULT_AUTHORITY_HOST: Final = "https://login.microsoftonline.com/"
TOKEN_EXCHANGE_AUDIENCE: Final = "api://AzureADTokenExchange"
TOKEN_MOUNT: Final = "/var/run/secrets/azure/tokens"
TOKEN_FILE: Final = TOKEN_MOUNT + "/azure-identity-token"
DEFAULT_EXPIRATION: Final = 3600
LEAST_EXPIRATION: Final = 3600
MOST_EXPIRATION: Final = 86400

# The init container proves a redirect that a running proxy already serves by this header of its
# answer to READY_PATH: nobody else on the way answers with it.
READY_PATH: Final = "/readyz"
SERVER_NAME: Final = "azwi-proxy"

# azwi reads in the proxy's log whether it got a token that AZWI_PREFETCH names.
TOKEN_IN_ADVANCE: Final = "token in advance"
NO_TOKEN_IN_ADVANCE: Final = "no token in advance"

"""Every setting of the webhook, written once; docs/settings.md is made from this.

Flags and variables of the Go reference keep their names; each flag has a variable beside it.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, Literal, Self

from azwi_common import contract, proxy_settings
from azwi_common.settings import Env, Port

CLOUDS: Mapping[str, tuple[str, str]] = {
    "AzurePublicCloud": ("https://login.microsoftonline.com/", "api://AzureADTokenExchange"),
    "AzureUSGovernmentCloud": (
        "https://login.microsoftonline.us/",
        "api://AzureADTokenExchangeUSGov",
    ),
    "AzureChinaCloud": ("https://login.chinacloudapi.cn/", "api://AzureADTokenExchangeChina"),
}
"""By name: the login host, and the audience of service account tokens."""


IptablesMode = Literal["auto", "legacy", "nft"]
Mode = Literal["redirect", "environment"]
"""How apps reach azwi-proxy: unasked, through azwi-proxy-init's rules; or told by variables."""


class Address(tuple[str, int]):
    """``[host]:port``; an empty host means every address of the pod."""

    __slots__ = ()

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Parse; ValueError says what is allowed."""
        host, colon, port = text.rpartition(":")
        if not colon:
            raise ValueError(f"must be [host]:port, such as :9440; it is {text[:40]!r}")
        return cls((host.strip("[]"), Port.from_text(port)))


class JsonText(str):
    """JSON text of a setting. What it means is read once: reviews ask again and again."""

    __slots__ = ()

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Parse; ValueError says what is allowed."""
        try:
            value = json.loads(text)
        except ValueError as error:
            raise ValueError(f"must be JSON: {error}") from error
        if problem := cls._problem(value):
            raise ValueError(problem)
        return cls(text)

    @classmethod
    def _problem(cls, value: Any) -> str:
        """What is wrong with ``value``, as a sentence that begins with "must"."""
        raise NotImplementedError


class Json(JsonText):
    """JSON text of a list, as Kubernetes objects are written."""

    __slots__ = ()

    @classmethod
    def _problem(cls, value: Any) -> str:
        if not (isinstance(value, list) and all(isinstance(item, dict) for item in value)):
            return "must be a JSON array of objects"
        if not all(isinstance(item.get("name", ""), str) for item in value):
            return "must name each object by text"
        return ""

    @property
    def items(self) -> list[dict[str, Any]]:
        """The objects; the list is the caller's own, what is in it is not."""
        return list(_parsed(self))


class Resources(JsonText):
    """JSON text of a container's resources: requests and limits."""

    __slots__ = ()

    @classmethod
    def _problem(cls, value: Any) -> str:
        if not isinstance(value, dict) or set(value) - {"requests", "limits"}:
            return 'must be an object such as {"requests":{"memory":"48Mi"}}'
        if not all(_are_quantities(bound) for bound in value.values()):
            return "must have an object of quantities as requests and as limits"
        return ""

    @property
    def value(self) -> Mapping[str, Mapping[str, str]]:
        """The object; numbers have become text."""
        return _quantities(self)


class Selector(JsonText):
    """JSON text of a label selector; empty selects everything."""

    __slots__ = ()

    @classmethod
    def _problem(cls, value: Any) -> str:
        if not isinstance(value, dict) or set(value) - {"matchLabels", "matchExpressions"}:
            return 'must be a label selector such as {"matchLabels":{"a":"b"}}'
        return ""

    @property
    def value(self) -> Mapping[str, Any]:
        """The object."""
        found: Mapping[str, Any] = _parsed(self or "{}")
        return found


def _are_quantities(bound: Any) -> bool:
    kinds = (str, int, float)
    return isinstance(bound, dict) and all(isinstance(value, kinds) for value in bound.values())


@cache
def _parsed(text: str) -> Any:
    return json.loads(text)


@cache
def _quantities(text: str) -> Mapping[str, Mapping[str, str]]:
    return {
        bound: {name: str(amount) for name, amount in of.items()}
        for bound, of in json.loads(text).items()
    }


def _mounts_nothing(found: Mapping[str, Any]) -> Iterator[str]:
    """The API server would refuse every pod that gets the sidecar."""
    volumes, mounts = (
        {item.get("name") for item in found.get(name, Json("[]")).items}
        for name in ("proxy_volumes", "proxy_volume_mounts")
    )
    if lacking := mounts - volumes:
        yield (
            f"AZWI_PROXY_VOLUME_MOUNTS mounts {lacking.pop()}, which AZWI_PROXY_VOLUMES does not"
            " have: add it there."
        )


def _refused_by_the_sidecar(found: Mapping[str, Any]) -> Iterator[str]:
    """What would make azwi-proxy fail in every pod: better that this program does, at its start.

    The old replicas then stay.
    """
    own = {
        contract.TENANT_ID: found.get("tenant_id", ""),
        contract.AUTHORITY_HOST: found.get("authority_host", ""),
        contract.KUBERNETES_TOKEN_PROXY: found.get("token_proxy", ""),
        contract.KUBERNETES_SNI_NAME: found.get("token_proxy_sni", ""),
    }
    yield from proxy_settings.wrong(own)
    added = {
        str(entry.get("name")): entry["value"]
        for entry in found.get("proxy_env", Json("[]")).items
        if isinstance(entry.get("value"), str)
    }
    for problem in proxy_settings.wrong(added):
        yield f"AZWI_PROXY_ENV: {problem}"


_SAME = "the same as the Go reference's flag"


@dataclass(frozen=True, kw_only=True, eq=False)  # compared by identity: they key caches
class Settings:
    """What the webhook injects, and how it listens."""

    # What pods get
    tenant_id: Annotated[str, Env(contract.TENANT_ID, "tenant of service accounts that name none")]
    environment: Annotated[
        Literal["AzurePublicCloud", "AzureUSGovernmentCloud", "AzureChinaCloud"],
        Env("AZURE_ENVIRONMENT", "cloud: login host and audience follow from it"),
    ] = "AzurePublicCloud"
    authority_host: Annotated[
        str, Env(contract.AUTHORITY_HOST, "login host of a private cloud, instead of the cloud's")
    ] = ""
    audience: Annotated[
        str,
        Env(
            "AZWI_AUDIENCE", "audience of the projected token, instead of the cloud's", "--audience"
        ),
    ] = ""
    opt_in: Annotated[
        tuple[str, ...],
        Env("AZWI_OPT_IN", "where the opt-in label counts: pod, namespace, serviceaccount"),
    ] = ("pod",)
    proxy_image: Annotated[str, Env("PROXY_IMAGE", "image of the injected azwi-proxy")] = ""
    proxy_init_image: Annotated[
        str, Env("PROXY_INIT_IMAGE", "image of the injected azwi-proxy-init")
    ] = ""
    proxy_mode: Annotated[
        Mode,
        Env(
            contract.PROXY_MODE, "how apps reach azwi-proxy where the pod's proxy-mode says nothing"
        ),
    ] = "redirect"
    pull_policy: Annotated[
        Literal["Always", "IfNotPresent", "Never"],
        Env("AZWI_IMAGE_PULL_POLICY", "pull policy of both"),
    ] = "IfNotPresent"
    pull_secrets: Annotated[
        tuple[str, ...], Env("AZWI_IMAGE_PULL_SECRETS", "pull secrets that pods get, by name")
    ] = ()
    native_sidecar: Annotated[
        Literal["auto", "true", "false"],
        Env("AZWI_NATIVE_SIDECAR", "whether azwi-proxy is a native sidecar; auto: from 1.32 on"),
    ] = "auto"
    gate: Annotated[
        Literal["post-start", "startup-probe"],
        Env("AZWI_PROXY_GATE", "what holds the app back until a native azwi-proxy is ready"),
    ] = "post-start"
    iptables_mode: Annotated[
        IptablesMode,
        Env(contract.IPTABLES_MODE, "kernel interface of azwi-proxy-init"),
    ] = "auto"
    proxy_resources: Annotated[
        Resources,
        Env("AZWI_PROXY_RESOURCES", "requests and limits of azwi-proxy, as in a manifest (JSON)"),
    ] = Resources('{"requests":{"cpu":"10m","memory":"48Mi"},"limits":{"memory":"96Mi"}}')
    proxy_init_resources: Annotated[
        Resources, Env("AZWI_PROXY_INIT_RESOURCES", "the same for azwi-proxy-init")
    ] = Resources('{"requests":{"cpu":"10m","memory":"16Mi"},"limits":{"memory":"32Mi"}}')
    proxy_env: Annotated[
        Json, Env("AZWI_PROXY_ENV", "variables for azwi-proxy, as in a manifest (JSON array)")
    ] = Json("[]")
    proxy_env_from: Annotated[
        Json, Env("AZWI_PROXY_ENV_FROM", "sources of variables for azwi-proxy (JSON array)")
    ] = Json("[]")
    proxy_volumes: Annotated[
        Json, Env("AZWI_PROXY_VOLUMES", "volumes that pods with azwi-proxy get (JSON array)")
    ] = Json("[]")
    proxy_volume_mounts: Annotated[
        Json, Env("AZWI_PROXY_VOLUME_MOUNTS", "where azwi-proxy mounts them (JSON array)")
    ] = Json("[]")
    # AKS identity binding
    custom_suffix: Annotated[
        str,
        Env(
            "AZWI_CUSTOM_TOKEN_ENDPOINT_SUFFIX",
            "end of the annotation azure.workload.identity/use-… that asks for the token proxy",
            "--custom-token-endpoint-annotation-suffix",
        ),
    ] = ""
    custom_audience: Annotated[
        str,
        Env(
            "AZWI_CUSTOM_TOKEN_ENDPOINT_AUDIENCE",
            "audience of the token that the token proxy takes",
            "--custom-token-endpoint-audience",
        ),
    ] = ""
    token_proxy: Annotated[str, Env(contract.KUBERNETES_TOKEN_PROXY, "URL of the token proxy")] = ""
    token_proxy_sni: Annotated[str, Env(contract.KUBERNETES_SNI_NAME, "its TLS name")] = ""
    token_proxy_ca_data: Annotated[str, Env(contract.KUBERNETES_CA_DATA, "its CA, as PEM text")] = (
        ""
    )
    token_proxy_ca_configmap: Annotated[
        str, Env("AZURE_KUBERNETES_CA_CONFIGMAP_NAME", "its CA: a ConfigMap in the pod's namespace")
    ] = ""
    token_proxy_ca_signer: Annotated[
        str,
        Env("AZURE_KUBERNETES_CA_CTB_SIGNER_NAME", "its CA: ClusterTrustBundles of this signer"),
    ] = ""
    token_proxy_ca_selector: Annotated[
        Selector,
        Env("AZURE_KUBERNETES_CA_CTB_LABEL_SELECTOR", "which of them, a label selector (JSON)"),
    ] = Selector("")
    # How it listens
    webhook_address: Annotated[
        Address, Env("AZWI_WEBHOOK_ADDR", "where the API server calls", "--webhook-addr")
    ] = Address(("", 9443))
    health_address: Annotated[
        Address, Env("AZWI_HEALTH_ADDR", "/healthz and /readyz", "--health-addr")
    ] = Address(("", 9440))
    metrics_address: Annotated[Address, Env("AZWI_METRICS_ADDR", "/metrics", "--metrics-addr")] = (
        Address(("", 8095))
    )
    metrics_backend: Annotated[
        Literal["prometheus"], Env("AZWI_METRICS_BACKEND", _SAME, "--metrics-backend")
    ] = "prometheus"
    tls_min_version: Annotated[
        Literal["1.2", "1.3"],
        Env("AZWI_TLS_MIN_VERSION", "least version of TLS", "--tls-min-version"),
    ] = "1.3"
    client_ca: Annotated[
        str,
        Env(
            "AZWI_CLIENT_CA_FILE",
            "file with the CAs of the API server's client certificate; empty: reviews need none",
            "--client-ca-file",
        ),
    ] = ""
    client_names: Annotated[
        tuple[str, ...],
        Env(
            "AZWI_CLIENT_NAMES",
            "names of which that certificate must have one; empty: any of its CAs will do",
            "--client-names",
        ),
    ] = ()
    cert_dir: Annotated[
        str,
        Env(
            "AZWI_WEBHOOK_CERT_DIR",
            "folder of tls.crt, tls.key and ca.crt, where certificates are not its own affair",
            "--webhook-cert-dir",
        ),
    ] = "/certs"
    disable_cert_rotation: Annotated[
        bool,
        Env(
            "AZWI_DISABLE_CERT_ROTATION",
            "take the certificate from the folder instead of making it",
            "--disable-cert-rotation",
        ),
    ] = False
    namespace: Annotated[str, Env("POD_NAMESPACE", "namespace of the webhook's own objects")] = (
        contract.WEBHOOK_NAMESPACE
    )
    service: Annotated[str, Env("AZWI_WEBHOOK_SERVICE", "Service that the API server calls")] = (
        contract.WEBHOOK_SERVICE
    )
    secret: Annotated[str, Env("AZWI_WEBHOOK_SECRET", "Secret with CA and certificate")] = (
        contract.WEBHOOK_SECRET
    )
    configuration: Annotated[
        str,
        Env("AZWI_WEBHOOK_CONFIGURATION", "MutatingWebhookConfiguration whose CA is kept right"),
    ] = contract.WEBHOOK_CONFIGURATION
    kubeconfig: Annotated[
        str, Env("KUBECONFIG", "file that says where the API server is; a pod needs none")
    ] = ""
    log_level: Annotated[
        Literal["debug", "info", "warning", "warn", "error"],
        Env(contract.LOG_LEVEL, "least level that is logged", flag="--log-level"),
    ] = "info"

    @classmethod
    def problems(cls, found: Mapping[str, Any]) -> Iterator[str]:
        """What no single variable shows; ``found`` lacks the fields that are themselves wrong."""
        if unknown := set(found.get("opt_in", ())) - {"pod", "namespace", "serviceaccount"}:
            yield f"AZWI_OPT_IN knows pod, namespace and serviceaccount, not {sorted(unknown)[0]}."
        if bool(found.get("custom_suffix")) != bool(found.get("custom_audience")):
            yield "--custom-token-endpoint-annotation-suffix and -audience go together: set both."
        if found.get("custom_audience") in [audience for _, audience in CLOUDS.values()]:
            yield "--custom-token-endpoint-audience must not be Entra ID's own audience."
        sources = ("token_proxy_ca_data", "token_proxy_ca_configmap", "token_proxy_ca_signer")
        if sum(bool(found.get(source)) for source in sources) > 1:
            yield (
                f"Set one of {contract.KUBERNETES_CA_DATA}, AZURE_KUBERNETES_CA_CONFIGMAP_NAME and"
                " AZURE_KUBERNETES_CA_CTB_SIGNER_NAME: the token proxy has one CA."
            )
        if found.get("client_names") and not found.get("client_ca"):
            yield "AZWI_CLIENT_NAMES means nothing without AZWI_CLIENT_CA_FILE: set both."
        yield from _mounts_nothing(found)
        yield from _refused_by_the_sidecar(found)

    @property
    def login_host(self) -> str:
        """What containers get as AZURE_AUTHORITY_HOST."""
        return self.authority_host or CLOUDS[self.environment][0]

    @property
    def token_audience(self) -> str:
        """Audience of the projected service account token."""
        return self.audience or CLOUDS[self.environment][1]

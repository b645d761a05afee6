"""What crosses the control endpoint and stands in a registration file: one dataclass per message.

On the wire names are camelCase (see ``wire``). Pure; knows no logic beyond what makes a message
impossible to hold when it is wrong.
"""

import re
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from azwi_common import contract
from azwi_emulator import errors

BINDING_AUDIENCE: Final = "api://AKSIdentityBinding"
"""Audience of service account tokens for an AKS token proxy; useless at Entra ID itself."""

LARGEST_TOKEN: Final = 100_000  # bytes; no HTTP server takes such a header any more
FARTHEST_SKEW: Final = 10 * 365 * 86400  # seconds; beyond it are no dates that clients can parse
LONGEST_WAIT: Final = 3600.0  # a fault that lasts longer than any client's patience proves nothing


TENANT: Final = re.compile(
    r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}|[\w-]+(\.[\w-]+)+", re.ASCII
)
"""A tenant id or a domain name."""


def _check_ids(tenant_id: str, client_id: str) -> None:
    if not TENANT.fullmatch(tenant_id):
        raise errors.BadMessage("'tenantId' must be a tenant id (GUID) or a domain name.")
    if not client_id or not client_id.isprintable() or " " in client_id:
        raise errors.BadMessage("'clientId' must be a client id, such as a GUID.")


@dataclass(frozen=True, kw_only=True)
class ClientRegistration:
    """An application or managed identity of a tenant."""

    tenant_id: str
    client_id: str
    resources: tuple[str, ...] = ()
    """Resources that the tenant knows for this client, exactly as in the scope; none: any."""
    delay_seconds: float = 0.0
    """Propagation: for so long the token endpoint does not see it yet (AADSTS700016)."""
    secret: str | None = field(default=None, repr=False)
    """A client secret by which it can get tokens too; it is never listed."""
    certificate: str | None = None
    """Certificates in PEM form, without their private keys, by which it can get tokens too."""

    def __post_init__(self) -> None:
        """Refuse ids that no request could carry."""
        _check_ids(self.tenant_id, self.client_id)


@dataclass(frozen=True, kw_only=True)
class CredentialRegistration:
    """A federated identity credential; its client is registered with it where it is not known."""

    tenant_id: str
    client_id: str
    subject: str
    issuer: str | None = None
    """Any https issuer, compared exactly; None: the emulator's own."""
    audience: str = contract.TOKEN_EXCHANGE_AUDIENCE
    delay_seconds: float = 0.0
    """Propagation: for so long the token endpoint does not see it yet (AADSTS70025, 700211…)."""

    def __post_init__(self) -> None:
        """Refuse what no assertion could match."""
        _check_ids(self.tenant_id, self.client_id)
        if self.issuer is not None and not self.issuer.startswith("https://"):
            raise errors.BadMessage("'issuer' must be an https address, as Entra ID wants it.")


@dataclass(frozen=True, kw_only=True)
class ExternalIssuer:
    """Signing keys of an issuer that the emulator cannot reach itself."""

    issuer: str
    jwks: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Registrations:
    """What a registration file holds, and what ``reset`` goes back to."""

    clients: tuple[ClientRegistration, ...] = ()
    credentials: tuple[CredentialRegistration, ...] = ()
    issuers: tuple[ExternalIssuer, ...] = ()


Forgery = Literal["none", "signature", "key", "algorithm"]


@dataclass(frozen=True, kw_only=True)
class ServiceAccountTokenRequest:
    """A service account token that the emulator's own issuer is asked to sign."""

    namespace: str = "default"
    name: str = "default"
    audience: str = contract.TOKEN_EXCHANGE_AUDIENCE
    lifetime_seconds: int = 3600
    """From now; negative: the token has expired already."""
    not_before_seconds: int = 0
    """From now; positive: the token is not valid yet."""
    forgery: Forgery = "none"
    """``signature``: another key under the right kid; ``key``: a kid that nobody publishes;
    ``algorithm``: RS512 by the right key."""


@dataclass(frozen=True, kw_only=True)
class Rotation:
    """How the issuer changes its signing key."""

    keep_old: bool = True
    """Publish the old keys still, as a cluster does; False: tokens signed by them are orphans."""


@dataclass(frozen=True, kw_only=True)
class AccessTokenShape:
    """What access tokens look like from now on."""

    lifetime_seconds: int | None = None
    """None: 60 to 90 minutes at random, as Entra ID does."""
    size_bytes: int = 1600
    """Tokens are padded to about this size; real ones have 1.4 to 2 KB."""
    refresh_in_seconds: int | None = None
    """Adds ``refresh_in`` to the answer."""

    def __post_init__(self) -> None:
        """Refuse what cannot be made."""
        if self.lifetime_seconds is not None and self.lifetime_seconds < 1:
            raise errors.BadMessage("'lifetimeSeconds' must be 1 or more.")
        if not 0 <= self.size_bytes <= LARGEST_TOKEN:
            raise errors.BadMessage(f"'sizeBytes' must be 0 to {LARGEST_TOKEN}.")


Kind = Literal[
    "latency",
    "answer",
    "throttle",
    "aadsts",
    "hang",
    "reset",
    "trickle",
    "truncate",
    "garbage",
    "refuse",
    "untrusted",
    "skew",
    "lag",
    "concurrent",
]
Place = Literal["token", "metadata", "keys", "issuer", "graph", "arm", "credentials", "reports"]

SERVER_KINDS: Final = frozenset({"refuse", "untrusted", "skew", "lag"})
"""Faults of the whole server: they last until they are cleared and match everybody."""


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One way to misbehave, for the requests that match it.

    ``latency`` answers rightly, late; ``answer`` sends status, body, content_type, retry_after;
    ``throttle`` is Entra ID's 429 in plain text; ``aadsts`` refuses with ``code``; ``hang`` never
    answers; ``reset`` sends a TCP reset; ``trickle`` sends the right answer byte by byte,
    ``seconds`` apart; ``truncate`` half of it; ``garbage`` 200 and no JSON. ``refuse`` closes the
    ports, ``untrusted`` serves a certificate of another CA, ``skew`` puts Entra ID's clock forward
    by ``seconds``. ``lag`` shows what Graph and ARM write only ``seconds`` later to readers and to
    the token endpoint; ``concurrent`` is ARM's 409 for two writes at once on one identity.
    """

    kind: Kind
    seconds: float = 0.0
    latency: float = 0.0
    """Seconds to wait first, whatever the kind."""
    status: int = 500
    body: str = ""
    content_type: str = "text/plain"
    retry_after: str | None = None
    """Retry-After header, for ``answer`` and ``throttle``."""
    code: int = 0
    """AADSTS number, for ``aadsts``."""
    times: int | None = None
    """Heals after so many requests; None: lasts until cleared."""
    after: int = 0
    """So many requests that match go well first."""
    at: tuple[Place, ...] = ("token",)
    """Where it applies: token endpoint, metadata (openid-configuration, instance discovery),
    Entra ID's keys, the OIDC issuer, Graph, ARM, ARM's writes of federated credentials."""
    client_id: str | None = None
    tenant_id: str | None = None

    def __post_init__(self) -> None:
        """Refuse what could not be applied."""
        selective = self.times is not None or self.after or self.client_id or self.tenant_id
        waits = self.kind in ("latency", "trickle", "lag")
        refusals = {
            f"A fault of kind {self.kind!r} matches everybody until it is cleared.": (
                self.kind in SERVER_KINDS and selective
            ),
            "'at' must name one place at least.": not self.at,
            "'times' must be 1 or more.": self.times is not None and self.times < 1,
            "'after' must be 0 or more.": self.after < 0,
            "'latency' must be 0 to 3600 seconds.": not 0 <= self.latency <= LONGEST_WAIT,
            f"A fault of kind {self.kind!r} needs 'seconds', more than 0 and up to 3600.": (
                waits and not 0 < self.seconds <= LONGEST_WAIT
            ),
            "'seconds' must be ten years at most.": not abs(self.seconds) <= FARTHEST_SKEW,
            "'contentType' and 'retryAfter' must be printable.": not (
                f"{self.content_type}{self.retry_after}".isprintable()
            ),
            "'status' must be 200 to 599.": not 200 <= self.status <= 599,
            "A fault of kind 'concurrent' is for 'at': ['credentials'].": (
                self.kind == "concurrent" and self.at != ("credentials",)
            ),
            "A fault of kind 'aadsts' needs 'code', such as 700016.": (
                self.kind == "aadsts" and self.code < 1
            ),
        }
        for sentence, refused in refusals.items():
            if refused:
                raise errors.BadMessage(sentence)


@dataclass(kw_only=True)
class Exchange:
    """One token request that was seen; mutable, because its outcome comes later than it."""

    time: float
    """Unix time of arrival by the real clock, in seconds."""
    tenant_id: str
    client_id: str
    scope: str
    assertion_sha256: str
    """First 16 hex digits; empty where none was sent. The assertion itself is kept nowhere."""
    via: Literal["entra", "token-proxy"]
    status: int | None = None
    """None: no answer yet, or none at all (hang, reset, client gone)."""
    aadsts: int | None = None
    faults: tuple[str, ...] = ()
    """Names of the faults that were applied."""


@dataclass(kw_only=True)
class ApiCall:
    """One request to Graph or ARM that was seen; mutable, because its outcome comes later."""

    time: float
    """Unix time of arrival by the real clock, in seconds."""
    api: Literal["graph", "arm"]
    method: str
    path: str
    """Below the API's URL, without the query."""
    status: int | None = None
    """None: no answer yet, or none at all (hang, reset, client gone)."""
    code: str | None = None
    """Of a refusal."""
    faults: tuple[str, ...] = ()
    """Names of the faults that were applied."""


@dataclass(frozen=True, kw_only=True)
class Announcement:
    """Where a running emulator is and what is ready to be used: ``--json``, and ``GET /``."""

    authority_host: str
    issuer: str
    graph_url: str
    """Base URL of Microsoft Graph, before ``/v1.0``."""
    arm_url: str
    """Base URL of Azure Resource Manager, before ``/subscriptions``."""
    subscription_id: str
    resource_group: str
    control_url: str | None
    tenant_id: str
    client_id: str
    subject: str
    ca_file: str
    token_file: str
    data_dir: str
    token_proxy_url: str | None
    token_proxy_sni_name: str | None
    token_proxy_ca_file: str | None
    token_proxy_token_file: str | None
    version: str
    pid: int

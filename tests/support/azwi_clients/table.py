"""The clients: one row each, with what is expected of it. Pure."""

import dataclasses
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Literal

Kind = Literal["client_id", "object_id", "resource_id"]
Language = Literal["Python", "JavaScript", "Go", "Rust", "shell"]

ALL_KINDS: tuple[Kind, ...] = ("client_id", "object_id", "resource_id")
STORAGE = "https://storage.azure.com"
_NAMES = uuid.UUID("6d1f7a52-3f4c-4d6e-9a0b-5c8e2f714a90")


class Scenario(Enum):
    """What a client goes through; every one is a process and an identity of its own."""

    DEFAULT = "default identity"
    CLIENT_ID = "client_id"
    OBJECT_ID = "object_id"
    RESOURCE_ID = "resource_id"
    REFUSED = "70021"
    UNAVAILABLE = "503"
    THROTTLED = "429"
    HANG = "hang"


TOKENS = (Scenario.DEFAULT, Scenario.CLIENT_ID, Scenario.OBJECT_ID, Scenario.RESOURCE_ID)
TRANSIENT = (Scenario.UNAVAILABLE, Scenario.THROTTLED, Scenario.HANG)


@dataclass(frozen=True, kw_only=True)
class Client:
    """One client library or command, in one version and one way to use it."""

    language: Language
    library: str
    """As its registry calls it."""
    version: str
    environment: str
    """The folder or lock file that pins it, below tests/clients/<language>/; empty: .venv."""
    program: str
    """What runs it, a path below tests/clients/."""
    usage: str
    """The class or the command that is used."""
    identities: tuple[Kind, ...] = ALL_KINDS
    """How it can name an identity; by its client id at least."""
    credential: Literal["managed", "default"] = "managed"
    next_call: tuple[Scenario, ...] = ()
    """What it may not try again for long enough by itself; the app's next call heals it then."""
    instead: str = ""
    """Of a refusal, what its error shows instead of our sentence; empty: it shows the sentence."""
    slow: float = 0.0
    """Seconds that it needs for itself: a command that starts anew for every call."""
    stubborn: float = 0.0
    """Seconds for which it repeats a request whose token was refused, whatever the answer was."""
    style: str = ""
    """A second argument of the program."""
    resource: str = ""
    """The only resource it asks for; empty: whichever the test wants."""
    quick: bool = False
    """Whether it runs with every `make test`: its environment is there already."""

    @property
    def slug(self) -> str:
        """The row in one word, for test ids, host names and folders."""
        text = f"{self.language}-{self.library}-{self.version}-{self.usage}".lower()
        return "-".join("".join(c if c.isalnum() else " " for c in text).split())


@dataclass(frozen=True)
class Run:
    """One client in one scenario."""

    client: Client
    scenario: Scenario

    @property
    def slug(self) -> str:
        """In one word."""
        return f"{self.client.slug}-{self.scenario.name.lower().replace('_', '-')}"

    @property
    def kind(self) -> Kind | None:
        """How the identity is named; faults hit an identity that is named by its client id."""
        if self.scenario is Scenario.DEFAULT:
            return None
        return next((kind for kind in ALL_KINDS if kind == self.scenario.value), "client_id")

    def identifier(self, kind: Kind) -> str:
        """The client, object or resource id of this run's own identity."""
        if kind == "resource_id":
            group = "/subscriptions/5e1ec7ed-0000-4000-8000-000000000000/resourceGroups/clients"
            return f"{group}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/{self.slug}"
        return str(uuid.uuid5(_NAMES, f"{kind} {self.slug}"))

    @property
    def resource(self) -> str:
        """Where the client lets us choose: one that nobody else asks for."""
        return self.client.resource or f"https://{uuid.uuid5(_NAMES, self.slug)}.example"


def runs_of(client: Client) -> Iterator[Run]:
    """Every scenario that this client can go through."""
    yield Run(client, Scenario.DEFAULT)
    yield from (Run(client, Scenario(kind)) for kind in client.identities)
    yield from (Run(client, scenario) for scenario in (Scenario.REFUSED, *TRANSIENT))


def _azure_identity(
    version: str, environment: str, identities: tuple[Kind, ...] = ALL_KINDS
) -> Iterator[Client]:
    row = Client(
        language="Python",
        library="azure-identity",
        version=version,
        environment=environment,
        program="python/identity.py",
        usage="ManagedIdentityCredential",
        identities=identities,
        quick=not environment,
    )
    yield row
    yield dataclasses.replace(
        row, usage="DefaultAzureCredential", credential="default", identities=("client_id",)
    )


def _asynchronous(blocking: Client) -> Client:
    return dataclasses.replace(
        blocking, usage=f"aio.{blocking.usage}", program="python/identity_aio.py", quick=False
    )


_NEWEST = tuple(_azure_identity("1.27.0", ""))

PYTHON = (
    *_NEWEST,
    *map(_asynchronous, _NEWEST),
    *_azure_identity("1.7.0", "azure-identity-1.7.0"),
    *_azure_identity("1.5.0", "azure-identity-1.5.0", ("client_id",)),
    Client(
        language="Python",
        library="msal",
        version="1.39.0",
        environment="msal",
        program="python/msal_client.py",
        usage="ManagedIdentityClient",
        next_call=TRANSIENT,
    ),
    Client(
        language="Python",
        library="msrestazure",
        version="0.6.4.post1",
        environment="msrestazure",
        program="python/msrest_auth.py",
        usage="MSIAuthentication",
        instead="HTTPError",  # without any text
    ),
    Client(
        language="Python",
        library="azure-cli",
        version="2.91.0",
        environment="azure-cli",
        program="python/az.py",
        usage="az login --identity",
        next_call=TRANSIENT,
        slow=25.0,
    ),
    Client(
        language="Python",
        library="azure-storage-blob",
        version="12.31.1",
        environment="azure-storage-blob",
        program="python/blob.py",
        usage="BlobClient",
        resource=STORAGE,
        stubborn=110.0,  # its own retries, around those of azure-identity
    ),
)


def _javascript(
    version: str, environment: str, identities: tuple[Kind, ...] = ALL_KINDS
) -> Iterator[Client]:
    row = Client(
        language="JavaScript",
        library="@azure/identity",
        version=version,
        environment=environment,
        program="js/identity.cjs",
        usage="ManagedIdentityCredential",
        identities=identities,
    )
    yield row
    yield dataclasses.replace(
        row, usage="DefaultAzureCredential", credential="default", identities=("client_id",)
    )


JAVASCRIPT = (
    *_javascript("4.14.1", "identity-newest"),
    *_javascript("2.0.0", "identity-2.0.0", ("client_id",)),
    Client(
        language="JavaScript",
        library="@azure/msal-node",
        version="7.2.1",
        environment="msal-node",
        program="js/msal.cjs",
        usage="ManagedIdentityApplication",
    ),
    Client(
        language="JavaScript",
        library="@azure/ms-rest-nodeauth",
        version="3.1.1",
        environment="nodeauth",
        program="js/nodeauth.cjs",
        usage="MSIVmTokenCredentials",
        next_call=TRANSIENT,
    ),
)


def _azidentity(version: str, environment: str) -> Iterator[Client]:
    row = Client(
        language="Go",
        library="azidentity",
        version=version,
        environment=environment,
        program="go/azidentity.go",
        usage="ManagedIdentityCredential",
    )
    yield row
    # Its one way to name an identity is AZURE_CLIENT_ID; no other AZURE_* is set.
    yield dataclasses.replace(
        row, usage="DefaultAzureCredential", credential="default", identities=("client_id",)
    )


GO = (
    *_azidentity("1.15.0", "azidentity-newest"),
    *_azidentity("1.8.2", "azidentity-1.8"),
    Client(
        language="Go",
        library="go-autorest/autorest/adal",
        version="0.9.24",
        environment="adal",
        program="go/adal.go",
        usage="ServicePrincipalToken",
        identities=("client_id", "resource_id"),
    ),
    Client(
        language="Go",
        library="microsoft-authentication-library-for-go",
        version="1.10.1",
        environment="msal",
        program="go/msal.go",
        usage="managedidentity.Client",
        next_call=(Scenario.UNAVAILABLE, Scenario.THROTTLED),  # three tries in two seconds
    ),
)

RUST = (
    Client(
        language="Rust",
        library="azure_identity",
        version="1.0.0",
        environment="azure_identity",
        program="rust/azure_identity/src/main.rs",
        usage="ManagedIdentityCredential",
    ),
    Client(
        language="Rust",
        library="object_store",
        version="0.14.2",
        environment="object_store",
        program="rust/object_store/src/main.rs",
        usage="MicrosoftAzure",
        # Ten tries at random, in two seconds or in minutes, whatever Retry-After says.
        next_call=(Scenario.UNAVAILABLE, Scenario.THROTTLED),
        resource=STORAGE,
    ),
)

SHELL = tuple(
    Client(
        language="shell",
        library="curl",
        version="any",
        environment="",
        program="shell/curl.py",
        usage=usage,
        style=style,
        next_call=TRANSIENT,
        quick=True,
    )
    for style, usage in (
        ("version", "with api-version"),
        ("no-version", "without api-version"),
        ("form", "form POST"),
        ("raw", "resource not encoded"),
    )
)

CLIENTS: tuple[Client, ...] = (*PYTHON, *JAVASCRIPT, *GO, *RUST, *SHELL)

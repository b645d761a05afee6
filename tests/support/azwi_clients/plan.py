"""What a client is and what it goes through: in a redirected pod, in environment mode. Pure."""

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Literal

from azwi_emulator.directory import principal_id
from azwi_emulator.ready_made import TENANT_ID

Kind = Literal["client_id", "object_id", "resource_id"]
Language = Literal["Python", "JavaScript", "Go", "Rust", "shell"]
Mode = Literal["redirect", "environment"]
Source = Literal["proxy", "Entra ID", "refused", "nowhere"]
Variable = Literal[
    "IDENTITY_ENDPOINT", "AZURE_POD_IDENTITY_AUTHORITY_HOST", "MSI_ENDPOINT", "AZURE_MSI_ENDPOINT"
]

ALL_KINDS: tuple[Kind, ...] = ("client_id", "object_id", "resource_id")
IDENTITY: Variable = "IDENTITY_ENDPOINT"
HOST: Variable = "AZURE_POD_IDENTITY_AUTHORITY_HOST"
MSI: Variable = "MSI_ENDPOINT"
AZURE_MSI: Variable = "AZURE_MSI_ENDPOINT"
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


class Told(Enum):
    """Which variables an app's container has in environment mode."""

    value: tuple[str, ...]

    WEBHOOK = (IDENTITY, HOST, AZURE_MSI, MSI)
    """What the webhook sets."""
    NEW = (IDENTITY, HOST, AZURE_MSI)
    """What it sets where an annotation does without the old protocol."""
    IDENTITY_ALONE = (IDENTITY,)
    HOST_ALONE = (HOST,)
    MSI_ALONE = (MSI,)
    AZURE_MSI_ALONE = (AZURE_MSI,)
    WITH_AZURE = (IDENTITY, HOST, AZURE_MSI, MSI, "AZURE_*")
    """Beside them those of workload identity: the app could ask Entra ID itself."""


ALONE = (Told.IDENTITY_ALONE, Told.HOST_ALONE, Told.MSI_ALONE, Told.AZURE_MSI_ALONE)


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
    honours: tuple[Variable, ...] = (IDENTITY, HOST)
    """Which variables tell it, each without the others, where to ask; none: only a redirect."""
    option: str = ""
    """A variable of its own that names the endpoint, beside those that all know."""
    needs_old: bool = False
    """Whether the webhook's variables give it nothing without MSI_ENDPOINT among them."""
    told_identities: tuple[Kind, ...] | None = None
    """How it can name an identity where the webhook's variables are set; None: as otherwise."""
    beside_azure: Source = "proxy"
    """Where its token comes from where the webhook's and workload identity's variables are set;
    refused: it asks Entra ID, in a way that is refused here."""
    gives_up: bool = False
    """Whether, by App Service's protocol alone, it does not try again after a 503."""
    also: tuple[tuple[str, str], ...] = ()
    """Variables beyond the webhook's that it needs in environment mode, by name and value."""
    redirected: bool = True
    """Whether it runs in a redirected pod too; otherwise it is a way to do without."""

    @property
    def slug(self) -> str:
        """The row in one word, for test ids, host names and folders."""
        text = f"{self.language}-{self.library}-{self.version}-{self.usage}".lower()
        return "-".join("".join(c if c.isalnum() else " " for c in text).split())

    @property
    def named(self) -> tuple[Kind, ...]:
        """How it can name an identity, told what the webhook tells."""
        return self.identities if self.told_identities is None else self.told_identities


@dataclass(frozen=True)
class Run:
    """One client in one scenario."""

    client: Client
    scenario: Scenario
    told: Told | None = None
    """In environment mode, the variables; None: the pod is redirected and the app told nothing."""

    @property
    def mode(self) -> Mode:
        """Which pod it runs in."""
        return "environment" if self.told else "redirect"

    @property
    def slug(self) -> str:
        """In one word."""
        told = f"-{self.told.name}" if self.told else ""
        return f"{self.client.slug}-{self.scenario.name}{told}".lower().replace("_", "-")

    @property
    def calls(self) -> int:
        """How often it asks, at most; a second app asks where that could make a second exchange."""
        once = self.scenario in TOKENS and self.told not in (None, Told.WEBHOOK)
        return 1 if once or self.scenario is Scenario.REFUSED else 2

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
        client_id = str(uuid.uuid5(_NAMES, f"client_id {self.slug}"))
        # Of the emulator's tenant: a map that contradicts the token's own claim is not followed.
        return principal_id(TENANT_ID, client_id) if kind == "object_id" else client_id

    @property
    def resource(self) -> str:
        """Where the client lets us choose: one that nobody else asks for."""
        return self.client.resource or f"https://{uuid.uuid5(_NAMES, self.slug)}.example"


def runs_of(client: Client) -> Iterator[Run]:
    """Every scenario that this client can go through in a redirected pod."""
    if client.redirected:
        yield Run(client, Scenario.DEFAULT)
        yield from (Run(client, Scenario(kind)) for kind in client.identities)
        yield from (Run(client, scenario) for scenario in (Scenario.REFUSED, *TRANSIENT))


def told_runs_of(client: Client) -> Iterator[Run]:
    """What it goes through in environment mode: with each set of variables that says something."""
    for told in (Told.WEBHOOK, Told.NEW, *(_further_sets(client) if is_served(client) else ())):
        yield Run(client, Scenario.DEFAULT, told)
    if is_served(client):
        kinds = (Scenario(kind) for kind in client.named)
        for scenario in (*kinds, Scenario.REFUSED, Scenario.UNAVAILABLE):
            yield Run(client, scenario, Told.WEBHOOK)


def is_served(client: Client) -> bool:
    """Whether it gets tokens with what the webhook sets."""
    return bool(client.honours or client.option)


def source(run: Run) -> Source:
    """In environment mode, where the run's token comes from; nowhere: it is not the pod's."""
    client, told = run.client, run.told
    if told is None or not is_served(client):
        return "nowhere"
    if told is Told.WITH_AZURE:
        return client.beside_azure
    if told in ALONE:
        reached = client.option or told.value[0] in client.honours
        return "proxy" if reached else "nowhere"
    return "nowhere" if told is Told.NEW and client.needs_old else "proxy"


def _further_sets(client: Client) -> Iterator[Told]:
    yield Told.WITH_AZURE
    if client.honours:
        yield from (Told.IDENTITY_ALONE, Told.HOST_ALONE)
    if MSI in client.honours:
        yield Told.MSI_ALONE
    if AZURE_MSI in client.honours:
        yield Told.AZURE_MSI_ALONE

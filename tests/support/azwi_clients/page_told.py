"""The part of docs/clients.md about environment mode. Pure."""

from collections.abc import Iterator, Mapping

from azwi_clients.cells import head, kinds, line, seconds
from azwi_clients.plan import (
    AZURE_MSI,
    HOST,
    IDENTITY,
    MSI,
    Client,
    Run,
    Scenario,
    Source,
    Told,
    Variable,
    is_served,
)
from azwi_clients.runs import Outcome
from azwi_clients.table import CLIENTS

TOP = """
## In environment mode

No redirect: 169.254.169.254 was the node's, and the app's container had the variables that the
webhook sets: `AZURE_POD_IDENTITY_AUTHORITY_HOST`, `AZURE_MSI_ENDPOINT`, `IDENTITY_ENDPOINT` with
`IDENTITY_HEADER`, and `MSI_ENDPOINT` with `MSI_SECRET` (the same URL and value). A token counts
when it is the pod's identity's and came from the proxy; what the node gave away would not.

- **honours**: what tells the client where to ask, each set without the others. *Not tried*: the
  client honours another. `MSI_ENDPOINT` never comes without `IDENTITY_ENDPOINT`; set alone it
  breaks later SDKs ([limits.md](limits.md#app-services-protocol)).
- **the webhook's**: whether it gets its token with what the webhook sets. *By `MSI_*`*: not where
  the annotation `azure.workload.identity/proxy-msi-endpoint: "false"` leaves these two out. Every
  client that works without the two works with them.
- **identities**: how it was seen to name one then, beside the pod's default identity.
- **refused**, **503**: as above.
- **with `AZURE_*`**: who gives it the token where the variables of workload identity are in the
  app's container too. *Entra ID*: the client asks there itself, with the app's service account
  token, and the proxy is not needed for it.

"""

NOTES = """
Notes:

- azure-identity 1.5 and 1.7 stop at `IDENTITY_ENDPOINT` when `MSI_ENDPOINT` is not beside it ("No
  managed identity endpoint found"), although 1.7 honours the other variable.
- With the variables of workload identity object_store asks Entra ID in a way that the emulator
  refuses: with two slashes behind `AZURE_AUTHORITY_HOST`. Whether Entra ID takes it was not tried.
  Leave `AZURE_*` out of the app's container (annotation `azure.workload.identity/proxy-only`) where
  that matters.
- msrestazure needs `APPSETTING_WEBSITE_SITE_NAME` too, whatever its value, or it takes the endpoint
  for Cloud Shell's. It names an identity by its client id only.
- ms-rest-nodeauth has a class for each place: an app that makes `MSIVmTokenCredentials` needs the
  redirect, and one that makes `MSIAppServiceTokenCredentials` needs `MSI_*`.
- delta-rs and polars give object_store the variables that begin with `AZURE_` as options.
  `AZURE_MSI_ENDPOINT` is one of them, so their releases with an object_store that does not know
  `IDENTITY_ENDPOINT` find the proxy too.
- Terraform's azurerm and azuread providers ask where their argument `msi_endpoint` says, which they
  take from `ARM_MSI_ENDPOINT`:
  `http://127.0.0.1:8000/metadata/identity/oauth2/token`, or the proxy's port where it is another.
  That the providers hand it to their library is their documentation; the library was run.
- azure_identity for Rust refuses to ask App Service by resource id.

## Who needs the redirect, and what to do without

An app that honours none of the variables asks 169.254.169.254 itself: where that is open, it gets
**the node's identity**, and no error. First close that way: AKS IMDS restriction, or a
NetworkPolicy where egress is enforced ([modes.md](modes.md)). Then, in this order:

1. Use redirect mode where the namespace may have it: nothing in the app changes.
2. Scripts: put the address into a variable,
   `curl -H Metadata:true "${AZURE_POD_IDENTITY_AUTHORITY_HOST:-http://169.254.169.254}/metadata/identity/oauth2/token?…"`.
   That works in both modes and on a VM (the row *address from AZURE_POD_IDENTITY_AUTHORITY_HOST*).
3. A client with an endpoint option of its own, such as Terraform's: give it
   `http://127.0.0.1:8000/metadata/identity/oauth2/token`, or the proxy's port where it is another.
4. Else a newer release of the library: the current SDKs in the table all work.

## Clients that were not run here

What their source or documentation says. Treat it as a hint, and try.

"""

_HEAD = (
    "client",
    "version",
    "used",
    f"honours `{IDENTITY}`",
    f"`{HOST}`",
    f"`{MSI}`",
    f"`{AZURE_MSI}`",
    "the webhook's",
    "identities",
    "refused",
    "503",
    "with `AZURE_*`",
)
_NOT_RUN = (
    (
        "Azure.Identity and MSAL.NET, current (.NET)",
        "`IDENTITY_ENDPOINT` with `IDENTITY_HEADER` first, then "
        "`AZURE_POD_IDENTITY_AUTHORITY_HOST`",
        "nothing",
        "its sources: ManagedIdentityClient, ImdsManagedIdentitySource",
    ),
    (
        "Microsoft.Azure.Services.AppAuthentication (.NET)",
        "`IDENTITY_ENDPOINT` with `IDENTITY_HEADER`, earlier releases `MSI_ENDPOINT`; "
        "else the fixed address",
        "nothing, or `MSI_*`",
        "its source: MsiAccessTokenProvider",
    ),
    (
        "MSAL4J and azure-identity, current (Java)",
        "`IDENTITY_ENDPOINT` with `IDENTITY_HEADER`, or `AZURE_POD_IDENTITY_AUTHORITY_HOST`",
        "nothing",
        "MSAL4J's tests",
    ),
    (
        "mssql-jdbc (Java)",
        "current releases through azure-identity; 7.4 by `MSI_ENDPOINT`, but it does not read the "
        "date in the answer; other early ones at the fixed address",
        "nothing; earlier: the redirect",
        "its source: SQLServerSecurityUtility",
    ),
    (
        "ODBC driver for SQL Server (pyodbc, PHP, sqlcmd), `ActiveDirectoryMsi`",
        "the fixed address; `UID` is the object id",
        "the redirect. It gives up soon: annotation `azure.workload.identity/proxy-prefetch` with "
        "`https://database.windows.net/`",
        "its documentation",
    ),
    (
        "azidentity before 1.0 (Go)",
        "the fixed address; it gives up a probe after 0.5 s",
        "the redirect, and `azure.workload.identity/proxy-prefetch` with the app's resources",
        "its source",
    ),
    (
        "azure-identity (C++), early releases",
        "`MSI_ENDPOINT` with `MSI_SECRET`; else the fixed address",
        "`MSI_*`",
        "its source: managed_identity_source.cpp",
    ),
    (
        "Libraries with a reader of IMDS of their own: Microsoft.Data.SqlClient 2.1, Java's first "
        "generation of libraries, old Azure PowerShell",
        "the fixed address, as far as is known",
        "the redirect, or a newer release",
        "their sources, read for what they send",
    ),
    (
        "Hadoop's ABFS (Spark)",
        "the fixed address, or `fs.azure.account.oauth2.msi.endpoint`",
        "that option, with the URL of point 3",
        "its documentation",
    ),
)
"""Clients that are not run here, by what their source or documentation says."""

_NOT_RUN_HEAD = ("client", "where it asks", "what to do in environment mode", "source")
_BESIDE: Mapping[Source, str] = {
    "proxy": "the proxy",
    "Entra ID": "Entra ID",
    "refused": "Entra ID, refused",
    "nowhere": "nobody",
}


def table(outcomes: Mapping[Run, Outcome]) -> Iterator[str]:
    """The table of all clients, and what is to be said of it."""
    yield head(_HEAD)
    for client in CLIENTS:
        yield line(_row(client, outcomes))
    yield NOTES
    yield head(_NOT_RUN_HEAD)
    yield from map(line, _NOT_RUN)


def _row(client: Client, outcomes: Mapping[Run, Outcome]) -> list[str]:
    names = [client.library, client.version, client.usage]
    honoured = [_honoured(client, variable) for variable in (IDENTITY, HOST, MSI, AZURE_MSI)]
    if not is_served(client):
        return [*names, *honoured, "**needs the redirect**", "–", "–", "–", "–"]
    works = "works, by `MSI_*`" if client.needs_old else "works"
    if client.option:
        works = f"with `{client.option}` beside them"
    refusal = outcomes[Run(client, Scenario.REFUSED, Told.WEBHOOK)]
    fails_once = outcomes[Run(client, Scenario.UNAVAILABLE, Told.WEBHOOK)]
    gives_up = client.gives_up or Scenario.UNAVAILABLE in client.next_call
    healed = "next call" if gives_up else seconds(fails_once.calls[0].seconds)
    identities = kinds(client.named)
    beside = _BESIDE[client.beside_azure]
    refused = seconds(refusal.seconds)
    return [*names, *honoured, works, identities, refused, healed, beside]


def _honoured(client: Client, variable: Variable) -> str:
    if variable in client.honours:
        return "yes"
    tried = variable in (IDENTITY, HOST) or not client.honours
    return "no" if tried else "not tried"

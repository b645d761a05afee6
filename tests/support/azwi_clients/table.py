"""The clients: one row each, with what is expected of it. Pure."""

import dataclasses
from collections.abc import Iterator

from azwi_clients.plan import (
    ALL_KINDS,
    AZURE_MSI,
    HOST,
    IDENTITY,
    MSI,
    TRANSIENT,
    Client,
    Kind,
    Scenario,
    Variable,
)
from azwi_common import contract

STORAGE = "https://storage.azure.com"


def _azure_identity(version: str, environment: str) -> Iterator[Client]:
    row = Client(
        language="Python",
        library="azure-identity",
        version=version,
        environment=environment,
        program="python/identity.py",
        usage="ManagedIdentityCredential",
        quick=not environment,
    )
    yield row
    yield dataclasses.replace(
        row,
        usage="DefaultAzureCredential",
        credential="default",
        identities=("client_id",),
        beside_azure="Entra ID",
    )


def _old_azure_identity(
    version: str, honours: tuple[Variable, ...], identities: tuple[Kind, ...]
) -> Iterator[Client]:
    """IDENTITY_ENDPOINT alone makes these believe in an Azure service that they do not know."""
    for row in _azure_identity(version, f"azure-identity-{version}"):
        kinds = row.identities if row.credential == "default" else identities
        yield dataclasses.replace(
            row,
            identities=kinds,
            honours=honours,
            needs_old=True,
            beside_azure="proxy",
        )


def _asynchronous(blocking: Client) -> Client:
    return dataclasses.replace(
        blocking, usage=f"aio.{blocking.usage}", program="python/identity_aio.py", quick=False
    )


_NEWEST = tuple(_azure_identity("1.27.0", ""))

PYTHON = (
    *_NEWEST,
    *map(_asynchronous, _NEWEST),
    *_old_azure_identity("1.7.0", (HOST, MSI), ALL_KINDS),
    *_old_azure_identity("1.5.0", (MSI,), ("client_id",)),
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
        honours=(MSI,),
        needs_old=True,
        told_identities=("client_id",),
        gives_up=True,
        also=(("APPSETTING_WEBSITE_SITE_NAME", "azwi"),),  # or it takes it for Cloud Shell's
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


def _javascript(version: str, environment: str) -> Iterator[Client]:
    row = Client(
        language="JavaScript",
        library="@azure/identity",
        version=version,
        environment=environment,
        program="js/identity.cjs",
        usage="ManagedIdentityCredential",
        beside_azure="Entra ID",
    )
    yield row
    yield dataclasses.replace(
        row, usage="DefaultAzureCredential", credential="default", identities=("client_id",)
    )


def _old_javascript() -> Iterator[Client]:
    for row in _javascript("2.0.0", "identity-2.0.0"):
        yield dataclasses.replace(
            row,
            identities=("client_id",),
            honours=(HOST, MSI),
            beside_azure="proxy",
        )


JAVASCRIPT = (
    *_javascript("4.14.1", "identity-newest"),
    *_old_javascript(),
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
        honours=(),
    ),
    Client(
        language="JavaScript",
        library="@azure/ms-rest-nodeauth",
        version="3.1.1",
        environment="nodeauth",
        program="js/nodeauth.cjs",
        usage="MSIAppServiceTokenCredentials",
        style="app-service",
        identities=("client_id",),
        honours=(MSI,),
        needs_old=True,
        gives_up=True,
        redirected=False,
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
        honours=(IDENTITY,),
    )
    yield row
    # Its one way to name an identity is AZURE_CLIENT_ID; no other AZURE_* is set.
    yield dataclasses.replace(
        row,
        usage="DefaultAzureCredential",
        credential="default",
        identities=("client_id",),
        beside_azure="Entra ID",
    )


def _terraform() -> Iterator[Client]:
    row = Client(
        language="Go",
        library="go-azure-sdk/sdk",
        version="0.20260811.1225050",
        environment="terraform",
        program="go/terraform.go",
        usage="Terraform's ManagedIdentityAuthorizer",
        identities=("client_id",),
        honours=(),
    )
    yield row
    metadata = f"http://127.0.0.1:{contract.DEFAULT_PROXY_PORT}/metadata/identity/oauth2/token"
    yield dataclasses.replace(
        row,
        usage=f"{row.usage}, with its option",
        option="ARM_MSI_ENDPOINT",
        also=(("ARM_MSI_ENDPOINT", metadata),),
        redirected=False,
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
        honours=(MSI,),
        needs_old=True,
    ),
    Client(
        language="Go",
        library="microsoft-authentication-library-for-go",
        version="1.10.1",
        environment="msal",
        program="go/msal.go",
        usage="managedidentity.Client",
        next_call=(Scenario.UNAVAILABLE, Scenario.THROTTLED),  # three tries in two seconds
        honours=(IDENTITY,),
    ),
    *_terraform(),
)

_OBJECT_STORE = Client(
    language="Rust",
    library="object_store",
    version="0.14.2",
    environment="object_store",
    program="rust/object_store/src/main.rs",
    usage="MicrosoftAzure",
    # Ten tries at random, in two seconds or in minutes, whatever Retry-After says.
    next_call=(Scenario.UNAVAILABLE, Scenario.THROTTLED),
    resource=STORAGE,
    honours=(IDENTITY, AZURE_MSI),
    beside_azure="refused",  # it puts two slashes behind AZURE_AUTHORITY_HOST
)
RUST = (
    Client(
        language="Rust",
        library="azure_identity",
        version="1.0.0",
        environment="azure_identity",
        program="rust/azure_identity/src/main.rs",
        usage="ManagedIdentityCredential",
        honours=(IDENTITY,),
        told_identities=("client_id", "object_id"),  # it refuses to ask App Service by another
    ),
    _OBJECT_STORE,
    dataclasses.replace(
        _OBJECT_STORE, usage="options from AZURE_*, as delta-rs and polars do", style="options"
    ),
)


def _curl(style: str, usage: str, honours: tuple[Variable, ...] = ()) -> Client:
    return Client(
        language="shell",
        library="curl",
        version="any",
        environment="",
        program="shell/curl.py",
        usage=usage,
        style=style,
        next_call=TRANSIENT,
        quick=True,
        honours=honours,
        redirected=not honours,
    )


SHELL = (
    _curl("version", "with api-version"),
    _curl("no-version", "without api-version"),
    _curl("form", "form POST"),
    _curl("raw", "resource not encoded"),
    # What such a script becomes where there is no redirect.
    _curl("host", "address from AZURE_POD_IDENTITY_AUTHORITY_HOST", (HOST,)),
    _curl("app-service", "App Service's protocol", (IDENTITY,)),
)

CLIENTS: tuple[Client, ...] = (*PYTHON, *JAVASCRIPT, *GO, *RUST, *SHELL)

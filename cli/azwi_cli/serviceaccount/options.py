"""The flags of ``azwi serviceaccount``, each written once, in the groups that commands take."""

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from azwi_cli import ask, kube, output
from azwi_cli.serviceaccount.known import Phase


class AuthMethod(StrEnum):
    """How azwi itself logs in to Azure."""

    CLI = "cli"
    SECRET = "client_secret"
    CERTIFICATE = "client_certificate"
    WORKLOAD = "workload_identity"


@dataclass(frozen=True, kw_only=True)
class Auth:
    """Who azwi is in Azure, and in which Azure."""

    auth_method: Annotated[AuthMethod, typer.Option(help="How to log in to Azure.")] = (
        AuthMethod.CLI
    )
    azure_env: Annotated[
        str,
        typer.Option(
            envvar="AZURE_ENVIRONMENT",
            help="Cloud: AzurePublicCloud, AzureUSGovernmentCloud, AzureChinaCloud.",
        ),
    ] = "AzurePublicCloud"
    azure_env_file: Annotated[
        Path | None,
        typer.Option(
            envvar="AZWI_AZURE_ENV_FILE",
            help="Another cloud: the JSON that its ARM answers at /metadata/endpoints.",
        ),
    ] = None
    tenant_id: Annotated[
        str | None,
        typer.Option(
            envvar="AZURE_TENANT_ID", help="Tenant; else the subscription's, or the Azure CLI's."
        ),
    ] = None
    subscription_id: Annotated[
        str | None,
        typer.Option(
            "--subscription-id",
            "-s",
            envvar="AZURE_SUBSCRIPTION_ID",
            help="Subscription; else the one that the Azure CLI has selected.",
        ),
    ] = None
    client_id: Annotated[
        str | None,
        typer.Option(envvar="AZURE_CLIENT_ID", help="Whom to log in as; not with cli."),
    ] = None
    client_secret: Annotated[
        str | None,
        typer.Option(
            envvar="AZURE_CLIENT_SECRET",
            help="Secret of client_secret. Others see it in the list of processes: rather set the"
            " variable, or give a file.",
        ),
    ] = field(default=None, repr=False)
    client_secret_file: Annotated[
        Path | None, typer.Option(help="File that holds the secret of client_secret.")
    ] = None
    certificate_path: Annotated[
        Path | None,
        typer.Option(
            envvar="AZURE_CLIENT_CERTIFICATE_PATH",
            help="PEM certificate of client_certificate; its private key may be in it.",
        ),
    ] = None
    private_key_path: Annotated[
        Path | None, typer.Option(help="PEM private key of that certificate.")
    ] = None


@dataclass(frozen=True, kw_only=True)
class Application:
    """An application as the target."""

    aad_application_name: Annotated[
        str | None,
        typer.Option(help="Display name of the application; else derived as the Go tool does."),
    ] = None
    aad_application_client_id: Annotated[
        str | None, typer.Option(help="Client id of an application that exists.")
    ] = None
    aad_application_object_id: Annotated[
        str | None, typer.Option(help="Object id of an application that exists.")
    ] = None


@dataclass(frozen=True, kw_only=True)
class Identity:
    """A user-assigned managed identity as the target."""

    identity_name: Annotated[
        str | None,
        typer.Option(help="Use this user-assigned managed identity in place of an application."),
    ] = None
    identity_resource_group: Annotated[
        str | None, typer.Option(help="Resource group of the managed identity.")
    ] = None
    identity_location: Annotated[
        str | None, typer.Option(help="Region of a new managed identity; else its group's.")
    ] = None


@dataclass(frozen=True, kw_only=True)
class Account:
    """The service account."""

    service_account_name: Annotated[
        str | None, typer.Option(help="Name of the service account.")
    ] = None
    service_account_namespace: Annotated[
        str, typer.Option(help="Namespace of the service account.")
    ] = "default"


@dataclass(frozen=True, kw_only=True)
class Issuer:
    """Who signs the service account's tokens."""

    service_account_issuer_url: Annotated[
        str | None,
        typer.Option(help="Issuer of the cluster's tokens; else the API server is asked."),
    ] = None
    audience: Annotated[
        str | None,
        typer.Option(help="Audience of the tokens, where the webhook's is not the cloud's."),
    ] = None


@dataclass(frozen=True, kw_only=True)
class Expiration:
    """How long the tokens live."""

    service_account_token_expiration: Annotated[
        str | None,
        typer.Option(help="Life of the tokens, 1h to 24h; else 1h for a new service account."),
    ] = None


@dataclass(frozen=True, kw_only=True)
class Principal:
    """Who gets a role."""

    service_principal_name: Annotated[
        str | None, typer.Option(help="Name of the service principal; else the application's.")
    ] = None
    service_principal_object_id: Annotated[
        str | None, typer.Option(help="Object id of the service principal.")
    ] = None


@dataclass(frozen=True, kw_only=True)
class Role:
    """A role, and where."""

    azure_role: Annotated[
        str | None, typer.Option(help="Role to assign, such as 'Key Vault Secrets User'.")
    ] = None
    azure_scope: Annotated[
        str | None, typer.Option(help="Where it holds: the id of a resource, a group, …")
    ] = None


@dataclass(frozen=True, kw_only=True)
class AssignmentId:
    """A role assignment that exists."""

    role_assignment_id: Annotated[
        str | None, typer.Option(help="Resource id of the role assignment to delete.")
    ] = None


@dataclass(frozen=True, kw_only=True)
class Skip:
    """Phases to leave out."""

    skip_phases: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PHASE[,PHASE]...",
            help=f"Leave these out: {', '.join(Phase)}.",
        ),
    ] = None


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """Which cluster."""

    kubeconfig: kube.KubeconfigOption = None
    context: kube.ContextOption = None


@dataclass(frozen=True, kw_only=True)
class Run:
    """How to show it."""

    dry_run: output.DryRunOption = False
    form: output.FormatOption = output.Format.TABLE


@dataclass(frozen=True, kw_only=True)
class Wait:
    """Until it works."""

    wait: Annotated[
        bool,
        typer.Option(
            "--wait", help="Wait until Entra ID takes the service account's tokens; proves it."
        ),
    ] = False
    wait_timeout: Annotated[int, typer.Option(min=1, max=3600, help="Seconds to wait at most.")] = (
        300
    )


@dataclass(frozen=True, kw_only=True)
class Yes:
    """Nobody is asked."""

    yes: ask.YesOption = False


@dataclass(frozen=True, kw_only=True)
class Where:
    """Which service accounts are listed."""

    namespace: Annotated[
        str | None, typer.Option("--namespace", "-n", help="Of this namespace; else of all.")
    ] = None
    offline: Annotated[
        bool, typer.Option("--offline", help="Ask the cluster alone, not Entra ID.")
    ] = False
    last_used: Annotated[
        bool,
        typer.Option(
            "--last-used",
            help="Show when each identity last got a token; needs Entra ID P1 and"
            " AuditLog.Read.All.",
        ),
    ] = False


@dataclass(frozen=True, kw_only=True)
class Form:
    """How to show a list."""

    form: output.FormatOption = output.Format.TABLE

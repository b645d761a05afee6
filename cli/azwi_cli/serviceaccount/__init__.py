"""``azwi serviceaccount``: service accounts, the identities that they lead to, and what is between.

Start reading in ``flow``: look (``peers``), plan (``creation``, ``deletion``), carry out. What is
wanted and what there is are the frozen data of ``known``; the plans are pure.
"""

from typing import Any, Final

import typer
from typer.core import TyperGroup

from azwi_cli.serviceaccount import chosen, groups, options
from azwi_cli.serviceaccount.known import SHORT, Phase


class _Phases(TyperGroup):
    """Phases by their names and by the Go tool's short ones."""

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """A phase; None where there is none of that name."""
        return super().get_command(ctx, SHORT.get(cmd_name, cmd_name))


_GROUP: Final[dict[str, Any]] = {"add_completion": False, "rich_markup_mode": None}

app: Final = typer.Typer(
    **_GROUP,
    no_args_is_help=True,
    help="Make, list and delete the identities of service accounts.",
)
_create: Final = typer.Typer(**_GROUP)
_create_phase: Final = typer.Typer(
    **_GROUP, cls=_Phases, no_args_is_help=True, help="Do one phase of create alone."
)
_delete: Final = typer.Typer(**_GROUP)
_delete_phase: Final = typer.Typer(
    **_GROUP, cls=_Phases, no_args_is_help=True, help="Do one phase of delete alone."
)


@_create.callback(invoke_without_command=True)
@groups.takes
def create(
    ctx: typer.Context,
    account: options.Account,
    issuer: options.Issuer,
    expiration: options.Expiration,
    application: options.Application,
    identity: options.Identity,
    principal: options.Principal,
    role: options.Role,
    skip: options.Skip,
    wait: options.Wait,
    auth: options.Auth,
    cluster: options.Cluster,
    run: options.Run,
) -> None:
    """Give a service account an identity in Azure.

    Makes the application (or, with --identity-name, the managed identity), the service account
    with its annotations, the federated credential between them, and a role assignment. What is
    there already is kept; run it again at any time, also where it was interrupted.
    """
    if ctx.invoked_subcommand:
        return
    from azwi_cli.serviceaccount import flow

    given = chosen.given(account, issuer, expiration, application, identity, principal, role, skip)
    flow.create(given, auth, cluster, run, audience=issuer.audience or "", wait=wait)


@_create_phase.command(Phase.APPLICATION)
@groups.takes
def create_application(
    application: options.Application,
    account: options.Account,
    issuer: options.Issuer,
    auth: options.Auth,
    cluster: options.Cluster,
    run: options.Run,
) -> None:
    """Make the application and its service principal. Also: app."""
    _create_alone(Phase.APPLICATION, application, account, issuer, auth, cluster, run)


@_create_phase.command(Phase.IDENTITY)
@groups.takes
def create_identity(
    identity: options.Identity,
    account: options.Account,
    auth: options.Auth,
    cluster: options.Cluster,
    run: options.Run,
) -> None:
    """Make the user-assigned managed identity. Also: mi."""
    _create_alone(Phase.IDENTITY, identity, account, auth, cluster, run)


@_create_phase.command(Phase.ACCOUNT)
@groups.takes
def create_account(
    account: options.Account,
    issuer: options.Issuer,
    expiration: options.Expiration,
    application: options.Application,
    identity: options.Identity,
    auth: options.Auth,
    cluster: options.Cluster,
    run: options.Run,
) -> None:
    """Make the service account, with its label and annotations. Also: sa."""
    flags = (account, issuer, expiration, application, identity, auth, cluster, run)
    _create_alone(Phase.ACCOUNT, *flags)


@_create_phase.command(Phase.CREDENTIAL)
@groups.takes
def create_credential(
    account: options.Account,
    issuer: options.Issuer,
    application: options.Application,
    identity: options.Identity,
    wait: options.Wait,
    auth: options.Auth,
    cluster: options.Cluster,
    run: options.Run,
) -> None:
    """Make the federated credential of an application or managed identity. Also: fi."""
    flags = (account, issuer, application, identity, wait, auth, cluster, run)
    _create_alone(Phase.CREDENTIAL, *flags)


@_create_phase.command(Phase.ROLE)
@groups.takes
def create_role(
    role: options.Role,
    principal: options.Principal,
    application: options.Application,
    identity: options.Identity,
    account: options.Account,
    issuer: options.Issuer,
    auth: options.Auth,
    cluster: options.Cluster,
    run: options.Run,
) -> None:
    """Assign a role to the identity. Also: ra."""
    flags = (role, principal, application, identity, account, issuer, auth, cluster, run)
    _create_alone(Phase.ROLE, *flags)


@_delete.callback(invoke_without_command=True)
@groups.takes
def delete(
    ctx: typer.Context,
    account: options.Account,
    issuer: options.Issuer,
    application: options.Application,
    identity: options.Identity,
    principal: options.Principal,
    role: options.Role,
    assignment: options.AssignmentId,
    skip: options.Skip,
    auth: options.Auth,
    cluster: options.Cluster,
    run: options.Run,
    yes: options.Yes,
) -> None:
    """Delete a service account and its identity in Azure.

    Shows what is to go, and asks. An application or identity that others use too is kept, and so
    is a managed identity that azwi did not make; a service account that Helm or another manages
    only loses its label and annotations. 'phase' deletes each nevertheless.
    """
    if ctx.invoked_subcommand:
        return
    flags = (account, issuer, application, identity, principal, role, assignment, skip)
    _delete_alone(None, *flags, auth, cluster, run, yes)


@_delete_phase.command(Phase.ROLE)
@groups.takes
def delete_role(
    assignment: options.AssignmentId,
    role: options.Role,
    principal: options.Principal,
    application: options.Application,
    identity: options.Identity,
    account: options.Account,
    issuer: options.Issuer,
    auth: options.Auth,
    cluster: options.Cluster,
    run: options.Run,
    yes: options.Yes,
) -> None:
    """Delete a role assignment. Also: ra."""
    flags = (assignment, role, principal, application, identity, account, issuer)
    _delete_alone(Phase.ROLE, *flags, auth, cluster, run, yes)


@_delete_phase.command(Phase.CREDENTIAL)
@groups.takes
def delete_credential(
    account: options.Account,
    issuer: options.Issuer,
    application: options.Application,
    identity: options.Identity,
    auth: options.Auth,
    cluster: options.Cluster,
    run: options.Run,
    yes: options.Yes,
) -> None:
    """Delete the federated credential. Also: fi."""
    flags = (account, issuer, application, identity, auth, cluster, run, yes)
    _delete_alone(Phase.CREDENTIAL, *flags)


@_delete_phase.command(Phase.ACCOUNT)
@groups.takes
def delete_account(
    account: options.Account,
    auth: options.Auth,
    cluster: options.Cluster,
    run: options.Run,
    yes: options.Yes,
) -> None:
    """Delete the service account. Also: sa."""
    _delete_alone(Phase.ACCOUNT, account, auth, cluster, run, yes)


@_delete_phase.command(Phase.APPLICATION)
@groups.takes
def delete_application(
    application: options.Application,
    account: options.Account,
    issuer: options.Issuer,
    auth: options.Auth,
    cluster: options.Cluster,
    run: options.Run,
    yes: options.Yes,
) -> None:
    """Delete the application, whoever else uses it. Also: app."""
    flags = (application, account, issuer, auth, cluster, run, yes)
    _delete_alone(Phase.APPLICATION, *flags)


@_delete_phase.command(Phase.IDENTITY)
@groups.takes
def delete_identity(
    identity: options.Identity,
    auth: options.Auth,
    cluster: options.Cluster,
    run: options.Run,
    yes: options.Yes,
) -> None:
    """Delete the managed identity, whoever else uses it. Also: mi."""
    _delete_alone(Phase.IDENTITY, identity, auth, cluster, run, yes)


@app.command(name="list")
@groups.takes
def list_accounts(
    where: options.Where,
    issuer: options.Issuer,
    auth: options.Auth,
    cluster: options.Cluster,
    form: options.Form,
) -> None:
    """List service accounts with their identities, and whether Entra ID would take their tokens.

    Exit code 0: nothing is known to be wrong; 3: something is. Nobody's rights are needed but
    those to list service accounts: what may not be read is shown as unknown.
    """
    from azwi_cli.serviceaccount import survey

    raise typer.Exit(survey.run(where, issuer, auth, cluster, form.form))


_create.add_typer(_create_phase, name="phase")
_delete.add_typer(_delete_phase, name="phase")
app.add_typer(_create, name="create")
app.add_typer(_delete, name="delete")


def _create_alone(phase: Phase, *flags: Any) -> None:
    from azwi_cli.serviceaccount import flow

    had = chosen.sorted_out(flags)
    audience = had.issuer.audience or ""
    flow.create(
        chosen.given(*flags, phase=phase),
        had.auth,
        had.cluster,
        had.run,
        audience=audience,
        wait=had.wait,
    )


def _delete_alone(phase: Phase | None, *flags: Any) -> None:
    from azwi_cli.serviceaccount import flow

    had = chosen.sorted_out(flags)
    given = chosen.given(*flags, phase=phase)
    flow.delete(given, had.auth, had.cluster, had.run, yes=had.yes.yes)

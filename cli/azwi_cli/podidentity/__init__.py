"""``azwi podidentity``: from aad-pod-identity to workload identity.

``facts`` is what is known, ``plan`` what becomes of it, ``folder`` and ``report`` how it is written
down: all pure. ``live`` reads a cluster and ``documents`` manifests; ``migration`` changes a
cluster, a workload at a time, and ``store`` remembers where it was. Start reading in ``plan``.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from azwi_cli import ask, errors, files, kube, output
from azwi_cli.podidentity import chosen
from azwi_common import contract

if TYPE_CHECKING:
    from azwi_cli.podidentity.facts import Facts
    from azwi_cli.podidentity.modes import Mode
    from azwi_cli.podidentity.plan import Options, Plan

app: Final = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    no_args_is_help=True,
    help="Migrate from aad-pod-identity to workload identity.",
)


@app.command()
def detect(
    namespace: chosen.NamespaceOption = "default",
    all_namespaces: chosen.AllOption = False,
    filename: chosen.FilesOption = None,
    output_dir: chosen.OutputDirOption = None,
    proxy_port: chosen.PortOption = contract.DEFAULT_PROXY_PORT,
    proxy_mode: chosen.ModeOption = None,
    service_account_token_expiration: chosen.ExpirationOption = "1h",
    tenant_id: chosen.TenantOption = "",
    issuer: chosen.IssuerOption = "",
    default: chosen.DefaultOption = None,
    without_roles: chosen.RolesOption = False,
    force_namespaced: chosen.ForcedOption = False,
    form: output.LongFormatOption = output.Format.TABLE,
    force: output.ForceOption = False,
    dry_run: output.DryRunOption = False,
    kubeconfig: kube.KubeconfigOption = None,
    context: kube.ContextOption = None,
) -> None:
    """Find what uses aad-pod-identity, and say how each migrates.

    Changes nothing in the cluster. With --output-dir it writes service accounts, patches, a
    kustomization, the commands for federated credentials, the rollback, and the report as JSON and
    as a web page; with -A a folder for each namespace. Exit code 0: all of it migrates; 3:
    something is to be decided, or does not.
    """
    from azwi_cli.podidentity import plan, report

    options = _options(
        proxy_port,
        proxy_mode,
        service_account_token_expiration,
        tenant_id,
        force_namespaced,
        default,
        without_roles,
    )
    facts = _facts(namespace, all_namespaces, filename, issuer, kubeconfig, context)
    planned = plan.plan(facts, options)
    found = report.data(planned, facts)
    output.show(found, form, _table)
    if output_dir is not None:
        _written(planned, facts, output_dir, all_namespaces, force=force, dry_run=dry_run)
    raise typer.Exit(errors.Code.DONE if report.is_complete(found) else errors.Code.ATTENTION)


@app.command()
def migrate(
    output_dir: Annotated[
        Path,
        typer.Option("--output-dir", "-o", help="Folder of the migration: its state, its files."),
    ],
    apply: Annotated[
        bool, typer.Option("--apply", help="Do it, a workload at a time; else it is only planned.")
    ] = False,
    rollback: Annotated[
        bool, typer.Option("--rollback", help="Take back all that was done from this folder.")
    ] = False,
    namespace: chosen.NamespaceOption = "default",
    all_namespaces: chosen.AllOption = False,
    proxy_port: chosen.PortOption = contract.DEFAULT_PROXY_PORT,
    proxy_mode: chosen.ModeOption = None,
    service_account_token_expiration: chosen.ExpirationOption = "1h",
    tenant_id: chosen.TenantOption = "",
    issuer: chosen.IssuerOption = "",
    default: chosen.DefaultOption = None,
    without_roles: chosen.RolesOption = False,
    force_namespaced: chosen.ForcedOption = False,
    timeout: Annotated[
        int,
        typer.Option(
            min=1, metavar="SECONDS", help="Seconds that the rollout of a workload may take."
        ),
    ] = 300,
    check_resource: Annotated[
        str,
        typer.Option(
            metavar="RESOURCE", help="Get a token for this as the proof; empty: no proof."
        ),
    ] = "https://management.azure.com/",
    keep_going: Annotated[
        bool, typer.Option("--keep-going", help="Go on with the next workload where one fails.")
    ] = False,
    form: output.LongFormatOption = output.Format.TABLE,
    yes: ask.YesOption = False,
    force: output.ForceOption = False,
    dry_run: output.DryRunOption = False,
    kubeconfig: kube.KubeconfigOption = None,
    context: kube.ContextOption = None,
) -> None:
    """Migrate what detect finds, prove that pods get tokens, and take back what fails.

    Without --apply it only plans, and writes the files of detect. With it, it shows the plan,
    asks, and then does one workload at a time: service account, patch, rollout, proof. Interrupted
    and run again, it goes on where it was. What detect asks about, or what is to be done by hand,
    is left alone. Exit code 0: done; 3: something is left for you; 1: something was taken back.
    """
    from contextlib import nullcontext

    from azwi_cli.podidentity import migrating, store

    if apply and rollback:
        raise errors.BadInput("--apply and --rollback are opposites.", "Give one of them.")
    options = _options(
        proxy_port,
        proxy_mode,
        service_account_token_expiration,
        tenant_id,
        force_namespaced,
        default,
        without_roles,
    )
    cluster = kube.Cluster(kubeconfig, context)
    order = migrating.Order(cluster, output_dir, timeout, keep_going, yes, dry_run, form)
    with nullcontext() if dry_run else store.held(output_dir):
        known = migrating.known_state(output_dir, cluster.config.cluster.server)
        if rollback:
            migrating.take_back(order, known)
            return
        facts = _facts(namespace, all_namespaces, None, issuer, kubeconfig, context)
        planned = migrating.planned(facts, options, known, check_resource)
        if not (dry_run or (apply and (output_dir / store.FILE).exists())):
            _written(planned.plan, facts, output_dir, all_namespaces, force=force, dry_run=False)
        code = migrating.carry_out(order, planned, apply=apply)
    raise typer.Exit(code)


def _options(
    proxy_port: int,
    proxy_mode: "Mode | None",
    expiration: str,
    tenant_id: str,
    force_namespaced: bool,
    default: list[str] | None,
    without_roles: bool,
) -> "Options":
    from azwi_cli.podidentity import plan

    return plan.Options(
        proxy_port=proxy_port,
        proxy_mode=proxy_mode,
        expiration=chosen.seconds(expiration),
        tenant_id=chosen.tenant(tenant_id),
        force_namespaced=force_namespaced,
        defaults=tuple(default or ()),
        without_roles=without_roles,
    )


def _facts(
    namespace: str,
    all_namespaces: bool,
    filename: list[Path] | None,
    issuer: str,
    kubeconfig: Path | None,
    context: str | None,
) -> "Facts":
    from dataclasses import replace

    from azwi_cli.podidentity import reading

    if filename:
        return reading.of_files(filename, namespace, everywhere=all_namespaces, issuer=issuer)
    cluster = kube.Cluster(kubeconfig, context)
    facts = reading.of_cluster(cluster, None if all_namespaces else namespace)
    return replace(facts, issuer=issuer or facts.issuer)


def _table(found: Any) -> Any:
    """The workloads, and below them why and what to do."""
    from azwi_cli.podidentity import report

    if not found["workloads"]:
        return report.told(found)
    from rich.console import Group
    from rich.text import Text

    text = output.printable(report.told(found))
    return Group(output.table(report.HEAD, report.rows(found)), Text(f"\n{text}"))


def _written(
    planned: "Plan", facts: "Facts", folder: Path, by_namespace: bool, *, force: bool, dry_run: bool
) -> None:
    from azwi_cli.podidentity import folder as writing

    content = writing.files(planned, facts, by_namespace=by_namespace)
    if dry_run:
        for name in content:
            output.note(f"Would write {folder / name}.")
        return
    changed = files.write_tree(folder, content, force=force)
    same = len(content) - len(changed)
    unchanged = f"; {same} are as they were" if same else ""
    output.note(f"Wrote {len(changed)} files to {folder}{unchanged}.")
    if planned.credentials:
        output.note(
            f"Read {folder / 'report.html'}. Before anything migrates, its identities must trust"
            f" the service accounts: sh {folder / 'federated-credentials.sh'}"
        )
